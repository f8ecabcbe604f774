"""A plain wire cannot refuse: calls wait for a worker instead (CALL-6, CALL-9, CALL-10)."""

from __future__ import annotations

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.admission import PLAIN_BACKLOG
from ipfi_serial.engine.plain import QUEUE_BYTES
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import ADD, CALL, ECHO, NONE, answer, assert_empty

TWO = WireConfig(max_calls=2, max_partial_calls=2)


def test_calls_of_a_plain_wire_wait_for_a_worker_in_their_order() -> None:
    pair = Pair(framed=False, config_b=TWO)
    calls = [pair.a.start(ECHO, bytes([n])) for n in range(10)]
    pair.settle()
    served = []
    while pair.b.received:
        assert len(pair.b.received) <= 2
        received = pair.b.take_call()
        served.append(bytes(received.arguments))
        answer(pair.b, received)
        assert len(pair.b.received) <= 1, "its handler has not returned yet"
        pair.b.wire.callee.worker_done(received)
        pair.settle()
    assert served == [bytes([n]) for n in range(10)]
    assert [pair.a.value(call) for call in calls] == served
    assert_empty(pair.a, pair.b)


def test_a_deferred_call_needs_no_worker() -> None:
    pair = Pair(framed=False, config_b=WireConfig(max_calls=1))
    calls = [pair.a.start(ECHO, bytes([n])) for n in range(3)]
    pair.settle()
    deferred = []
    while pair.b.received:
        received = pair.b.take_call()
        pair.b.wire.callee.defer(received)
        pair.b.wire.callee.worker_done(received)
        deferred.append(received)
        pair.settle()
    assert len(deferred) == 3
    for received in reversed(deferred):
        answer(pair.b, received)
    pair.settle()
    assert all(pair.a.is_over(call) for call in calls)
    assert_empty(pair.a, pair.b)


def test_calls_that_wait_for_a_worker_end_with_their_wire() -> None:
    pair = Pair(framed=False, config_b=TWO)
    for _ in range(5):
        pair.a.start(ECHO)
    pair.settle()
    pair.b.wire.close(pair.now_s)
    pair.b.take_events()
    assert pair.b.cancelled == pair.b.received, "the others were never handed over"
    for received in pair.b.received:
        pair.b.wire.callee.worker_done(received)
    assert_empty(pair.b)


def test_even_a_plain_wire_has_a_limit() -> None:
    one = OneEnd(framed=False, config=WireConfig(max_calls=1))
    for call in range(PLAIN_BACKLOG + 3):
        one.peer.say(CALL, ECHO, call)
    one.settle()
    assert len(one.end.wire.callee._calls) == PLAIN_BACKLOG + 1
    assert len(one.end.faults) == 2
    assert f"{PLAIN_BACKLOG + 1} calls are being served" in one.end.faults[0]


def test_half_received_calls_of_a_plain_wire_are_limited() -> None:
    one = OneEnd(framed=False, config=TWO)
    for call in range(3):
        one.hear(CALL, ECHO, call, NONE, b"half")
    assert one.end.wire.callee._admission.receiving == 2
    assert len(one.end.faults) == 1


def test_a_nested_call_on_a_plain_wire_keeps_answers_that_are_ready_in_order() -> None:
    pair = Pair(framed=False)
    first, second, third = (pair.a.start(ECHO, bytes([n])) for n in range(3))
    pair.settle()
    one, two, three = pair.b.received
    answer(pair.b, three)
    pair.settle()
    assert not pair.a.is_over(third)
    pair.b.start(ADD, nested=True)  # made by the handler of the first
    pair.settle()
    assert pair.a.is_over(third), "it waits for nobody who may wait for it"
    answer(pair.b, two)
    answer(pair.b, one)
    pair.settle()
    assert pair.a.is_over(second)
    assert pair.a.is_over(first)


def test_a_plain_wire_hands_over_about_what_it_was_asked_for() -> None:
    pair = Pair(framed=False)
    for _ in range(100):
        pair.a.start(ECHO, bytes(10_000))
    first = pair.a.wire.bytes_to_send(pair.now_s, 65_536)
    assert 65_536 <= len(first) < 65_536 + 10_100
    assert pair.a.wire.link.room_bytes <= QUEUE_BYTES
    assert pair.a.wire._outbox, "the rest waits where it can be withdrawn"
    pair.b.wire.receive_bytes(first, pair.now_s)
    pair.settle()
    assert len(pair.b.received) == 100


def test_a_plain_wire_measures_nothing_and_waits_for_nothing() -> None:
    pair = Pair(framed=False)
    link = pair.a.wire.link
    assert link.smoothed_rtt_s() is None
    assert link.next_deadline_s() is None
    assert link.flushed
    assert pair.a.wire.peer_schema == 0
    link.on_deadline(1e9)
    link.set_busy(True, 0.0)
    link.describe_as(5)
    assert pair.a.wire.bytes_to_send(pair.now_s) == b""
