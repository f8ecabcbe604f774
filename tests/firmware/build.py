"""How the C side is compiled, for every test that needs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware-sim"
WARNINGS = (
    "-std=c99",
    "-pedantic",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wswitch-enum",
    "-Werror",
)
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CORTEX_M0 = ("-mcpu=cortex-m0", "-mthumb", "-Os", "-ffreestanding")
INCLUDES = tuple(f"-I{FIRMWARE / name}" for name in ("include", "src", "sim", "ports/posix"))
DEMO = ("board.c", "measures.c", "procedures.c")
HOST_COMPILERS = ("gcc", "clang")
FRESH_LINK = ("-fno-tree-loop-distribute-patterns", "-ffunction-sections", "-fdata-sections")


def compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def any_compiler() -> str:
    for name in ("cc", *HOST_COMPILERS):
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip("no C compiler: cc, gcc and clang are missing")


def board_sources() -> list[Path]:
    lines = (FIRMWARE / "sources.txt").read_text().split()
    return [FIRMWARE / line for line in lines]


def library_sources() -> list[Path]:
    return sorted((FIRMWARE / "src").glob("*.c"))


def sim(*names: str) -> list[Path]:
    return [FIRMWARE / "sim" / name for name in names]


def run(command: list[str | Path], place: Path | None = None) -> str:
    """Run a compiler or a tool, in `place`; its complaints are the test's."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=place)  # noqa: S603 - our own program
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def board(cc: str, output: Path, *flags: str) -> Path:
    run([cc, *WARNINGS, *(flags or ("-O2",)), *INCLUDES, *board_sources(), "-o", output])
    return output


def shared_object(cc: str, output: Path, *flags: str) -> Path:
    sources = [*library_sources(), *sim(*DEMO, "lockstep.c", "probe.c")]
    run([cc, *WARNINGS, "-O2", *flags, "-fPIC", "-shared", *INCLUDES, *sources, "-o", output])
    return output


def unit_tests(cc: str, output: Path, *flags: str) -> Path:
    tests = [p for p in (FIRMWARE / "tests").glob("*.c") if not p.name.startswith("fuzz_")]
    sources = [*sorted(tests), *library_sources(), *sim(*DEMO)]
    includes = [*INCLUDES, f"-I{FIRMWARE / 'tests'}"]
    run([cc, *WARNINGS, *SANITIZERS, *flags, *includes, *sources, "-o", output])
    return output
