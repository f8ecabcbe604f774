"""Producers of streams: when they wait, what ends them (STREAM-1, STREAM-2)."""

from __future__ import annotations

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.producers import BACKLOG_BYTES, ITEM_BACKLOG
from ipfi_serial.errors import CallError, RemoteCallError
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import (
    CALL,
    CHUNK,
    COMPLETE,
    COUNT,
    ERROR,
    GRANT,
    NONE,
    RESPONSE,
    assert_empty,
    fail,
)

CREDIT = 256
TIGHT = WireConfig(stream_buffer_bytes=CREDIT)


def test_an_error_comes_after_the_values_before_it() -> None:
    one = OneEnd(stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    for n in range(3):
        one.end.wire.callee.send_item(received, bytes([n]) * 10)
    fail(one.end, received, "at last")
    fail(one.end, received, "again")
    one.end.wire.callee.worker_done(received)
    one.settle()
    assert not one.peer.heard(ERROR)
    assert one.end.wire.callee.refused == 1
    one.hear(GRANT, COUNT, 0, COMPLETE, b"\x1e")
    assert b"".join(m.payload for m in one.peer.heard(RESPONSE)) == b"".join(
        bytes([n]) * 10 for n in range(3)
    )
    assert len(one.peer.heard(ERROR)) == 1
    assert_empty(one.end)


def test_an_end_that_waits_for_credit_is_the_only_one() -> None:
    one = OneEnd(stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    callee = one.end.wire.callee
    callee.send_item(received, bytes(20))
    callee.end_stream(received)
    callee.end_stream(received)
    fail(one.end, received)
    callee.send_item(received, b"late")
    callee.worker_done(received)
    one.hear(GRANT, COUNT, 0, COMPLETE, b"\x7f")
    assert [m.terminator for m in one.peer.messages] == [NONE, CHUNK, COMPLETE]
    assert_empty(one.end)


def test_an_error_reaches_the_reader_of_a_stream_behind_its_values() -> None:
    pair = Pair()
    call = pair.a.stream(COUNT)
    pair.settle()
    received = pair.b.take_call()
    pair.b.wire.callee.send_item(received, b"one")
    fail(pair.b, received)
    pair.b.wire.callee.worker_done(received)
    pair.settle()
    assert pair.a.values(call) == [b"one"]
    assert isinstance(pair.a.error(call), RemoteCallError)
    assert_empty(pair.a, pair.b)


def test_a_producer_waits_for_credit_and_is_told_when_it_comes() -> None:
    one = OneEnd(stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    values = [bytes(1) for _ in range(100)]
    one.end.produce(received, values)
    one.settle()
    assert len(values) == 100 - 16 - ITEM_BACKLOG
    assert not one.end.wire.callee.has_room(received)  # asked twice, told once
    one.hear(GRANT, COUNT, 0, COMPLETE, b"\x7f")
    assert one.end.rooms == [received]
    one.end.produce(received, values)
    assert not values


def test_a_producer_waits_for_a_slow_line_and_is_told_when_it_has_room() -> None:
    pair = Pair()
    call = pair.a.stream(COUNT)
    pair.settle()
    received = pair.b.take_call()
    values = [bytes(10_000) for _ in range(20)]
    pair.b.produce(received, values)
    sent = 20 - len(values)
    assert sent == BACKLOG_BYTES // 10_000 + 1
    pair.settle()
    assert pair.b.rooms == [received]
    pair.b.produce(received, values)
    pair.settle()
    pair.b.produce(received, values)
    pair.settle()
    assert len(pair.a.values(call)) == 20


def test_a_producer_that_waits_is_told_when_its_session_dies() -> None:
    one = OneEnd(stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    one.end.produce(received, [bytes(1) for _ in range(100)])
    one.end.wire.close(one.now_s)
    one.end.take_events()
    assert one.end.cancelled == [received]
    assert one.end.wire.callee.has_room(received)
    one.end.wire.callee.worker_done(received)
    assert_empty(one.end)


def test_a_plain_stream_that_nobody_reads_fails_before_it_fills_the_memory() -> None:
    config = WireConfig(max_message_bytes=1000, stream_buffer_bytes=1000)
    one = OneEnd(framed=False, config=config)
    call = one.end.stream(COUNT)
    one.settle()
    while not one.end.is_over(call):
        one.hear(RESPONSE, COUNT, 0, CHUNK, bytes(100))
    assert len(one.end.values(call)) == 31
    error = one.end.error(call)
    assert isinstance(error, CallError)
    assert "was not read" in str(error)
    one.hear(RESPONSE, COUNT, 0, COMPLETE, b"last")
    assert_empty(one.end)
