"""DATA frames in any order in, stream bytes in order out, and what to acknowledge.

Keeps frames that arrive ahead (LINK-3), grants credit (LINK-7), decides when an ACK
is due (LINK-8).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.events import LinkEvent

ACK_EVERY_FRAMES: Final = 2


class Receiver:
    """The receiving half of one session.

    Attributes:
        expected: the sequence number it waits for; goes out as ``ack``.
        offset: stream bytes delivered so far.
        granted: credit as it was last sent.
        ack_now: an ACK must go out at once.
        ack_due_s: when a delayed ACK is due, or None.
        duplicates: frames that were dropped as doubled or stale.
        echo: number of the newest PING or READY.
        echo_due: how many answers to it are due.
    """

    __slots__ = (
        "_ack_delay_s",
        "_ahead",
        "_credit_bytes",
        "_every_frames",
        "_half_credit_bytes",
        "_in_order_only",
        "_told",
        "_unacknowledged",
        "_window",
        "ack_due_s",
        "ack_now",
        "duplicates",
        "echo",
        "echo_due",
        "expected",
        "granted",
        "offset",
    )

    def __init__(
        self,
        window: int,
        credit_bytes: int,
        ack_delay_s: float,
        *,
        in_order_only: bool = False,
        one_at_a_time: bool = False,
    ) -> None:
        self._every_frames = 1 if one_at_a_time or window == 1 else ACK_EVERY_FRAMES  # LINK-8
        self._window = window
        self._in_order_only = in_order_only
        self._told = False  # the last stale frame was acknowledged at once
        self._credit_bytes = credit_bytes
        self._half_credit_bytes = credit_bytes // 2
        self._ack_delay_s = ack_delay_s
        self._ahead: dict[int, bytes] = {}
        self._unacknowledged = 0
        self.expected = 0
        self.offset = 0
        self.granted = credit_bytes
        self.ack_now = False
        self.ack_due_s: float | None = None
        self.duplicates = 0
        self.echo = 0
        self.echo_due = 0

    def on_data(self, sequence: int, payload: bytes, now_s: float, out: deque[LinkEvent]) -> None:
        """Take one DATA frame; append the stream bytes that are now in order to ``out``."""
        ahead_by = (sequence - self.expected) & 0xFF
        if ahead_by:
            self._take_other(sequence, payload, ahead_by, now_s)
            return
        self._told = False
        out.append(payload)
        self.offset += len(payload)
        self.expected = (sequence + 1) & 0xFF
        self._unacknowledged += 1
        while self._ahead and (kept := self._ahead.pop(self.expected, None)) is not None:
            out.append(kept)
            self.offset += len(kept)
            self.expected = (self.expected + 1) & 0xFF
            self._unacknowledged += 1
        if (
            self._unacknowledged >= self._every_frames
            or self.granted - self.offset < self._half_credit_bytes
        ):
            self.ack_now = True
        elif self.ack_due_s is None:
            self.ack_due_s = now_s + self._ack_delay_s

    @property
    def credit_moved(self) -> bool:
        """Whether half the credit was used since it was last sent."""
        return self.granted - self.offset < self._half_credit_bytes

    @property
    def sack(self) -> int:
        """Bitmap of frames kept ahead: bit i stands for ``expected + 1 + i`` (LINK-3)."""
        bits = 0
        for sequence in self._ahead:
            bits |= 1 << ((sequence - self.expected - 1) & 0xFF)
        return bits

    def answer(self, ping: int, copies: int = 1) -> None:
        """Answer a PING or READY with an ACK at once (LINK-8)."""
        self.echo = ping
        self.ack_now = True
        self.echo_due = copies

    @property
    def needs_full_ack(self) -> bool:
        """Whether an ACK frame must go first: a DATA frame could not say what it says."""
        if not self.ack_now:
            return self.echo_due > 0
        return self.echo_due > 0 or bool(self._ahead) or self.credit_moved

    def acknowledged(self) -> None:
        """Note that ``expected`` went out in a DATA frame; credit did not."""
        self._unacknowledged = 0
        if not (self._ahead or self.credit_moved):
            self.ack_now = False
            self.ack_due_s = None

    def take_credit(self) -> int:
        """Note that a full ACK goes out and return the credit for it, modulo 2^32."""
        self._unacknowledged = 0
        self.ack_now = False
        self.ack_due_s = None
        self.granted = self.offset + self._credit_bytes
        return self.granted & 0xFFFFFFFF

    def _take_other(self, sequence: int, payload: bytes, ahead_by: int, now_s: float) -> None:
        """Take a frame that is not the expected one (LINK-3, LINK-4)."""
        if ahead_by >= self._window:
            self.duplicates += 1
            self._told = not self._told
            if self._told:
                self.ack_now = True
            elif self.ack_due_s is None:
                self.ack_due_s = now_s + self._ack_delay_s
            return
        self.ack_now = True
        if self._in_order_only:
            return
        if sequence in self._ahead:
            self.duplicates += 1
        else:
            self._ahead[sequence] = payload
