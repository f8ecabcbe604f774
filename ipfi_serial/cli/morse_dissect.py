"""What a recorded message consists of: letters, or bytes of a frame with its parts and CRC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ipfi_serial.cli.morse_heard import DAMAGED, Crc, HeardFrames, Judged
from ipfi_serial.cli.morse_picture import Span, draw
from ipfi_serial.morse.alphabet import WHITENING, WHITENING_BYTES, Alphabet, alphabet_named
from ipfi_serial.morse.recording import RecordedFrame, frames_of
from ipfi_serial.morse.text import letters_of, read_text

LOG_TYPE: Final = 0x89
_LOG_HEAD_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """What a recording says.

    Attributes:
        text: of a telegrapher, or of the good frames that carry text.
        frames: with training preamble; none in plain Morse.
        contents: of each frame, without CRC; None if no CRC is known to hold.
        crcs: of each frame: "CRC-32" or "CRC-16" holds, "none" (it is damaged), or "unknown" (of a
            session whose handshake is not in the recording before it).
    """

    text: str
    frames: tuple[RecordedFrame, ...] = ()
    contents: tuple[bytes | None, ...] = ()
    crcs: tuple[Crc, ...] = ()


def reading_of(edges_s: Sequence[float], alphabet: str) -> Reading:
    """Read a recording: frames if there is a training preamble, else plain Morse."""
    frames = frames_of(edges_s, alphabet_named(alphabet))
    if not frames:
        return Reading(read_text(edges_s))
    heard = HeardFrames()
    judged = [heard.judge(bytes(each.data)) if each.whole else DAMAGED for each in frames]
    texts = [_text_in(frame, what) for frame, what in zip(frames, judged, strict=True)]
    return Reading(
        "\n".join(filter(None, texts)),
        tuple(frames),
        tuple(each.content for each in judged),
        tuple(each.crc for each in judged),
    )


def _text_in(frame: RecordedFrame, judged: Judged) -> str:
    content = judged.content
    if content is not None:
        is_log = content[:1] == bytes((LOG_TYPE,))
        return content[_LOG_HEAD_BYTES:].decode("utf-8", "replace") if is_log else ""
    text = bytes(frame.data).decode("utf-8", "replace")
    return text if judged.crc == "none" and frame.whole and text.isprintable() else ""


# --- the picture ---


def picture_of(edges_s: Sequence[float], alphabet: str, title: str) -> str:
    """Return a recording as SVG."""
    reading = reading_of(edges_s, alphabet)
    spans: list[Span] = []
    parts: list[Span] = []
    if not reading.frames:
        spans = [
            Span(a, b, letter, "letters", signs) for a, b, letter, signs in letters_of(edges_s)
        ]
    for frame, crc in zip(reading.frames, reading.crcs, strict=True):
        _add_frame(frame, crc, alphabet_named(alphabet), spans, parts)
    return draw(edges_s, spans, parts, f"{title}  ({alphabet})")


def _add_frame(
    frame: RecordedFrame, crc: Crc, alphabet: Alphabet, spans: list[Span], parts: list[Span]
) -> None:
    """Add the preamble, the bytes and the parts of one frame."""
    gap_s = 7 * frame.unit_s
    spans.append(Span(frame.begin_s, frame.data_s - gap_s, "VVV", "training"))
    begins = [frame.data_s, *(end + 3 * frame.unit_s for end in frame.ends_s)]
    kinds = _kinds(len(frame.data), crc)
    for place, (byte, end_s) in enumerate(zip(frame.data, frame.ends_s, strict=True)):
        signs = _signs(byte, place, alphabet)
        spans.append(Span(begins[place], end_s, f"{byte:02X}", kinds[place], signs))
    first = 0
    for place in range(1, len(kinds) + 1):
        if place == len(kinds) or kinds[place] != kinds[first]:
            label = crc if kinds[first] == "CRC" else kinds[first]
            parts.append(Span(begins[first], frame.ends_s[place - 1], label, kinds[first]))
            first = place


def _kinds(size: int, crc: Crc) -> list[str]:
    """Return which part of a frame each byte belongs to."""
    if crc == "none":
        return ["bytes"] * size
    if crc == "unknown":  # how long the CRC is was said in the handshake
        return ["COBS", "type", *["body and CRC"] * (size - 2)]
    tail = 4 if crc == "CRC-32" else 2
    return ["COBS", "type", *["body"] * (size - 2 - tail), *["CRC"] * tail]


def _signs(byte: int, place: int, alphabet: Alphabet) -> str:
    """Return the dots and dashes that a byte was keyed with."""
    if alphabet.white:
        byte ^= WHITENING[place % WHITENING_BYTES]
    units = alphabet.units[byte]
    signs = ["-" if mark == 3 else "." for mark in units[::2]]
    return "".join(
        s + (" " if g == 3 else "") for s, g in zip(signs, units[1::2], strict=True)
    ).strip()
