"""Who reads, who sleeps, who is woken: the interleavings of the pump, forced one by one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ipfi_serial import Interface, WireConfig
from ipfi_serial.engine.calls import CallEnded, ItemReceived, OutgoingCall
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.engine.wire import Wire
from ipfi_serial.errors import TransportError, WireClosedError
from ipfi_serial.events import SessionLost, SessionOpened
from ipfi_serial.pump import Pump
from ipfi_serial.pump import pump as pump_module
from tests.harness.builds import replaces_parts
from tests.shells.boards import PATIENCE_S
from tests.shells.ends import Background, wait_until
from tests.shells.lines import ScriptedLine


@pytest.fixture(autouse=True)
def callers_do_not_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a word that is lost hang its test: looking up for Ctrl-C would hide that."""
    monkeypatch.setattr(pump_module, "CALLER_LOOK_S", PATIENCE_S * 10)


class Flag:
    """Something to wait for."""

    def __init__(self) -> None:
        self.ready = False


class Bench:
    """A pump on a plain wire and a scripted line, and what it delivered."""

    def __init__(self, line: ScriptedLine, bytes_per_s: float | None, *, framed: bool) -> None:
        self.line = line
        self.delivered: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.in_delivery: Callable[[Any], None] = lambda _: None
        wire = build_wire(
            Interface(),
            WireConfig(),
            framed=framed,
            role="host",
            bytes_per_s=bytes_per_s,
            random_u32=lambda: 7,
        )
        self.pump = Pump(wire, line, self._deliver)
        self.calls = 0

    def _deliver(self, event: Any) -> None:
        self.in_delivery(event)
        if isinstance(event, CallEnded):
            event.call.owner.ready = True
        self.delivered.put(event)

    def next_delivered(self) -> Any:
        """Wait for the next event."""
        return self.delivered.get(timeout=PATIENCE_S)

    def start_call(self, *, streaming: bool = False) -> tuple[Flag, OutgoingCall]:
        """Begin a call of procedure 1; the flag becomes ready with its answer."""
        flag = Flag()
        call = OutgoingCall(
            1, time.monotonic() + 3600, streaming=streaming, nested=False, owner=flag
        )
        self.pump.command(lambda wire, now_s: wire.start_call(call, b"", now_s))
        return flag, call

    def answer(self, call: OutgoingCall, flags: int = 0xC0) -> None:
        """Let the line bring a call's answer, or with 0x40 one value of its stream."""
        self.line.bring(bytes((2, flags, 1, call.call, 1, 0xC0)))

    def lead(self, flag: Flag, timeout_s: float | None = PATIENCE_S) -> Background:
        """Wait in a thread, which leads when the pump's own thread does not."""
        return Background(lambda: self.pump.wait(flag, timeout_s))

    @property
    def led_by(self) -> object | None:
        """What the leader waits for."""
        leader = self.pump._leader
        return None if leader is None else leader.waiter


@contextmanager
def a_bench(
    *, own_thread: bool = False, bytes_per_s: float | None = None, framed: bool = False
) -> Iterator[Bench]:
    """Make one; without the pump's own thread, callers alone read."""
    bench = Bench(ScriptedLine(bytes_per_s=bytes_per_s), bytes_per_s, framed=framed)
    if own_thread:
        bench.pump.start()
    else:
        bench.pump.command(lambda wire, now_s: wire.open(now_s))
    if not framed:
        assert isinstance(bench.next_delivered(), SessionOpened)
    try:
        yield bench
    finally:
        bench.pump.close()
        assert not bench.pump._own_thread.is_alive()


# --- leader and followers ---


def test_one_caller_reads_for_all_and_the_others_sleep() -> None:
    with a_bench() as bench:
        pairs = [bench.start_call() for _ in range(4)]
        leading = bench.lead(pairs[0][0])
        wait_until(lambda: bench.led_by is pairs[0][0])
        sleeping = [bench.lead(flag) for flag, _ in pairs[1:]]
        wait_until(lambda: len(bench.pump._sleepers) == 3)
        for _, call in reversed(pairs):
            bench.answer(call)
        assert all(each.result() for each in (leading, *sleeping))
        assert bench.pump._sleepers == []


def test_the_next_caller_leads_when_the_leader_has_its_answer() -> None:
    """Without the pump's thread: were the word lost, nobody would read any more."""
    with a_bench() as bench:
        pairs = [bench.start_call() for _ in range(20)]
        waiting = [bench.lead(flag) for flag, _ in pairs]
        for _ in range(20):
            wait_until(lambda: bench.led_by is not None)
            leading = next(pair for pair in pairs if pair[0] is bench.led_by)
            bench.answer(leading[1])
            wait_until(lambda flag=leading[0]: bench.led_by is not flag)  # type: ignore[misc]
        assert all(each.result() for each in waiting)


def test_the_lead_is_not_passed_to_a_sleeper_that_is_just_leaving() -> None:
    with a_bench() as bench:
        pairs = [bench.start_call() for _ in range(3)]
        waiting = [bench.lead(pairs[0][0])]
        wait_until(lambda: bench.led_by is pairs[0][0])
        for flag, _ in pairs[1:]:
            known = len(bench.pump._sleepers)
            waiting.append(bench.lead(flag))
            wait_until(lambda n=known: len(bench.pump._sleepers) > n)  # type: ignore[misc]
        # one read brings the answers of the leader and of the first sleeper, the third must lead
        bench.line.bring(b"".join(bytes((2, 0xC0, 1, call.call, 1, 0xC0)) for _, call in pairs[:2]))
        assert waiting[0].result()
        assert waiting[1].result()
        wait_until(lambda: bench.led_by is pairs[2][0])
        bench.answer(pairs[2][1])
        assert waiting[2].result()


def test_a_caller_whose_time_is_up_passes_the_lead_on() -> None:
    with a_bench() as bench:
        (short, _), (long, call) = bench.start_call(), bench.start_call()
        first = bench.lead(short, 0.2)
        wait_until(lambda: bench.led_by is short)
        second = bench.lead(long)
        assert first.result() is False
        wait_until(lambda: bench.led_by is long)
        bench.answer(call)
        assert second.result()


@replaces_parts
def test_a_sleeper_whose_time_is_up_just_when_it_should_lead_passes_that_on() -> None:
    with a_bench() as bench:
        (first, first_call), (second, _), (third, third_call) = (
            bench.start_call() for _ in range(3)
        )
        leading = bench.lead(first)
        wait_until(lambda: bench.led_by is first)
        gone, rung = threading.Event(), threading.Event()
        follow = bench.pump._follow

        def late(waiter: Any, until_s: float | None) -> bool:
            """Sleep as usual, but be slow to wake up, and then out of time."""
            going = follow(waiter, until_s)
            if waiter is second:
                rung.set()
                assert gone.wait(PATIENCE_S)
                return False
            return going

        bench.pump._follow = late  # type: ignore[method-assign]
        slow = bench.lead(second)
        wait_until(lambda: len(bench.pump._sleepers) == 1)
        last = bench.lead(third)
        wait_until(lambda: len(bench.pump._sleepers) == 2)
        bench.answer(first_call)
        assert leading.result()
        assert rung.wait(PATIENCE_S)
        gone.set()
        assert slow.result() is False
        bench.answer(third_call)
        assert last.result()


def test_an_answer_that_another_thread_gave_wakes_the_leader() -> None:
    with a_bench() as bench:
        flag, call = bench.start_call()
        leading = bench.lead(flag)
        wait_until(lambda: bench.led_by is flag and bench.line.reading.is_set())
        bench.pump.command(lambda wire, _: wire.caller.cancel(call))
        assert leading.result()


def test_an_answer_between_the_leaders_look_and_its_read_is_not_missed() -> None:
    with a_bench() as bench:
        flag, call = bench.start_call()
        about_to_read, go = threading.Event(), threading.Event()
        read = bench.line.read

        def slow_read(timeout_s: float | None) -> bytes:
            about_to_read.set()
            assert go.wait(PATIENCE_S)
            return read(timeout_s)

        bench.line.read = slow_read  # type: ignore[method-assign]
        leading = bench.lead(flag)
        assert about_to_read.wait(PATIENCE_S)
        bench.pump.command(lambda wire, _: wire.caller.cancel(call))
        go.set()
        assert leading.result()


@replaces_parts
def test_what_is_ready_before_a_follower_sleeps_is_not_slept_through() -> None:
    with a_bench() as bench:
        (first, first_call), (second, second_call) = bench.start_call(), bench.start_call()
        leading = bench.lead(first)
        wait_until(lambda: bench.led_by is first)
        follow = bench.pump._follow

        def late(waiter: Any, until_s: float | None) -> bool:
            """Come between the failed try to lead and the sleep."""
            bench.answer(second_call)
            wait_until(lambda: second.ready)
            bench.answer(first_call)
            assert leading.result()
            return follow(waiter, until_s)

        bench.pump._follow = late  # type: ignore[method-assign]
        assert bench.lead(second).result()


@replaces_parts
def test_a_follower_leads_if_the_leader_left_before_it_slept() -> None:
    with a_bench() as bench:
        (first, first_call), (second, second_call) = bench.start_call(), bench.start_call()
        leading = bench.lead(first)
        wait_until(lambda: bench.led_by is first)
        follow = bench.pump._follow

        def late(waiter: Any, until_s: float | None) -> bool:
            bench.answer(first_call)
            assert leading.result()
            return follow(waiter, until_s)

        bench.pump._follow = late  # type: ignore[method-assign]
        sleeping = bench.lead(second)
        wait_until(lambda: bench.led_by is second)
        bench.answer(second_call)
        assert sleeping.result()


# --- the pump's own thread ---


def test_events_arrive_while_nobody_calls() -> None:
    with a_bench(own_thread=True) as bench:
        _, call = bench.start_call()
        bench.answer(call)
        assert isinstance(bench.next_delivered(), CallEnded)


def test_the_pumps_thread_takes_over_when_no_caller_reads_any_more() -> None:
    with a_bench(own_thread=True) as bench:
        for _ in range(5):
            flag, call = bench.start_call()
            leading = bench.lead(flag)
            bench.answer(call)
            assert leading.result()
            assert isinstance(bench.next_delivered(), CallEnded)
            _, call = bench.start_call()
            bench.answer(call)  # nobody waits for this one
            assert isinstance(bench.next_delivered(), CallEnded)


def test_the_pumps_thread_sleeps_while_a_caller_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "PARK_LOOK_S", PATIENCE_S * 10)
    with a_bench(own_thread=True) as bench:
        flag, call = bench.start_call()
        bench.pump._callers_turn_s = time.monotonic() + 0.05
        bench.line.wake()
        leading = bench.lead(flag)
        wait_until(lambda: bench.pump._is_parked or bench.led_by is not flag)
        bench.answer(call)
        assert leading.result()
        assert isinstance(bench.next_delivered(), CallEnded)
        _, call = bench.start_call()
        bench.answer(call)
        assert isinstance(bench.next_delivered(), CallEnded)


def test_deadlines_fire_while_nobody_calls_and_nothing_arrives() -> None:
    with a_bench(own_thread=True) as bench:
        call = OutgoingCall(1, time.monotonic() + 0.05, streaming=False, nested=False, owner=Flag())
        bench.pump.command(lambda wire, now_s: wire.start_call(call, b"", now_s))
        ended = bench.next_delivered()
        assert isinstance(ended.error, TimeoutError)


def test_a_deadline_that_comes_while_the_leader_sleeps_wakes_it() -> None:
    with a_bench() as bench:
        flag, _ = bench.start_call()  # its deadline is an hour away
        leading = bench.lead(flag)
        wait_until(bench.line.reading.is_set)
        urgent = OutgoingCall(
            1, time.monotonic() + 0.02, streaming=False, nested=False, owner=Flag()
        )
        bench.pump.command(lambda wire, now_s: wire.start_call(urgent, b"", now_s))
        assert isinstance(bench.next_delivered().error, TimeoutError)
        assert leading.running
        bench.pump.close()
        leading.result()


def test_commands_do_not_wake_a_leader_that_is_not_reading() -> None:
    with a_bench() as bench:
        flag, call = bench.start_call()
        leading = bench.lead(flag)
        bench.answer(call)
        assert leading.result()
        before = bench.line.wakes
        for _ in range(10):
            bench.start_call()
        assert bench.line.wakes == before


# --- order ---


def test_threads_that_deliver_at_once_keep_the_order_of_the_wire() -> None:
    """The leader is held in the middle of a delivery while a command has news of its own."""
    with a_bench() as bench:
        flag, call = bench.start_call(streaming=True)
        held, go = threading.Event(), threading.Event()

        def hold(event: Any) -> None:
            if isinstance(event, ItemReceived) and not held.is_set():
                held.set()
                assert go.wait(PATIENCE_S)

        bench.in_delivery = hold
        leading = bench.lead(flag)
        for _ in range(3):
            bench.answer(call, 0x40)
        assert held.wait(PATIENCE_S)
        cancelling = Background(
            lambda: bench.pump.command(lambda wire, _: wire.caller.cancel(call))
        )
        wait_until(lambda: bool(bench.pump._events))
        go.set()
        cancelling.result()
        assert leading.result()
        events = [bench.next_delivered() for _ in range(2)]
        assert [type(event) for event in events] == [ItemReceived, CallEnded]
        bench.pump.close()
        rest = []
        while not bench.delivered.empty():
            rest.append(type(bench.delivered.get()))
        assert ItemReceived not in rest


def test_a_command_returns_after_its_news_were_delivered() -> None:
    with a_bench() as bench:
        for _ in range(50):
            flag, call = bench.start_call()
            bench.pump.command(lambda wire, _, c=call: wire.caller.cancel(c))  # type: ignore[misc]
            assert flag.ready


def test_news_of_a_command_that_fails_are_delivered_all_the_same() -> None:
    with a_bench() as bench:
        flag, call = bench.start_call()

        def cancel_and_fail(wire: Wire, _: float) -> None:
            wire.caller.cancel(call)
            raise ValueError("after all")

        with pytest.raises(ValueError, match="after all"):
            bench.pump.command(cancel_and_fail)
        assert flag.ready


def test_a_delivery_that_raises_is_logged_and_loses_one_event_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with a_bench(own_thread=True) as bench:
        (_, first), (_, second) = bench.start_call(), bench.start_call()

        def fail_once(_: Any) -> None:
            bench.in_delivery = lambda _: None
            raise RuntimeError("a bug")

        bench.in_delivery = fail_once
        bench.line.bring(b"".join(bytes((2, 0xC0, 1, c.call, 1, 0xC0)) for c in (first, second)))
        assert bench.next_delivered().call is second
        assert bench.pump._own_thread.is_alive()
    assert "a bug" in caplog.text


# --- sending ---


def test_what_the_line_does_not_take_is_sent_when_it_has_room() -> None:
    with a_bench() as bench:
        bench.line.room = 3
        flag, call = bench.start_call()
        assert bytes(bench.line.written) == b"\x01\xc0\x01"
        bench.line.room = None
        leading = bench.lead(flag)
        bench.line.wake()  # as a transport does that has room again
        wait_until(lambda: len(bench.line.written) == 5)
        bench.answer(call)
        assert leading.result()


def test_flush_ends_as_soon_as_everything_has_left() -> None:
    with a_bench() as bench:
        bench.line.room = 0
        bench.start_call()
        flushing = Background(lambda: bench.pump.flush(PATIENCE_S))
        wait_until(bench.line.reading.is_set)
        assert flushing.running
        bench.line.room = None
        bench.line.wake()
        assert flushing.result() is True
        assert bench.pump.flush(0) is True


def test_flush_gives_up_in_time_and_when_the_line_dies() -> None:
    with a_bench() as bench:
        bench.line.room = 0
        bench.start_call()
        assert bench.pump.flush(0.02) is False
        flushing = [Background(lambda: bench.pump.flush(PATIENCE_S)) for _ in range(2)]
        wait_until(lambda: len(bench.pump._sleepers) == 1)
        bench.line.bring(TransportError("gone"))
        assert [each.result() for each in flushing] == [False, False]
        assert bench.pump.flush(PATIENCE_S) is False
        assert bench.pump._flushes == []


def test_a_flush_of_another_thread_is_ready_when_a_command_sends_the_rest() -> None:
    with a_bench() as bench:
        bench.line.room = 0
        bench.start_call()
        flushing = Background(lambda: bench.pump.flush(PATIENCE_S))
        wait_until(bench.line.reading.is_set)
        bench.line.room = None
        bench.start_call()
        assert flushing.result() is True


# --- the end ---


@pytest.mark.parametrize("own_thread", [False, True])
@pytest.mark.parametrize("framed", [False, True])
def test_the_last_event_is_the_end_of_the_wire(*, own_thread: bool, framed: bool) -> None:
    for lose in (False, True):
        with a_bench(own_thread=own_thread, framed=framed) as bench:
            if lose:
                bench.line.bring(TransportError("gone"))
                if not own_thread:
                    assert not bench.pump.wait(Flag(), PATIENCE_S)
                wait_until(lambda: not bench.delivered.empty())
            assert bench.pump.close() is True
            assert bench.pump.close() is False
            events = []
            while not bench.delivered.empty():
                events.append(bench.delivered.get())
            assert isinstance(events[-1], SessionLost)
            assert events[-1].final
            assert isinstance(events[-1].reason, TransportError if lose else WireClosedError)


def test_waiting_on_a_line_that_is_gone_returns_at_once() -> None:
    with a_bench() as bench:
        bench.line.bring(TransportError("gone"))
        assert bench.pump.wait(Flag(), None) is False
        assert bench.pump.wait(Flag(), None) is False


def test_a_waiter_is_told_the_error_even_if_another_thread_is_still_delivering_it() -> None:
    with a_bench() as bench:
        flag, _ = bench.start_call()
        held, go = threading.Event(), threading.Event()

        def hold(event: Any) -> None:
            if isinstance(event, CallEnded):
                held.set()
                assert go.wait(PATIENCE_S)

        bench.in_delivery = hold
        closing = Background(bench.pump.close)
        assert held.wait(PATIENCE_S)
        waiting = bench.lead(flag)
        wait_until(lambda: bench.led_by is flag)
        go.set()
        assert waiting.result() is True
        closing.result()


def test_a_transport_whose_wake_fails_does_no_harm() -> None:
    with a_bench(own_thread=True) as bench:

        def wake() -> None:
            raise OSError("closed")

        bench.line.wake = wake  # type: ignore[method-assign]
        _, call = bench.start_call()
        bench.pump.command(lambda wire, _: wire.caller.cancel(call))
        assert isinstance(bench.next_delivered(), CallEnded)


def test_closing_releases_the_line_even_if_a_delivery_is_interrupted() -> None:
    bench = Bench(ScriptedLine(), None, framed=False)
    bench.pump.command(lambda wire, now_s: wire.open(now_s))

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    bench.in_delivery = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.pump.close()
    assert bench.line.closed


def test_an_interrupted_leader_leaves_the_lead() -> None:
    with a_bench() as bench:
        flag, call = bench.start_call()

        def interrupted(_: float | None) -> bytes:
            del vars(bench.line)["read"]
            raise KeyboardInterrupt

        vars(bench.line)["read"] = interrupted
        with pytest.raises(KeyboardInterrupt):
            bench.pump.wait(flag, None)
        bench.answer(call)
        assert bench.pump.wait(flag, PATIENCE_S)


@replaces_parts
def test_a_wire_that_fails_while_it_sends_ends_like_a_line_that_died() -> None:
    with a_bench() as bench:
        flag, _ = bench.start_call()

        def broken(*_: Any) -> bytes:
            raise AssertionError("a bug")

        vars(bench.pump._wire)["bytes_to_send"] = broken
        bench.pump.command(lambda wire, _: wire.established)
        assert flag.ready
        assert bench.pump.wait(Flag(), None) is False
