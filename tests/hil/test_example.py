"""Two projects outside the repository: the example, and one made by the porting guide."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ipfi_serial.sim.firmware import find_compilers
from tests.docs.pages import ROOT

EXAMPLE = ROOT / "hil" / "example"
FIRMWARE = ROOT / "firmware-sim"
PORTING = (ROOT / "docs" / "porting.md").read_text(encoding="utf-8")
BOARD_FILE = """\
kind = "native"

[settings]
build = ["sh", "-c", "{cc} -std=c99 -Wall -Wextra -Werror -Iinclude -Isrc *.c src/*.c -o firmware"]
program = "firmware"
reset_signal = "SIGUSR1"
"""
FIRST_CALL = """\
def test_the_first_call(ipfi_board, ipfi_target):
    assert ipfi_board.call("add", 40, 2) == 42
    with ipfi_board.stream("count", 3) as numbers:
        assert list(numbers) == [0, 1, 2]
    ipfi_target.reset(ipfi_board)
    assert ipfi_board.call("add", 1, 2) == 3
"""

pytestmark = pytest.mark.skipif(not find_compilers(), reason="no C compiler (apt install gcc)")


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a user's project, in a process that knows nothing of this one."""
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_example_project_passes_its_own_tests(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed (apt install make)")
    project = tmp_path / "thermostat"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("build", "__pycache__"))
    makefile = project / "Makefile"
    text = makefile.read_text()
    assert "../../firmware-sim" in text
    makefile.write_text(text.replace("../../firmware-sim", str(FIRMWARE)))
    done = run_pytest(project, "--ipfi-board", "thermostat.toml")
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_the_example_is_configured_by_nothing_but_its_own_folder() -> None:
    """Who has not installed the plugins of our own tests runs it all the same."""
    done = run_pytest(EXAMPLE, "--ipfi-board", "thermostat-bench.toml", "-p", "no:timeout", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"rootdir: {EXAMPLE}\n" in done.stdout


def test_the_examples_bench_is_left_alone_without_leave() -> None:
    done = run_pytest(EXAMPLE, "--ipfi-board", "thermostat-bench.toml")
    assert "4 skipped" in done.stdout, done.stdout + done.stderr
    assert "opened only with --ipfi-real-hardware" in done.stdout


def test_a_newcomers_project_made_by_the_porting_guide_gets_its_first_call(tmp_path: Path) -> None:
    """Step by step: copy include and src, put the page's blocks together, build, call."""
    for name in ("include", "src"):
        assert f"firmware-sim/{name}" in PORTING
        shutil.copytree(FIRMWARE / name, tmp_path / name)
    blocks = re.findall(r"^```c\n(.*?)^```$", PORTING, re.DOTALL | re.MULTILINE)
    (tmp_path / "main.c").write_text("\n".join(blocks))
    shutil.copy(EXAMPLE / "host.c", tmp_path / "host.c")
    compiler = str(find_compilers()[0])
    (tmp_path / "board.toml").write_text(BOARD_FILE.format(cc=compiler))
    (tmp_path / "test_board.py").write_text(FIRST_CALL)
    done = run_pytest(tmp_path, "--ipfi-board", "board.toml")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
