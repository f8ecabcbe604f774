"""Ctrl-C and SIGTERM at any moment: the exit code that the guide promises, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from ipfi_serial.cli.failures import ExitCode
from ipfi_serial.cli.signals import Signals
from tests.cli.conftest import PATIENCE_S, Outcome, environment

INT, TERM = signal.SIGINT, signal.SIGTERM
DURING_IMPORT = """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "ipfi_serial.cli.soak":
            os.kill(os.getpid(), SIGNAL)
sys.meta_path.insert(0, Finder())
"""
WHEN = {
    "before it is imported": "signal.pthread_sigmask(signal.SIG_BLOCK, [SIGNAL])\n"
    "os.kill(os.getpid(), SIGNAL)\n",
    "while it is imported": DURING_IMPORT,
}
AT_THE_END = "import atexit; atexit.register(os.kill, os.getpid(), SIGNAL)\n"


def run(when: str, number: signal.Signals, *words: str) -> Outcome:
    """Run the command; ``when`` is what a program does before that."""
    begin = f"import os, signal, sys\nSIGNAL = {int(number)}\nsys.argv = {['ipfi', *words]!r}\n"
    code = f"{begin}from ipfi_hil import console_script\n{when}console_script.main()\n"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=environment(),
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sim", "python", "--link", "{}/link"), 0),
        (("serve", "{}/served.py", "unix:{}/link"), 0),
        (("serve", "{}/served.py", "pty:{}/link"), 0),
        (("listen", "sim:python"), 0),
        (("listen", "sim:python", "--count", "5"), 130),
        (("call", "sim:python", "magic"), 130),
        (("soak", "sim:python"), 130),
    ],
)
def test_ctrl_c_that_comes_early_ends_a_command_as_it_does_later(
    tmp_path: Path, when: str, words: tuple[str, ...], code: int
) -> None:
    (tmp_path / "served.py").write_text(
        "from ipfi_serial import Interface\ninterface = Interface()\n"
    )
    done = run(WHEN[when], INT, *(word.format(tmp_path) for word in words))
    assert (done.code, done.out, done.err) == (code, "", "")
    assert not (tmp_path / "link").is_symlink()
    assert not (tmp_path / "link").exists()


@pytest.mark.parametrize("when", WHEN)
def test_sigterm_that_comes_early_has_its_own_code(when: str) -> None:
    done = run(WHEN[when], TERM, "sim", "python")
    assert (done.code, done.out, done.err) == (143, "", "")


@pytest.mark.parametrize("number", [INT, TERM])
def test_a_command_that_is_done_has_nothing_to_be_ended(number: signal.Signals) -> None:
    done = run(AT_THE_END, number, "call", "sim:python", "magic")
    assert (done.code, done.out, done.err) == (0, "42\n", "")


def test_a_second_signal_ends_what_hangs_at_the_end() -> None:
    done = run(AT_THE_END + AT_THE_END, INT, "call", "sim:python", "magic")
    assert (done.code, done.out, done.err) == (130, "42\n", "")


@pytest.fixture
def signals() -> Iterator[Signals]:
    found = Signals()
    found.take()
    yield found
    found.give_back()


def send(number: signal.Signals) -> None:
    """Send it to this process, whose handler runs at once."""
    os.kill(os.getpid(), number)


def test_what_came_before_a_command_is_raised_when_it_begins(signals: Signals) -> None:
    send(INT)
    with pytest.raises(KeyboardInterrupt), signals.heard():
        pytest.fail("the command must not begin")
    send(TERM)  # of a command that is over: nothing


def test_both_are_exceptions_inside_a_command(signals: Signals) -> None:
    with pytest.raises(KeyboardInterrupt), signals.heard():
        send(INT)
    signals.take()
    with pytest.raises(SystemExit) as ended, signals.heard():
        send(TERM)
    assert ended.value.code == ExitCode.TERMINATED


def test_what_must_be_done_whole_is_done_before_the_signal_counts(signals: Signals) -> None:
    done = []

    def work() -> None:
        with signals.heard():
            with signals.held():
                send(INT)
                done.append("first")
            done.append("then")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


def test_outside_a_command_nothing_is_raised_by_holding(signals: Signals) -> None:
    send(INT)
    with signals.held():
        pass
    with pytest.raises(KeyboardInterrupt), signals.heard():
        pass


def test_the_second_one_after_the_end_ends_the_process(
    signals: Signals, mocker: MockerFixture
) -> None:
    leave = mocker.patch("os._exit")
    with signals.heard():
        pass
    send(TERM)
    leave.assert_not_called()
    send(INT)
    leave.assert_called_once_with(130)


def test_afterwards_they_do_what_they_did_and_what_a_shell_ignores_stays_ignored() -> None:
    before = signal.signal(INT, signal.SIG_IGN), signal.getsignal(TERM)
    signals = Signals()
    try:
        signals.take()
        assert signal.getsignal(INT) is signal.SIG_IGN, "of a shell's &"
        assert signal.getsignal(TERM) is not before[1]
        signals.give_back()
        assert signal.getsignal(TERM) is before[1]
    finally:
        signal.signal(INT, before[0])
