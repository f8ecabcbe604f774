"""The Python board on a line of its own: hosts come and go, it reboots, it ends with its line."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from ipfi_serial import Connection, DeviceResetError, Interface, connect
from ipfi_serial.sim.board import Board
from ipfi_serial.sim.procedures import Procedures, board_interface
from ipfi_serial.sim.timers import Timers
from ipfi_serial.transport import open_transport
from ipfi_serial.transport.virtual import PtyTransport
from tests.sim.conftest import PATIENCE_S, switch_lamp


def reboot(wire: Connection) -> None:
    """Restart the board, and wait until the new session stands."""
    resets: queue.Queue[DeviceResetError] = queue.Queue()
    wire.on_reset(resets.put)
    wire.call("reboot")
    resets.get(timeout=PATIENCE_S)


def test_a_host_leaves_and_the_next_one_is_served() -> None:
    line = PtyTransport("test")
    with Board(line):
        for _ in range(3):
            with connect(line.path) as wire:
                assert wire.call("add", 1, 2) == 3


def test_what_the_board_remembers_outlives_its_hosts() -> None:
    line = PtyTransport("test")
    with Board(line):
        with connect(line.path) as wire:
            switch_lamp(wire, on=True)
        with connect(line.path) as wire:
            assert wire.call("led") is True


def test_a_board_reboots_again_and_again() -> None:
    line = PtyTransport("test")
    with Board(line) as board, connect(line.path) as wire:
        for count in range(1, 4):
            reboot(wire)
            assert board.reboots == count
            assert wire.call("magic") == 42
        assert wire.stats().resets == 3


def test_two_reboots_at_once_are_one() -> None:
    line = PtyTransport("test")
    with Board(line) as board, connect(line.path) as wire:
        resets: queue.Queue[DeviceResetError] = queue.Queue()
        wire.on_reset(resets.put)
        handles = [wire.start("reboot") for _ in range(5)]
        resets.get(timeout=PATIENCE_S)
        assert wire.call("magic") == 42
        assert board.reboots >= 1
        assert any(handle.done for handle in handles)


def test_a_board_is_reset_while_its_handlers_wait_for_the_host() -> None:
    host, gate = Interface(), threading.Event()
    host.procedure(50)(lambda _: gate.wait(PATIENCE_S))
    line = PtyTransport("test")
    with Board(line) as board, connect(line.path, host) as wire:
        resets: queue.Queue[DeviceResetError] = queue.Queue()
        wire.on_reset(resets.put)
        for _ in range(10):
            calls = [wire.start("callback", 50, "") for _ in range(3)]
            wire.flush(PATIENCE_S)
            board.reset()
            resets.get(timeout=PATIENCE_S)
            assert wire.call("magic") == 42
            assert all(call.done for call in calls)
        gate.set()


def test_a_board_ends_when_its_line_ends() -> None:
    board = Board(open_transport("loopback:sim-ends"))
    with connect("loopback:sim-ends") as wire:
        assert wire.call("magic") == 42
        wire.abandon()
    assert board.wait(PATIENCE_S)


def test_closing_a_board_leaves_no_thread_behind() -> None:
    line = PtyTransport("test")
    with Board(line), connect(line.path) as wire:
        wire.call("start_ticks", 10)
        wire.call("sleep", 1)
    deadline_s = time.monotonic() + PATIENCE_S
    for thread in threading.enumerate():
        if thread.name.startswith(("ipfi board", "ipfi test")):
            thread.join(deadline_s - time.monotonic())
            assert not thread.is_alive()


def test_a_board_may_be_closed_twice() -> None:
    board = Board(PtyTransport("test"))
    board.close()
    board.close()
    assert board.wait(0)


def test_a_host_whose_board_is_switched_off_is_told() -> None:
    reasons: queue.Queue[Exception] = queue.Queue()
    board = Board(open_transport("loopback:sim-off"))
    with connect("loopback:sim-off") as wire:
        wire.on_close(reasons.put)
        assert wire.call("magic") == 42
        board.close()
        assert reasons.get(timeout=PATIENCE_S) is not None


def test_the_interface_can_be_served_without_a_board() -> None:
    said: list[bytes] = []
    timers = Timers()
    interface = board_interface(Procedures(timers, lambda: None, said.append))
    with (
        connect("loopback:sim-bare", interface, role="device"),
        connect("loopback:sim-bare", Interface()) as wire,
    ):
        assert wire.call("add", 2, 3) == 5
        wire.call("say", "bare")
    assert said == [b"bare"]
    timers.close()


def held_until(timers: Timers, now_s: float) -> threading.Event:
    """Keep the timers' thread in a job until the event is set: what is given now comes after it."""
    go, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait(PATIENCE_S)

    timers.at(now_s, hold)
    assert begun.wait(PATIENCE_S)
    return go


@pytest.mark.parametrize("count", [1, 100])
def test_timers_run_jobs_in_the_order_of_their_times(count: int) -> None:
    timers = Timers()
    done: queue.Queue[int] = queue.Queue()
    start_s = time.monotonic()
    all_given = held_until(timers, start_s)
    for number in reversed(range(count)):
        timers.at(start_s + number / 1e6, lambda n=number: done.put(n))  # type: ignore[misc]
    all_given.set()
    assert [done.get(timeout=PATIENCE_S) for _ in range(count)] == list(range(count))
    timers.close()


def test_a_nearer_job_is_not_held_up_by_a_later_one() -> None:
    timers = Timers()
    done: queue.Queue[str] = queue.Queue()
    timers.at(time.monotonic() + 3600, lambda: done.put("late"))
    timers.at(time.monotonic(), lambda: done.put("soon"))
    assert done.get(timeout=PATIENCE_S) == "soon"
    timers.close()


def test_closed_timers_run_nothing_more() -> None:
    timers = Timers()
    done: queue.Queue[str] = queue.Queue()
    closed = held_until(timers, time.monotonic())
    timers.at(time.monotonic(), lambda: done.put("too late"))
    timers.close()
    timers.at(time.monotonic(), lambda: done.put("much too late"))
    closed.set()
    with pytest.raises(queue.Empty):
        done.get(timeout=0.1)
