"""How fast to key: more slowly when frames fail, faster again when the line is clean.

docs/morse.md, MORSE-15.
"""

from __future__ import annotations

import math
from typing import Final

STEP: Final = 2**0.5  # two steps halve the speed, and with it the jitter in units
MOST_STEPS: Final = 4  # down to a quarter of the speed asked for
LOOK_FRAMES: Final = 8
MOST_REPEATS: Final = 3  # of LOOK_FRAMES: more is lost than the 29 % that a step costs
CLEAN_BYTES: Final = 1024  # 16 small frames that passed, before a faster unit is tried
MOST_CLEAN_BYTES: Final = 32 * CLEAN_BYTES  # where a try has failed, the next one comes later
FOLLOW_BYTES: Final = 128  # 10 acknowledgements, before an end follows the other one's faster unit
CLOCK_ALLOWANCE: Final = 0.2  # 1.3 is 0.76 steps, and shall be none


class RateControl:
    """The unit to key with.

    Attributes:
        step: how many steps below full speed, 0 to :data:`MOST_STEPS`.
    """

    __slots__ = (
        "_clean",
        "_fastest_s",
        "_frames",
        "_patience",
        "_repeats",
        "_theirs",
        "_tried",
        "step",
    )

    def __init__(self, fastest_unit_s: float) -> None:
        self._fastest_s = fastest_unit_s
        self.step = 0
        self._frames = 0
        self._repeats = 0
        self._clean = 0  # bytes since the last repetition or change of speed
        self._patience = CLEAN_BYTES
        self._theirs = 0  # step of the other end
        self._tried = False  # the last change was to a faster unit, not yet proved

    @property
    def unit_s(self) -> float:
        """Length of a unit to key with now."""
        return self.unit_at(self.step)

    def unit_at(self, step: int) -> float:
        """Return the length of a unit at a step; below the last one there is none."""
        return float(self._fastest_s * STEP ** min(step, MOST_STEPS))

    def note(self, frames: int, repeats: int, size_bytes: int) -> None:
        """Take the sender's figures since the last call.

        Args:
            frames: sent, repetitions included.
            repeats: of these, sent again.
            size_bytes: of all of them.
        """
        self._frames += frames
        self._repeats += repeats
        self._clean = 0 if repeats else self._clean + size_bytes
        if self._repeats >= MOST_REPEATS:
            self._slow_down()
        elif self._frames >= LOOK_FRAMES:
            self._frames = self._repeats = 0
        if self._clean >= self._patience:
            self._speed_up()

    def hear(self, unit_s: float) -> None:
        """Take the unit of a good frame of the other end, whose clock may be 30 % off.

        Whoever sends little but acknowledgements, which nobody acknowledges, knows nothing of
        losses.  So an end slows down when the other one does, and follows it up again.
        """
        steps = math.log(unit_s / self._fastest_s, STEP) + CLOCK_ALLOWANCE
        theirs = max(0, min(math.floor(steps), MOST_STEPS))
        has_slowed = theirs > max(self._theirs, self.step)
        if has_slowed or (theirs < self.step and self._clean >= FOLLOW_BYTES):
            self.step = theirs
            self._clean = 0
        self._theirs = theirs

    def _slow_down(self) -> None:
        if self._tried:
            self._patience = min(2 * self._patience, MOST_CLEAN_BYTES)
        self._tried = False
        self.step = min(self.step + 1, MOST_STEPS)
        self._frames = self._repeats = self._clean = 0

    def _speed_up(self) -> None:
        self._clean = 0
        if self._tried:
            self._patience = CLEAN_BYTES  # the last try was a success
        self._tried = self.step > 0
        self.step = max(0, self._theirs - 1, self.step - 1)
