"""Cancellation at every moment, and deadlines (CALL-2, CALL-7, CALL-8, CALL-10)."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import CallCancelledError, RemoteCallError
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import (
    ADD,
    CALL,
    CANCEL,
    CHUNK,
    COMPLETE,
    COUNT,
    ECHO,
    ERROR,
    NONE,
    RESPONSE,
    assert_empty,
    fail,
)

REFUSED = b"\x05\xc2\xa0"  # an Error's payload: code 5


def test_a_call_cancelled_before_it_left_was_never_sent() -> None:
    pair = Pair()
    call = pair.a.start(ECHO, b"small")
    pair.a.cancel(call)
    error = pair.a.error(call)
    assert isinstance(error, CallCancelledError)
    assert error.may_have_executed is False
    pair.settle()
    assert not pair.b.received, "it was executed although we said that it was not"
    assert_empty(pair.a, pair.b)


def test_a_large_call_cancelled_before_it_left_frees_its_pair() -> None:
    pair = Pair()
    call = pair.a.start(ECHO, bytes(5000))
    pair.a.cancel(call)
    pair.settle()
    assert pair.a.error(call).may_have_executed is False
    assert_empty(pair.a, pair.b)


def test_a_call_cancelled_before_it_left_keeps_the_order_of_what_is_queued_with_it() -> None:
    one = OneEnd()
    one.end.start(ADD, bytes(300))
    gone = one.end.start(ECHO, b"gone")
    one.end.start(ADD, b"first", more=True)
    late = one.end.start(ADD, b"a", more=True)
    one.end.add(late, bytes(200), more=False)
    one.end.cancel(gone)
    one.settle()
    assert not [m for m in one.peer.heard(CALL) if m.procedure == ECHO]
    assert [len(m.payload) for m in one.peer.heard(CALL) if m.call == late.call] == [1, 128, 72]


def test_a_call_cancelled_while_it_waits_for_a_slot_is_never_sent() -> None:
    one = OneEnd(max_calls=1)
    one.end.start(ECHO)
    waiting = one.end.start(ADD)
    one.end.cancel(waiting)
    assert one.end.error(waiting).may_have_executed is False
    one.settle()
    one.hear(RESPONSE, ECHO, 0)
    assert [m.procedure for m in one.peer.heard(CALL)] == [ECHO]
    assert_empty(one.end)


def test_a_call_cancelled_between_its_arguments_is_ended_at_the_other_end() -> None:
    pair = Pair()
    call = pair.a.start(ECHO, b"half", more=True)
    pair.settle()
    assert pair.b.wire.callee._admission.receiving == 1
    pair.a.cancel(call)
    assert pair.a.error(call).may_have_executed is False
    pair.settle()
    assert_empty(pair.a, pair.b)
    assert not pair.b.cancelled, "no handler had it"


def test_large_arguments_stop_when_the_call_is_cancelled_between_their_parts() -> None:
    pair = Pair()
    call = pair.a.start(ECHO, bytes(100_000))
    pair._carry("a to b", pair.a, pair.b)
    assert call.sent
    assert not call.handed_over
    pair.a.cancel(call)
    assert pair.a.error(call).may_have_executed is False
    pair.settle()
    assert not pair.b.received
    assert_empty(pair.a, pair.b)


def test_a_running_call_is_told_and_its_pair_is_free_once_it_was_answered() -> None:
    pair = Pair()
    call = pair.a.start(ECHO)
    pair.settle()
    received = pair.b.take_call()
    pair.a.cancel(call)
    assert pair.a.error(call).may_have_executed is True
    assert call.key in pair.a.wire.caller._calls, "CALL-2: no terminal answer yet"
    pair.settle()
    assert pair.b.cancelled == [received]
    assert received.cancelled
    assert received.answered
    pair.b.wire.callee.answer(received, b"too late")
    pair.settle()
    assert pair.b.wire.callee._admission.leftover_workers == 1
    pair.b.wire.callee.worker_done(received)
    assert pair.a.wire.caller.strays == 0
    assert_empty(pair.a, pair.b)


def test_a_cancel_that_crosses_the_answer_is_dropped() -> None:
    pair = Pair()
    call = pair.a.start(ECHO)
    pair.settle()
    received = pair.b.take_call()
    pair.b.wire.callee.answer(received, b"done")
    pair.b.wire.callee.worker_done(received)
    pair.a.cancel(call)
    pair.settle()
    assert isinstance(pair.a.error(call), CallCancelledError)
    assert not pair.b.cancelled
    assert pair.a.wire.caller.strays == 0
    assert_empty(pair.a, pair.b)


def test_a_pair_is_not_used_again_before_its_terminal_answer() -> None:
    one = OneEnd()
    call = one.end.start(ECHO)
    one.settle()
    one.end.cancel(call)
    one.end.wire.caller._next_index[ECHO] = 0
    assert one.end.start(ECHO).call == 1
    one.hear(ERROR, ECHO, 0, COMPLETE, REFUSED)
    one.end.wire.caller._next_index[ECHO] = 0
    assert one.end.start(ECHO).call == 0


def test_what_comes_for_a_cancelled_call_is_dropped_until_its_end() -> None:
    one = OneEnd()
    call = one.end.stream(COUNT)
    one.settle()
    one.end.cancel(call)
    for terminator in (NONE, CHUNK, NONE):
        one.hear(RESPONSE, COUNT, 0, terminator, b"late")
    one.hear(ERROR, COUNT, 0, NONE, b"part")
    assert call.key in one.end.wire.caller._calls
    one.hear(RESPONSE, COUNT, 0, COMPLETE, b"")
    assert not one.end.values(call)
    assert_empty(one.end)


def test_a_call_is_cancelled_once() -> None:
    pair = Pair()
    call = pair.a.start(ECHO)
    pair.settle()
    pair.a.cancel(call)
    pair.a.cancel(call)
    pair.settle()
    pair.a.cancel(call)
    assert len(pair.b.cancelled) == 1


def test_a_cancel_in_the_middle_of_a_stream_stops_its_producer() -> None:
    pair = Pair()
    call = pair.a.stream(COUNT)
    pair.settle()
    received = pair.b.take_call()
    values = [bytes(50_000) for _ in range(40)]
    pair.b.produce(received, values)
    assert values, "the producer had to wait"
    pair.settle()
    pair.a.cancel(call)
    pair.settle()
    assert pair.b.cancelled == [received]
    assert pair.b.wire.callee.has_room(received), "it may go on: nothing is sent any more"
    pair.b.wire.callee.send_item(received, b"late")
    pair.b.wire.callee.end_stream(received)
    pair.b.wire.callee.worker_done(received)
    pair.settle()
    assert_empty(pair.a, pair.b)


def test_a_cancel_between_the_parts_of_a_value_still_brings_a_whole_error() -> None:
    one = OneEnd(stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    one.end.wire.callee.send_item(received, bytes(100))
    one.hear(CANCEL, COUNT, 0)
    parts, errors = one.peer.heard(RESPONSE), one.peer.heard(ERROR)
    assert [(len(m.payload), m.terminator) for m in parts] == [(16, NONE)]
    assert [m.payload[:3] for m in errors] == [b"\x05\xc3\xb7"]
    assert errors[0].payload[3:] == b"cancelled by the caller"


def test_a_cancel_overtakes_the_end_that_waits_for_credit() -> None:
    one = OneEnd(stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    one.end.wire.callee.send_item(received, bytes(100))
    one.end.wire.callee.end_stream(received)
    one.end.wire.callee.worker_done(received)
    one.hear(CANCEL, COUNT, 0)
    assert len(one.peer.heard(ERROR)) == 1
    assert_empty(one.end)


def test_a_cancel_drops_what_is_left_of_a_large_value() -> None:
    one = OneEnd(stream_credit=60_000)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    one.end.wire.callee.send_item(received, bytes(500_000))
    one.peer.say(CANCEL, COUNT, 0)
    one.settle()
    assert len(one.peer.heard(ERROR)) == 1
    assert sum(len(m.payload) for m in one.peer.heard(RESPONSE)) < 500_000
    one.end.wire.callee.worker_done(received)
    assert_empty(one.end)


def test_an_unknown_cancel_is_dropped() -> None:
    one = OneEnd()
    one.hear(CANCEL, ECHO, 9)
    assert not one.peer.messages


def test_arguments_behind_a_refusal_are_dropped_until_the_last() -> None:
    """CALL-7: a tombstone, until Complete."""
    one = OneEnd()
    one.hear(CALL, 99, 5, NONE, b"a")
    one.hear(CALL, 99, 5, NONE, b"b")
    assert len(one.end.wire.callee._tombstones) == 1
    one.hear(CALL, 99, 5, COMPLETE, b"c")
    assert len(one.peer.heard(ERROR)) == 1
    assert_empty(one.end)


def test_a_cancel_takes_the_tombstone_away() -> None:
    one = OneEnd()
    one.hear(CALL, 99, 5, NONE, b"a")
    one.hear(CANCEL, 99, 5)
    assert_empty(one.end)
    one.hear(CALL, 99, 5, COMPLETE, b"")
    assert len(one.peer.heard(ERROR)) == 2


def test_a_refusal_of_complete_arguments_leaves_no_tombstone() -> None:
    one = OneEnd()
    one.hear(CALL, 99, 5, COMPLETE, b"a")
    assert_empty(one.end)


def test_tombstones_are_bounded() -> None:
    one = OneEnd()
    for call in range(5000):
        one.peer.say(CALL, 99, call, NONE, b"")
    one.settle()
    assert len(one.end.wire.callee._tombstones) == 4096
    one.hear(CANCEL, 99, 4999)
    assert len(one.end.wire.callee._tombstones) == 4095


def test_a_plain_wire_has_no_cancel() -> None:
    pair = Pair(framed=False)
    call = pair.a.start(ECHO)
    pair.settle()
    pair.a.cancel(call)
    pair.settle()
    assert not pair.b.cancelled
    assert pair.a.error(call).may_have_executed is True
    received = pair.b.take_call()
    pair.b.wire.callee.answer(received, b"")
    pair.b.wire.callee.worker_done(received)
    pair.settle()
    assert_empty(pair.a, pair.b)


@pytest.mark.parametrize("extensions", [0, 0x3F & ~4])
def test_an_end_that_knows_no_cancel_is_sent_none(extensions: int) -> None:
    one = OneEnd(extensions=extensions)
    call = one.end.start(ECHO)
    one.settle()
    one.end.cancel(call)
    one.settle()
    assert not one.peer.heard(CANCEL)
    one.hear(RESPONSE, ECHO, 0)
    assert_empty(one.end)


def test_a_failed_handler_of_a_cancelled_call_says_nothing_more() -> None:
    pair = Pair()
    call = pair.a.start(ECHO)
    pair.settle()
    received = pair.b.take_call()
    fail(pair.b, received)
    pair.settle()
    assert isinstance(pair.a.error(call), RemoteCallError)
    fail(pair.b, received)
    pair.b.wire.callee.worker_done(received)
    pair.settle()
    assert_empty(pair.a, pair.b)


def test_a_call_that_is_cancelled_in_the_same_breath_keeps_its_arguments_for_its_handler() -> None:
    """A handler that began before it heard of the Cancel must not run with other arguments."""
    one = OneEnd()
    one.peer.say(CALL, ECHO, 7, COMPLETE, b"arguments")
    one.peer.say(CANCEL, ECHO, 7)
    one.settle()
    (call,) = one.end.received
    assert bytes(call.arguments) == b"arguments"
    assert one.end.cancelled == [call]


def test_an_end_that_dies_before_it_answers_a_cancel_is_missed() -> None:
    """LINK-12: the pair is in use (CALL-2), later calls may wait for it."""
    one = OneEnd(max_calls=1)
    call = one.end.start(ECHO, timeout_s=1.0)
    one.run(5.0)
    assert one.end.error(call).may_have_executed is True
    assert not one.end.lost
    one.cut = True
    one.run(60.0)
    assert len(one.end.lost) == 1
