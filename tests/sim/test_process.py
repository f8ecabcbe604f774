"""The C board's process: starts, ends, restarts, and never outlives whoever started it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ipfi_serial import ConnectTimeoutError, connect
from ipfi_serial.errors import TransportError
from ipfi_serial.sim import process as process_module
from ipfi_serial.sim.output import LONGEST_LINE_BYTES
from ipfi_serial.sim.process import BoardProcess
from ipfi_serial.transport.virtual import VirtualPort

PATIENCE_S = 10.0


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_for_the_end(pid: int) -> None:
    """Wait until somebody else's child has ended."""
    pidfd = os.pidfd_open(pid)
    try:
        assert select.select([pidfd], [], [], PATIENCE_S)[0]
    finally:
        os.close(pidfd)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_it_starts_and_stops(program: Path) -> None:
    board = BoardProcess(program)
    pid = board.pid
    assert pid is not None
    assert board.running
    with connect(board.path) as wire:
        assert wire.call("magic") == 42
    board.stop()
    assert (board.running, board.pid, is_alive(pid)) == (False, None, False)
    board.stop()


def test_a_with_block_leaves_no_zombie(program: Path) -> None:
    with BoardProcess(program) as board:
        pid = board.pid
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


def test_a_small_board_serves_as_well(program: Path) -> None:
    with BoardProcess(program, small=True) as board, connect(board.path) as wire:
        assert wire.call("blob", 5000) == bytes(i % 251 for i in range(5000))


def test_an_unplugged_board_ends_every_waiting_call_at_once(program: Path) -> None:
    """By the end of its file, not by a silence that has lasted: no time is waited for."""
    with BoardProcess(program) as board, connect(board.path) as wire:
        handles = [wire.start("sleep", 60_000) for _ in range(5)]
        wire.call("magic")
        board.unplug()
        for handle in handles:
            with pytest.raises(TransportError, match="port was unplugged") as caught:
                handle.result(PATIENCE_S)
            assert caught.value.may_have_executed is True


def test_a_restarted_board_is_found_at_its_link(program: Path, tmp_path: Path) -> None:
    link = str(tmp_path / "board")
    with BoardProcess(program, link=link) as board:
        for _ in range(3):
            with connect(link) as wire:
                assert wire.call("magic") == 42
            pid = board.pid
            board.restart()
            assert (board.path, board.running) == (link, True)
            assert board.pid != pid
    assert not Path(link).is_symlink()


def test_a_board_outlives_the_thread_that_started_it(program: Path) -> None:
    boards: list[BoardProcess] = []
    thread = threading.Thread(target=lambda: boards.append(BoardProcess(program)))
    thread.start()
    thread.join(PATIENCE_S)
    with boards[0] as board, connect(board.path) as wire:
        assert wire.call("magic") == 42


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_board_does_not_outlive_a_program_that_is_killed(program: Path, how: int) -> None:
    code = (
        "import time; from pathlib import Path; from ipfi_serial.sim.process import BoardProcess;"
        f"board = BoardProcess(Path({str(program)!r}));"
        "print(board.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(how)
        parent.wait(PATIENCE_S)
        if is_alive(pid):
            wait_for_the_end(pid)


def test_waiting_for_a_board_that_runs_ends_in_time(program: Path) -> None:
    with BoardProcess(program) as board:
        assert not board.wait(0.01)
        assert board.pid is not None
        os.kill(board.pid, signal.SIGTERM)
        assert board.wait(PATIENCE_S)
    assert board.wait(0)


def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="does not start"):
        BoardProcess(tmp_path / "nothing")


def test_a_program_that_ends_at_once_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="ended at once, with exit code 7; a board prints"):
        BoardProcess(script(tmp_path / "ends", "exit 7"))


def test_a_program_that_says_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="what now"):
        BoardProcess(script(tmp_path / "chatty", "echo what now; exec cat"))


def test_a_program_that_is_killed_is_told_with_the_signal(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="crashes ended at once, by SIGSEGV"):
        BoardProcess(script(tmp_path / "crashes", "kill -SEGV $$"))


def test_a_program_may_print_more_than_a_pipe_holds(tmp_path: Path) -> None:
    """Nobody reads what it prints but us: unread, it would stand still at 64 KiB."""
    lines: list[str] = []
    chatty = "echo ready /dev/null; seq 100000; printf %0100000d 5; exit 3"
    with BoardProcess(script(tmp_path / "chatty", chatty), on_line=lines.append) as board:
        assert board.wait(PATIENCE_S)
        assert board.ending == "with exit code 3"
    assert lines[:100_000] == [str(number) for number in range(1, 100_001)]
    assert len("".join(lines[100_000:])) == 100_000  # one line, in pieces
    assert max(map(len, lines)) <= 2 * LONGEST_LINE_BYTES


def test_what_a_callback_of_lines_raises_is_logged_and_the_program_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[str] = []

    def fail_once(line: str) -> None:
        lines.append(line)
        if len(lines) == 1:
            raise ValueError("no room")

    printing = "echo ready /dev/null; echo one; sleep 0.1; echo two; exit 7"
    with BoardProcess(script(tmp_path / "board", printing), on_line=fail_once) as board:
        assert board.wait(PATIENCE_S)
        assert board.ending == "with exit code 7"
    assert lines == ["one", "two"]
    assert "lost a program's line 'one'" in caplog.text


def test_a_board_that_prints_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "ipfi_serial")
    with BoardProcess(script(tmp_path / "chatty", "echo ready /dev/null; echo warm")) as board:
        assert board.wait(PATIENCE_S)
    assert "chatty: warm" in caplog.messages


def test_a_stopped_board_leaves_no_thread(program: Path) -> None:
    before = threading.enumerate()
    for _ in range(3):
        BoardProcess(program).stop()
    assert threading.enumerate() == before


def test_a_program_that_says_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "START_TIMEOUT_S", 0.1)
    with pytest.raises(TransportError, match="said nothing"):
        BoardProcess(script(tmp_path / "silent", f"echo $$ > {tmp_path}/pid; exec cat"))
    pid = tmp_path / "pid"
    assert not (pid.exists() and pid.read_text() and is_alive(int(pid.read_text())))


def test_a_board_that_ignores_the_end_of_its_input_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "STOP_TIMEOUT_S", 0.1)
    board = BoardProcess(script(tmp_path / "stubborn", "echo ready /dev/null; exec sleep 60"))
    pid = board.pid
    board.stop()
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.usefixtures("program")
def test_closing_the_wire_ends_the_process() -> None:
    before = children()
    wire = connect("sim:c")
    (pid,) = children() - before
    wire.close()
    assert not Path(f"/proc/{pid}").exists()


def test_a_connect_that_fails_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = children()
    with closing(VirtualPort()) as port:
        deaf = script(tmp_path / "deaf", f"echo ready {port.path}; exec cat")
        monkeypatch.setattr(process_module, "build_board", lambda: deaf)
        with pytest.raises(ConnectTimeoutError):
            connect("sim:c", connect_timeout_s=0.1)
    assert children() <= before


def children() -> set[int]:
    """Process ids of this process's children."""
    own = Path(f"/proc/{os.getpid()}/task")
    found: set[int] = set()
    for task in own.iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found
