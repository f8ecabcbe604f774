"""The plugin must not break a pytest where the rest is missing, or where others are active."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ipfi_serial.sim.firmware import cache_directory

PIP_INSTALL = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check")
INSTALL_S = 240.0  # below the limit of a test
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker())
"""
PLAIN = "def test_plain():\n    assert True\n"
USING = "def test_board(ipfi_board):\n    assert ipfi_board.call('add', 1, 2) == 3\n"
OTHERS = {
    "pytest-embedded": ("--embedded-services", ("dut", "serial", "app", "target", "port", "baud")),
    "labgrid": ("--lg-env", ("target", "env", "strategy")),
}
"""The options and fixtures of other hardware plugins, as far as they could meet ours."""


def run(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A folder whose conftest lets nothing but pytest be imported; a .pth would do the same."""
    names = {"ipfi_serial", "serial", "msgspec", "cobs", "crcmod", "unicorn"}
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(blocked=names))
    return tmp_path


def test_pytest_works_where_the_dependencies_are_missing(blocked: Path) -> None:
    (blocked / "test_plain.py").write_text(PLAIN)
    done = run(blocked, path=str(blocked))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    helped = run(blocked, "--help", path=str(blocked))
    assert "--ipfi-target" in helped.stdout


def test_a_test_that_needs_them_is_told_what_to_install(blocked: Path) -> None:
    (blocked / "test_board.py").write_text(USING)
    done = run(blocked, "--ipfi-target", "python", path=str(blocked))
    assert done.returncode != 0
    assert "pip install ipfi-serial[hil]" in done.stdout + done.stderr


def test_the_entry_point_imports_nothing_but_pytest() -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport ipfi_hil.plugin\n"
        "print(sorted(name for name in set(sys.modules) - before))\n"
    )
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['ipfi_hil', 'ipfi_hil.plugin']"


@pytest.mark.parametrize("name", OTHERS)
def test_plugins_with_the_names_of_others_can_be_active(tmp_path: Path, name: str) -> None:
    option, fixtures = OTHERS[name]
    defined = "".join(f"@pytest.fixture\ndef {each}():\n    return {each!r}\n" for each in fixtures)
    (tmp_path / "other.py").write_text(
        "import pytest\ndef pytest_addoption(parser):\n"
        f"    parser.getgroup('other').addoption({option!r})\n{defined}"
    )
    asked = ", ".join(("ipfi_board", "ipfi_target", *fixtures))
    (tmp_path / "test_both.py").write_text(
        f"def test_both({asked}):\n    assert ipfi_board.call('add', 1, 2) == 3\n"
        f"    assert {fixtures[0]} == {fixtures[0]!r}\n"
    )
    done = run(tmp_path, "-p", "other", option, "x", "--ipfi-target", "python", path=str(tmp_path))
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture(scope="session")
def others() -> Path:
    """A folder with the real pytest-embedded and labgrid, and what they need; kept in the cache."""
    folder = cache_directory() / "hardware-plugins"
    stamp = folder / ".installed"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)  # what an earlier try left
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                [*PIP_INSTALL, "--target", str(folder), "pytest-embedded", "labgrid"],
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"the package index is slow: not installed within {INSTALL_S:.0f} s")
        if done.returncode != 0:
            pytest.skip(f"no package index: {done.stderr.strip().splitlines()[-1]}")
        stamp.touch()
    return folder


def test_pytest_embedded_and_labgrid_can_be_active_in_the_same_run(
    others: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_both.py").write_text(
        "def test_all(ipfi_board, ipfi_target, test_case_name, env):\n"
        "    assert ipfi_board.call('add', 1, 2) == 3\n"
        "    assert 'test_all' in test_case_name, 'of pytest-embedded'\n"
        "    assert 'main' in env.config.get_targets(), 'of labgrid'\n"
    )
    (tmp_path / "env.yaml").write_text("targets:\n  main: {resources: {}}\n")
    # behind our own packages: pytest itself must not be replaced by theirs
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.path.append({str(others)!r})\n")
    options = ("--ipfi-target", "python", "--lg-env", "env.yaml")
    done = run(tmp_path, "--trace-config", *options, path=str(tmp_path))
    assert "1 passed" in done.stdout, done.stdout[-3000:] + done.stderr
    for plugin in ("pytest_embedded", "labgrid", "ipfi_hil"):
        assert f"<module '{plugin}.p" in done.stdout, f"{plugin} is not active"
