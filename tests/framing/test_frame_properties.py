"""The chunk decoder against the byte-at-a-time one, for any bytes and any split."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.framing.bytewise import ByteFrameDecoder
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import Verdict

PROFILES = [(CRC16,), (CRC32,), (CRC32, CRC16)]
TYPES = st.sampled_from([0x12, 0x7F, 0x80, 0x81, 0x83, 0x84, 0x85, 0xFF])
BODIES = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 300).map(bytes),
    st.integers(0, 600).map(lambda size: b"\x01" * size),
)
FRAMES = st.builds(
    lambda kind, body, crc: encode_frame(bytes([kind]) + body, crc),
    TYPES,
    BODIES,
    st.sampled_from([CRC16, CRC32]),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a frame with one byte changed, lost, doubled or replaced by a delimiter."""
    frame = draw(FRAMES)
    at = draw(st.integers(0, len(frame) - 1))
    put = draw(st.sampled_from([b"", b"\0", frame[at : at + 1] * 2, b"\xff", b"\x01"]))
    return frame[:at] + put + frame[at + 1 :]


TEXTS = st.sampled_from([b"\n", b"a", b"hi\n", b"\r\n", b"\x07\x07\n", b"x" * 30, "é\n".encode()])
NOISE = st.one_of(st.binary(max_size=5), st.just(b"\0"), st.just(b"\xff" * 300))
WIRES = st.lists(st.one_of(FRAMES, damaged(), TEXTS, NOISE), max_size=8).map(b"".join)
BOUNDS = st.sampled_from([1, 2, 8, 30, 254, 255, 300, 510])
LINES = st.sampled_from([1, 2, 7, 1024])
CUTS = st.lists(st.integers(1, 700), max_size=12)


def cut(wire: bytes, sizes: list[int]) -> list[bytes]:
    """Cut ``wire`` into pieces of these sizes, and a last one with the rest."""
    pieces = []
    for size in sizes:
        pieces.append(wire[:size])
        wire = wire[size:]
    return [*pieces, wire]


@settings(deadline=None, max_examples=400)
@given(wire=WIRES, cuts=CUTS, bound=BOUNDS, line=LINES, profiles=st.sampled_from(PROFILES))
def test_any_split_gives_the_verdicts_and_counters_of_the_specification(
    wire: bytes, cuts: list[int], bound: int, line: int, profiles: tuple[CrcProfile, ...]
) -> None:
    oracle = ByteFrameDecoder(bound, profiles=profiles, text_line_bytes=line)
    decoder = FrameDecoder(bound, profiles=profiles, text_line_bytes=line)
    verdicts: list[Verdict] = []
    for piece in [*cut(wire, cuts), b"\0"]:
        expected = [found for byte in piece if (found := oracle.push(byte)) is not None]
        assert decoder.receive(piece) == expected
        assert decoder.buffered_bytes <= max(bound + bound // 254 + 1, line)
        verdicts += expected
    assert decoder.counters == oracle.counters
    assert decoder.buffered_bytes == 0
    assert (
        FrameDecoder(bound, profiles=profiles, text_line_bytes=line).receive(wire + b"\0")
        == verdicts
    )


@settings(deadline=None)
@given(bodies=st.lists(BODIES, max_size=6), cuts=CUTS, profile=st.sampled_from([CRC16, CRC32]))
def test_frames_come_back_whatever_their_bodies(
    bodies: list[bytes], cuts: list[int], profile: CrcProfile
) -> None:
    contents = [b"\x85" + body for body in bodies]
    wire = b"".join(encode_frame(content, profile) for content in contents)
    decoder = FrameDecoder(700, profiles=(profile,))
    received = [verdict for piece in cut(wire, cuts) for verdict in decoder.receive(piece)]
    assert received == contents


@settings(deadline=None)
@given(noise=st.binary(max_size=400), body=BODIES)
def test_a_frame_after_a_delimiter_survives_any_noise_before_it(noise: bytes, body: bytes) -> None:
    decoder = FrameDecoder(700)
    decoder.receive(noise)
    assert decoder.receive(b"\0" + encode_frame(b"\x85" + body, CRC32))[-1] == b"\x85" + body
