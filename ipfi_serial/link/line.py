"""Frames in, wire bytes for the line out, and when it can take more.

Keeps the estimated moment when the last byte will have left.  Control frames go first; what a
session sends, and in which order, it decides itself.  docs/protocol.md: FRAME-2, LINK-18.
"""

from __future__ import annotations

from typing import Final

from ipfi_serial.framing.crc import CrcProfile
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.control import ControlQueue
from ipfi_serial.link.parameters import FRAME_OVERHEAD_BYTES
from ipfi_serial.link.transfer import Transfer

AHEAD_S: Final = 0.02  # LINK-18
AHEAD_FRAMES: Final = 2
NO_SESSION_FRAME_BYTES: Final = 64


class Line:
    """What was handed over to the line.

    Attributes:
        control: frames that go before those of a session.
        free_s: estimated moment when the last byte handed over will have left.
    """

    __slots__ = ("_ahead_s", "_bytes_per_s", "_idle", "control", "free_s")

    def __init__(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s = bytes_per_s
        self.control = ControlQueue()
        self.free_s = 0.0
        self._idle = True  # nothing was left to send when the last byte was handed over
        self.expect_frames(NO_SESSION_FRAME_BYTES)

    def set_speed(self, bytes_per_s: float, live: Transfer | None) -> None:
        """Take the speed of what is handed over from now on."""
        self._bytes_per_s = bytes_per_s
        self.expect_frames(NO_SESSION_FRAME_BYTES if live is None else live.largest_frame)

    def expect_frames(self, largest_frame: int = NO_SESSION_FRAME_BYTES) -> None:
        """Take the stream bytes of a full frame of now: how far ahead of the line we may be."""
        if self._bytes_per_s is None:
            self._ahead_s = float("inf")
        else:
            frame_time_s = (largest_frame + FRAME_OVERHEAD_BYTES) / self._bytes_per_s
            self._ahead_s = max(AHEAD_S, AHEAD_FRAMES * frame_time_s)

    def hand_over(self, live: Transfer | None, now_s: float, max_bytes: int) -> list[bytes]:
        """Return the frames that may go on the line now, about ``max_bytes`` at most."""
        frames: list[bytes] = []
        size = 0
        # the very sum of deadline_s: rounded otherwise, that would be due for ever
        while size < max_bytes and now_s >= self.free_s - self._ahead_s:
            if not self.control and (live is None or live.quiet):
                self._idle = True
                break
            frame = self._next_frame(live, now_s)
            if frame is None:
                self._idle = True
                break
            frames.append(frame)
            size += len(frame)
        return frames

    def deadline_s(self, live: Transfer | None) -> float | None:
        """Return when more may be handed over, if there is something to hand over."""
        if self._idle or self._bytes_per_s is None:
            return None
        if not self.control and (live is None or not live.has_output):
            return None
        return self.free_s - self._ahead_s

    def _next_frame(self, live: Transfer | None, now_s: float) -> bytes | None:
        if self.control:
            content, profile = self.control.popleft()
            return self._wrap(content, profile, now_s)
        chosen = live.next_frame() if live is not None else None
        if live is None or chosen is None:
            return None
        content, flight, ping = chosen
        again = flight is not None and flight.times > 0
        wire = self._wrap(content, live.profile, now_s, lead=again)
        live.handed_over(flight, ping, len(wire), now_s, self.free_s)
        return wire

    def _wrap(
        self, content: bytes, profile: CrcProfile, now_s: float, *, lead: bool = False
    ) -> bytes:
        """Return a frame's wire bytes; ``lead``: it is a repetition (FRAME-2)."""
        wire = encode_frame(content, profile)
        if lead or self._idle:
            wire = b"\x00" + wire
            self._idle = False
        if self._bytes_per_s is None:
            self.free_s = now_s
        else:
            self.free_s = max(now_s, self.free_s) + len(wire) / self._bytes_per_s
        return wire
