"""How long a DATA frame is, and may be at most; docs/protocol.md: LINK-16."""

from __future__ import annotations

from typing import Final

from ipfi_serial.link.parameters import FRAME_OVERHEAD_BYTES

FIRST_FRAME_BYTES: Final = 64
SMALLEST_FRAME_BYTES: Final = 32
CLEAN_FRAMES_TO_GROW: Final = 16
FRAMES_BETWEEN_LOSSES: Final = 16
FRAME_TIME_LIMIT_S: Final = 0.05  # LINK-16: a full frame lasts no longer than this ...
SMALLEST_LARGEST_FRAME: Final = 64  # ... unless it would be shorter than this
RING_RESERVE_BYTES: Final = 14  # one ACK


def largest_frame(ours: int, theirs: int, ring: int | None, bytes_per_s: float | None) -> int:
    """Return the frame size that both ends, the ring and the line allow (LINK-16)."""
    largest = min(ours, theirs)
    if ring is not None:
        largest = min(largest, max(16, ring - FRAME_OVERHEAD_BYTES - RING_RESERVE_BYTES))
    if bytes_per_s is not None:
        largest = min(largest, max(SMALLEST_LARGEST_FRAME, int(FRAME_TIME_LIMIT_S * bytes_per_s)))
    return max(largest, min(16, FIRST_FRAME_BYTES))


class FrameSize:
    """How many stream bytes the next DATA frame takes: more on a clean line, less on a bad one.

    Args:
        largest_bytes: what ends, ring and line allow.
        ring: the other end's, in wire bytes; None: no limit.
        far_s: a round trip above this lets so many ACKs and PINGs go meanwhile that the repetition
            of a frame that needs most of the ring would not find its room.

    Attributes:
        frame_bytes: the size now.
    """

    __slots__ = ("_clean", "_far_bytes", "_far_s", "_largest_bytes", "_since_loss", "frame_bytes")

    def __init__(self, largest_bytes: int, ring: int | None, far_s: float) -> None:
        self._largest_bytes = self._far_bytes = largest_bytes
        if ring is not None:
            half_bytes = ring // 2 - FRAME_OVERHEAD_BYTES
            self._far_bytes = min(largest_bytes, max(SMALLEST_FRAME_BYTES, half_bytes))
        self._far_s = far_s
        self._clean = 0
        self._since_loss = FRAMES_BETWEEN_LOSSES
        self.frame_bytes = min(FIRST_FRAME_BYTES, largest_bytes)

    def note_clean(self, round_trip_s: float | None) -> None:
        """Note a frame that needed no repetition, and the round trip as it is known by now."""
        self._since_loss += 1
        self._clean += 1
        if self._clean >= CLEAN_FRAMES_TO_GROW:
            self._clean = 0
            far = round_trip_s is not None and round_trip_s > self._far_s
            most_bytes = self._far_bytes if far else self._largest_bytes
            self.frame_bytes = min(self.frame_bytes * 2, most_bytes)

    def note_loss(self) -> None:
        """Note a frame that had to be sent again."""
        self._clean = 0
        if self._since_loss < FRAMES_BETWEEN_LOSSES:
            smallest_bytes = min(SMALLEST_FRAME_BYTES, self._largest_bytes)
            self.frame_bytes = max(self.frame_bytes // 2, smallest_bytes)
        self._since_loss = 0
