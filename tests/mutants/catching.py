"""A copy of the project in, and which check failed in it.

A catcher is a word: ``sim`` and ``sim:PAIR`` run seeds of the simulator, ``replay`` the traces of
the model, and everything else are paths for pytest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.planting import Mutant, StaleMutantError

REPLAYS: Final = "tests/model/test_replay.py tests/model/test_window_replay.py"
LIMIT_S: Final = 900.0  # of one catcher; a planted bug may make it hang, which is caught, too
SEEDS: Final = 400
TESTS_LIMIT_S: Final = 600  # of one test: a busy machine must not look like a bug
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_SEED: Final = re.compile(r"^FAILED (--pair \S+ --replay \d+: .{0,150})", re.MULTILINE)
_NO_CODE: Final = re.compile(
    r"\.[ch]:\d+:\d+: error: .*"
)  # then it is no bug that could be shipped


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a mutant.

    Attributes:
        mutant: which one.
        caught_by: the checks that failed, in the words of their programs; empty if it survived.
        stale: why it could not be planted, or nothing.
    """

    mutant: Mutant
    caught_by: tuple[str, ...]
    stale: str = ""

    @property
    def good(self) -> bool:
        """Whether the bug was planted and caught."""
        return bool(self.caught_by) and not self.stale

    def __str__(self) -> str:
        """Return one line of a report."""
        said = self.stale or "; ".join(self.caught_by) or "SURVIVED"
        return f"{self.mutant.name} ({self.mutant.breaks}): {said}"


def command_of(catcher: str) -> list[str]:
    """Return how a catcher is started."""
    python = [sys.executable, "-W", "error::SyntaxWarning", "-m"]
    if catcher.partition(":")[0] == "sim":
        pair = catcher.partition(":")[2]
        pairs = ["--pair", pair] if pair else []
        return [*python, "tests.simulation", "--seeds", str(SEEDS), "--start", "1", *pairs]
    paths = REPLAYS if catcher == "replay" else catcher
    options = ["-x", "-q", "-p", "no:cacheprovider", f"--timeout={TESTS_LIMIT_S}"]
    return [*python, "pytest", *options, *paths.split()]


def try_catcher(catcher: str, copy: Path) -> str:
    """Run one catcher in a copy; return what failed, or nothing."""
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own tests
            command_of(catcher),
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{catcher}: it hangs"
    if done.returncode == 0:
        return ""
    said = done.stdout + done.stderr
    if (error := _NO_CODE.search(said)) is not None:
        raise StaleMutantError(f"it does not compile: {error[0]}")
    found = (_SEED if catcher.startswith("sim") else _FAILED).search(said)
    words = found[1] if found is not None else said.strip()[-200:]
    if done.returncode < 0:
        words = f"it crashes, signal {-done.returncode}"
    if "Failed: Timeout" in said or "Timeout >" in said:
        words += " (it hangs)"
    return f"{catcher}: {words}" if catcher.startswith("sim") else words


def catch(mutant: Mutant, copy: Path, *, every: bool = False) -> Verdict:
    """Plant a bug in a copy and run its catchers until one fails; ``every``: run all of them."""
    why = mutant.stale(copy)
    if why:
        return Verdict(mutant, (), why)
    healthy = mutant.plant(copy)
    caught: list[str] = []
    try:
        for catcher in mutant.catchers:
            failed = try_catcher(catcher, copy)
            if failed:
                caught.append(failed)
            if caught and not every:
                break
    except StaleMutantError as error:
        return Verdict(mutant, (), str(error))
    finally:
        mutant.take_out(copy, healthy)
    return Verdict(mutant, tuple(caught))
