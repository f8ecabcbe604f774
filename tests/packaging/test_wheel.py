"""The wheel, installed outside the clone, carries everything that runs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from ipfi_serial.sim.firmware import find_compilers

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 240
pytestmark = pytest.mark.timeout(600)


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing of this environment that would find the clone."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "CC")}
    return subprocess.run(  # noqa: S603
        words,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**kept, **environment},
    )


def pip(python: Path, *words: str | Path, cwd: Path) -> str:
    done = run(python, "-m", "pip", "--disable-pip-version-check", *words, cwd=cwd)
    said = done.stdout + done.stderr
    if done.returncode != 0 and "connection" in said.lower():
        pytest.skip("no package registry can be reached from here")
    assert done.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    target = tmp_path_factory.mktemp("wheel")
    here = ("--no-build-isolation",) if importlib.util.find_spec("hatchling") else ()
    words: tuple[str | Path, ...] = ("wheel", ROOT, "--no-deps", "-q", "-w", target, *here)
    pip(Path(sys.executable), *words, cwd=target)
    (found,) = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment with the wheel in it."""
    place = tmp_path_factory.mktemp("outside") / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    pip(python, "install", "-q", wheel, cwd=place)
    return python


def test_the_wheel_has_the_types_the_firmware_and_nothing_that_was_built(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "ipfi_serial/py.typed" in names
    assert "ipfi_serial/hatch_build.py" not in names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "ipfi_serial",
        "ipfi_hil",
    }
    firmware = {
        name.removeprefix("ipfi_serial/_firmware/") for name in names if "_firmware/" in name
    }
    sources = (ROOT / "firmware-sim" / "sources.txt").read_text().split()
    assert {*sources, "sources.txt", "include/ipfi/ipfi.h"} <= firmware
    for name in firmware:
        assert (ROOT / "firmware-sim" / name).is_file()
        assert name.endswith((".c", ".h", ".txt", ".ld", ".S", ".md", "Makefile")), name
    assert not [name for name in names if name.startswith(("tests/", "hil/", "docs/"))]


def test_the_wheel_has_the_pytest_plugin_with_its_boards(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    boards = {f"ipfi_hil/boards/{path.name}" for path in (ROOT / "hil" / "boards").glob("*.toml")}
    assert boards <= names
    assert {"ipfi_hil/plugin.py", "ipfi_hil/report.css", "ipfi_hil/protocol.md"} <= names
    assert not [name for name in names if "conformance" in name or "thermostat" in name]


def test_the_plugin_runs_outside_the_clone(python: Path, tmp_path: Path) -> None:
    (tmp_path / "test_board.py").write_text(
        "def test_add(ipfi_board):\n    assert ipfi_board.call('add', 40, 2) == 42\n"
    )
    pip(python, "install", "-q", "pytest", cwd=tmp_path)
    command = ("-m", "pytest", "-q", "--ipfi-target", "python", "--ipfi-report", "report.html")
    done = run(python, *command, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert "All 1 passed" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_is_installed_fits_together(python: Path, tmp_path: Path) -> None:
    assert "No broken requirements" in pip(python, "check", cwd=tmp_path)


@pytest.mark.parametrize("board", ["c", "python"])
def test_the_demo_runs_outside_the_clone(python: Path, tmp_path: Path, board: str) -> None:
    if board == "c" and not find_compilers():
        pytest.skip("no C compiler here")
    command = python.parent / "ipfi"
    done = run(
        command, "demo", "--board", board, "--json", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["board"], told["ok"], told["lost"]) == (board, True, 0)
    assert told["seconds"] < 20


def test_a_board_is_opened_outside_the_clone(python: Path, tmp_path: Path) -> None:
    code = (
        "import ipfi_serial\n"
        "from ipfi_serial import connect\n"
        "with connect('sim:') as wire:\n"
        "    print(wire.endpoint, wire.call('add', 40, 2), ipfi_serial.__file__)\n"
    )
    done = run(python, "-c", code, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    endpoint, answer, origin = done.stdout.split()
    assert endpoint == ("sim:c" if find_compilers() else "sim:python")
    assert answer == "42"
    assert str(python.parent.parent) in origin


def test_the_installed_version_is_the_one_that_it_says(python: Path, tmp_path: Path) -> None:
    code = "import importlib.metadata as m; print(m.version('ipfi-serial'))"
    version = run(python, "-c", code, cwd=tmp_path).stdout.strip()
    said = run(python, "-m", "ipfi_serial", "--version", cwd=tmp_path).stdout.strip()
    assert said == f"ipfi {version}"
