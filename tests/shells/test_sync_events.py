"""Events and callbacks in the blocking shell."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import Any

import pytest

from ipfi_serial import (
    CallRefusedError,
    CallTimeoutError,
    IpfiError,
    LocalProtocolError,
    WireClosedError,
    WireConfig,
)
from tests.shells.boards import LED, PATIENCE_S, TICK
from tests.shells.ends import Background, Ends, joined, wait_until

KINDS = pytest.mark.parametrize("kind", ["loopback", "tcp"])


def emit_ticks(ends: Ends, count: int) -> None:
    """Let the device emit numbered ticks."""
    for number in range(count):
        ends.device.emit(TICK, number)


@KINDS
def test_events_are_handled_in_order_one_at_a_time_and_may_call(kind: str) -> None:
    with joined(kind) as ends:
        ends.near.interface.event(TICK)(lambda _: None)
        got: list[int] = []
        busy = threading.Lock()
        done = threading.Event()

        def handler(count: int) -> None:
            assert busy.acquire(blocking=False)
            got.append(ends.host.call(1, count, 1000))
            busy.release()
            if count == 199:
                done.set()

        assert ends.host.on(TICK, handler) is handler
        emit_ticks(ends, 200)
        assert done.wait(PATIENCE_S)
        assert got == [1000 + number for number in range(200)]


def test_an_event_has_any_number_of_handlers_until_they_are_taken_off() -> None:
    with joined() as ends:
        seen = ends.near.seen
        first = ends.host.on("tick", lambda count: seen.put(("first", count)))
        ends.host.on(TICK, lambda count: seen.put(("second", count)))
        emit_ticks(ends, 1)
        assert [ends.near.next_seen() for _ in range(2)] == [("first", 0), ("second", 0)]
        ends.host.off("tick", first)
        ends.host.off("tick", first)
        emit_ticks(ends, 1)
        assert ends.near.next_seen() == ("second", 0)
        with pytest.raises(CallRefusedError, match="no event"):
            ends.host.on("tock", first)


def test_events_go_both_ways_with_any_data() -> None:
    with joined() as ends:
        ends.host.emit("led", True)
        assert ends.far.next_seen() == ("led", True)
        ends.host.on("tick", ends.near.seen.put)
        for data in (None, [1, {"a": b"b"}], 1.5, "ü" * 50_000):
            ends.device.emit(TICK, data)
            assert ends.near.next_seen() == data


def test_wait_event_returns_the_arguments_and_knows_the_event() -> None:
    with joined() as ends:
        waiting = Background(lambda: ends.host.wait_event("tick", timeout_s=PATIENCE_S))
        wait_until(lambda: bool(ends.host._notifications.subscriptions.all_queues))
        ends.device.emit(TICK, 7)
        event = waiting.result()
        assert event == (7,)
        assert (event.name, event.event_index, event.args) == ("tick", TICK, (7,))
        with pytest.raises(CallTimeoutError, match="no event 'tick'"):
            ends.host.wait_event("tick", timeout_s=0.02)
        assert ends.host._notifications.subscriptions.all_queues == []


def test_events_of_one_kind_or_of_all_are_iterated_until_the_wire_closes() -> None:
    with joined() as ends:
        ticks, everything = ends.host.events("tick"), ends.host.events()
        ends.device.emit(TICK, 1)
        ends.device.emit(99, "unknown")
        ends.device.emit(TICK, 2)
        assert [tuple(next(ticks)) for _ in range(2)] == [(1,), (2,)]
        assert [next(everything).name for _ in range(3)] == ["tick", None, "tick"]
        reading = [Background(partial(list, each)) for each in (ticks, everything)]
        ends.host.close()
        assert [each.result() for each in reading] == [[], []]
        assert isinstance(ticks.ended, WireClosedError)


def test_a_reader_that_is_closed_ends_the_thread_that_waits_for_it() -> None:
    with joined() as ends:
        with ends.host.events(TICK) as ticks:
            reading = [Background(partial(list, ticks)) for _ in range(2)]
            wait_until(lambda: len(ends.host._pump._sleepers) >= 1)
        assert [each.result() for each in reading] == [[], []]


def test_two_threads_share_a_reader_and_no_event_is_lost_or_doubled() -> None:
    with joined() as ends:
        ticks = ends.host.events(TICK)
        reading = [Background(lambda: [event[0] for event in ticks]) for _ in range(2)]
        emit_ticks(ends, 300)
        ends.device.close()
        ends.host.close()
        got = [number for each in reading for number in each.result()]
        assert sorted(got) == list(range(300))


def test_a_full_reader_drops_the_oldest_and_counts_it(caplog: pytest.LogCaptureFixture) -> None:
    with joined(config=WireConfig(event_queue_size=5)) as ends:
        ticks = ends.host.events(TICK)
        emit_ticks(ends, 12)
        ends.device.call(1, 0, 0)  # what was emitted before has arrived
        assert ticks.dropped == 7
        assert ends.host.stats().events_dropped == 7
        assert [next(ticks)[0] for _ in range(5)] == [7, 8, 9, 10, 11]
    assert "events dropped so far" in caplog.text


def test_a_slow_handler_loses_the_oldest_events_but_never_a_callback() -> None:
    with joined(config=WireConfig(event_queue_size=5)) as ends:
        seen, holding = ends.near.seen, threading.Event()

        def slow(count: int) -> None:
            holding.set()
            assert ends.near.release.wait(PATIENCE_S)
            seen.put(count)

        ends.host.on(TICK, slow)
        ends.host.on_end_of_input(lambda: seen.put("end of input"))
        emit_ticks(ends, 1)
        assert holding.wait(PATIENCE_S)
        ends.device.end_of_input()
        emit_ticks(ends, 10)
        ends.device.call(1, 0, 0)
        assert ends.host.stats().events_dropped > 0
        ends.near.release.set()
        got = [ends.near.next_seen() for _ in range(6)]
        assert got[:2] == [0, "end of input"]
        assert got[2:] == [6, 7, 8, 9]


def test_events_that_do_not_fit_the_handler_are_logged_and_reach_on_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with joined() as ends:
        ends.device.on_error(ends.far.seen.put)
        ends.host.emit("led", "not a bool")
        assert "must be bool" in str(ends.far.next_seen())
        ends.host.emit("led", False)
        assert ends.far.next_seen() == ("led", False)
    assert "a callback failed" in caplog.text


@pytest.mark.parametrize("exception", [ValueError("bad"), SystemExit(1)])
def test_callbacks_may_raise_anything_and_the_next_one_still_runs(
    exception: BaseException,
) -> None:
    with joined() as ends:
        seen = ends.near.seen

        def broken(_: Any = None) -> None:
            raise exception

        def broken_too(_: Any = None) -> None:
            raise ValueError("never ending")

        ends.host.on(TICK, broken)
        ends.host.on(TICK, seen.put)
        ends.host.on_error(broken_too)  # called once for each error, and never for its own
        ends.host.on_error(lambda error: seen.put(type(error)))
        emit_ticks(ends, 2)
        got = [ends.near.next_seen() for _ in range(4)]
        assert sorted(g for g in got if isinstance(g, int)) == [0, 1]
        assert got.count(type(exception)) == 2
        ends.device.end_of_input()
        ends.host.on_end_of_input(lambda: seen.put("no more"))
        ends.device.end_of_input()
        assert ends.near.next_seen() == "no more"


def test_text_and_the_end_of_input_reach_their_callbacks() -> None:
    with joined() as ends:
        ends.host.on_text(ends.near.seen.put)
        ends.host.on_text(lambda: ends.near.seen.put("without an argument"))
        ends.device._pump.command(lambda wire, _: wire.link.push_log(2, "hello"))  # type: ignore[union-attr]
        assert [ends.near.next_seen() for _ in range(2)] == ["hello", "without an argument"]
        ends.host.on_end_of_input(lambda: ends.near.seen.put("no more"))
        ends.device.end_of_input()
        assert ends.near.next_seen() == "no more"


def test_text_that_nobody_takes_in_time_is_dropped_and_counted() -> None:
    with joined(config=WireConfig(event_queue_size=3)) as ends:
        holding = threading.Event()

        def slow(text: str) -> None:
            holding.set()
            ends.near.release.wait(PATIENCE_S)
            ends.near.seen.put(text)

        ends.host.on_text(slow)
        for number in range(10):
            ends.device._pump.command(lambda wire, _, n=number: wire.link.push_log(1, f"{n}"))  # type: ignore[misc]
            ends.device.call(1, 0, 0)
            assert holding.wait(PATIENCE_S)
        ends.near.release.set()
        assert [ends.near.next_seen() for _ in range(4)] == ["0", "7", "8", "9"]
        assert ends.host.stats().events_dropped == 6


def test_a_log_handler_that_raises_or_emits_stops_no_delivery() -> None:
    class Wild(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "emit":
                ends.host.emit("led", True)
            raise RuntimeError("a broken log handler")

    log = logging.getLogger("ipfi_serial.device")
    wild = Wild()
    level = log.level
    with joined() as ends:
        log.addHandler(wild)
        log.setLevel(logging.DEBUG)
        try:
            for text in ("hello", "emit"):
                ends.device._pump.command(lambda wire, _, t=text: wire.link.push_log(1, t))  # type: ignore[misc]
            assert ends.far.next_seen() == ("led", True)
            assert ends.host.call(1, 1, 1) == 2
        finally:
            log.removeHandler(wild)
            log.setLevel(level)


def test_lossy_events_arrive_on_a_good_line_and_are_refused_on_a_plain_one() -> None:
    with joined() as ends:
        ends.host.emit("led", True, lossy=True)
        assert ends.far.next_seen() == ("led", True)
        with pytest.raises(CallRefusedError, match="one frame"):
            ends.host.emit("led", "x" * 5000, lossy=True)
    with joined("tcp") as ends, pytest.raises(LocalProtocolError, match="lossy"):
        ends.host.emit(LED, True, lossy=True)


def test_on_close_is_called_once_with_the_reason_even_if_it_comes_late() -> None:
    with joined() as ends:
        seen = ends.near.seen
        ends.host.on_close(seen.put)
        ends.host.on_close(lambda: seen.put("closed"))
        ends.host.close()
        assert isinstance(ends.near.next_seen(), WireClosedError)
        assert ends.near.next_seen() == "closed"
        ends.device.close()
        ends.device.close()
        assert seen.empty()


def test_on_close_of_a_wire_that_the_other_end_closed_is_called_at_once() -> None:
    with joined("tcp") as ends:
        ends.device.close()
        wait_until(lambda: ends.host.closed)
        ends.host.on_close(ends.near.seen.put)
        assert isinstance(ends.near.next_seen(), IpfiError)


def test_an_event_that_cannot_be_read_and_a_fault_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with joined("tcp") as ends:
        ends.near.interface.event(TICK)(ends.near.seen.put)
        ticks = ends.host.events(TICK)
        ends.device._pump.command(lambda wire, now_s: wire.emit(TICK, b"\xc1", now_s))
        with pytest.raises(CallTimeoutError):
            ends.host.call(77, timeout_s=0.05)
        ends.device.emit(TICK, 1)
        assert tuple(next(ticks)) == (1,)
        ends.host._deliver("something new")  # type: ignore[arg-type]
    assert "cannot be read" in caplog.text
    assert "no procedure 77" in caplog.text
    assert "nobody takes 'something new'" in caplog.text


class Unhashable:
    """A handler that equals others and so has no hash, as a dataclass has none."""

    def __init__(self, got: list[int]) -> None:
        self.got = got

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable) and self.got is other.got

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, count: int) -> None:
        """Note it."""
        self.got.append(count)


def test_a_handler_need_not_be_hashable() -> None:
    with joined() as ends:
        got: list[int] = []
        seen: list[int] = []
        ends.host.on(TICK, Unhashable(got))
        emit_ticks(ends, 2)
        wait_until(lambda: got == [0, 1])
        ends.host.off(TICK, Unhashable(got))
        ends.host.on(TICK, lambda count: seen.append(count))
        emit_ticks(ends, 1)
        wait_until(lambda: seen == [0])
        assert got == [0, 1]
        assert len(ends.host._notifications.subscriptions._signatures) == 1
