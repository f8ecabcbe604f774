"""The pytest plugin in runs of its own: targets, skips, traces, JUnit, real ports."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import tty
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipfi_hil.report
import ipfi_hil.session
from ipfi_serial.sim.board import Board
from ipfi_serial.sim.firmware import cache_directory
from ipfi_serial.transport import open_transport

pytest_plugins = "pytester"
IMPORTED = (ipfi_hil.report, ipfi_hil.session)  # or each run here would import them anew
CACHE = cache_directory().parent
ADDS = "def test_add(ipfi_board):\n    assert ipfi_board.call('add', 40, 2) == 42\n"


@pytest.fixture(autouse=True)
def usual_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pytester moves HOME; the native board need not be built again for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))


def test_every_test_runs_once_for_each_target(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ADDS)
    result = pytester.runpytest_inprocess(
        "-v", "--ipfi-target", "python", "--ipfi-target", "native"
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_add?python? PASSED*", "*test_add?native? PASSED*"])


def test_tests_of_one_target_run_together_on_one_board(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        "def test_one(ipfi_target, number):\n"
        "    print('at', ipfi_target.name, ipfi_target.endpoint)\n"
        "def test_two(ipfi_target):\n"
        "    print('at', ipfi_target.name, ipfi_target.endpoint)\n"
    )
    result = pytester.runpytest_inprocess(
        "-s", "-q", "--ipfi-target", "python", "--ipfi-target", "native"
    )
    result.assert_outcomes(passed=6)
    places = [line[line.index("at ") :] for line in result.outlines if "at " in line]
    assert len(set(places)) == 2, "started once each"
    assert [place.split()[1] for place in places] == ["python"] * 3 + ["native"] * 3


@pytest.mark.parametrize(
    ("report", "why"), [(".", "it is a folder"), ("test_one.py/report.html", "is a file")]
)
def test_a_report_that_would_be_lost_is_refused_before_the_first_test(
    pytester: pytest.Pytester, report: str, why: str
) -> None:
    pytester.makepyfile(test_one=ADDS)
    result = pytester.runpytest_inprocess("--ipfi-target", "python", "--ipfi-report", report)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--ipfi-report {report}: *{why}*"])


def test_without_a_target_such_tests_are_skipped_and_say_how_to_run(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ADDS)
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*no target: add --ipfi-target python *--ipfi-board FILE"])


def test_an_unknown_target_is_an_error_that_names_those_that_exist(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ADDS)
    result = pytester.runpytest_inprocess("--ipfi-target", "arduino")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no target 'arduino'; there are *native*python*serial:PORT*"])


def test_a_mistyped_target_is_guessed_and_a_board_file_has_its_own_option(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ADDS)
    mistyped = pytester.runpytest_inprocess("--ipfi-target", "natve")
    mistyped.stderr.fnmatch_lines(["*no target 'natve'; did you mean 'native'[?] there are *"])
    file = pytester.runpytest_inprocess("--ipfi-target", "motor.toml")
    file.stderr.fnmatch_lines(["*a board file of your own is given with --ipfi-board motor.toml"])


def test_a_target_whose_tools_are_missing_is_skipped_with_the_package(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ADDS)
    board = pytester.makefile(
        ".toml",
        chip='kind = "native"\n[needs]\nno-such-tool = "its-package"\n'
        '[settings]\nprogram = "firmware"\n',
    )
    result = pytester.runpytest_inprocess("-rs", "--ipfi-board", str(board))
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no-such-tool is not installed (apt install its-package)*"])


def test_a_firmware_that_does_not_build_is_an_error_with_what_the_compiler_said(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ADDS)
    board = pytester.makefile(
        ".toml",
        chip='kind = "native"\n[settings]\nprogram = "firmware"\n'
        'build = ["sh", "-c", "echo main.c:3: missing semicolon; exit 1"]\n',
    )
    result = pytester.runpytest_inprocess("--ipfi-board", str(board))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TargetError: target chip: build*exit code 1*", "*semicolon*"])


def test_a_feature_that_the_target_lacks_is_skipped_with_the_board_files_reason(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.ipfi_needs('blob')\ndef test_blob(ipfi_board):\n    pass\n"
    )
    board = pytester.makefile(
        ".toml", chip='kind = "python"\n[cannot]\nblob = "its flash is full"\n'
    )
    result = pytester.runpytest_inprocess("-rs", "--ipfi-board", str(board))
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*target chip: no blob: its flash is full*"])


def test_what_one_test_breaks_is_whole_for_the_next(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from ipfi_serial.transport import LineFaults\n"
        "def test_unplugs_and_leaves(ipfi_board, ipfi_target):\n"
        "    ipfi_target.unplug()\n"
        "def test_switches_off_and_leaves(ipfi_board, ipfi_target):\n"
        "    ipfi_target.power_off()\n"
        "def test_spoils_the_line(ipfi_board, ipfi_link_faults):\n"
        "    ipfi_link_faults.set(LineFaults(frame_loss=1.0))\n"
        "def test_leaves_the_lamp_on(ipfi_board):\n"
        "    ipfi_board.emit('led', True)\n"
        "    while not ipfi_board.call('led'): pass\n"
        "def test_finds_everything_fresh(ipfi_board):\n"
        "    assert ipfi_board.call('led') is False\n"
    )
    targets = ("--ipfi-target", "python", "--ipfi-target", "native")
    pytester.runpytest_inprocess(*targets).assert_outcomes(passed=10)


def test_a_failed_test_keeps_its_trace_as_a_file_and_in_the_output(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        "def test_wrong(ipfi_board):\n    assert ipfi_board.call('add', 40, 2) == 43\n"
        "def test_right(ipfi_board):\n    assert ipfi_board.call('add', 40, 2) == 42\n"
    )
    result = pytester.runpytest_inprocess("--ipfi-target", "native", "--ipfi-traces", "kept")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*IPFI trace*kept/*test_wrong*", "*> HELLO*", "*(40, 2)*"])
    [trace] = pytester.path.joinpath("kept").iterdir()
    lines = trace.read_text().splitlines()
    assert any(line.endswith("Call 1/0 (40, 2)") for line in lines)
    assert any(line.endswith("Response 1/0 (42,)") for line in lines)
    assert "target native said:" in lines


WRONG = """
    def ask(board):
        return board.call("ad", 1, 2)

    def test_wrong(ipfi_board):
        ask(ipfi_board)

    def test_bench(ipfi_target):
        ipfi_target.unplug()
        ipfi_target.connect()

    def test_mine(ipfi_board):
        int(ipfi_board.call("add", 1, 2), base="x")
"""


def test_an_error_of_the_library_is_shown_without_the_library(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WRONG)
    result = pytester.runpytest_inprocess("--ipfi-target", "native")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            ">       return board.call(*",
            "E       *CallRefusedError: the other end has no procedure 'ad'; did you mean 'add'?",
            ">       ipfi_target.connect()",
            "E       *PortNotFoundError: no port *",
            ">       int(ipfi_board.call(*",
            "E       TypeError: *",
        ]
    )
    result.stdout.no_fnmatch_line("*connection.py*")
    result.stdout.no_fnmatch_line("*bench.py:*")


def test_all_of_it_is_shown_when_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WRONG)
    result = pytester.runpytest_inprocess("--ipfi-target", "native", "--full-trace")
    result.stdout.fnmatch_lines(["*connection.py:*", "*bench.py:*"])


def test_a_connection_that_fails_keeps_its_trace_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from ipfi_serial.transport import LineFaults\n"
        "import pytest\n"
        "@pytest.fixture\n"
        "def dead(ipfi_link_faults):\n"
        "    ipfi_link_faults.set(LineFaults(frame_loss=1.0))\n"
        "def test_connects(dead, ipfi_target):\n"
        "    ipfi_target.connect(connect_timeout_s=0.3)\n"
    )
    result = pytester.runpytest_inprocess("--ipfi-target", "python")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ConnectTimeoutError*", "*line: frame_loss 1.0*"])


def test_junit_tells_the_target_the_requirements_and_the_repetitions(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        "import pathlib, pytest\n"
        "@pytest.mark.ipfi_requirement('CALL-1', 'LINK-9 to LINK-11')\n"
        "def test_adds(ipfi_board):\n"
        "    assert ipfi_board.call('add', 40, 2) == 42\n"
        "    ipfi_board.close()\n"  # a busy machine sends again now and then
        "    pathlib.Path('sent-again').write_text(str(ipfi_board.stats().retransmissions))\n"
    )
    pytester.runpytest_inprocess("--ipfi-target", "python", "--junitxml=junit.xml")
    tree = ET.parse(pytester.path / "junit.xml")  # noqa: S314 - we have just written it
    found = {each.get("name"): each.get("value") for each in tree.iter("property")}
    assert found["ipfi_target"] == "python"
    assert found["ipfi_requirements"] == "CALL-1 LINK-9 LINK-10 LINK-11"
    assert found["ipfi_retransmissions"] == (pytester.path / "sent-again").read_text()
    assert int(found["ipfi_frames"] or 0) >= 6


def test_a_requirement_that_the_protocol_does_not_have_is_an_error(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.ipfi_requirement('CALL-99')\n{ADDS}")
    result = pytester.runpytest_inprocess("--ipfi-target", "python")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*docs/protocol.md has no requirement 'CALL-99'*"])


def test_real_time_has_no_clock_to_hold(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_time(ipfi_clock):\n    pass\n")
    result = pytester.runpytest_inprocess("-rs", "--ipfi-target", "python")
    result.stdout.fnmatch_lines(["*target python: its time is real*"])


@pytest.fixture
def serial_port() -> Iterator[tuple[int, str]]:
    """A port that looks real to the plugin: our end of it, and its path."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("permitted", [False, True])
def test_no_real_port_is_touched_unless_that_was_permitted(
    pytester: pytest.Pytester, serial_port: tuple[int, str], permitted: bool
) -> None:
    ours, path = serial_port
    pytester.makepyfile(
        "def test_board(ipfi_target):\n    ipfi_target.connect(connect_timeout_s=0.2)\n"
    )
    options = ["--ipfi-real-hardware"] if permitted else []
    result = pytester.runpytest_inprocess("-rs", "--ipfi-target", f"serial:{path}", *options)
    heard = b""
    with contextlib.suppress(BlockingIOError):
        heard = os.read(ours, 100)
    assert bool(heard) is permitted
    if permitted:
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*ConnectTimeoutError*"])
    else:
        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(["*opened only with --ipfi-real-hardware*"])


def test_a_board_on_a_serial_port_is_tested(pytester: pytest.Pytester) -> None:
    line = open_transport("pty:")
    path = getattr(line, "path", "")
    pytester.makepyfile(ADDS)
    with Board(line):
        result = pytester.runpytest_inprocess(
            "--ipfi-target", f"serial:{path}", "--ipfi-real-hardware"
        )
    result.assert_outcomes(passed=1)


def test_the_faults_of_a_test_are_those_of_its_name(pytester: pytest.Pytester) -> None:
    """So a failure on a bad line can be repeated."""
    pytester.makepyfile(
        "def test_one(ipfi_link_faults):\n    print('seed', ipfi_link_faults.seed)\n"
        "def test_two(ipfi_link_faults):\n    print('seed', ipfi_link_faults.seed)\n"
    )
    seeds = []
    for _ in range(2):
        result = pytester.runpytest_inprocess("-s", "--ipfi-target", "python")
        seeds.append([line.split()[-1] for line in result.outlines if "seed" in line])
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 2


def test_the_report_is_one_file_with_all_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.ipfi_requirement('CALL-1')\n"
        "def test_it_adds(ipfi_board):\n    assert ipfi_board.call('add', 40, 2) == 42\n"
        "@pytest.mark.ipfi_requirement('CALL-3')\n"
        "def test_it_is_wrong(ipfi_board):\n    assert ipfi_board.call('add', 1, 1) == '<3>'\n"
        "@pytest.mark.ipfi_requirement('CALL-8')\n"
        "def test_it_is_not_there(ipfi_board):\n    pytest.skip('no such thing')\n"
    )
    targets = ("--ipfi-target", "python", "--ipfi-target", "native-small")
    result = pytester.runpytest_inprocess(*targets, "--ipfi-report", "out/report.html")
    result.stdout.fnmatch_lines(["IPFI report: out/report.html"])
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "2 of 4 failed" in page
    assert page.count("it is wrong</b> on ") == 2
    assert "&#x27;&lt;3&gt;&#x27;" in page, "what a test says is text, not markup"
    for outcome in ("passed", "failed", "skipped"):
        assert f'class="dot {outcome}"' in page
    assert "no such thing" in page
    assert "CALL-10" in page.partition("without a test")[2]
    assert page.count('class="median"') == 2, "a histogram for each target"
    assert "http" not in page.replace("<html", "")
    assert "<script" not in page
    assert "<link" not in page


def test_the_report_of_tests_that_cite_nothing_is_about_the_firmware(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_motor="import pytest\n"
        "@pytest.mark.parametrize('to', [1, 2])\n"
        "def test_it_turns(ipfi_board, to):\n    assert ipfi_board.call('add', to, 0) == 1\n"
        "def test_no_board():\n    pass\n"
    )
    targets = ("--ipfi-target", "python", "--ipfi-target", "native-small")
    pytester.runpytest_inprocess(*targets, "--ipfi-report", "report.html")
    page = Path("report.html").read_text(encoding="utf-8")
    assert "<h1>Tests of the firmware</h1>" in page
    assert "equirement" not in page
    matrix = page.partition("<h2>Tests</h2>")[2].partition("</table>")[0]
    assert re.findall(r"<tr><td>(.*?)</td>", matrix) == ["it turns [1]", "it turns [2]"]
    assert re.findall(r'class="dot (\w+)"', matrix) == ["passed"] * 2 + ["failed"] * 2
    assert "test_motor.py" in matrix
