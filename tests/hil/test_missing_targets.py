"""A target that is missing or does not work: said once, in a line, and not tried for ever."""

from __future__ import annotations

import os
import pty
import time
import tty
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import ipfi_hil.bench
import ipfi_hil.session
from ipfi_hil.targets.python import PythonTarget

pytest_plugins = "pytester"
IMPORTED = (ipfi_hil.session,)  # or each run here would import it anew
ADDS = "def test_add(ipfi_board):\n    assert ipfi_board.call('add', 40, 2) == 42\n"
THREE = "".join(ADDS.replace("test_add", f"test_{word}") for word in ("one", "two", "three"))


@pytest.fixture
def silent_port() -> Iterator[str]:
    """A port that looks real to the plugin, where nobody answers."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_what_was_not_run_for_want_of_a_target_is_said_even_where_skips_are_hidden(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ADDS + ADDS.replace("test_add", "test_more"))
    board = pytester.makefile(
        ".toml", chip='kind = "native"\n[needs]\nno-such-tool = "its-package"\n'
        '[settings]\nprogram = "firmware"\n',
    )  # fmt: skip
    none = pytester.runpytest_inprocess("-q")
    none.stdout.fnmatch_lines(["ipfi: 2 tests were not run: no target: add --ipfi-target python *"])
    no_tool = pytester.runpytest_inprocess("-q", "--ipfi-board", str(board))
    no_tool.stdout.fnmatch_lines(
        ["ipfi: 2 tests were not run: target chip*apt install its-package*"]
    )
    one_runs = pytester.runpytest_inprocess("--ipfi-target", "python", "-k", "add")
    one_runs.stdout.fnmatch_lines(["ipfi targets: python"])
    one_runs.stdout.no_fnmatch_line("*not run*")


def test_a_project_without_such_tests_hears_nothing_of_the_plugin(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_plain():\n    pass\n")
    result = pytester.runpytest_inprocess()
    result.stdout.no_fnmatch_line("ipfi *")
    result.stdout.no_fnmatch_line("ipfi:*")


@pytest.mark.parametrize("chosen", [(), ("--ipfi-target", "python")])
def test_a_board_file_that_is_not_there_is_named_with_its_folder_and_what_is_in_it(
    pytester: pytest.Pytester, chosen: tuple[str, ...]
) -> None:
    pytester.makepyfile(ADDS)
    pytester.makefile(".toml", mine='kind = "python"\n')
    missing = pytester.runpytest_inprocess("--ipfi-board", "nope.toml", *chosen)
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    missing.stderr.fnmatch_lines(
        [f"*no board file 'nope.toml' in {pytester.path}: it has mine.toml"]
    )
    elsewhere = pytester.runpytest_inprocess("--ipfi-board", "boards/mine.toml", *chosen)
    elsewhere.stderr.fnmatch_lines(
        ["*no board file 'mine.toml' in */boards: there is no such folder"]
    )
    folder = pytester.runpytest_inprocess("--ipfi-board", ".", *chosen)
    folder.stderr.fnmatch_lines(["*. is a folder: give the board file in it*"])


def test_a_setting_of_the_wrong_type_is_named_in_words(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ADDS)
    board = pytester.makefile(".toml", chip='kind = "native"\n[settings]\nreset_signal = 5\n')
    result = pytester.runpytest_inprocess("--ipfi-board", str(board))
    result.stdout.fnmatch_lines(["*settings.reset_signal is 5; it must be text"])


def test_a_port_that_is_not_there_fails_one_test_at_once_in_one_line_and_no_other(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_seconds: float) -> None:
        raise AssertionError("nothing was unplugged: there is nothing to wait for")

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=wait)
    monkeypatch.setattr(ipfi_hil.bench, "time", clock)
    pytester.makepyfile(THREE)
    result = pytester.runpytest_inprocess(
        "--ipfi-target", "serial:/dev/nothing", "--ipfi-real-hardware"
    )
    result.assert_outcomes(errors=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "PortNotFoundError: target serial:/dev/nothing: no port '/dev/nothing'*",
            "ipfi: 2 tests were not run: target serial:/dev/nothing was given up: no port*",
        ]
    )
    assert len(result.outlines) < 20, "no traceback"
    assert not pytester.path.joinpath("ipfi-traces").exists(), "nothing passed"


def test_a_port_where_nobody_answers_fails_one_test_and_no_other(
    pytester: pytest.Pytester, silent_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipfi_hil.bench, "CONNECT_TIMEOUT_S", 0.2)
    pytester.makepyfile(THREE)
    result = pytester.runpytest_inprocess(
        "-rs", "--ipfi-target", f"serial:{silent_port}", "--ipfi-real-hardware"
    )
    result.assert_outcomes(errors=1, skipped=2)
    result.stdout.fnmatch_lines(["ConnectTimeoutError: target serial:*no IPFI handshake*"])
    result.stdout.no_fnmatch_line("*Error:*connect(*")
    result.stdout.no_fnmatch_line("*bench.py*")


def test_a_line_that_tests_spoil_themselves_gives_no_target_up(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipfi_hil.bench, "CONNECT_TIMEOUT_S", 0.2)
    pytester.makepyfile(
        "from ipfi_serial.transport import LineFaults\n"
        "import pytest\n"
        "@pytest.fixture\n"
        "def dead(ipfi_link_faults):\n"
        "    ipfi_link_faults.set(LineFaults(frame_loss=1.0))\n"
        "def test_one(dead, ipfi_board):\n    pass\n"
        "def test_two(dead, ipfi_board):\n    pass\n"
    )
    pytester.runpytest_inprocess("--ipfi-target", "python").assert_outcomes(errors=2)


@pytest.mark.parametrize(
    ("failures", "errors", "passed", "skipped"), [(1, 1, 4, 0), (2, 2, 2, 1), (5, 2, 2, 1)]
)
def test_a_target_that_has_worked_is_begun_afresh_once_before_it_is_given_up(
    pytester: pytest.Pytester, failures: int, errors: int, passed: int, skipped: int
) -> None:
    pytester.makeconftest(
        "from ipfi_hil.target import TargetError\n"
        "from ipfi_hil.targets.python import PythonTarget\n"
        f"left = [{failures}]\n"
        "start = PythonTarget.start\n"
        "def broken(self):\n"
        "    if left[0] == 0:\n"
        "        PythonTarget.start = start\n"
        "        return start(self)\n"
        "    left[0] -= 1\n"
        "    raise TargetError('the fuse has blown\\nlook at it')\n"
    )
    pytester.makepyfile(
        "from ipfi_hil.targets.python import PythonTarget\n"
        "from conftest import broken, start\n"
        "def test_one(ipfi_board):\n    pass\n"
        "def test_two(ipfi_target):\n"
        "    ipfi_target.power_off()\n    PythonTarget.start = broken\n"
        "def test_three(ipfi_board):\n    pass\n"
        "def test_four(ipfi_board):\n    pass\n"
        "def test_five(ipfi_board):\n    PythonTarget.start = start\n"
    )
    start = PythonTarget.start
    try:
        result = pytester.runpytest_inprocess("-rs", "--ipfi-target", "python")
    finally:
        PythonTarget.start = start  # type: ignore[method-assign]
    result.assert_outcomes(errors=errors, passed=passed, skipped=skipped)
    result.stdout.fnmatch_lines(["TargetError: target python: the fuse has blown", "look at it"])
    if skipped:
        result.stdout.fnmatch_lines(["*target python was given up: the fuse has blown"])
