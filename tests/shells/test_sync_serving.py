"""Which thread runs a handler, and that none keeps the wire from being read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ipfi_serial.pump import carrier
from ipfi_serial.pump import pump as pump_module
from ipfi_serial.pump.pump import Pump
from tests.harness.builds import replaces_parts
from tests.shells.boards import LED, PATIENCE_S
from tests.shells.ends import joined, wait_until


def test_a_short_handler_runs_on_the_thread_that_read_its_call() -> None:
    with joined() as ends:

        @ends.far.interface.procedure(60)
        def where() -> str:
            return threading.current_thread().name

        pump = ends.device._pump  # whose threads are slow on a busy machine: then a worker is used
        wait_until(lambda: ends.host.call(60) == pump._own_thread.name)
        assert pump._relief is not None, "somebody must read if it does not return"


def test_a_handler_that_lasted_gets_a_worker_the_next_time() -> None:
    with joined() as ends:

        @ends.far.interface.procedure(60)
        def where(pause_s: float) -> str:
            time.sleep(pause_s)
            return threading.current_thread().name

        ends.host.call(60, 0.01)
        assert "worker" in str(ends.host.call(60, 0.01))


def test_the_line_is_read_while_the_reading_thread_is_in_a_handler() -> None:
    with joined() as ends:
        stuck = ends.host.start(8)
        assert ends.far.next_seen() == "stuck"
        while not ends.device._pump._shift.away:  # a busy machine: it was given to a worker
            ends.host.start(8)
            assert ends.far.next_seen() == "stuck"
        assert [ends.host.call(1, k, 1) for k in range(20)] == list(range(1, 21))
        assert list(ends.host.stream(3, 3)) == ["item 0", "item 1", "item 2"]
        ends.far.release.set()
        assert stuck.result() == "freed"


def test_calls_read_together_with_one_that_is_stuck_are_served() -> None:
    """They wait for the same thread, and it stays away."""
    with joined() as ends:
        begun = threading.Event()

        @ends.far.interface.procedure(60)
        def second() -> None:
            begun.set()

        @ends.far.interface.procedure(61)
        def first() -> bool:
            return begun.wait(PATIENCE_S)

        with ends.device._pump._lock:  # it reads nothing before both are there
            calls = [ends.host.start(61), ends.host.start(60)]
        assert [call.result() for call in calls] == [True, None]


def test_every_handler_of_a_crowd_may_be_stuck_at_once() -> None:
    with joined() as ends:
        calls = [ends.host.start(8) for _ in range(20)]
        assert [ends.far.next_seen() for _ in calls] == ["stuck"] * 20
        assert ends.host.call(1, 2, 3) == 5
        ends.far.release.set()
        assert [call.result() for call in calls] == ["freed"] * 20


def test_a_handler_may_close_its_own_connection_and_both_threads_end() -> None:
    with joined() as ends:
        closed = threading.Event()

        @ends.far.interface.procedure(60)
        def hang_up() -> None:
            ends.device.close()
            closed.set()

        ends.host.start(60)
        assert closed.wait(PATIENCE_S)
        pump = ends.device._pump
        wait_until(lambda: not pump._own_thread.is_alive())
        assert pump._relief is None or not pump._relief.is_alive()


def test_closing_does_not_wait_for_a_handler_that_is_stuck() -> None:
    with joined() as ends:
        ends.host.start(8)
        assert ends.far.next_seen() == "stuck"
        began_s = time.monotonic()
        ends.device.abandon()
        assert time.monotonic() - began_s < PATIENCE_S / 4
        ends.far.release.set()


def test_a_handler_that_calls_back_reads_for_itself() -> None:
    with joined() as ends:

        @ends.near.interface.procedure(70)
        def twice(number: int) -> int:
            return number * 2

        @ends.far.interface.procedure(60)
        def ask(number: int) -> object:
            return ends.device.call(70, number)

        assert [ends.host.call(60, k) for k in range(10)] == [2 * k for k in range(10)]


@replaces_parts
def test_without_a_second_thread_handlers_get_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    with joined() as ends:

        def no_thread(_: object) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            thread = ends.device._pump._new_thread()
            patched.setattr(thread, "start", no_thread.__get__(thread))
            patched.setattr(ends.device._pump, "_new_thread", lambda: thread)
            assert ends.host.call(1, 1, 2) == 3
        assert ends.device._pump._relief is None


def test_a_call_behind_an_event_gets_a_worker_as_the_event_did() -> None:
    """Served by the reading thread, it would begin before the event's handler does."""
    with joined() as ends:
        lit, seen = threading.Event(), threading.Event()

        def light(_: bool) -> None:
            seen.set()
            lit.wait(PATIENCE_S)

        ends.device.on(LED, light)

        @ends.far.interface.procedure(60)
        def where() -> str:
            return threading.current_thread().name

        ends.host.emit(LED, True)
        assert seen.wait(PATIENCE_S)
        assert "worker" in str(ends.host.call(60))
        lit.set()
        wait_until(lambda: ends.device._notifications.idle)
        wait_until(lambda: ends.host.call(60) == ends.device._pump._own_thread.name)


# --- what is held for company ---


def test_what_is_held_leaves_although_nobody_waits_for_it() -> None:
    with joined() as ends:
        for _ in range(carrier.BUSY_CALLS + 2):
            ends.host.start(11)
        for _ in range(carrier.BUSY_CALLS + 2):
            assert ends.far.next_seen() == "nothing"


@replaces_parts
def test_a_call_under_way_among_few_is_never_held() -> None:
    with joined() as ends:
        held = []
        hold = Pump._may_hold

        def may_hold(pump: Pump) -> bool:
            held.append(hold(pump))
            return held[-1]

        ends.host._pump._may_hold = may_hold.__get__(ends.host._pump)  # type: ignore[method-assign]
        for k in range(50):
            assert ends.host.call(1, k, 1) == k + 1
        assert not any(held)


@replaces_parts
def test_calls_that_were_held_share_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "GRACE_S", PATIENCE_S)  # only this thread reads
    with joined() as ends:
        # the pump's thread reads on until it sees that a caller has read, or would: no call shows
        # that if its answer comes before it has gone to sleep for it
        ends.host._pump._callers_turn_s = time.monotonic()
        ends.host.call(1, 0, 0)
        wait_until(lambda: ends.host._pump._leader is None)
        transport, count, writes = ends.host._pump._transport, 40, []
        write = transport.write

        def counted(data: bytes) -> int:
            writes.append(len(data))
            return write(data)

        vars(transport)["write"] = counted
        calls = [ends.host.start(1, k, 1) for k in range(count)]
        together = (count - carrier.BUSY_CALLS) / carrier.HELD_MESSAGES
        assert len(writes) <= carrier.BUSY_CALLS + together
        assert [call.result() for call in calls] == list(range(1, count + 1))


def test_values_of_a_stream_arrive_although_the_generator_waits_behind_them() -> None:
    with joined() as ends:
        read = threading.Semaphore(0)

        @ends.far.interface.procedure(60)
        def bursts(count: int, size: int) -> Iterator[int]:
            for burst in range(count):
                yield from range(burst * size, (burst + 1) * size)
                assert read.acquire(timeout=PATIENCE_S), "what was yielded has not arrived"

        got = []
        for number in ends.host.stream(60, 10, 7):
            got.append(number)
            if len(got) % 7 == 0:
                read.release()
        assert got == list(range(70))


def test_values_of_a_stream_share_frames() -> None:
    with joined() as ends:
        before = ends.device.stats().frames_sent
        count = 2000
        assert len(list(ends.host.stream(3, count))) == count
        assert ends.device.stats().frames_sent - before < count / 2
