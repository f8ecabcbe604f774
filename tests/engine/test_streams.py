"""Streams of values: terminators, credit, backlog, plain streams (STREAM-1 to STREAM-3)."""

from __future__ import annotations

import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.items import ItemQueue
from ipfi_serial.errors import CallError
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import (
    ADD,
    CALL,
    CANCEL,
    CHUNK,
    COMPLETE,
    COUNT,
    GRANT,
    NONE,
    RESPONSE,
    answer,
    assert_empty,
    fail,
)

CREDIT = 256
TIGHT = WireConfig(stream_buffer_bytes=CREDIT)


@pytest.fixture(params=[True, False], ids=["framed", "plain"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(framed=request.param)


def granted(one: OneEnd) -> list[int]:
    """The absolute numbers that were granted."""
    return [int.from_bytes(m.payload[1:], "big") for m in one.peer.heard(GRANT)]


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_a_stream_brings_its_values_and_ends(pair: Pair, count: int) -> None:
    values = [b"item %d" % n for n in range(count)]
    call = pair.a.stream(COUNT)
    pair.settle()
    received = pair.b.take_call()
    for value in values:
        pair.b.wire.callee.send_item(received, value)
        pair.settle()
    pair.b.wire.callee.end_stream(received)
    pair.b.wire.callee.worker_done(received)
    pair.settle()
    assert pair.a.values(call) == values
    assert pair.a.value(call) is None
    assert_empty(pair.a, pair.b)


def test_values_of_a_framed_stream_leave_at_once() -> None:
    one = OneEnd()
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    one.end.wire.callee.send_item(received, b"first")
    one.settle()
    assert [(m.payload, m.terminator) for m in one.peer.messages] == [(b"first", CHUNK)]
    one.end.wire.callee.end_stream(received)
    one.settle()
    assert [(m.payload, m.terminator) for m in one.peer.messages[1:]] == [(b"", COMPLETE)]


def test_the_last_value_of_a_plain_stream_carries_complete() -> None:
    one = OneEnd(framed=False)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    for value in (b"1", b"2", b"3"):
        one.end.wire.callee.send_item(received, value)
    one.settle()
    assert len(one.peer.messages) == 2, "the last is held until the end is known"
    one.end.wire.callee.end_stream(received)
    one.settle()
    assert [(m.payload, m.terminator) for m in one.peer.messages] == [
        (b"1", CHUNK),
        (b"2", CHUNK),
        (b"3", COMPLETE),
    ]


def test_a_plain_stream_that_fails_gives_its_held_value_first() -> None:
    one = OneEnd(framed=False)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    one.end.wire.callee.send_item(received, b"last")
    fail(one.end, received)
    one.end.wire.callee.worker_done(received)
    one.settle()
    assert [(m.payload, m.terminator) for m in one.peer.messages] == [(b"last", CHUNK)]
    assert one.end.faults == [f"call of procedure {COUNT}: it broke"]
    assert_empty(one.end)


def test_a_reader_takes_a_last_value_with_complete_and_an_empty_complete() -> None:
    one = OneEnd()
    first, second, third = (one.end.stream(COUNT) for _ in range(3))
    one.settle()
    one.hear(RESPONSE, COUNT, 0, COMPLETE, b"last")
    one.hear(RESPONSE, COUNT, 1, CHUNK, b"value")
    one.hear(RESPONSE, COUNT, 1, COMPLETE, b"")
    one.hear(RESPONSE, COUNT, 2, NONE, b"in ")
    one.hear(RESPONSE, COUNT, 2, NONE, b"parts")
    one.hear(RESPONSE, COUNT, 2, COMPLETE, b"")
    assert [one.end.values(call) for call in (first, second, third)] == [
        [b"last"],
        [b"value"],
        [b"in parts"],
    ]
    assert_empty(one.end)


def test_an_empty_value_is_a_value() -> None:
    one = OneEnd()
    call = one.end.stream(COUNT)
    one.settle()
    one.hear(RESPONSE, COUNT, 0, CHUNK, b"")
    assert one.end.values(call) == [b""]


def test_a_stream_to_a_caller_that_wants_one_value_is_an_error() -> None:
    one = OneEnd()
    call = one.end.start(COUNT)
    one.settle()
    one.hear(RESPONSE, COUNT, 0, NONE, b"a")
    one.hear(RESPONSE, COUNT, 0, CHUNK, b"b")
    error = one.end.error(call)
    assert isinstance(error, CallError)
    assert "stream()" in str(error)
    assert one.peer.heard(CANCEL)
    one.hear(RESPONSE, COUNT, 0, COMPLETE)
    assert_empty(one.end)


# --- credit ---


@pytest.mark.parametrize("size", [1, 7, 100, 128, 129, 200, 256])
def test_a_stream_that_nobody_reads_stops_at_its_credit(size: int) -> None:
    """STREAM-2, STREAM-3; and a value that began is completed if little lies before it."""
    pair = Pair(config=TIGHT)
    call = pair.a.stream(COUNT)
    pair.settle()
    received = pair.b.take_call()
    values = [bytes(size) for _ in range(2000)]
    for _ in range(100):
        pair.b.produce(received, values)
        pair.settle()
    assert values, "the producer was never stopped"
    assert call.received_bytes <= CREDIT + size + CREDIT
    if CREDIT % size == 0 or size < CREDIT // 4:
        assert call.received_bytes == CREDIT
    pair.b.handlers[ADD] = answer
    other = pair.a.start(ADD, b"other calls go on")
    pair.settle()
    assert pair.a.value(other) == b"other calls go on"


@pytest.mark.parametrize("size", [1, 7, 63, 100, 128, 129, 200, 255, 256, 257, 1000, 5000])
@pytest.mark.parametrize("batch", [1, CREDIT // 4], ids=["at once", "in batches"])
def test_a_stream_that_is_read_never_stops(size: int, batch: int) -> None:
    pair = Pair(config=TIGHT)
    call = pair.a.stream(COUNT)
    pair.settle()
    received = pair.b.take_call()
    values = [bytes([n & 255]) * size for n in range(100)]
    expected = list(values)
    taken = unreported = 0
    for _ in range(5000):
        pair.b.produce(received, values)
        if not values and not received.ending:
            pair.b.wire.callee.end_stream(received)
        pair.settle()
        for value in pair.a.values(call)[taken:]:
            taken += 1
            unreported += len(value)
            if unreported >= batch:
                pair.a.wire.caller.consumed(call, unreported)
                unreported = 0
        if pair.a.is_over(call):
            break
    assert pair.a.values(call) == expected
    pair.b.wire.callee.worker_done(received)
    assert_empty(pair.a, pair.b)


def test_grants_are_absolute_and_wrap() -> None:
    one = OneEnd(config=TIGHT)
    call = one.end.stream(COUNT)
    one.settle()
    call.granted_bytes = call.received_bytes = call.consumed_bytes = (1 << 32) - 100
    call.granted_bytes += CREDIT
    one.hear(RESPONSE, COUNT, 0, CHUNK, bytes(200))
    one.end.wire.caller.consumed(call, 200)
    one.settle()
    assert granted(one) == [(1 << 32) + 100 + CREDIT - (1 << 32)]


def test_a_producer_takes_grants_across_the_wrap() -> None:
    queue = ItemQueue(0xFFFFFFF0)
    queue._sent_bytes = 0xFFFFFFF0
    queue.put(RESPONSE, CHUNK, bytes(64))
    assert queue.take() is None
    assert queue.grant(b"\x10")  # serially later by 32
    part = queue.take()
    assert part is not None
    assert (len(part.payload), part.terminator) == (32, NONE)
    assert queue.grant(b"\x08")  # stale
    assert queue.take() is None
    assert queue.grant(b"\x30")
    item = queue.take()
    assert item is not None
    assert (len(item.payload), item.terminator) == (32, CHUNK)


def test_grants_never_go_back_and_nonsense_is_ignored() -> None:
    one = OneEnd(stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    for payload in (b"\x08", b"\xa1x", b"", b"\xc0"):
        one.hear(GRANT, COUNT, 0, COMPLETE, payload)
    assert one.end.wire.callee.ignored == 3
    one.end.wire.callee.send_item(received, bytes(100))
    one.settle()
    assert sum(len(m.payload) for m in one.peer.heard(RESPONSE)) == 16
    one.hear(GRANT, COUNT, 0, COMPLETE, b"\x32")
    assert sum(len(m.payload) for m in one.peer.heard(RESPONSE)) == 50


def test_a_grant_for_an_ended_stream_is_dropped() -> None:
    one = OneEnd()
    one.hear(GRANT, COUNT, 0, COMPLETE, b"\x32")
    assert one.end.wire.callee.ignored == 0


def test_an_end_that_knows_no_grants_is_sent_none_and_has_no_credit() -> None:
    one = OneEnd(extensions=0x3F & ~8, stream_credit=1)
    one.hear(CALL, COUNT, 0)
    received = one.end.take_call()
    one.end.wire.callee.send_item(received, bytes(100))
    one.hear(GRANT, COUNT, 0, COMPLETE, b"\x01")
    assert sum(len(m.payload) for m in one.peer.heard(RESPONSE)) == 100
    call = one.end.stream(COUNT)
    one.settle()
    one.hear(RESPONSE, COUNT, 0, NONE, bytes(300_000))
    one.hear(RESPONSE, COUNT, 0, CHUNK, b"")
    one.end.wire.caller.consumed(call, 300_000)
    one.settle()
    assert not one.peer.heard(GRANT)


def test_a_plain_wire_carries_no_grants() -> None:
    one = OneEnd(framed=False)
    call = one.end.stream(COUNT)
    one.settle()
    one.hear(RESPONSE, COUNT, 0, NONE, b"part")
    one.hear(RESPONSE, COUNT, 0, CHUNK, b"of one")
    one.end.wire.caller.consumed(call, 10)
    one.settle()
    assert [m.kind for m in one.peer.messages] == [CALL]
    assert one.end.values(call) == [b"partof one"]


def test_parts_of_a_unary_answer_bring_no_grants() -> None:
    one = OneEnd(config=TIGHT)
    one.end.start(COUNT)
    one.settle()
    one.hear(RESPONSE, COUNT, 0, NONE, bytes(1000))
    assert not one.peer.heard(GRANT)


def test_consumption_of_an_ended_stream_grants_nothing() -> None:
    one = OneEnd(config=TIGHT)
    call = one.end.stream(COUNT)
    one.settle()
    one.hear(RESPONSE, COUNT, 0, COMPLETE, bytes(200))
    one.end.wire.caller.consumed(call, 200)
    one.settle()
    assert not one.peer.heard(GRANT)
