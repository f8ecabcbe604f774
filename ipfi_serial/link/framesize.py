"""How long a DATA frame may be at most; docs/protocol.md: LINK-16."""

from __future__ import annotations

from typing import Final

from ipfi_serial.link.parameters import FRAME_OVERHEAD_BYTES

FIRST_FRAME_BYTES: Final = 64
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
