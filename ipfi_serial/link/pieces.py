"""A DATA frame that is too long for what has become of the line, in pieces that pass.

A frame is repeated as it was cut (LINK-1).  One of 1 KiB that is under way when a line turns bad
may never pass whole; pieces of 32 bytes do, and those that came are kept.  docs/protocol.md:
LINK-21.
"""

from __future__ import annotations

import struct
from typing import Final

from ipfi_serial.link.parameters import FrameType

PIECE_BYTES: Final = 32  # LINK-16's smallest frame: what passes one damaged byte in a hundred
REPETITIONS_BEFORE: Final = 3
LONGEST_WHOLE: Final = 64  # a frame up to here stays whole
OFFERED_ABOVE: Final = 128  # frame payload of an end that takes pieces

_HEAD: Final = struct.Struct("<BHBBHH")


def encode_piece(session: int, sequence: int, ack: int, payload: bytes, offset: int) -> bytes:
    """Build the content of the piece of a DATA frame's stream bytes that begins at ``offset``."""
    head = _HEAD.pack(FrameType.PIECE, session, sequence, ack, offset, len(payload))
    return head + payload[offset : offset + PIECE_BYTES]


class Pieces:
    """Frames of which some pieces have arrived; at most as many as the window holds."""

    __slots__ = ("_largest", "_parts", "_window")

    def __init__(self, window: int, largest_frame: int) -> None:
        """Take frames within ``window`` of at most ``largest_frame`` stream bytes."""
        self._window = window
        self._largest = largest_frame
        self._parts: dict[int, list[bytes]] = {}  # by sequence number; empty: did not come yet

    def take(self, content: bytes, expected: int) -> bytes | None:
        """Take a PIECE's content while ``expected`` is the number that is waited for.

        Returns:
            All stream bytes of the frame, if this was the last piece of it; some, if the frame is
            no longer wanted, so that it is acknowledged again; nothing while pieces are missing.

        Raises:
            ValueError: it is no piece of a frame that may come.
        """
        _, _, sequence, _, offset, size = _HEAD.unpack_from(content)
        part = content[_HEAD.size :]
        place, odd = divmod(offset, PIECE_BYTES)
        if odd or size > self._largest or not 0 < len(part) == min(PIECE_BYTES, size - offset):
            raise ValueError
        for old in [n for n in self._parts if (n - expected) & 0xFF >= self._window]:
            del self._parts[old]
        if (sequence - expected) & 0xFF >= self._window:
            return part
        count = -(-size // PIECE_BYTES)
        parts = self._parts.setdefault(sequence, [b""] * count)
        if len(parts) != count:
            raise ValueError  # a frame is repeated as it was cut
        parts[place] = part
        if not all(parts):
            return None
        del self._parts[sequence]
        return b"".join(parts)
