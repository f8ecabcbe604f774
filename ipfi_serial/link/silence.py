"""How long nothing was heard while something is awaited, and what that calls for.

Work is pending while calls or streams are open (busy), or while the sender is not idle: silence of
an end that owes us nothing is no fault.  docs/protocol.md: LINK-12, LINK-13.
"""

from __future__ import annotations

import enum
from typing import Final

from ipfi_serial.errors import LinkLostError

KEEPALIVE_S: Final = 1.0  # LINK-12
KEEPALIVE_FRAMES: Final = 20
AGAIN: Final = 1 / 8  # of the keepalive: at least 16 PINGs more until patience is spent
PATIENCE_S: Final = 5.0  # LINK-13
PATIENCE_FRAMES: Final = 60


def keepalive_s(frame_time_s: float) -> float:
    """Return the silence after which a PING is sent, given how long a full frame lasts."""
    return max(KEEPALIVE_S, KEEPALIVE_FRAMES * frame_time_s)


class Remedy(enum.Enum):
    """What the silence calls for."""

    NONE = enum.auto()
    ASK = enum.auto()  # a PING
    GIVE_UP = enum.auto()  # the session is lost


class Silence:
    """The silence of the other end.

    Attributes:
        keepalive_s: silence after which a PING is sent (LINK-12).
        patience_s: silence after which the session is lost (LINK-13).
        busy: whether calls or streams are open.
        heard_s: when a valid frame of the session was last heard.
    """

    __slots__ = ("_work_since_s", "busy", "heard_s", "keepalive_s", "patience_s")

    def __init__(self) -> None:
        self.keepalive_s = KEEPALIVE_S
        self.patience_s = PATIENCE_S
        self.busy = False
        self.heard_s = 0.0
        self._work_since_s = 0.0

    def begin(self, now_s: float, frame_time_s: float) -> None:
        """Begin a session whose full frames last so long."""
        self.set_frame_time(frame_time_s)
        self.heard_s = now_s

    def set_frame_time(self, frame_time_s: float) -> None:
        """Take how long a full frame lasts from now on."""
        self.keepalive_s = keepalive_s(frame_time_s)
        self.patience_s = max(PATIENCE_S, PATIENCE_FRAMES * frame_time_s)

    def note_work(self, now_s: float, *, idle: bool) -> None:
        """Note that work comes up; ``idle`` says whether the sender had none until now."""
        if idle and not self.busy:
            self._work_since_s = now_s

    def _since_s(self) -> float:
        """Return the moment from which silence counts while work is pending."""
        return max(self.heard_s, self._work_since_s)

    def deadline_s(self, again_s: float, *, asked: bool) -> float:
        """Return when the silence calls for something, while work is pending.

        Args:
            again_s: when a PING without an answer may be followed by the next.
            asked: a PING waits to be sent already.
        """
        since_s = self._since_s()
        give_up_s = since_s + self.patience_s
        if asked:
            return give_up_s
        return min(give_up_s, max(again_s, since_s + self.keepalive_s))

    def remedy(self, now_s: float, again_s: float) -> Remedy:
        """Return what is due, while work is pending; argument as above."""
        since_s = self._since_s()
        if now_s >= since_s + self.patience_s:
            return Remedy.GIVE_UP
        if now_s >= max(again_s, since_s + self.keepalive_s):
            return Remedy.ASK
        return Remedy.NONE

    def lost(self, now_s: float, *, wired: bool) -> LinkLostError:
        """Say that the session is lost; ``wired`` tells whether there are wires to be checked."""
        silent_s = now_s - self._since_s()
        what = "wiring, baud rate and that the firmware" if wired else "that the other end"
        return LinkLostError(
            f"nothing valid was heard for {silent_s:.1f} s: check {what} is running", silent_s
        )
