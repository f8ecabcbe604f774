"""Finds the firmware's C sources and builds the simulated board from them, once for each version.

The program is kept in the user's cache directory, under a name made of the sources, the flags and
the compiler.  Several processes may build at once: each writes a file of its own and renames it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ipfi_serial.errors import TransportError

FLAGS: Final = ("-std=c99", "-O1")  # -O1 builds a third faster than -O2, and the board mostly waits
INCLUDES: Final = ("include", "src", "sim", "ports/posix")
BUILD_TIMEOUT_S: Final = 120.0
_OUTPUT_LINES: Final = 12  # of a compiler, in an error's message
_PACKAGE: Final = Path(__file__).resolve().parent.parent


class BoardBuildError(TransportError):
    """The C board cannot be built on this machine.

    Attributes:
        tried: the compilers that were tried, as command lines.
        output: what the last of them said.
    """

    def __init__(self, why: str, tried: tuple[str, ...] = (), output: str = "") -> None:
        lines = output.strip().splitlines()
        shown = "\n".join(lines[:_OUTPUT_LINES])
        super().__init__(f"the C board cannot be built: {why}" + (f"\n{shown}" if shown else ""))
        self.tried = tried
        self.output = output


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler of this machine.

    Attributes:
        command: what to run, without the compiler's own arguments.
        identity: changes when the compiler does.
    """

    command: tuple[str, ...]
    identity: str

    def __str__(self) -> str:
        return shlex.join(self.command)


def find_sources() -> Path:
    """Return the directory of the firmware: of the wheel, or of the clone around an editable one.

    Raises:
        BoardBuildError: it is nowhere.
    """
    places = (_PACKAGE / "_firmware", _PACKAGE.parent / "firmware-sim")
    for place in places:
        if (place / "sources.txt").is_file():
            return place
    raise BoardBuildError(f"its sources are missing: looked in {' and '.join(map(str, places))}")


def find_compilers() -> list[Compiler]:
    """Return the compilers worth trying: $CC alone if it is set, else ``cc``, else ziglang's."""
    asked = shlex.split(os.environ.get("CC", ""))
    found = _compiler(asked or ["cc"])
    if found is not None:
        return [found]
    zig = None if asked else importlib.util.find_spec("ziglang")
    if zig is None or zig.origin is None:
        return []
    return [Compiler((sys.executable, "-m", "ziglang", "cc"), _stamp(Path(zig.origin)))]


def build_board() -> Path:
    """Return the program of the C board, built now if it was not before.

    Raises:
        BoardBuildError: there is no compiler, or it fails.
    """
    if os.name != "posix":
        raise BoardBuildError("it needs a POSIX system with pseudo-terminals")
    sources = find_sources()
    compilers = find_compilers()
    if not compilers:
        raise BoardBuildError(_no_compiler())
    compiler = compilers[0]
    program = cache_directory() / f"ipfi-board-{_fingerprint(sources, compiler)}"
    if not program.is_file():
        _build(sources, compiler, program)
    return program


def cache_directory() -> Path:
    """Return where built programs are kept: in $XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "ipfi_serial"


def _compiler(command: list[str]) -> Compiler | None:
    path = shutil.which(command[0])
    if path is None:
        return None
    return Compiler((path, *command[1:]), _stamp(Path(path).resolve()))


def _stamp(path: Path) -> str:
    """Return what changes when a program is replaced, without running it."""
    status = path.stat()
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _no_compiler() -> str:
    asked = os.environ.get("CC")
    if asked:
        return f"CC is {asked!r}, which is no program here; tried nothing else"
    return (
        "tried cc and python -m ziglang cc, and found neither; install a C compiler "
        "(apt install gcc) or the ziglang package (pip install ipfi-serial[zig])"
    )


def _fingerprint(sources: Path, compiler: Compiler) -> str:
    digest = hashlib.sha256()
    for part in (*FLAGS, *compiler.command, compiler.identity):
        digest.update(part.encode() + b"\0")
    for path in _files(sources):
        digest.update(str(path.relative_to(sources)).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _files(sources: Path) -> list[Path]:
    """Return everything that the program is made of, in a fixed order."""
    units = [sources / name for name in _units(sources)]
    headers = [header for place in INCLUDES for header in (sources / place).rglob("*.h")]
    return sorted({sources / "sources.txt", *units, *headers})


def _units(sources: Path) -> list[str]:
    return (sources / "sources.txt").read_text().split()


def _build(sources: Path, compiler: Compiler, program: Path) -> None:
    """Compile into a file of our own, and give it its name when it is whole."""
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=program.parent, prefix="building-")
    except OSError as error:
        raise BoardBuildError(
            f"the cache directory cannot be written: {error}; set XDG_CACHE_HOME to another"
        ) from error
    os.close(handle)
    try:
        _compile(sources, compiler, name)
        Path(name).chmod(0o755)
        Path(name).replace(program)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()


def _compile(sources: Path, compiler: Compiler, output: str) -> None:
    includes = [f"-I{place}" for place in INCLUDES]
    command = [*compiler.command, *FLAGS, *includes, *_units(sources), "-o", output]
    try:
        done = subprocess.run(  # noqa: S603 - the compiler that the user has chosen
            command,
            cwd=sources,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BoardBuildError(f"{compiler}: {error}", (str(compiler),)) from error
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")
        why = f"{compiler} failed with exit code {done.returncode}"
        raise BoardBuildError(why, (str(compiler),), said)
