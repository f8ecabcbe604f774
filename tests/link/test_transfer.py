"""One session's frames: what they say, lossy messages, credit (LINK-1 to LINK-8, LINK-20)."""

from __future__ import annotations

from collections import deque

import pytest

from ipfi_serial.events import LinkEvent, LossyReceived, TextReceived
from ipfi_serial.framing.crc import CRC32
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.lossy import LossyQueue
from ipfi_serial.link.parameters import Flag, FrameType, Parameters
from ipfi_serial.link.transfer import Transfer
from tests.harness.line import Line, Noise
from tests.harness.links import BAUD_115200, Pair, new_link, parameters
from tests.link._frames import Puppet, ack, bye, data, ping, u16


def up(own: Parameters | None = None, **options: int) -> Puppet:
    """Return a link in session 5."""
    puppet = Puppet(new_link(**options), own)  # type: ignore[arg-type]
    puppet.accept(session=5)
    puppet.hear()
    puppet.events()
    return puppet


def lossy(message: bytes) -> bytes:
    """Content of a LOSSY frame."""
    return bytes((FrameType.LOSSY,)) + u16(5) + message


# --- frames in ---


@pytest.mark.parametrize(
    "content",
    [
        data(5, 0, b""),
        ack(5, 0)[:8],
        ack(5, 0) + b"\0",
        ping(5, 0) + b"\0\0\0",
        lossy(b""),
        bytes((FrameType.LOG,)) + u16(5),
    ],
)
def test_malformed_frames_of_the_session_are_counted(content: bytes) -> None:
    """Section 3.1."""
    puppet = up()
    puppet.say(content)
    assert puppet.events() == []
    assert puppet.hear() == []
    assert puppet.link.counters.malformed_frames == 1


@pytest.mark.parametrize("session", [4, 6, 0x0105, 0x0500])
@pytest.mark.parametrize("kind", ["data", "ack", "ping", "lossy"])
@pytest.mark.parametrize("sealed_for", [None, 5])
def test_a_frame_of_another_session_changes_nothing(
    kind: str, session: int, sealed_for: int | None
) -> None:
    """LINK-5, FRAME-10; sealed for the live one, it is an escape of the CRC, and dropped, too."""
    puppet = up()
    puppet.link.push(b"x", puppet.now_s)
    puppet.hear()
    puppet.say(
        {
            "data": data(session, 0, b"y", ack=1),
            "ack": ack(session, 1),
            "ping": ping(session, 1),
            "lossy": bytes((FrameType.LOSSY,)) + u16(session) + b"z",
        }[kind],
        sealed_for=sealed_for,
    )
    assert puppet.events() == []
    assert puppet.hear() == []
    assert not puppet.link.flushed
    assert puppet.link.counters.stale_frames == (sealed_for is not None)
    assert puppet.link.decoder.counters.crc_errors == (sealed_for is None)


@pytest.mark.parametrize("confirm", [bytes(4), b"\1\2\3\4"])
@pytest.mark.parametrize("crc_profiles", [1, 3])
def test_a_frame_of_an_earlier_session_with_the_same_id_changes_nothing(
    crc_profiles: int, confirm: bytes
) -> None:
    """FRAME-10: ids may come back when both ends have restarted (HS-2)."""
    puppet = Puppet(new_link(), parameters(flags=0, crc_profiles=crc_profiles))
    puppet.accept(session=5)
    puppet.hear()
    puppet.link.push(b"x", puppet.now_s)
    puppet.hear()
    puppet.events()
    puppet.confirms[4] = confirm
    puppet.say(data(5, 0, b"late", ack=1), ack(5, 1), ping(5, 1), bye(5, 3), sealed_for=4)
    assert puppet.events() == []
    assert puppet.hear() == []
    assert puppet.link.established
    assert not puppet.link.flushed
    puppet.say(data(5, 0, b"fresh"))
    assert puppet.events() == [b"fresh"]


@pytest.mark.parametrize("kind", ["data", "ack", "ping"])
def test_data_ack_and_ping_all_acknowledge(kind: str) -> None:
    """LINK-2."""
    puppet = up()
    puppet.link.push(b"x", puppet.now_s)
    puppet.hear()
    puppet.say({"data": data(5, 0, b"y", ack=1), "ack": ack(5, 1), "ping": ping(5, 1)}[kind])
    assert puppet.link.flushed


@pytest.mark.parametrize("kind", ["ack", "ping"])
def test_ack_and_ping_bring_credit(kind: str) -> None:
    """LINK-7."""
    puppet = up(parameters(flags=0, nonce=7, credit=3))
    puppet.link.push(b"abcdef", puppet.now_s)
    assert puppet.hear() == [data(5, 0, b"abc")]
    puppet.say(ack(5, 1, credit=5) if kind == "ack" else ping(5, 1, credit=5))
    assert data(5, 1, b"de") in puppet.hear()


def test_an_ack_that_was_displaced_is_nothing_and_its_sack_harms_nothing() -> None:
    """LINK-2, LINK-4: by fewer than 128 frames."""
    puppet = up()
    for number in range(40):
        puppet.link.push(b"x", puppet.now_s)
        puppet.hear()
        puppet.say(ack(5, number + 1))
    puppet.link.push(b"y", puppet.now_s)
    assert puppet.hear() == [data(5, 40, b"y")]
    for number in range(40):
        puppet.say(ack(5, number, sack=0x5555))
    assert puppet.hear() == []
    assert not puppet.link.flushed
    puppet.say(ack(5, 41))
    assert puppet.link.flushed


def test_frames_ahead_are_reported_at_once() -> None:
    """LINK-3, LINK-8."""
    puppet = up()
    puppet.say(data(5, 2, b"c"))
    assert puppet.hear() == [ack(5, 0, sack=0b10)]
    puppet.say(data(5, 1, b"b"))
    assert puppet.hear() == [ack(5, 0, sack=0b11)]
    puppet.say(data(5, 0, b"a"))
    assert b"".join(event for event in puppet.events() if isinstance(event, bytes)) == b"abc"
    assert [content[:5] for content in puppet.hear()] == [ack(5, 3)[:5]]


def test_a_sack_goes_out_before_data_and_beside_a_ping() -> None:
    """LINK-3, LINK-8: neither DATA nor PING can say it."""
    puppet = up()
    puppet.link.set_busy(True, puppet.now_s)
    puppet.wait(1.0)
    puppet.link.push(b"x", puppet.now_s)
    puppet.say(data(5, 1, b"b"))
    assert puppet.hear() == [ack(5, 0, sack=0b1), data(5, 0, b"x")]
    puppet.say(ack(5, 1))
    puppet.say(data(5, 2, b"c"))
    puppet.hear()
    said = puppet.wait_until_due()
    assert said[0][0] == FrameType.PING
    assert said[1:] == [ack(5, 0, sack=0b11)]


def test_the_echo_of_a_ping_goes_out_before_anything_else() -> None:
    """LINK-8: and the PING that is due waits for the next frame."""
    puppet = up()
    puppet.link.set_busy(True, puppet.now_s)
    puppet.wait(1.0)
    puppet.say(ping(5, 0, ping=9))
    puppet.link.push(b"x", puppet.now_s)
    assert puppet.hear() == [ack(5, 0, echo=9), data(5, 0, b"x")]


def test_a_repetition_without_new_data_is_followed_by_one_ping() -> None:
    """LINK-10, LINK-11: so that its fate is known after one round trip."""
    puppet = up()
    puppet.link.push(b"x", puppet.now_s)
    puppet.hear()
    said = puppet.wait_until_due()
    assert [content[0] for content in said] == [FrameType.DATA, FrameType.PING]
    puppet.wait(0.01)
    puppet.say(ack(5, 0, echo=said[1][4]))
    again = puppet.hear()
    assert again[0] == data(5, 0, b"x")
    assert [content[0] for content in again] == [FrameType.DATA, FrameType.PING]
    puppet.say(ack(5, 1, echo=again[1][4]))
    assert puppet.link.flushed
    assert puppet.link.smoothed_rtt_s() is not None


def test_the_answer_to_a_ping_is_a_sample_unless_it_came_too_late() -> None:
    """LINK-11: the echo is in every later ACK, and the first answer may have been lost."""
    puppet = up()
    puppet.link.set_busy(True, puppet.now_s)
    (said,) = puppet.wait_until_due()
    puppet.wait(0.9)
    puppet.say(ack(5, 0, echo=said[4]))
    assert puppet.link.smoothed_rtt_s() is None
    (said,) = puppet.wait_until_due()
    puppet.wait(0.04)
    puppet.say(ack(5, 0, echo=said[4]))
    assert puppet.link.smoothed_rtt_s() == pytest.approx(0.04)
    puppet.wait(0.01)
    puppet.say(ack(5, 0, echo=said[4]))
    assert puppet.link.smoothed_rtt_s() == pytest.approx(0.04)


def test_an_in_order_receiver_gets_the_window_again_at_a_repeated_ack() -> None:
    """LINK-10."""
    puppet = up(parameters(flags=Flag.IN_ORDER_ONLY, nonce=7, frame_payload=16))
    puppet.link.push(bytes(48), puppet.now_s)
    assert len(puppet.hear()) == 3
    puppet.say(ack(5, 1))
    assert puppet.hear() == []
    puppet.say(ack(5, 1))
    assert [content[3] for content in puppet.hear() if content[0] == FrameType.DATA] == [1, 2]


# --- without a session ---


def test_a_link_without_a_session_says_so() -> None:
    """LINK-19, LINK-20: what is pushed is dropped; its loss was reported."""
    link = new_link()
    link.push(b"x", 100.0)
    link.push_lossy(b"x")
    link.push_log(1, "x")
    assert link.counters.lossy_dropped == 2
    assert link.room_bytes == 0
    assert link.lossy_limit_bytes == 0
    assert link.session_counts() == (0, 0)
    assert link.smoothed_rtt_s() is None
    assert link.agreement is None
    assert link.flushed
    assert link.bytes_to_send(100.0) == b""
    assert link.decoder.counters.frames == 0


def test_room_is_two_windows_of_frames() -> None:
    """Design: small messages overtake what is not in a frame yet."""
    puppet = up()
    assert puppet.link.room_bytes == 2 * 16 * 64
    puppet.link.push(bytes(5000), puppet.now_s)
    assert puppet.link.room_bytes == 0


def test_no_more_is_handed_over_than_was_asked_for_and_a_frame() -> None:
    """Design section 4."""
    puppet = up()
    puppet.link.push(bytes(1000), puppet.now_s)
    assert puppet.link.bytes_to_send(puppet.now_s, 0) == b""
    sizes = []
    while wire := puppet.link.bytes_to_send(puppet.now_s, 100):
        sizes.append(len(wire))
    assert max(sizes) <= 100 + 77
    assert sum(sizes) > 1000


def test_the_counters_of_a_session_outlive_it() -> None:
    """Design: nothing fails silently."""
    puppet = up()
    puppet.link.push(b"x", puppet.now_s)
    puppet.hear()
    puppet.wait_until_due()
    puppet.say(data(5, 0, b"a"), data(5, 0, b"a"))
    assert puppet.link.session_counts() == (1, 1)
    puppet.link.close()
    assert puppet.link.counters.retransmissions == 1
    assert puppet.link.counters.duplicates == 1


def test_a_schema_is_told_in_the_next_handshake() -> None:
    """DESC-3."""
    puppet = Puppet(new_link())
    puppet.link.describe_as(77)
    (first,) = puppet.open()
    assert Parameters.decode(first).schema == 77


# --- LOSSY and LOG ---


def test_lossy_messages_and_log_lines_arrive() -> None:
    """LINK-20."""
    pair = Pair(new_link(), new_link(parameters(flags=0), active=False))
    pair.connect()
    pair.host.push_lossy(b"level")
    pair.device.push_log(2, "warm \u00e9")
    pair.run()
    assert pair.programs[1].lossy == [b"level"]
    assert pair.programs[0].texts == [("warm \u00e9", 2)]


def test_a_log_line_is_cut_between_characters() -> None:
    """LINK-20, section 3.1: UTF-8."""
    puppet = up(parameters(flags=0, nonce=7, frame_payload=16))
    puppet.link.push_log(1, "x" * 14 + "\u00e9")
    assert puppet.hear() == [bytes((FrameType.LOG,)) + u16(5) + b"\x01" + b"x" * 14]


def test_a_log_frame_that_is_no_utf_8_is_still_reported() -> None:
    """Section 3.1."""
    puppet = up()
    puppet.say(bytes((FrameType.LOG,)) + u16(5) + b"\x03a\xffb", lossy(b"m"))
    assert puppet.events() == [TextReceived("a\ufffdb", 3), LossyReceived(b"m")]


def test_the_queue_of_lossy_messages_drops_its_oldest() -> None:
    """LINK-20: 8 by default."""
    puppet = up()
    for number in range(11):
        puppet.link.push_lossy(bytes((number,)))
    assert puppet.link.counters.lossy_dropped == 3
    assert puppet.hear() == [lossy(bytes((number,))) for number in range(3, 11)]


def test_lossy_messages_and_data_take_turns() -> None:
    """LINK-20: before DATA at most every second frame, after ACKs."""
    puppet = up()
    for number in range(4):
        puppet.link.push_lossy(bytes((number,)))
    puppet.link.push(bytes(64 * 3), puppet.now_s)
    puppet.say(ping(5, 0))
    kinds = [FrameType(content[0]).name for content in puppet.hear()]
    assert kinds == ["ACK", "LOSSY", "DATA", "LOSSY", "DATA", "LOSSY", "DATA", "LOSSY"]


def test_lossy_messages_die_with_their_session() -> None:
    """LINK-20: sent only in a live session."""
    puppet = up()
    puppet.link.push_lossy(b"old")
    puppet.link.close()
    puppet.hear()
    puppet.accept(session=9)
    assert puppet.hear() == []


def test_lossy_messages_are_lost_and_the_stream_is_not() -> None:
    """LINK-20, EVENT-3."""
    lines = (Line(seed=4, noise=Noise(lose_frame=0.3), bytes_per_s=BAUD_115200), Line())
    pair = Pair(
        new_link(bytes_per_s=BAUD_115200), new_link(parameters(flags=0), active=False), lines
    )
    pair.connect()
    sent = []
    for number in range(100):
        message = number.to_bytes(2, "little")
        sent.append(message)
        pair.host.push_lossy(message)
        pair.push(0, message)
        pair.run(lambda: False, for_s=0.01)
    assert pair.run(pair.delivered)
    got = pair.programs[1].lossy
    assert 40 < len(got) < 95
    assert [message for message in sent if message in got] == got


# --- by itself ---


def transfer(**changes: int) -> Transfer:
    """Make a session's transfer state without a link."""
    theirs = parameters(**({"flags": 0} | changes))
    return Transfer(
        Agreement(5, 1, parameters(), theirs, initiated=True, confirm=b""),
        CRC32,
        None,
        LossyQueue(8),
        0.0,
    )


@pytest.mark.parametrize(
    ("ring", "payload", "bytes_per_s", "largest"),
    [
        (0xFFFF, 1024, None, 1024),
        (0xFFFF, 64, None, 64),
        (64, 1024, None, 37),
        (32, 1024, None, 16),
        (200, 1024, None, 173),
        (0xFFFF, 16384, None, 1024),
        (0xFFFF, 1024, 30.0, 64),
        (0xFFFF, 1024, 11_520.0, 576),
        (0xFFFF, 1024, 200_000.0, 1024),
    ],
)
def test_the_largest_frame_fits_both_ends_the_ring_and_50_ms(
    ring: int, payload: int, bytes_per_s: float | None, largest: int
) -> None:
    """LINK-16."""
    theirs = parameters(flags=0, ring=ring, frame_payload=payload)
    agreement = Agreement(5, 1, parameters(), theirs, initiated=True, confirm=b"")
    made = Transfer(agreement, CRC32, bytes_per_s, LossyQueue(8), 0.0)
    assert made.largest_frame == largest
    assert made.sender.size.frame_bytes == min(64, largest)


@pytest.mark.parametrize(
    ("ring", "bytes_per_s", "round_trip_s", "most_bytes"),
    [
        (256, None, None, 229),
        (256, None, 0.9, 229),
        (256, None, 1.1, 115),
        (64, None, 1.1, 32),
        (40, None, 1.1, 16),
        (0xFFFF, None, 1.1, 1024),
        (256, 30.0, 40.0, 64),  # a keepalive of 51 s
        (128, 30.0, 60.0, 51),
    ],
)
def test_a_round_trip_above_the_keepalive_leaves_half_the_ring_to_small_frames(
    ring: int, bytes_per_s: float | None, round_trip_s: float | None, most_bytes: int
) -> None:
    """LINK-16: or a long frame's repetition would hardly find its room (LINK-14)."""
    theirs = parameters(flags=0, ring=ring, frame_payload=1024)
    agreement = Agreement(5, 1, parameters(), theirs, initiated=True, confirm=b"")
    size = Transfer(agreement, CRC32, bytes_per_s, LossyQueue(8), 0.0).sender.size
    for _ in range(5 * 16):
        size.note_clean(round_trip_s)
    assert size.frame_bytes == most_bytes


def test_pings_are_numbered_on_from_the_ready_and_never_0() -> None:
    """HS-6, LINK-14: no echo answers two questions."""
    made = transfer()
    made.number_pings_from(254)
    numbers = []
    for _ in range(3):
        made.ping_wanted = True
        _, _, number = made.ack()
        numbers.append(number)
    assert numbers == [1, 2, 3]


def test_a_frame_of_another_type_is_not_taken() -> None:
    """Section 3.1."""
    out: deque[LinkEvent] = deque()
    assert not transfer().on_frame(bytes((0x8B, 5, 0, 1)), 1.0, out)
