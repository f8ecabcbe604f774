"""What waits to be sent: parts, turns, order and the count of bytes (CALL-5)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ipfi_serial.codec.message import Message, MessageDecoder
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.outbox import READY_PER_PART, Outbox
from tests.engine.wires import CALL, CHUNK, COMPLETE, EVENT, NONE, RESPONSE

PART = 128


def drained(outbox: Outbox, limit: int = 1 << 30) -> list[Message]:
    """Pull up to ``limit`` messages."""
    decoder = MessageDecoder(extensions=True)
    messages: list[Message] = []
    while outbox and len(messages) < limit:
        messages += decoder.feed(outbox.pull())
    return messages


def test_a_large_payload_leaves_in_parts_and_the_last_part_carries_the_terminator() -> None:
    outbox = Outbox(PART)
    outbox.put("x", RESPONSE, 1, 2, CHUNK, bytes(2 * PART + 1))
    parts = drained(outbox)
    assert [(len(p.payload), p.terminator) for p in parts] == [
        (PART, NONE),
        (PART, NONE),
        (1, CHUNK),
    ]
    assert outbox.queued_bytes == 0


def test_a_payload_of_exactly_one_part_is_not_cut() -> None:
    outbox = Outbox(PART)
    outbox.put("x", CALL, 1, 2, COMPLETE, bytes(PART))
    assert not outbox.cuts(PART)
    assert [m.terminator for m in drained(outbox)] == [COMPLETE]


def test_a_payload_of_exactly_two_parts_makes_two_messages() -> None:
    outbox = Outbox(PART)
    outbox.put("x", CALL, 1, 2, COMPLETE, bytes(2 * PART))
    assert [m.terminator for m in drained(outbox)] == [NONE, COMPLETE]


def test_an_outbox_without_a_part_size_never_cuts() -> None:
    outbox = Outbox(None)
    outbox.put("x", CALL, 1, 2, COMPLETE, bytes(1 << 20))
    assert not outbox.cuts(1 << 40)
    assert [len(m.payload) for m in drained(outbox)] == [1 << 20]


def test_small_messages_overtake_large_ones_but_do_not_starve_them() -> None:
    outbox = Outbox(PART)
    outbox.put("large", RESPONSE, 1, 0, COMPLETE, bytes(3 * PART))
    for call in range(30):
        outbox.put(("small", call), RESPONSE, 2, call, COMPLETE, b"")
    kinds = [m.procedure for m in drained(outbox)]
    assert kinds[:READY_PER_PART] == [2] * READY_PER_PART
    assert [i for i, procedure in enumerate(kinds) if procedure == 1] == [8, 17, 26]


def test_large_messages_take_turns() -> None:
    outbox = Outbox(PART)
    for procedure in (1, 2, 3):
        outbox.put(procedure, RESPONSE, procedure, 0, COMPLETE, bytes(2 * PART))
    assert [m.procedure for m in drained(outbox)] == [1, 2, 3, 1, 2, 3]


def test_a_small_message_stays_behind_the_large_one_of_its_lane() -> None:
    outbox = Outbox(PART)
    outbox.put("x", RESPONSE, 1, 0, CHUNK, bytes(2 * PART))
    outbox.put("x", RESPONSE, 1, 0, COMPLETE, b"")
    assert [m.terminator for m in drained(outbox)] == [NONE, CHUNK, COMPLETE]


def test_a_large_message_never_overtakes_small_ones_of_its_lane() -> None:
    outbox = Outbox(PART)
    outbox.put("early", RESPONSE, 9, 0, COMPLETE, bytes(9 * PART))
    for call in range(2 * READY_PER_PART):
        outbox.put(("small", call), RESPONSE, 2, call, COMPLETE, b"")
    outbox.put("x", RESPONSE, 1, 0, CHUNK, b"first")
    outbox.put("x", RESPONSE, 1, 0, CHUNK, bytes(PART + 1))
    assert [len(m.payload) for m in drained(outbox) if m.procedure == 1] == [5, PART, 1]


def test_a_large_message_waits_for_no_small_ones_that_were_withdrawn() -> None:
    outbox = Outbox(PART)
    call = OutgoingCall(1, 0.0, streaming=False, nested=False, owner=None)
    outbox.put("kept", RESPONSE, 3, 0, COMPLETE, b"")
    for _ in range(20):
        outbox.put("x", CALL, 1, 0, NONE, b"gone", call)
    outbox.put("large", RESPONSE, 2, 0, COMPLETE, bytes(2 * PART))
    outbox.withdraw("x", call)
    for _ in range(30):
        outbox.put("later", RESPONSE, 3, 0, COMPLETE, b"")
    order = [m.procedure for m in drained(outbox)]
    assert order.index(2) == READY_PER_PART
    assert 1 not in order
    assert outbox.queued_bytes == 0


def test_a_dropped_lane_leaves_the_others_and_takes_its_bytes_along() -> None:
    outbox = Outbox(PART)
    outbox.put("x", RESPONSE, 1, 0, COMPLETE, bytes(2 * PART))
    outbox.put("y", RESPONSE, 2, 0, COMPLETE, bytes(3 * PART))
    drained(outbox, 1)
    assert outbox.drop("x")
    assert not outbox.drop("x")
    assert outbox.queued_bytes == 3 * PART
    assert [m.procedure for m in drained(outbox)] == [2, 2, 2]


def test_a_cleared_outbox_is_empty() -> None:
    outbox = Outbox(PART)
    outbox.put("x", RESPONSE, 1, 0, COMPLETE, bytes(2 * PART))
    outbox.put("y", RESPONSE, 2, 0, COMPLETE, b"")
    outbox.clear()
    assert not outbox
    assert outbox.queued_bytes == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0, 1, PART, PART + 1, 5 * PART])),
        max_size=60,
    ),
    st.lists(st.booleans(), max_size=60),
)
def test_every_lane_keeps_its_order_whatever_is_queued_and_when_it_is_pulled(
    puts: list[tuple[int, int]], pulls: list[bool]
) -> None:
    outbox = Outbox(PART)
    decoder = MessageDecoder(extensions=True)
    messages: list[Message] = []
    sent: dict[int, bytes] = {}
    for number, (lane, size) in enumerate(puts):
        payload = bytes([number]) * size
        outbox.put(lane, EVENT, lane, 0, CHUNK, payload)
        sent[lane] = sent.get(lane, b"") + payload
        if number < len(pulls) and pulls[number]:
            messages += decoder.feed(outbox.pull())
        assert outbox.queued_bytes >= 0
    messages += drained(outbox)
    assert outbox.queued_bytes == 0
    for lane, payload in sent.items():
        assert b"".join(m.payload for m in messages if m.procedure == lane) == payload
        expected = sum(1 for one, _ in puts if one == lane)
        assert sum(m.terminator is CHUNK for m in messages if m.procedure == lane) == expected
