"""A named bug in, a copy of the project that has it out.  The working tree is never touched."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("ipfi_serial", "firmware-sim", "tests", "docs", "pyproject.toml", "README.md")
LEFT_OUT: Final = shutil.ignore_patterns(
    "__pycache__", "build", "target", ".*", "*.o", "*.so", "vectors.bin"
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug.

    Attributes:
        name: unique, in the command line's style.
        breaks: the requirement or promise that it breaks.
        file: path from the root of the project.
        old: text that is in the file exactly once.
        new: what stands there instead.
        catchers: what is run to catch it, one after the other; see :mod:`tests.mutants.catching`.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    catchers: tuple[str, ...]

    def stale(self, root: Path = ROOT) -> str:
        """Return why the bug cannot be planted any more, or nothing."""
        path = root / self.file
        if not path.is_file():
            return f"{self.name} is stale: there is no {self.file}"
        times = path.read_text(encoding="utf-8").count(self.old)
        if times != 1:
            return (
                f"{self.name} is stale: its text is {times} times in {self.file}, not once; "
                f"write it anew for the code of today: {self.old!r}"
            )
        if self.old == self.new:
            return f"{self.name} changes nothing"
        return ""

    def plant(self, copy: Path) -> str:
        """Put the bug into a copy; return the file's text without it."""
        why = self.stale(copy)
        if why:
            raise StaleMutantError(why)
        path = copy / self.file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return text

    def take_out(self, copy: Path, healthy: str) -> None:
        """Put the file as it was into a copy."""
        (copy / self.file).write_text(healthy, encoding="utf-8")


class StaleMutantError(AssertionError):
    """The code has changed where the bug was to be planted."""


def make_copy(place: Path) -> Path:
    """Copy what the tests need of the project; return the copy's root."""
    copy = place / "project"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, copy / name)
    return copy
