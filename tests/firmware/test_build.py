"""The C library builds everywhere, without a warning, in the ways that the documents promise."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.firmware import build

HEADERS = sorted(
    [*(build.FIRMWARE / "include").rglob("*.h"), *(build.FIRMWARE / "src").glob("*.h")]
)
OWN_C_FILES = sorted(build.FIRMWARE.rglob("*.[ch]"))
MAX_FILE_LINES = 400  # the house rule; the public header is also the manual
MAX_FUNCTION_LINES = 60


@pytest.mark.parametrize("name", build.HOST_COMPILERS)
@pytest.mark.parametrize("optimisation", ["-O0", "-O2", "-Os"])
def test_every_source_compiles_without_a_warning(
    name: str, optimisation: str, tmp_path: Path
) -> None:
    cc = build.compiler(name)
    build.board(cc, tmp_path / "board", optimisation)


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_every_header_stands_alone(header: Path, tmp_path: Path) -> None:
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{header}"\n#include "{header}"\nextern int nothing;\n')
    build.run([build.any_compiler(), *build.WARNINGS, *build.INCLUDES, "-fsyntax-only", source])


def test_the_library_compiles_for_a_cortex_m0_without_a_c_library(tmp_path: Path) -> None:
    cc = build.compiler("arm-none-eabi-gcc")
    for source in build.library_sources():
        output = tmp_path / f"{source.stem}.o"
        build.run(
            [cc, *build.CORTEX_M0, *build.WARNINGS, *build.INCLUDES, "-c", source, "-o", output]
        )


def test_sources_txt_names_every_source_of_the_library() -> None:
    listed = build.board_sources()
    assert [path for path in listed if not path.is_file()] == []
    assert [path for path in build.library_sources() if path not in listed] == []


def test_the_library_keeps_no_state_of_its_own(tmp_path: Path) -> None:
    """No globals: two wires live side by side, and no chip is surprised by hidden RAM."""
    cc = build.any_compiler()
    for source in build.library_sources():
        output = tmp_path / f"{source.stem}.o"
        build.run(
            [cc, *build.WARNINGS, "-O2", "-fno-pie", *build.INCLUDES, "-c", source, "-o", output]
        )
        symbols = build.run(["nm", output]).splitlines()
        assert [line for line in symbols if line.split()[-2] in "bBdDC"] == [], source.name


@pytest.mark.parametrize("source", OWN_C_FILES, ids=lambda path: path.name)
def test_files_and_functions_stay_short(source: Path) -> None:
    lines = source.read_text().splitlines()
    assert source.name == "ipfi.h" or len(lines) <= MAX_FILE_LINES
    opened = None
    for number, line in enumerate(lines):
        if line == "{":
            opened = number
        elif line == "}" and opened is not None:
            assert number - opened <= MAX_FUNCTION_LINES, f"{source.name}:{opened}"
            opened = None


@pytest.mark.parametrize("name", build.HOST_COMPILERS)
@pytest.mark.parametrize("flags", [(), ("-DIPFI_FOR_SPEED=1",)], ids=["plain", "for-speed"])
def test_the_unit_tests_pass_under_the_sanitizers(
    name: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    binary = build.unit_tests(build.compiler(name), tmp_path / "unit", *flags)
    done = subprocess.run([str(binary)], capture_output=True, text=True)  # noqa: S603 - our own program
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
