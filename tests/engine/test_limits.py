"""Limits: obeyed by waiting, refused with a reason, never silent (CALL-6, MSG-6)."""

from __future__ import annotations

import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.interface import DESCRIBE_INDEX
from ipfi_serial.errors import CallRefusedError
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import (
    ADD,
    CALL,
    CANCEL,
    COMPLETE,
    ECHO,
    ERROR,
    NONE,
    RESPONSE,
    answer,
    assert_empty,
)

SMALL = WireConfig(max_message_bytes=1024)


def test_calls_wait_for_the_other_end_and_go_as_answers_come() -> None:
    pair = Pair(config_b=WireConfig(max_calls=4))
    calls = [pair.a.start(ECHO, bytes([n])) for n in range(20)]
    most = 0
    while pair.b.received or not pair.a.is_over(calls[-1]):
        pair.settle()
        most = max(most, len(pair.b.received))
        received = pair.b.take_call()
        answer(pair.b, received)
        pair.b.wire.callee.worker_done(received)
        pair.settle()
    assert most == 3, "four at once, and one in four is for nested calls"
    assert [pair.a.value(call) for call in calls] == [bytes([n]) for n in range(20)]
    assert pair.b.wire.callee.refused == 0
    assert_empty(pair.a, pair.b)


@pytest.mark.parametrize(
    ("limit", "ordinary"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (255, 192)]
)
def test_one_slot_in_four_is_kept_for_calls_that_handlers_make(limit: int, ordinary: int) -> None:
    one = OneEnd(max_calls=limit)
    for _ in range(limit + 5):
        one.end.start(ECHO)
    one.settle()
    assert len(one.peer.heard(CALL)) == ordinary
    for _ in range(limit - ordinary):
        one.end.start(ADD, nested=True)
    with pytest.raises(CallRefusedError, match="nested too deeply") as caught:
        one.end.start(ADD, nested=True)
    assert caught.value.reason == "limit"
    assert caught.value.may_have_executed is False
    one.settle()
    assert len(one.peer.heard(CALL)) == limit


def test_a_call_that_was_given_up_keeps_its_slot_until_its_answer() -> None:
    one = OneEnd(max_calls=1)
    first = one.end.start(ECHO)
    one.settle()
    one.end.cancel(first)
    one.end.start(ADD)
    one.settle()
    assert [m.procedure for m in one.peer.heard(CALL)] == [ECHO]
    one.hear(ERROR, ECHO, 0, COMPLETE, b"\x05\xc2\xa0")
    assert [m.procedure for m in one.peer.heard(CALL)] == [ECHO, ADD]


def test_an_end_that_takes_no_calls_is_asked_once_and_says_so() -> None:
    one = OneEnd(max_calls=0, max_partial=0)
    one.end.start(ECHO, bytes(500))
    one.settle()
    assert one.peer.heard(CALL)


def test_partial_calls_wait_for_each_other() -> None:
    one = OneEnd(max_partial=1)
    open_call = one.end.start(ECHO, b"a", more=True)
    cut = one.end.start(ECHO, bytes(300))
    small = one.end.start(ECHO, b"small")
    one.settle()
    assert cut.call < 0
    assert small.sent, "it needs no place among the partial ones"
    one.end.add(open_call, b"b", more=False)
    one.settle()
    assert cut.handed_over, "the first one's arguments have left: there is room"
    assert [m.call for m in one.peer.heard(CALL)] == [0, 1, 0, 2, 2, 2]


def test_a_small_call_behind_partial_ones_does_not_wait_for_them() -> None:
    one = OneEnd(max_partial=1, max_calls=8)
    one.end.start(ECHO, b"a", more=True)
    waiting = [one.end.start(ECHO, b"b", more=True) for _ in range(3)]
    small = one.end.start(ADD)
    one.settle()
    assert small.sent
    assert not any(call.sent for call in waiting)
    one.end.add(waiting[1], b"c", more=False)
    one.hear(RESPONSE, ADD, 0)
    assert waiting[1].handed_over, "its arguments are complete: it is no partial call any more"
    assert not waiting[0].sent


def test_a_partial_call_that_is_cancelled_frees_its_place() -> None:
    pair = Pair(config_b=WireConfig(max_partial_calls=1))
    first = pair.a.start(ECHO, b"a", more=True)
    second = pair.a.start(ECHO, b"b", more=True)
    third = pair.a.start(ECHO, b"c", more=True)
    pair.a.cancel(second)
    pair.settle()
    assert third.call < 0
    pair.a.cancel(first)
    pair.settle()
    assert third.sent
    assert pair.b.wire.callee.refused == 1, "only the cancelled one"


def test_a_nested_partial_call_is_refused_if_there_is_no_place() -> None:
    one = OneEnd(max_partial=1)
    one.end.start(ECHO, b"a", more=True)
    with pytest.raises(CallRefusedError):
        one.end.start(ECHO, b"b", more=True, nested=True)


@pytest.mark.parametrize(("limit", "said"), [(1, b"1 call is"), (2, b"2 calls are")])
def test_calls_beyond_the_limit_are_refused_at_once(limit: int, said: bytes) -> None:
    one = OneEnd(config=WireConfig(max_calls=limit))
    for call in range(limit + 1):
        one.hear(CALL, ECHO, call)
    (error,) = one.peer.heard(ERROR)
    assert (error.call, error.payload[:2]) == (limit, b"\x03\xc2")
    assert said + b" being served" in error.payload


def test_partial_calls_beyond_the_limit_are_refused_at_once() -> None:
    one = OneEnd(config=WireConfig(max_partial_calls=2))
    for call in range(3):
        one.hear(CALL, ECHO, call, NONE, b"a")
    (error,) = one.peer.heard(ERROR)
    assert error.call == 2
    assert b"2 calls are still sending" in error.payload
    one.hear(CALL, ECHO, 3, COMPLETE, b"whole")
    assert len(one.end.received) == 1


def test_descriptions_count_as_calls() -> None:
    one = OneEnd(config=WireConfig(max_calls=1, max_partial_calls=1))
    one.hear(CALL, DESCRIBE_INDEX, 0, NONE)
    one.hear(CALL, DESCRIBE_INDEX, 1, NONE)
    assert [m.call for m in one.peer.heard(ERROR)] == [1]


def test_a_handler_that_outlives_its_call_still_counts() -> None:
    one = OneEnd(config=WireConfig(max_calls=1))
    one.hear(CALL, ECHO, 0)
    one.hear(CANCEL, ECHO, 0)
    one.hear(CALL, ECHO, 1)
    assert [m.call for m in one.peer.heard(ERROR)] == [0, 1]
    one.end.wire.callee.worker_done(one.end.take_call())
    one.hear(CALL, ECHO, 2)
    assert len(one.end.received) == 1
