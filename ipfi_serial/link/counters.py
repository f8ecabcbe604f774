"""What a link counts; nothing fails silently."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LinkCounters:
    """Sums over all sessions of a link.

    Attributes:
        frames_sent: frames handed to the transport, repetitions included.
        frames_received: good frames.
        bytes_sent: wire bytes handed to the transport.
        bytes_received: wire bytes that came in.
        retransmissions: DATA frames sent again, in sessions that ended.
        duplicates: DATA frames received again, in sessions that ended.
        stale_frames: good frames of no live session or handshake.
        malformed_frames: good frames whose content is none.
        sessions: sessions that stood.
        resets: sessions that ended because the other end began another one.
        lossy_dropped: LOSSY and LOG frames that were never sent.
    """

    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    retransmissions: int = 0
    duplicates: int = 0
    stale_frames: int = 0
    malformed_frames: int = 0
    sessions: int = 0
    resets: int = 0
    lossy_dropped: int = 0
