"""Events: order, parts, size, lossy ones, and calls that stand for them (EVENT-1 to EVENT-4)."""

from __future__ import annotations

import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.outbox import CROWDED
from ipfi_serial.errors import (
    CallRefusedError,
    LocalProtocolError,
    RemoteProtocolError,
    WireClosedError,
)
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import (
    CALL,
    CANCEL,
    COMPLETE,
    ECHO,
    EVENT,
    GRANT,
    LED,
    NONE,
    RESPONSE,
    answer,
    assert_empty,
)

SMALL = WireConfig(max_message_bytes=1024)


@pytest.fixture(params=[True, False], ids=["framed", "plain"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(framed=request.param)


def test_events_arrive_in_order_both_ways(pair: Pair) -> None:
    expected = [(LED, bytes([n]) * (n * 50)) for n in range(40)]
    for index, payload in expected:
        pair.a.emit(index, payload)
        pair.b.emit(index, payload)
    pair.settle()
    assert pair.b.events == expected
    assert pair.a.events == expected
    assert_empty(pair.a, pair.b)


def test_a_large_event_keeps_its_place_among_small_ones_and_calls() -> None:
    pair = Pair()
    pair.b.handlers[ECHO] = answer
    expected = []
    for n in range(30):
        payload = bytes([n]) * (5000 if n % 7 == 3 else 5)
        pair.a.emit(LED, payload)
        pair.a.start(ECHO, b"between")
        expected.append((LED, payload))
    pair.settle()
    assert pair.b.events == expected
    assert_empty(pair.a, pair.b)


def test_an_event_of_an_undeclared_index_is_delivered_on_a_framed_wire() -> None:
    pair = Pair()
    pair.a.emit(77, b"x")
    pair.settle()
    assert pair.b.events == [(77, b"x")]


def test_an_event_travels_with_call_index_0_and_is_not_answered() -> None:
    one = OneEnd()
    one.end.emit(LED, b"\xc3")
    one.settle()
    assert [(m.kind, m.procedure, m.call, m.payload) for m in one.peer.messages] == [
        (EVENT, LED, 0, b"\xc3")
    ]
    one.hear(EVENT, LED, 0, COMPLETE, b"\xc2")
    assert one.end.events == [(LED, b"\xc2")]
    assert len(one.peer.messages) == 1


def test_empty_parts_belong_to_an_event_too() -> None:
    one = OneEnd()
    for terminator, payload in ((NONE, b""), (NONE, b"ab"), (NONE, b""), (COMPLETE, b"c")):
        one.hear(EVENT, LED, 0, terminator, payload)
    one.hear(EVENT, LED, 0, NONE, b"")
    one.hear(EVENT, LED, 0, COMPLETE, b"")
    assert one.end.events == [(LED, b"abc"), (LED, b"")]


def test_events_wait_for_nobody_who_takes_none() -> None:
    one = OneEnd(extensions=0)
    with pytest.raises(LocalProtocolError, match="does not take events"):
        one.end.emit(LED, b"")
    with pytest.raises(LocalProtocolError, match="does not take lossy events"):
        one.end.emit(LED, b"", lossy=True)


def test_an_event_larger_than_the_other_end_takes_is_not_sent() -> None:
    one = OneEnd(max_message=2)
    one.end.emit(LED, bytes(512))
    with pytest.raises(CallRefusedError, match="513 bytes, but the other end takes 512") as caught:
        one.end.emit(LED, bytes(513))
    assert caught.value.reason == "limit"


def test_an_event_without_a_session_is_refused(pair: Pair) -> None:
    pair.a.wire.close(pair.now_s)
    for lossy in (True, False):
        with pytest.raises(WireClosedError) as caught:
            pair.a.emit(LED, b"", lossy=lossy)
        assert caught.value.may_have_executed is False


def test_a_program_that_emits_faster_than_the_line_is_refused_before_it_fills_the_memory() -> None:
    pair = Pair()
    for _ in range(CROWDED):
        pair.a.emit(LED, b"")
    with pytest.raises(CallRefusedError, match="slower than this program emits") as caught:
        pair.a.emit(LED, b"")
    assert caught.value.reason == "limit"
    pair.a.wire.bytes_to_send(pair.now_s)
    pair.a.emit(LED, b"")


# --- too large for us ---


@pytest.mark.parametrize(
    "parts",
    [[1025], [600, 600], [1025, 10], [600, 1025], [600, 1025, 10], [2000, 2000], [600, 600, 10]],
)
def test_an_event_above_our_limit_is_dropped_whole_and_noted(parts: list[int]) -> None:
    one = OneEnd(config=SMALL)
    for number, size in enumerate(parts):
        terminator = COMPLETE if number == len(parts) - 1 else NONE
        one.peer.say(EVENT, LED, 0, terminator, b"x" * size)
    one.peer.say(EVENT, LED, 0, COMPLETE, b"next")
    one.settle()
    assert one.end.events == [(LED, b"next")]
    assert len(one.end.faults) == 1
    assert "larger than max_message_bytes=1024" in one.end.faults[0]
    assert_empty(one.end)


def test_a_half_event_dies_with_its_session() -> None:
    for size in (100, 2000):
        one = OneEnd(config=SMALL)
        one.peer.say(EVENT, LED, 0, NONE, bytes(size))
        one.settle()
        one.peer.wire.abort(WireClosedError("a new session"), one.now_s)
        one.run(2)
        assert len(one.end.lost) == 1
        one.hear(EVENT, LED, 0, COMPLETE, b"whole")
        assert one.end.events == [(LED, b"whole")]


# --- of a sender that breaks the rules ---


@pytest.mark.parametrize("size", [0, 2, 2000])
@pytest.mark.parametrize("other", [b"whole", b"x" * 2000])
def test_an_event_that_another_one_interrupts_is_dropped_and_noted(size: int, other: bytes) -> None:
    """EVENT-2: mixed parts make no event that nobody has sent; the C core drops the same."""
    one = OneEnd(config=SMALL)
    one.hear(EVENT, LED, 0, NONE, bytes(size))
    one.hear(EVENT, 77, 0, COMPLETE, other)
    one.hear(EVENT, LED, 0, COMPLETE, b"next")
    is_large = len(other) > 1024
    assert one.end.events == [(77, other), (LED, b"next")][is_large:]
    assert len(one.end.faults) == 1 + is_large
    assert "a message of event 77 came before its last part" in one.end.faults[0]
    assert_empty(one.end)


@pytest.mark.parametrize("bad", [b"\x01\x80\x02\x00\x00", b"\x01\xd0\x02\x00\xff\xff\xff\xff"])
def test_an_event_before_a_broken_message_is_handed_over(bad: bytes) -> None:
    """MSG-6: in one frame; what stands behind it is not read; the C core does the same."""
    one = OneEnd()
    assert one.peer.wire is not None
    event = b"\x04\xc0\x28\x00\x01x"
    one.peer.wire.push(event + bad + event, one.now_s)
    one.settle()
    assert one.end.events == [(LED, b"x")]
    assert [type(each.reason) for each in one.end.lost] == [RemoteProtocolError]


# --- lossy ---


def test_a_lossy_event_travels_in_a_frame_of_its_own() -> None:
    pair = Pair()
    pair.a.emit(LED, b"level", lossy=True)
    pair.settle()
    assert pair.b.events == [(LED, b"level")]
    assert not pair.a.wire._outbox


def test_a_lossy_event_may_be_lost_without_a_trace() -> None:
    pair = Pair()
    pair.cut = True
    pair.a.emit(LED, b"lost", lossy=True)
    pair.settle()
    pair.cut = False
    pair.a.emit(LED, b"came", lossy=True)
    pair.run(5)
    assert pair.b.events == [(LED, b"came")]


def test_a_lossy_event_that_fits_no_frame_is_refused() -> None:
    pair = Pair(config=WireConfig(frame_payload_bytes=64))
    pair.a.emit(LED, bytes(59), lossy=True)
    with pytest.raises(CallRefusedError, match="65 bytes, but only 64 fit"):
        pair.a.emit(LED, bytes(60), lossy=True)


@pytest.mark.parametrize(
    "content",
    [
        b"\x04\x00\x28\x00\x01x",  # a part
        b"\x04\xc0\x28\x00\x05x",  # cut off
        b"\x01\xc0\x02\x00\x01x",  # a call
        b"\xff\xff\xff",
        b"\x04\x80\x00\x00\x00",
    ],
)
def test_nonsense_in_a_lossy_frame_is_dropped(content: bytes) -> None:
    one = OneEnd()
    assert one.peer.wire is not None
    one.peer.wire.push_lossy(content)
    one.settle()
    assert not one.end.events
    assert not one.end.received
    assert one.end.wire.established


def test_a_plain_wire_has_no_lossy_events() -> None:
    pair = Pair(framed=False)
    with pytest.raises(LocalProtocolError, match="loses nothing"):
        pair.a.emit(LED, b"", lossy=True)
    with pytest.raises(LocalProtocolError, match="loses nothing"):
        pair.a.wire.link.push_lossy(b"")


# --- events of a plain wire ---


def test_an_event_of_a_plain_wire_is_a_call_that_is_answered_with_nil() -> None:
    one = OneEnd(framed=False)
    one.end.emit(LED, b"\xc3")
    one.settle()
    assert [(m.kind, m.procedure, m.call) for m in one.peer.messages] == [(CALL, LED, 0)]
    assert one.end.wire.caller.open_calls == 0
    one.hear(RESPONSE, LED, 0, COMPLETE, b"\xc0")
    assert not one.end.log[1:], "nobody waits for the answer"
    one.hear(CALL, LED, 9, COMPLETE, b"\xc2")
    assert one.end.events == [(LED, b"\xc2")]
    assert one.peer.heard(RESPONSE)[0].payload == b"\xc0"
    assert_empty(one.end)


def test_an_event_of_a_plain_wire_may_come_in_parts_and_keeps_its_place() -> None:
    one = OneEnd(framed=False)
    one.hear(CALL, ECHO, 0, COMPLETE, b"first")
    one.hear(CALL, LED, 0, NONE, b"a")
    one.hear(CALL, LED, 0, COMPLETE, b"b")
    assert one.end.events == [(LED, b"ab")]
    assert not one.peer.messages, "CALL-9: the call before it is not answered"
    answer(one.end, one.end.take_call())
    one.settle()
    assert [m.procedure for m in one.peer.messages] == [ECHO, LED]


def test_open_events_of_a_plain_wire_are_limited() -> None:
    one = OneEnd(framed=False, config=WireConfig(max_partial_calls=1))
    for call in range(5):
        one.hear(CALL, LED, call, NONE, b"a")
    assert len(one.end.wire.callee._calls) == 1
    assert len(one.end.faults) == 4


def test_events_of_a_plain_wire_are_taken_while_every_worker_is_busy() -> None:
    one = OneEnd(framed=False, config=WireConfig(max_calls=1))
    for call in range(3):
        one.hear(CALL, ECHO, call)
    one.hear(CALL, LED, 0, COMPLETE, b"x")
    assert len(one.end.received) == 1
    assert one.end.events == [(LED, b"x")]


def test_events_that_a_plain_peer_never_answers_end_in_a_refusal() -> None:
    one = OneEnd(framed=False)
    one.end.wire.caller.slots.limit = 3
    for _ in range(3):
        one.end.emit(LED, b"")
    with pytest.raises(CallRefusedError):
        one.end.emit(LED, b"")
    one.settle()
    one.hear(RESPONSE, LED, 0)
    one.end.emit(LED, b"")


def test_events_ignore_cancels_and_grants() -> None:
    one = OneEnd()
    for kind in (CANCEL, GRANT):
        one.hear(kind, LED, 0, COMPLETE, b"")
    assert not one.end.log[1:]
