"""The C core's account of the other end's ring, and how long it waits (LINK-14, LINK-15)."""

from __future__ import annotations

import itertools

import pytest

from ipfi_serial.link.parameters import Flag, FrameType
from tests.harness.links import parameters
from tests.link._frames import ack, hello, ping
from tests.simulation.core_puppet import CorePuppet

RING = 64
ACK_BYTES = 1 + 9 + 2 + 1  # COBS, content, CRC-16, delimiter; one more behind an idle line


def wire_bytes(contents: list[bytes]) -> int:
    return sum(len(content) + 5 for content in contents)  # CRC-16, COBS, two delimiters at most


def asked(puppet: CorePuppet, times: int, first: int = 1) -> list[bytes]:
    """Ask with so many PINGs; return all that the core says."""
    heard: list[bytes] = []
    for number in range(first, first + times):
        puppet.say(ping(puppet.session, 0, ping=number))
        heard += puppet.hear()
    return heard


def test_one_ack_goes_beyond_the_ring_and_then_none_until_an_rto_has_passed() -> None:
    """LINK-14: however many PINGs ask; what waited goes then, with the newest echo."""
    puppet = CorePuppet(ring=RING)
    said = asked(puppet, 20)
    assert RING - ACK_BYTES < wire_bytes(said) <= RING + ACK_BYTES + 1
    before_s = puppet.now_s
    later = puppet.wait_until_due()
    assert puppet.now_s - before_s >= 0.03
    assert later[0][0] == FrameType.ACK
    assert later[0][4] == 20


def test_nothing_is_due_for_ever_after_a_ring_was_full() -> None:
    """Section 3.5: one PING asks whether all was read, and then there is silence."""
    puppet = CorePuppet(ring=RING)
    asked(puppet, 20)
    for _ in range(3):
        for content in puppet.wait_until_due():
            if content[0] == FrameType.PING:
                puppet.say(ack(puppet.session, 0, echo=content[4]))
        if puppet.core.next_deadline_s() is None:
            return
    raise AssertionError("it is not silent")


@pytest.mark.parametrize("flags", [Flag.HOST, Flag.HOST | Flag.IN_ORDER_ONLY])
def test_the_expiry_of_an_old_frame_does_not_clear_what_left_since(flags: Flag) -> None:
    """LINK-14: the ring may still hold it."""
    puppet = CorePuppet(ring=RING, flags=flags)
    puppet.emit()
    assert puppet.kinds() == ["DATA"]
    puppet.wait(0.24)
    said = asked(puppet, 2)
    puppet.wait(0.012)
    again = puppet.hear()
    assert [content[0] for content in again] == [FrameType.DATA, FrameType.PING]
    said += again + asked(puppet, 5, first=3)
    assert wire_bytes(said) <= RING + ACK_BYTES + 1


def test_an_overdue_repetition_without_room_goes_when_all_is_an_rto_old() -> None:
    """LINK-14: the ring holds nothing but the ACKs that left since."""
    puppet = CorePuppet(ring=RING)
    puppet.emit()
    puppet.hear()
    puppet.say(ack(puppet.session, 1))  # an empty ring
    puppet.emit()
    puppet.hear()
    puppet.wait(0.02)
    for number in range(1, 7):
        puppet.say(ping(puppet.session, 1, ping=number))
        puppet.hear()
    start_s = puppet.now_s
    said = puppet.wait_until_due()
    assert [content[0] for content in said] == [FrameType.ACK], "it is overdue, and has no room"
    assert puppet.now_s - start_s < 0.03
    said = puppet.wait_until_due()
    assert puppet.now_s - start_s >= 0.03, "an RTO after the last ACK"
    assert FrameType.DATA in [content[0] for content in said]


@pytest.mark.parametrize(("active", "interval_s"), [(False, 0.25), (True, 0.25 * 1.25)])
def test_the_initiator_of_a_session_waits_a_quarter_longer(active: bool, interval_s: float) -> None:
    """LINK-15: PINGs that cross clear nothing of the answers."""
    puppet = CorePuppet(active=active, credit=0)
    puppet.emit()
    assert puppet.hear() == []
    assert [content[0] for content in puppet.wait_until_due()] == [FrameType.PING]
    before_s = puppet.now_s
    assert [content[0] for content in puppet.wait_until_due()] == [FrameType.PING]
    assert puppet.now_s - before_s == pytest.approx(interval_s, abs=0.002)


def test_a_repetition_that_would_not_fit_behind_an_ack_goes_before_it() -> None:
    """LINK-14: the answers to PINGs took its room, again and again."""
    puppet = CorePuppet(ring=40)
    puppet.emit()
    puppet.hear()
    puppet.wait(0.24)
    asked(puppet, 8)
    start_s, number = puppet.now_s, 8
    found: list[int] = []
    while FrameType.DATA not in found:
        found += [content[0] for content in puppet.wait_until_due()]
        assert puppet.now_s - start_s < 1.2, found
        number += 1
        puppet.say(ping(puppet.session, 0, ping=number))
    assert FrameType.ACK not in found[: found.index(FrameType.DATA)]


def test_an_acknowledgement_does_not_clear_a_copy_that_waits_for_the_port() -> None:
    """LINK-14: the first transmission arrived late; the repetition has not left yet."""
    puppet = CorePuppet(ring=RING)
    puppet.emit()
    puppet.hear()
    puppet.wait(0.3)
    puppet.core.on_deadline(puppet.now_s)
    assert puppet.core.bytes_to_send(puppet.now_s, 1) != b"", "its first byte, no more"
    puppet.say(ack(puppet.session, 1))
    rest = len(puppet.core.bytes_to_send(puppet.now_s)) + 1
    assert rest > ACK_BYTES, "the repetition"
    assert wire_bytes(asked(puppet, 20)) + rest <= RING + ACK_BYTES + 1


def test_a_blocked_end_asks_once_at_once_and_then_at_growing_intervals() -> None:
    """LINK-15: two that ask whenever they are answered fill a line for ever."""
    puppet = CorePuppet(credit=0)
    puppet.emit()
    assert puppet.hear() == []
    times_s: list[float] = []
    for _ in range(5):
        (content,) = puppet.wait_until_due()
        assert content[0] == FrameType.PING
        times_s.append(puppet.now_s)
        puppet.say(ack(puppet.session, 0, echo=content[4], credit=0))
    waits_s = [later - first for first, later in itertools.pairwise(times_s)]
    assert waits_s[0] >= 0.03
    assert waits_s == sorted(waits_s)
    assert waits_s[-1] > 2 * waits_s[0]


def test_the_echo_of_a_ping_is_no_news_of_what_left_behind_it() -> None:
    """LINK-10: or one lost frame makes every later one go twice."""
    puppet = CorePuppet(flags=Flag.HOST | Flag.IN_ORDER_ONLY)
    puppet.emit()
    puppet.hear()
    again = puppet.wait_until_due()
    assert [content[0] for content in again] == [FrameType.DATA, FrameType.PING]
    puppet.say(ack(puppet.session, 1))
    puppet.emit()
    assert puppet.kinds() == ["DATA"]
    puppet.say(ack(puppet.session, 1, echo=again[1][4]))
    assert puppet.kinds() == []


def test_a_host_that_takes_nothing_is_refused() -> None:
    """HS-10: a sender that may never send would wait for ever."""
    puppet = CorePuppet()
    refused: tuple[dict[str, int], ...] = ({"ring": 31}, {"max_message": 0})
    for nonce, wrong in enumerate(refused, 40):
        puppet.say(hello(parameters(**{"flags": 1, "nonce": nonce, **wrong}), floor=1))
        assert puppet.kinds() == ["REFUSE"]
    puppet.say(hello(parameters(flags=1, nonce=50, ring=32, max_message=1), floor=1))
    assert puppet.kinds() == ["HELLO_ACK"]


@pytest.mark.parametrize("credit", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_any_credit_lets_the_stream_go(credit: int) -> None:
    """LINK-7: it is an offset modulo 2^32, and what was sent is never beyond it."""
    puppet = CorePuppet(credit=credit)
    puppet.emit()
    assert puppet.kinds() == ["DATA"]


def test_a_repeated_ack_says_nothing_of_a_frame_that_left_less_than_a_round_trip_ago() -> None:
    """LINK-10: it left the other end before that frame, though never repeated, was there."""
    puppet = CorePuppet(flags=Flag.HOST | Flag.IN_ORDER_ONLY)
    puppet.emit()
    puppet.hear()
    puppet.wait(0.1)
    puppet.say(ack(puppet.session, 1))  # the round trip
    puppet.emit()
    assert puppet.kinds() == ["DATA"]
    puppet.wait(0.05)
    puppet.say(ack(puppet.session, 1))
    assert puppet.kinds() == []
    puppet.wait(0.06)
    puppet.say(ack(puppet.session, 1))
    assert puppet.kinds()[0] == "DATA"


def test_nothing_new_takes_the_room_of_a_repetition_that_waits() -> None:
    """LINK-14."""
    puppet = CorePuppet(ring=RING, flags=Flag.HOST | Flag.IN_ORDER_ONLY)
    puppet.emit()
    puppet.hear()
    puppet.say(ack(puppet.session, 1))  # an empty ring
    for _ in range(4):
        puppet.emit()
    (first,) = puppet.hear()
    assert len(first) > 32, "it does not fit beside its first transmission; a small one would"
    puppet.say(ack(puppet.session, 1))  # it was lost
    puppet.emit()
    assert puppet.kinds() == []
    assert puppet.wait_until_due()[0][3] == first[3], "its number"


def test_a_stall_behind_a_lossy_frame_that_went_asks_at_once_again() -> None:
    """LINK-15: what waited has gone, so the interval of the stall before it counts no more."""
    puppet = CorePuppet(ring=RING)
    for _ in range(2):
        asked(puppet, 3)  # they leave no room for the event
        puppet.emit(lossy=True)
        assert puppet.kinds() == []
        puppet.wait(0.001)
        (said,) = puppet.hear()
        assert said[0] == FrameType.PING
        puppet.say(ack(puppet.session, 0, echo=said[4]))
        assert puppet.kinds() == ["LOSSY"]
