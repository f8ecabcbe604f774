"""How often in a row to send what stays without an answer.

A line may lose frames in a fixed beat, every second one say, and repetitions that keep step with it
are all lost.  So after a few repetitions each goes out once to five times, as a number decides that
differs from attempt to attempt and from session to session.  docs/protocol.md: HS-1, LINK-11.
"""

from __future__ import annotations

from typing import Final

SINGLES: Final = 3  # what was sent so often may just be slow; then the line is to blame
MOST_COPIES: Final = 5  # one of so many passes a line that passes every fifth frame
ANSWER_COPIES: Final = 3  # of answers to what was repeated

_MIX: Final = 0x9E3779B1  # 2^32 by the golden ratio: neighbours get numbers far apart (Knuth)


def copies(seed: int, sent: int) -> int:
    """Return how often to send something in a row that went out ``sent`` times before."""
    if sent < SINGLES:
        return 1
    return 1 + (((seed ^ sent * 0x01010101) * _MIX & 0xFFFFFFFF) >> 24) % MOST_COPIES
