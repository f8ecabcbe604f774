"""Deadlines and the keepalive while an answer is waited for (CALL-10, LINK-12)."""

from __future__ import annotations

from ipfi_serial.errors import CallTimeoutError
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import (
    ADD,
    COUNT,
    ECHO,
    answer,
    assert_empty,
)

REFUSED = b"\x05\xc2\xa0"  # an Error's payload: code 5


def test_a_timed_out_call_ends_and_cancels() -> None:
    pair = Pair()
    call = pair.a.start(ECHO, timeout_s=2)
    pair.settle()
    assert pair.a.wire.caller.next_deadline_s() == pair.now_s + 2
    pair.pass_time(1.99)
    assert not pair.a.is_over(call)
    pair.pass_time(0.02)
    error = pair.a.error(call)
    assert isinstance(error, CallTimeoutError)
    assert error.may_have_executed is True
    assert "was not answered" in str(error)
    pair.settle()
    assert pair.b.cancelled
    pair.b.wire.callee.worker_done(pair.b.take_call())
    assert_empty(pair.a, pair.b)


def test_a_call_that_never_left_timed_out_unexecuted_and_stays_so() -> None:
    pair = Pair()
    pair.cut = True
    blocker = pair.a.start(ECHO, bytes(100_000), timeout_s=60)
    pair.settle()
    small = [pair.a.start(ADD, b"x", timeout_s=1) for _ in range(10)]
    pair.pass_time(1.5)
    assert pair.a.error(small[-1]).may_have_executed is False
    pair.cut = False
    pair.run(3)
    assert not [call for call in pair.b.received if call.procedure == ADD]
    pair.a.cancel(blocker)
    pair.settle()


def test_a_call_that_waits_for_a_slot_times_out_too() -> None:
    one = OneEnd(max_calls=1)
    first = one.end.start(ECHO, timeout_s=60)
    waiting = one.end.start(ECHO, timeout_s=1)
    one.pass_time(1)
    error = one.end.error(waiting)
    assert isinstance(error, CallTimeoutError)
    assert error.may_have_executed is False
    assert "waiting for a free slot" in str(error)
    assert not one.end.is_over(first)


def test_a_deadline_of_an_answered_call_passes_unnoticed() -> None:
    pair = Pair()
    pair.b.handlers[ECHO] = answer
    call = pair.a.start(ECHO, timeout_s=1)
    pair.settle()
    pair.pass_time(5)
    assert pair.a.value(call) == b""


def test_a_stream_without_a_deadline_is_no_deadline() -> None:
    pair = Pair(framed=False)
    pair.a.stream(COUNT)
    pair.settle()
    assert pair.a.wire.next_deadline_s() is None


def test_deadlines_do_not_pile_up() -> None:
    """Ten thousand calls with far deadlines, answered or cancelled while they wait."""
    one = OneEnd(max_calls=2)
    one.end.start(ECHO)
    for _ in range(10_000):
        one.end.cancel(one.end.start(ADD, timeout_s=1e6))
    assert len(one.end.wire.caller._deadlines) < 200
    pair = Pair(framed=False)
    pair.b.handlers[ADD] = answer
    for _ in range(1000):
        pair.a.start(ADD, timeout_s=1e6)
        pair.settle()
    assert len(pair.a.wire.caller._deadlines) < 200


def test_the_link_is_kept_alive_while_an_answer_is_waited_for_and_not_longer() -> None:
    pair = Pair()
    pair.run(5)
    assert pair.a.wire.next_deadline_s() is None
    call = pair.a.start(ECHO, timeout_s=1000)
    pair.run(60)
    assert pair.a.wire.next_deadline_s() is not None
    assert pair.a.wire.established
    pair.b.wire.callee.answer(pair.b.received[0], b"")
    pair.run(5)
    assert pair.a.is_over(call)
    assert pair.a.wire.next_deadline_s() is None or pair.a.wire.next_deadline_s() == call.deadline_s
