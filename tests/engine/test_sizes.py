"""Sizes: what is too large is refused with a reason, both ways (CALL-6, MSG-6)."""

from __future__ import annotations

import pytest

from ipfi_serial.codec.message import Terminator
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import ErrorCode, OutgoingCall
from ipfi_serial.engine.failures import failure_from
from ipfi_serial.errors import CallError, CallRefusedError
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
    End,
    answer,
    assert_empty,
)

SMALL = WireConfig(max_message_bytes=1024)


def refusal(end: End, call: OutgoingCall) -> CallRefusedError:
    error = end.error(call)
    assert isinstance(error, CallRefusedError)
    return error


def test_arguments_above_the_announced_size_are_not_sent() -> None:
    pair = Pair(config_b=SMALL)
    with pytest.raises(CallRefusedError, match=r"1025 bytes of arguments.*takes 1024") as caught:
        pair.a.start(ECHO, bytes(1025))
    assert caught.value.reason == "limit"
    pair.b.handlers[ECHO] = answer
    call = pair.a.start(ECHO, bytes(1024))
    pair.settle()
    assert pair.a.value(call) == bytes(1024)


def test_arguments_that_grow_above_the_announced_size_end_their_call() -> None:
    pair = Pair(config_b=SMALL)
    call = pair.a.start(ECHO, bytes(1000), more=True)
    pair.settle()
    pair.a.add(call, bytes(25), more=False)
    error = refusal(pair.a, call)
    assert (error.reason, error.may_have_executed) == ("limit", False)
    pair.settle()
    assert_empty(pair.a, pair.b)


def test_waiting_arguments_that_grow_too_large_end_their_call() -> None:
    one = OneEnd(max_calls=1, max_message=1)
    one.end.start(ECHO)
    waiting = one.end.start(ECHO, bytes(200), more=True)
    one.end.add(waiting, bytes(57), more=False)
    assert refusal(one.end, waiting).reason == "limit"


def test_arguments_above_our_limit_are_refused_however_they_come() -> None:
    one = OneEnd(config=SMALL)
    one.hear(CALL, ECHO, 0, NONE, bytes(600))
    one.hear(CALL, ECHO, 0, NONE, bytes(600))
    one.hear(CALL, ECHO, 1, COMPLETE, bytes(1025))
    one.hear(CALL, ECHO, 2, NONE, bytes(600))
    one.hear(CALL, ECHO, 2, COMPLETE, bytes(600))
    one.hear(CALL, ECHO, 3, NONE, bytes(1025))
    one.hear(CALL, ECHO, 4, NONE, bytes(10))
    one.hear(CALL, ECHO, 4, NONE, bytes(1025))
    errors = one.peer.heard(ERROR)
    assert [m.call for m in errors] == [0, 1, 2, 3, 4]
    assert all(m.payload[:2] == b"\x03\xc2" for m in errors)
    assert b"1035 bytes of arguments; the limit is 1024" in errors[-1].payload
    assert len(one.end.wire.callee._tombstones) == 3
    for call in (0, 3, 4):
        one.hear(CALL, ECHO, call, COMPLETE)
    assert_empty(one.end)


def test_a_skipped_last_message_takes_the_tombstone_away() -> None:
    """MSG-6 and CALL-7: else the next call of the pair would vanish."""
    one = OneEnd(config=SMALL)
    one.hear(CALL, 99, 0, NONE, b"x")
    one.hear(CALL, 99, 0, COMPLETE, bytes(2000))
    assert_empty(one.end)
    one.hear(CALL, 99, 0, COMPLETE, b"x")
    assert len(one.peer.heard(ERROR)) == 2


def test_a_skipped_message_does_not_end_a_running_call() -> None:
    one = OneEnd(config=SMALL)
    one.hear(CALL, ECHO, 0)
    one.hear(CALL, ECHO, 0, COMPLETE, bytes(2000))
    assert not one.peer.heard(ERROR)
    assert one.end.wire.callee.ignored == 1


def test_skipped_messages_are_taken_in_their_place() -> None:
    """However the bytes are cut: the refusal comes first, the last part belongs to it."""
    one = OneEnd(config=SMALL)
    one.peer.say(CALL, ECHO, 0, NONE, bytes(2000))
    one.peer.say(CALL, ECHO, 0, COMPLETE, b"rest")
    one.settle()
    assert not one.end.received
    assert len(one.peer.heard(ERROR)) == 1
    assert one.end.wire.skipped_messages == 1


def test_skipped_messages_are_taken_in_their_place_within_one_read() -> None:
    one = OneEnd(framed=False, config=SMALL)
    one.peer.say(CALL, ADD, 0, COMPLETE, b"before")
    one.peer.say(CALL, ECHO, 0, NONE, bytes(2000))
    one.peer.say(CALL, ECHO, 0, COMPLETE, b"rest")
    one.settle()
    assert [call.procedure for call in one.end.received] == [ADD]
    assert len(one.end.faults) == 1


@pytest.mark.parametrize("parts", [[1025], [600, 600], [600, 1025], [1024, 1]])
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("last", [COMPLETE, CHUNK, NONE])
def test_an_answer_above_our_limit_ends_its_call(
    parts: list[int], streaming: bool, last: Terminator
) -> None:
    one = OneEnd(config=SMALL)
    call = one.end.start(COUNT, streaming=streaming)
    one.settle()
    for size in parts[:-1]:
        one.hear(RESPONSE, COUNT, 0, NONE, bytes(size))
    one.hear(RESPONSE, COUNT, 0, last, bytes(parts[-1]))
    error = one.end.error(call)
    assert isinstance(error, CallError)
    assert error.may_have_executed is True
    ended = last is COMPLETE
    assert bool(one.peer.heard(CANCEL)) is not ended
    if not ended:
        one.hear(RESPONSE, COUNT, 0, COMPLETE, b"")
    assert_empty(one.end)


def test_skipped_answers_to_a_call_that_was_given_up_free_its_pair() -> None:
    one = OneEnd(config=SMALL)
    call = one.end.start(ECHO)
    one.settle()
    one.end.cancel(call)
    one.hear(RESPONSE, ECHO, 0, NONE, bytes(2000))
    assert call.key in one.end.wire.caller._calls
    one.hear(RESPONSE, ECHO, 0, COMPLETE, bytes(2000))
    assert_empty(one.end)


def test_skipped_answers_to_nobody_are_strays() -> None:
    one = OneEnd(config=SMALL)
    one.hear(RESPONSE, ECHO, 0, COMPLETE, bytes(2000))
    assert one.end.wire.caller.strays == 1


def test_a_skipped_error_still_ends_its_call() -> None:
    one = OneEnd(config=SMALL)
    call = one.end.start(ECHO)
    one.settle()
    one.hear(ERROR, ECHO, 0, NONE, bytes(2000))
    assert not one.end.is_over(call)
    one.hear(ERROR, ECHO, 0, COMPLETE, bytes(2000))
    assert one.end.error(call).may_have_executed is True
    assert_empty(one.end)


def test_an_answer_that_the_caller_cannot_take_becomes_an_error() -> None:
    one = OneEnd(max_message=1)
    one.hear(CALL, ECHO, 0)
    received = one.end.take_call()
    one.end.wire.callee.answer(received, bytes(257))
    one.end.wire.callee.worker_done(received)
    one.settle()
    assert not one.peer.heard(RESPONSE)
    (error,) = one.peer.heard(ERROR)
    assert error.payload[:2] == b"\x03\xc3", "a limit, and it was executed"
    assert_empty(one.end)


def test_a_stream_with_a_value_that_the_caller_cannot_take_stops() -> None:
    one = OneEnd(max_message=1, stream_credit=1000)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    callee = one.end.wire.callee
    callee.send_item(received, b"fits")
    callee.send_item(received, bytes(257))
    callee.send_item(received, b"late")
    one.settle()
    assert [m.payload for m in one.peer.heard(RESPONSE)] == [b"fits"]
    assert len(one.peer.heard(ERROR)) == 1
    assert one.end.cancelled == [received], "its producer need not go on"
    callee.worker_done(received)
    assert_empty(one.end)


def test_a_long_reason_is_cut_to_what_the_caller_takes() -> None:
    one = OneEnd(max_message=1)
    one.end.handlers[ECHO] = lambda end, call: end.wire.callee.fail(
        call, ErrorCode.HANDLER_FAILED, "é" * 300, may_have_executed=True
    )
    one.hear(CALL, ECHO, 0)
    parts = one.peer.heard(ERROR)
    payload = b"".join(m.payload for m in parts)
    assert 250 <= len(payload) <= 256
    assert set(str(failure_from(payload, _echo()))) == {"é"}


def test_the_text_of_an_error_that_is_no_utf_8_still_ends_the_call() -> None:
    """Section 1.2: no bytes of the other end make a verb raise."""
    error = failure_from(b"\x05\xc2\xa2\x61\xff", _echo())
    assert isinstance(error, CallError)
    assert error.may_have_executed
    assert "could not say why" in str(error)


def _echo() -> OutgoingCall:
    return OutgoingCall(ECHO, 1.0, streaming=False, nested=False, owner=None)
