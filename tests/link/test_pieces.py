"""LINK-21: a long frame on a line that turned bad."""

from __future__ import annotations

import random
import struct

import pytest

from ipfi_serial.link.parameters import Extension, FrameType, Parameters
from ipfi_serial.link.pieces import PIECE_BYTES, Pieces, encode_piece
from tests.harness.line import Line, evenly
from tests.harness.links import BAUD_2M, BAUD_115200, Pair, new_link, nonces, parameters
from tests.link._frames import Puppet, ack, data

WHOLE = random.Random(1).randbytes(100)  # noqa: S311 - a test wants it repeatable
TAKES_PIECES = parameters(flags=0, nonce=7, extensions=0x7F)


def pieces_of(payload: bytes, sequence: int = 0, session: int = 5) -> list[bytes]:
    """Return the contents of all pieces."""
    places = range(0, len(payload), PIECE_BYTES)
    return [encode_piece(session, sequence, 0, payload, place) for place in places]


@pytest.mark.parametrize("bytes_per_s", [BAUD_115200, BAUD_2M])
def test_a_transfer_goes_on_after_the_line_has_turned_bad(bytes_per_s: float) -> None:
    """LINK-21: frames that were cut on a clean line pass when 1 % of the bytes are damaged."""
    lines = (Line(seed=1, bytes_per_s=bytes_per_s), Line(seed=2, bytes_per_s=bytes_per_s))
    host = new_link(bytes_per_s=bytes_per_s)
    device = new_link(
        parameters(flags=0), active=False, bytes_per_s=bytes_per_s, new_nonce=nonces(5)
    )
    content = random.Random(2).randbytes(65_536)  # noqa: S311
    pair = Pair(host, device, lines, to_send=(content, b""))
    pair.run(lambda: len(pair.programs[1].got) > 20_000)
    for line in lines:
        line.noise = evenly(0.01)
    assert pair.run(pair.delivered, for_s=60.0), pair.describe()
    assert pair.programs[0].lost == []
    pair.check()


def test_the_wire_bytes_of_a_piece() -> None:
    """Section 3.1: session, sequence, ack, offset, length, bytes."""
    expected = bytes((0x8B, 5, 0, 7, 9)) + struct.pack("<HH", 96, 100) + WHOLE[96:]
    assert encode_piece(5, 7, 9, WHOLE, 96) == expected


@pytest.mark.parametrize(("payload", "offered"), [(128, False), (129, True), (1024, True)])
def test_pieces_are_offered_by_ends_that_take_long_frames(payload: int, offered: bool) -> None:
    """LINK-21, section 3.2."""
    puppet = Puppet(new_link(parameters(frame_payload=payload)))
    (said,) = puppet.open()
    assert bool(Parameters.decode(said).extensions & Extension.PIECE) == offered


@pytest.mark.parametrize("order", ["as sent", "backwards", "doubled"])
def test_a_frame_is_put_together_from_its_pieces_in_any_order(order: str) -> None:
    """LINK-21: and treated as the DATA frame would be."""
    puppet = Puppet(new_link(), TAKES_PIECES)
    puppet.accept()
    puppet.events()
    pieces = pieces_of(WHOLE)
    if order == "backwards":
        pieces.reverse()
    elif order == "doubled":
        pieces = [piece for piece in pieces for _ in range(2)]
    found: list[object] = []
    for piece in pieces:
        assert not found or order == "doubled"
        puppet.say(piece)
        found += puppet.events()
    assert found == [WHOLE]
    puppet.wait(0.03)
    assert puppet.hear()[-1][3] == 1


def test_late_pieces_are_duplicates_and_acknowledged_again() -> None:
    """LINK-21, LINK-4."""
    puppet = Puppet(new_link(), TAKES_PIECES)
    puppet.accept()
    puppet.events()
    puppet.say(*pieces_of(WHOLE)[:2], data(5, 0, WHOLE))
    puppet.wait(0.03)
    puppet.hear()
    puppet.say(pieces_of(WHOLE)[2])
    assert puppet.events() == [WHOLE]
    assert puppet.hear() == [ack(5, 1, credit=(1 << 20) + 100)]
    assert puppet.link.session_counts()[1] == 1


def test_pieces_of_a_frame_ahead_are_reported_when_it_is_whole() -> None:
    """LINK-21, LINK-3."""
    puppet = Puppet(new_link(), TAKES_PIECES)
    puppet.accept()
    puppet.events()
    puppet.say(*pieces_of(WHOLE, sequence=1))
    assert puppet.events() == []
    assert puppet.hear() == [ack(5, 0, sack=1)]
    puppet.say(data(5, 0, b"first"))
    assert puppet.events() == [b"first", WHOLE]


@pytest.mark.parametrize(
    ("offset", "size", "part"),
    [
        (1, 100, bytes(32)),
        (0, 100, bytes(31)),
        (0, 100, bytes(33)),
        (96, 100, bytes(5)),
        (96, 96, bytes(1)),
        (128, 100, bytes(1)),
        (0, 1025, bytes(32)),
        (0, 0, bytes(1)),
        (0, 100, b""),
        (0, 200, bytes(32)),
    ],
)
def test_what_is_no_piece_of_a_frame_that_may_come_is_malformed(
    offset: int, size: int, part: bytes
) -> None:
    """LINK-21: places, sizes, and another length than its first piece said."""
    puppet = Puppet(new_link(), TAKES_PIECES)
    puppet.accept()
    puppet.events()
    pieces = pieces_of(WHOLE)
    puppet.say(*pieces[:2], struct.pack("<BHBBHH", 0x8B, 5, 0, 0, offset, size) + part)
    assert puppet.link.counters.malformed_frames == 1
    puppet.say(*pieces[2:])
    assert puppet.events() == [WHOLE]


def test_what_is_kept_is_bounded_by_the_window() -> None:
    """LINK-21: old ones go, numbers beyond the window are not kept."""
    pieces = Pieces(window=4, largest_frame=1024)
    for expected in range(300):
        for sequence in range(256):
            piece = encode_piece(5, sequence, 0, bytes(1024), 32 * (sequence % 31))
            pieces.take(piece, expected & 0xFF)
            assert len(pieces._parts) <= 4
            assert sum(len(part) for parts in pieces._parts.values() for part in parts) <= 4096


def repetitions(puppet: Puppet, size: int, count: int) -> list[list[bytes]]:
    """Let the link send a frame of ``size`` bytes; return what it says at each repetition."""
    live = puppet.link._live
    assert live is not None
    live.sender.size.frame_bytes = size
    puppet.link.push(WHOLE[:size], puppet.now_s)
    said = [puppet.hear()]
    while len(said) <= count:
        heard = [c for c in puppet.wait_until_due() if c[0] != FrameType.PING]
        said += [heard] if heard else []
    return said


def test_after_three_repetitions_a_long_frame_goes_in_pieces() -> None:
    """LINK-21: all of them each time."""
    puppet = Puppet(new_link(), TAKES_PIECES)
    puppet.accept()
    puppet.hear()
    said = repetitions(puppet, 100, 5)
    assert said[:4] == [[data(5, 0, WHOLE)]] * 4
    assert said[4:] == [pieces_of(WHOLE)] * 2
    puppet.say(ack(5, 1))
    assert puppet.link.flushed


@pytest.mark.parametrize(("size", "extensions"), [(64, 0x7F), (100, 0x3F)])
def test_a_short_frame_or_one_to_an_end_that_takes_no_pieces_stays_whole(
    size: int, extensions: int
) -> None:
    """LINK-21."""
    puppet = Puppet(new_link(), parameters(flags=0, nonce=7, extensions=extensions))
    puppet.accept()
    puppet.hear()
    said = repetitions(puppet, size, 6)
    assert {content[0] for contents in said for content in contents} == {FrameType.DATA}


def test_an_acknowledgement_between_two_pieces_ends_them() -> None:
    """LINK-21: the rest is not sent."""
    puppet = Puppet(new_link(), TAKES_PIECES)
    puppet.accept()
    puppet.hear()
    repetitions(puppet, 100, 3)
    due_s = puppet.link.next_deadline_s()
    assert due_s is not None
    puppet.link.on_deadline(due_s)
    assert puppet.link.bytes_to_send(due_s, 1)
    puppet.now_s = due_s
    puppet.say(ack(5, 1))
    assert FrameType.PIECE not in [content[0] for content in puppet.hear()]
    assert puppet.link.flushed
