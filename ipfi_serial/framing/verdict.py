"""What becomes of the bytes between two delimiters: a frame, a rejection or a line of text.

Noise is data: nothing here raises.  docs/protocol.md, section 2 (FRAME-7, FRAME-8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

FIRST_TYPE: Final = 0x80  # FRAME-4
TEXT_BELOW: Final = 0x80  # FRAME-8
NEWLINE: Final = 0x0A
TEXT_LINE_BYTES: Final = 1024  # FRAME-8
HANDSHAKE_TYPES: Final = frozenset((0x81, 0x82, 0x83, 0x84))  # FRAME-5: always CRC-16
SESSION_TYPES: Final = range(0x85, 0x8C)  # the CRC is that of their session (FRAME-10)
SHORTEST_SESSION_FRAME: Final = 5  # bytes of content and CRC-16: type and session (HS-11)

# Select Graphic Rendition and the like (ECMA-48 5.4): ESP-IDF and Zephyr colour their logs.
_ESCAPES: Final = r"\x1b\[[0-9;]*[A-Za-z]"  # of colours; compiled when the first text comes
_MOST_REPLACED: Final = 4  # at a wrong speed about half of all bytes are no UTF-8: 1 in 4 is text


class RejectReason(Enum):
    """Why bytes between two delimiters are no frame."""

    CRC = "crc"  # the seal does not hold: damaged on the way
    COBS = "cobs"  # the last block is cut off: bytes were lost
    OVERSIZED = "oversized"  # more than this end takes (FRAME-7)
    FOREIGN = "foreign"  # a session frame, while no session is known that it could be checked for
    NOISE = "noise"  # too short, a type below 0x80, or text that cannot be printed


class Rejected(NamedTuple):
    """Bytes that were dropped; the counters tell how many."""

    reason: RejectReason


class Text(NamedTuple):
    """A line of plain text between frames, without its end."""

    line: str


Verdict = bytes | Rejected | Text  # bytes: a good frame's content (type and body), CRC removed

REJECTED: Final = {reason: Rejected(reason) for reason in RejectReason}


@dataclass(slots=True)
class FrameCounters:
    """What a decoder has seen.

    Attributes:
        frames: good frames.
        crc_errors: frames whose CRC did not hold: damaged, or of another session (FRAME-10).
        foreign: session frames that came while no session was known.
        cobs_errors: frames whose stuffing was cut off.
        oversized: frames above the bound.
        noise: rejected otherwise.
        noise_bytes: wire bytes of all that was rejected, delimiters not counted.
        text_lines: lines of text delivered.
    """

    frames: int = 0
    crc_errors: int = 0
    foreign: int = 0
    cobs_errors: int = 0
    oversized: int = 0
    noise: int = 0
    noise_bytes: int = 0
    text_lines: int = 0

    def reject(self, reason: RejectReason, size_bytes: int) -> Rejected:
        """Count one rejection of ``size_bytes`` wire bytes; return its verdict."""
        self.noise_bytes += size_bytes
        if reason is RejectReason.CRC:
            self.crc_errors += 1
        elif reason is RejectReason.COBS:
            self.cobs_errors += 1
        elif reason is RejectReason.FOREIGN:
            self.foreign += 1
        elif reason is RejectReason.OVERSIZED:
            self.oversized += 1
        else:
            self.noise += 1
        return REJECTED[reason]

    def read_text(self, raw: bytes | bytearray) -> Verdict:
        """Count ``raw``, a line without its newline; return it as text if it can be printed."""
        line = printable(raw)
        if line is None:
            return self.reject(RejectReason.NOISE, len(raw))
        self.text_lines += 1
        return Text(line)


def printable(raw: bytes | bytearray) -> str | None:
    """Return ``raw`` as a line for people, or None if it is noise (FRAME-8).

    Invalid UTF-8 is replaced by U+FFFD, but a line in which that is more than one character of
    four is noise.  Tabs stay, colours and carriage returns at the ends go; any other control
    character makes noise of it.
    """
    line = re.sub(_ESCAPES, "", raw.decode("utf-8", "replace")).strip("\r")
    if not line.replace("\t", "").isprintable():
        return None
    return line if line.count("\ufffd") * _MOST_REPLACED <= len(line) else None
