"""The frame decoder's bounds, profiles, text and counters, one rule a test."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import ConfigError
from ipfi_serial.framing.bytewise import ByteFrameDecoder
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile, custom_profile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import (
    REJECTED,
    FrameCounters,
    Rejected,
    RejectReason,
    Text,
    Verdict,
    printable,
)

PAYLOAD = 4096
BOUND = PAYLOAD + 64
DATA = b"\x85\x01\x00\x00\x00hello"
CRC_REJECTED = Rejected(RejectReason.CRC)
OVERSIZED = REJECTED[RejectReason.OVERSIZED]
NOISE = REJECTED[RejectReason.NOISE]


def test_a_frame_has_nine_or_eleven_bytes_more_than_its_stream_bytes() -> None:
    header = b"\x85\x01\x02\x03\x04"
    assert len(encode_frame(header + bytes(100), CRC16)) == 100 + 9
    assert len(encode_frame(header + bytes(100), CRC32)) == 100 + 11


def test_the_first_wire_byte_is_at_least_2_and_the_second_at_least_0x80() -> None:
    for kind in range(0x80, 0x100):
        wire = encode_frame(bytes([kind]), CRC16)
        assert wire[0] >= 2
        assert wire[1] >= 0x80


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_taken(wrap: type[bytes]) -> None:
    assert FrameDecoder(BOUND).receive(wrap(encode_frame(DATA, CRC32))) == [DATA]


def test_handshake_frames_have_crc_16_whatever_the_session_has() -> None:
    hello = b"\x81hello"
    decoder = FrameDecoder(BOUND, profiles=(CRC32,))
    assert decoder.receive(encode_frame(hello, CRC16)) == [hello]
    assert decoder.receive(encode_frame(hello, CRC32)) == [CRC_REJECTED]


def test_a_pending_sessions_profile_is_taken_second_and_can_be_withdrawn() -> None:
    decoder = FrameDecoder(BOUND, profiles=(CRC16,))
    wire = encode_frame(DATA, CRC32)
    assert decoder.receive(wire) == [CRC_REJECTED]
    decoder.profiles = (CRC16, CRC32)
    assert decoder.receive(wire) == [DATA]
    assert decoder.profiles == (CRC16, CRC32)
    decoder.profiles = (CRC32,)
    assert decoder.receive(wire + encode_frame(DATA, CRC16)) == [DATA, CRC_REJECTED]


def test_a_custom_profile_carries_a_session() -> None:
    profile = custom_profile("mine", 0x1864CFB, initial=0xB704CE, reflected=False)
    assert FrameDecoder(BOUND, profiles=(profile,)).receive(encode_frame(DATA, profile)) == [DATA]


def test_a_custom_crc_over_nothing_that_looks_like_a_session_frame_is_noise() -> None:
    profile = custom_profile("mine", 0x1864CFB, initial=0x123456, reflected=False)
    assert profile.append(b"")[0] > 0x83
    decoder = FrameDecoder(BOUND, profiles=(profile,))
    assert decoder.receive(encode_frame(b"", profile)) == [NOISE]


def test_a_crc_over_nothing_is_noise_and_never_an_empty_frame() -> None:
    assert CRC16.check(CRC16.append(b""))  # it would pass
    for decoder in (FrameDecoder(BOUND, profiles=(CRC16,)), FrameDecoder(BOUND)):
        assert decoder.receive(encode_frame(b"", CRC16)) == [NOISE]


def test_a_frame_too_short_for_one_profile_is_judged_by_the_other() -> None:
    decoder = FrameDecoder(BOUND, profiles=(CRC32, CRC16))
    assert decoder.receive(encode_frame(b"\x86", CRC16)) == [b"\x86"]


def test_the_largest_frame_is_taken_and_one_byte_more_is_oversized() -> None:
    for filler in (b"\x01", b"\x00", b"\xff"):
        largest = b"\x85" + filler * (BOUND - 3)
        decoder = FrameDecoder(BOUND, profiles=(CRC16,))
        assert decoder.receive(encode_frame(largest, CRC16)) == [largest]
        assert decoder.receive(encode_frame(largest + filler, CRC16)) == [OVERSIZED]
        assert decoder.counters.oversized == 1


def test_an_oversized_frame_is_dropped_whole_and_the_next_one_is_taken() -> None:
    decoder = FrameDecoder(100)
    wire = encode_frame(b"\x85" + b"\x55" * 100_000, CRC32)
    assert decoder.receive(wire + encode_frame(DATA, CRC32)) == [OVERSIZED, DATA]
    assert decoder.counters.noise_bytes == len(wire) - 1


def test_an_oversized_frame_with_a_cut_off_block_is_still_oversized() -> None:
    bound = 254 * 20
    frame = encode_frame(b"\x85" + bytes(bound + 20), CRC32)
    cut = frame[: bound + 10] + b"\x09\0"
    assert FrameDecoder(bound).receive(cut) == [OVERSIZED]


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_noise_without_end_is_never_stored_beyond_the_bound(step: int) -> None:
    decoder = FrameDecoder(100)
    noise = b"\x05\x85" + b"\xaa" * 20_000
    for start in range(0, len(noise), step):
        assert decoder.receive(noise[start : start + step]) == []
        assert decoder.buffered_bytes <= 101
    assert decoder.counters.noise_bytes >= len(noise) - 101
    assert decoder.receive(b"\0") == [OVERSIZED]
    assert decoder.counters.noise_bytes == len(noise)


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_text_without_end_is_delivered_in_pieces_of_the_limit(step: int) -> None:
    decoder = FrameDecoder(100, text_line_bytes=64)
    text = b"x" * 640
    lines = []
    for start in range(0, len(text), step):
        lines += decoder.receive(text[start : start + step])
        assert decoder.buffered_bytes <= 64
    lines += decoder.receive(b"\n")
    assert lines == [Text("x" * 64)] * 10


def test_a_line_of_1024_bytes_is_one_line_and_one_more_makes_two() -> None:
    decoder = FrameDecoder(BOUND)
    assert decoder.receive(b"y" * 1024 + b"\n") == [Text("y" * 1024)]
    assert decoder.receive(b"y" * 1025 + b"\n") == [Text("y" * 1024), Text("y")]


def test_text_is_delivered_at_its_newline_and_a_frame_may_follow_at_once() -> None:
    decoder = FrameDecoder(BOUND)
    assert decoder.receive(b"ready\r") == []
    assert decoder.receive(b"\n") == [Text("ready")]
    assert decoder.receive(encode_frame(DATA, CRC32)) == [DATA]


def test_a_delimiter_cuts_a_text_off() -> None:
    assert FrameDecoder(BOUND).receive(b"> \0" + encode_frame(DATA, CRC32)) == [Text("> "), DATA]


@pytest.mark.parametrize(
    "raw, line",
    [
        (b"", ""),
        (b"plain", "plain"),
        (b"tab\there\r", "tab\there"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        ("größe 5 µm".encode(), "größe 5 µm"),
        (b"cut \xc3", "cut �"),
        (b"bell\x07", None),
        (b"mid\rdle", None),
        (b"\x1b]0;title", None),
        (b"ab\xff", None),
    ],
)
def test_a_line_is_text_if_people_can_read_it(raw: bytes, line: str | None) -> None:
    assert printable(raw) == line


@pytest.mark.parametrize(
    "wire, verdicts",
    [
        (b"\n\0", [Text("")]),
        (b"ab\n\0", [Text("ab")]),
        (b"\0\0", []),
        (b"x" * 20 + b"\n", [Text("x" * 16), Text("xxxx")]),
        (b"\x85\0", [REJECTED[RejectReason.COBS]]),
        (encode_frame(b"\x12" + b"\x01" * 200, CRC32), [NOISE]),
        (b"\x01\x81\0", [REJECTED[RejectReason.COBS]]),
    ],
    ids=repr,
)
def test_both_decoders_agree_on_the_edges(wire: bytes, verdicts: list[Verdict]) -> None:
    decoder = ByteFrameDecoder(BOUND, text_line_bytes=16)
    assert [found for byte in wire if (found := decoder.push(byte)) is not None] == verdicts
    assert FrameDecoder(BOUND, text_line_bytes=16).receive(wire) == verdicts


def test_counters_tell_what_was_seen() -> None:
    good = encode_frame(DATA, CRC32)
    damaged = bytearray(good)
    damaged[-3] ^= 0x40
    cut = good[:-3] + b"\0"
    decoder = FrameDecoder(64)
    big = encode_frame(b"\x85" + b"\x01" * 100, CRC32)
    decoder.receive(good + bytes(damaged) + good + cut + big + b"text\n" + b"\x07\x07\n")
    assert decoder.counters == FrameCounters(
        frames=2,
        crc_errors=1,
        cobs_errors=1,
        oversized=1,
        noise=1,
        noise_bytes=len(damaged) - 1 + len(cut) - 1 + len(big) - 1 + 2,
        text_lines=1,
    )


@pytest.mark.parametrize("begun", [b"half a te", b"\x05\x85\x01", b"\x05", b"\x05\x85" * 100])
def test_reset_forgets_what_had_begun(begun: bytes) -> None:
    decoder = FrameDecoder(64)
    decoder.receive(begun)
    decoder.reset()
    assert decoder.buffered_bytes == 0
    assert decoder.receive(encode_frame(DATA, CRC32)) == [DATA]


def test_bounds_below_one_byte_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 byte or more"):
        FrameDecoder(0)
    with pytest.raises(ConfigError, match="1 byte or more"):
        FrameDecoder(64, text_line_bytes=0)


@pytest.mark.parametrize("kind", range(0x80, 0x100))
def test_without_a_session_its_frames_are_foreign_and_those_of_a_handshake_are_not(
    kind: int,
) -> None:
    """FRAME-10, HS-11: nobody can check them."""
    content = bytes((kind, 5, 0, 1, 2))
    decoder = FrameDecoder(64, profiles=())
    single = ByteFrameDecoder(64, profiles=())
    (verdict,) = decoder.receive(encode_frame(content, CRC16))
    assert [found for byte in encode_frame(content, CRC16) if (found := single.push(byte))] == [
        verdict
    ]
    assert single.counters == decoder.counters
    if 0x81 <= kind <= 0x84:
        assert verdict == content
    elif 0x85 <= kind <= 0x8B:
        assert verdict == Rejected(RejectReason.FOREIGN)
        assert decoder.counters.foreign == 1
    else:
        assert verdict == Rejected(RejectReason.NOISE)


@pytest.mark.parametrize("profile", [CRC16, CRC32])
def test_a_frame_that_is_sealed_for_another_session_does_not_hold(profile: CrcProfile) -> None:
    """FRAME-10: whenever the CRC's registers differ, and so for certain, whatever the content."""
    ours, theirs = profile.for_session(b"\1\2\3\4"), profile.for_session(b"\2\2\3\4")
    decoder = FrameDecoder(64, profiles=(ours,))
    assert decoder.receive(encode_frame(DATA, ours)) == [DATA]
    assert decoder.receive(encode_frame(DATA, theirs)) == [Rejected(RejectReason.CRC)]
    assert decoder.receive(encode_frame(DATA, profile)) == [Rejected(RejectReason.CRC)]
    assert profile.for_session(bytes(4)) == profile


def test_the_byte_decoder_gives_at_most_one_verdict_a_byte() -> None:
    decoder = ByteFrameDecoder(64)
    verdicts = [decoder.push(byte) for byte in b"\nw\n" + encode_frame(DATA, CRC32)]
    assert verdicts[:3] == [None, Text(""), Text("w")]
    assert verdicts[-1] == DATA
    assert set(verdicts[3:-1]) == {None}
