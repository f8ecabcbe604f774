"""The account of the other end's receive ring (LINK-14, LINK-15), and real rings of 64 bytes."""

from __future__ import annotations

import random

import pytest

from ipfi_serial.framing.crc import CRC16
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.parameters import Flag, FrameType
from tests.harness.line import Line, Noise, evenly
from tests.harness.links import (
    BAUD_115200,
    Pair,
    device_parameters,
    new_link,
    parameters,
)
from tests.link._frames import Puppet, ack, data, hello, ping

ACK_BYTES = 1 + 9 + 2 + 1  # COBS, content, CRC-16, delimiter; one more behind an idle line


def small(ring: int = 64, **changes: int) -> Puppet:
    """Return a host in a session with a device that has a ring of this size."""
    own = parameters(**{"flags": 0, "ring": ring, "crc_profiles": 1, "nonce": 7, **changes})
    puppet = Puppet(new_link(), own)
    puppet.accept()
    puppet.hear()
    puppet.events()
    return puppet


def names(contents: list[bytes]) -> list[str]:
    return [FrameType(content[0]).name for content in contents]


def charged(puppet: Puppet) -> int:
    """Say frames until none come; return their wire bytes."""
    before = puppet.link.counters.bytes_sent
    puppet.hear()
    return puppet.link.counters.bytes_sent - before


def test_data_beyond_the_ring_waits() -> None:
    """LINK-14, LINK-16: a frame leaves room for one ACK; a second one does not fit."""
    puppet = small()
    puppet.link.push(bytes(200), puppet.now_s)
    assert charged(puppet) <= 64
    puppet.say(ack(5, 1))
    assert 32 < charged(puppet) <= 64


def test_acks_are_charged_and_the_third_one_is_a_ping() -> None:
    """LINK-14: more than half the ring is held by frames that nothing will clear."""
    puppet = small()
    kinds = []
    for sequence in range(0, 8, 2):
        puppet.say(data(5, sequence, b"a"), data(5, sequence + 1, b"b"))
        kinds += puppet.kinds()
    assert kinds == ["ACK", "ACK", "ACK", "PING"]


def test_one_frame_may_go_beyond_the_ring_and_then_none_until_it_is_cleared() -> None:
    """LINK-14: control frames included; what waited goes when the echo comes."""
    puppet = small()
    heard: list[bytes] = []
    total = 0
    for number in range(1, 20):
        puppet.say(ping(5, 0, ping=number))
        before = puppet.link.counters.bytes_sent
        heard += puppet.hear()
        total += puppet.link.counters.bytes_sent - before
    assert 64 < total <= 64 + ACK_BYTES + 1
    assert puppet.link.next_deadline_s() is not None
    later = puppet.wait_until_due()
    assert later[0] == ack(5, 0, echo=19), "the newest echo was due all the time"


def test_what_waits_for_the_ring_goes_when_a_ping_is_answered() -> None:
    """LINK-14."""
    puppet = small()
    number = 0
    for sequence in range(0, 40, 2):
        puppet.say(data(5, sequence, b"a"), data(5, sequence + 1, b"b"))
        for content in puppet.hear():
            if content[0] == FrameType.PING:
                number = content[4]
    assert number
    assert puppet.hear() == []
    puppet.say(ack(5, 0, echo=number))
    assert charged(puppet) > 0


def test_the_echo_of_an_earlier_ping_clears_what_was_before_it() -> None:
    """LINK-14, LINK-15: on a line whose round trip is longer than the interval of the PINGs."""
    puppet = small()
    puppet.link.push_lossy(bytes(37))
    puppet.link.push_lossy(bytes(37))
    assert puppet.kinds() == ["LOSSY"]
    said = puppet.wait_until_due()
    pings = [c for c in said if c[0] == FrameType.PING]
    assert [c[0] for c in said] == [FrameType.LOSSY, FrameType.PING]
    puppet.link.push_lossy(bytes(37))
    pings += [c for c in puppet.wait_until_due() if c[0] == FrameType.PING]
    assert len(pings) == 2
    puppet.link.push_lossy(bytes(37))
    assert puppet.hear() == []
    puppet.say(ack(5, 0, echo=pings[0][4]))
    assert puppet.hear() == []
    puppet.say(ack(5, 0, echo=pings[1][4]))
    assert puppet.kinds() == ["LOSSY"]


def test_a_sack_clears_the_ring_too() -> None:
    """LINK-14: a frame that arrived was read, and all before it was read or lost."""
    puppet = small(ring=150, window=4, frame_payload=32)
    puppet.link.push(bytes(200), puppet.now_s)
    assert [c[3] for c in puppet.hear()] == [0, 1, 2]
    puppet.say(ack(5, 0, sack=0b10))
    again = puppet.hear()
    assert [c[3] for c in again if c[0] == FrameType.DATA] == [0, 1, 3]


def test_a_ring_that_is_never_cleared_is_tried_again_after_the_rto() -> None:
    """LINK-14: expiry of the RTO clears all."""
    puppet = small()
    puppet.link.push(bytes(100), puppet.now_s)
    (first,) = puppet.hear()
    again = puppet.wait_until_due()
    assert again[0] == first


@pytest.mark.parametrize("in_order", [Flag(0), Flag.IN_ORDER_ONLY])
@pytest.mark.parametrize("batch_s", [0.0, 0.016])
def test_a_ring_of_64_bytes_never_overflows_while_nothing_times_out(
    in_order: Flag, batch_s: float
) -> None:
    """LINK-14: both ends send without a pause; the device reads in batches."""
    there = Line(bytes_per_s=BAUD_115200, batch_s=batch_s, ring_bytes=64)
    back = Line(bytes_per_s=BAUD_115200)
    pair = Pair(
        new_link(bytes_per_s=BAUD_115200),
        new_link(device_parameters(flags=in_order), active=False, bytes_per_s=BAUD_115200, floor=9),
        (there, back),
        to_send=(bytes(3000), bytes(3000)),
    )
    assert pair.run(pair.delivered, for_s=60.0), pair.describe()
    assert there.counters.overrun_bytes == 0
    assert there.counters.ring_peak_bytes <= 64
    assert pair.host.session_counts() == (0, 0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("in_order", [Flag(0), Flag.IN_ORDER_ONLY])
def test_a_ring_of_64_bytes_survives_a_bad_line_and_a_stall(seed: int, in_order: Flag) -> None:
    """LINK-14, LINK-9: an 85 ms erase of flash may cost a repetition, never a byte."""
    rng = random.Random(seed)  # noqa: S311 - a test wants it repeatable
    there = Line(
        seed=seed,
        bytes_per_s=BAUD_115200,
        ring_bytes=64,
        stall=(100.2, 100.285),
        noise=evenly(0.003),
    )
    back = Line(seed=seed + 50, bytes_per_s=BAUD_115200, noise=Noise(lose_frame=0.05))
    pair = Pair(
        new_link(bytes_per_s=BAUD_115200),
        new_link(device_parameters(flags=in_order), active=False, bytes_per_s=BAUD_115200, floor=9),
        (there, back),
        to_send=(rng.randbytes(2500), rng.randbytes(2500)),
    )
    assert pair.run(pair.delivered, for_s=60.0), pair.describe()
    pair.check()
    assert len(pair.programs[0].sessions) == 1, pair.describe()


def test_a_message_that_can_never_fit_is_dropped_and_not_asked_for_again_and_again() -> None:
    """LINK-20, LINK-14: else it would be at the head of its queue for ever."""
    puppet = small()
    puppet.link.push_lossy(bytes(38))
    assert puppet.link.counters.lossy_dropped == 1
    assert puppet.hear() == []
    assert puppet.link.next_deadline_s() is None


def test_a_lost_ping_is_repeated_while_the_ring_is_half_full() -> None:
    """LINK-14: before the next frames have to wait for it; then there is silence."""
    puppet = small()
    said: list[bytes] = []
    for sequence in range(0, 8, 2):
        puppet.say(data(5, sequence, b"a"), data(5, sequence + 1, b"b"))
        said += puppet.hear()
    assert said[-1][0] == FrameType.PING
    (again,) = puppet.wait_until_due()
    assert again[0] == FrameType.PING
    assert again[4] != said[-1][4]
    assert puppet.link.next_deadline_s() is None


def test_a_ping_that_is_due_waits_for_nothing_else_and_is_due_once() -> None:
    """LINK-15: it was asked for while the line was too far ahead."""
    puppet = Puppet(new_link(bytes_per_s=BAUD_115200), parameters(flags=0, credit=0, nonce=7))
    puppet.accept(session=5)
    puppet.hear()
    puppet.link.push(b"x", puppet.now_s)
    due_s = puppet.link.next_deadline_s()
    assert due_s is not None
    puppet.now_s = due_s
    puppet.link.on_deadline(puppet.now_s)
    assert puppet.link.next_deadline_s() != due_s
    assert [content[0] for content in puppet.hear()] == [FrameType.PING]


def test_a_repetition_takes_the_room_before_what_may_be_lost() -> None:
    """LINK-20: otherwise the repetition is overdue still, and clears the account once more."""
    puppet = small()
    puppet.link.push(bytes(30), puppet.now_s)
    assert puppet.kinds() == ["DATA"]
    puppet.link.push_lossy(bytes(20))
    assert puppet.kinds() == []
    assert puppet.wait_until_due()[0][0] == FrameType.DATA


def test_a_repetition_that_would_not_fit_behind_an_ack_goes_before_it() -> None:
    """LINK-14: else the answers to PINGs could take its room again and again."""
    puppet = small(40)
    puppet.link.push(bytes(16), puppet.now_s)
    assert puppet.kinds() == ["DATA"]
    puppet.wait(0.2)
    said: list[str] = []
    for number in range(1, 12):
        puppet.say(ping(5, 0, ping=number))
        said += puppet.kinds() if number < 8 else names(puppet.wait_until_due())
    assert said.index("DATA") < len(said) - 1
    assert said[said.index("DATA") - 1 :][:3] == ["ACK", "DATA", "ACK"]


def test_the_echo_of_a_ping_is_no_news_of_what_left_behind_it() -> None:
    """LINK-10: or one lost frame makes every later one go twice."""
    puppet = small(1024, flags=Flag.IN_ORDER_ONLY)
    puppet.link.push(bytes(16), puppet.now_s)
    puppet.hear()
    puppet.wait(0.25)
    again = puppet.hear()
    assert names(again) == ["DATA", "PING"]
    puppet.say(ack(5, 1))
    puppet.link.push(bytes(16), puppet.now_s)
    assert puppet.kinds() == ["DATA"]
    puppet.say(ack(5, 1, echo=again[1][4]))
    assert puppet.kinds() == []


def test_a_repetition_that_waits_for_the_line_only_is_not_overdue() -> None:
    """LINK-14: an event waits for the ring; its time must not clear the account of the copies."""
    puppet = Puppet(
        new_link(parameters(flags=0), active=False, bytes_per_s=BAUD_115200 / 2),
        parameters(ring=64, crc_profiles=1, nonce=7),
    )
    puppet.open()
    puppet.wait(1)
    puppet.initiate()
    puppet.link.push(bytes(19), puppet.now_s)
    puppet.hear()
    puppet.link.push_lossy(bytes(30))  # not beside a frame under way
    sent: list[tuple[float, int]] = []
    for moment in range(500):
        if moment % 17 < 6:  # another life tries again and again: the answers fill the line
            puppet.say(hello(parameters(nonce=1000)))
        until_s = puppet.now_s + 0.006
        while (due_s := puppet.link.next_deadline_s()) is not None and due_s < until_s:
            frames = [c for c in puppet.wait_until_due() if c[0] == FrameType.DATA]
            sent += [(puppet.now_s, len(encode_frame(content, CRC16))) for content in frames]
        puppet.now_s = until_s
    assert len(sent) > 10, "it was repeated"
    for begin_s, _ in sent:
        assert sum(size for now_s, size in sent if 0 <= now_s - begin_s < 0.0265) <= 64
