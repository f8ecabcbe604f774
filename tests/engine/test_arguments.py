"""Arguments in pieces: open, interleaved, byte by byte, stopped (CALL-4, CALL-5, CALL-7)."""

from __future__ import annotations

import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.errors import CallRefusedError, LocalProtocolError, RemoteCallError
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import (
    ADD,
    CALL,
    CANCEL,
    CHUNK,
    COMPLETE,
    ECHO,
    ERROR,
    NONE,
    RESPONSE,
    answer,
    assert_empty,
)


@pytest.fixture(params=[True, False], ids=["framed", "plain"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(framed=request.param)


def test_arguments_may_come_one_byte_at_a_time(pair: Pair) -> None:
    pair.b.handlers[ECHO] = answer
    text = b"a long list of arguments " * 20
    call = pair.a.start(ECHO, b"", more=True)
    for byte in text:
        pair.a.add(call, bytes([byte]), more=True)
        pair.settle()
    assert not pair.a.is_over(call)
    pair.a.add(call, b"", more=False)
    pair.settle()
    assert pair.a.value(call) == text
    assert_empty(pair.a, pair.b)


def test_partial_calls_interleave_both_ways(pair: Pair) -> None:
    pair.a.handlers[ECHO] = pair.b.handlers[ECHO] = answer
    calls = [(end, end.start(ECHO, b"", more=True)) for end in (pair.a, pair.b) for _ in range(5)]
    for step in range(30):
        for number, (end, call) in enumerate(calls):
            end.add(call, bytes([number, step]), more=True)
        pair.settle()
    for number, (end, call) in enumerate(calls):
        end.add(call, bytes([number]), more=False)
    pair.settle()
    for number, (end, call) in enumerate(calls):
        expected = b"".join(bytes([number, step]) for step in range(30)) + bytes([number])
        assert end.value(call) == expected
    assert_empty(pair.a, pair.b)


def test_small_and_large_pieces_arrive_in_their_order() -> None:
    """The large piece is cut and shares the wire, the small one before it must not be overtaken."""
    pair = Pair()
    pair.b.handlers[ECHO] = pair.b.handlers[ADD] = answer
    pair.a.start(ADD, bytes(5000))
    for _ in range(20):
        pair.a.start(ADD, b"small")
    call = pair.a.start(ECHO, b"first ", more=True)
    pair.a.add(call, b"x" * 5000, more=True)
    pair.a.add(call, b" last", more=False)
    pair.settle()
    assert pair.a.value(call) == b"first " + b"x" * 5000 + b" last"
    assert_empty(pair.a, pair.b)


def test_complete_arguments_cannot_be_continued(pair: Pair) -> None:
    call = pair.a.start(ECHO, b"all")
    with pytest.raises(LocalProtocolError, match="complete"):
        pair.a.add(call, b"more", more=True)


def test_arguments_for_an_ended_call_are_dropped(pair: Pair) -> None:
    call = pair.a.start(ECHO, b"a", more=True)
    pair.settle()
    pair.a.cancel(call)
    pair.a.add(call, b"b", more=False)
    pair.settle()
    pair.a.add(call, b"c", more=True)
    assert pair.a.is_over(call)


def test_chunks_and_empty_messages_continue_arguments() -> None:
    one = OneEnd()
    one.end.handlers[ECHO] = answer
    one.hear(CALL, ECHO, 7, NONE, b"")
    one.hear(CALL, ECHO, 7, CHUNK, b"ab")
    one.hear(CALL, ECHO, 7, NONE, b"")
    one.hear(CALL, ECHO, 7, COMPLETE, b"c")
    assert [m.payload for m in one.peer.heard(RESPONSE)] == [b"abc"]


def test_parts_of_arguments_are_no_larger_than_agreed() -> None:
    one = OneEnd()
    one.end.start(ECHO, bytes(1000))
    one.settle()
    parts = one.peer.heard(CALL)
    assert [len(m.payload) for m in parts] == [128] * 7 + [104]  # CALL-5: max(128, 64)
    assert [m.terminator for m in parts] == [NONE] * 7 + [COMPLETE]


def test_parts_grow_with_the_frames_of_both_ends() -> None:
    one = OneEnd(frame_payload=500)
    one.end.start(ECHO, bytes(1000))
    one.settle()
    assert [len(m.payload) for m in one.peer.heard(CALL)] == [500, 500]


def test_an_error_stops_the_arguments_behind_it_with_a_cancel() -> None:
    """CALL-7; also those that are queued while more are still to come."""
    pair = Pair()
    call = pair.a.start(99, b"x" * 3000, more=True)
    pair._carry("a to b", pair.a, pair.b)  # a part; most of it waits in the outbox
    pair.a.add(call, b"y" * 30_000, more=True)
    pair.settle()
    assert isinstance(pair.a.error(call), CallRefusedError)
    pair.a.add(call, b"z", more=False)
    pair.settle()
    assert_empty(pair.a, pair.b)
    assert pair.b.wire.callee.refused == 1, "what came late was taken for a new call"


def test_an_error_after_the_last_argument_needs_no_cancel() -> None:
    one = OneEnd()
    one.end.start(ECHO, b"x")
    one.settle()
    one.hear(ERROR, ECHO, 0, COMPLETE, b"\x04\xc3\xa4oops")
    assert not one.peer.heard(CANCEL)


def test_an_answer_to_half_of_the_arguments_ends_the_call() -> None:
    one = OneEnd()
    call = one.end.start(ECHO, b"x", more=True)
    one.settle()
    one.hear(RESPONSE, ECHO, 0, COMPLETE, b"hasty")
    assert one.end.value(call) == b"hasty"
    assert len(one.peer.heard(CANCEL)) == 1
    assert_empty(one.end)


def test_an_error_in_parts_is_put_together() -> None:
    one = OneEnd()
    call = one.end.start(ECHO)
    one.settle()
    one.hear(ERROR, ECHO, 0, NONE, b"\x04\xc3\xa9it ")
    assert not one.end.is_over(call)
    one.hear(ERROR, ECHO, 0, COMPLETE, b"broke!")
    error = one.end.error(call)
    assert isinstance(error, RemoteCallError)
    assert str(error) == "it broke!"


def test_an_error_in_endless_parts_takes_no_memory() -> None:
    one = OneEnd(config=WireConfig(max_message_bytes=1024))
    call = one.end.start(ECHO)
    one.settle()
    for _ in range(100):
        one.hear(ERROR, ECHO, 0, NONE, bytes(100))
    assert len(call.failure) <= 1024
    one.hear(ERROR, ECHO, 0, COMPLETE, b"")
    assert one.end.error(call).may_have_executed


def test_a_message_for_a_running_call_is_ignored() -> None:
    one = OneEnd()
    one.hear(CALL, ECHO, 3, COMPLETE, b"x")
    one.hear(CALL, ECHO, 3, COMPLETE, b"y")
    assert len(one.end.received) == 1
    assert one.end.wire.callee.ignored == 1


def test_waiting_arguments_are_sent_as_one_message() -> None:
    one = OneEnd(max_calls=1)
    one.end.start(ECHO)
    waiting = one.end.start(ECHO, b"a", more=True)
    one.end.add(waiting, b"b", more=True)
    one.end.add(waiting, b"c", more=False)
    one.settle()
    assert waiting.call < 0
    one.hear(RESPONSE, ECHO, 0)
    assert [m.payload for m in one.peer.heard(CALL)] == [b"", b"abc"]
