"""How fast to key: more slowly when frames fail, faster again when the line is clean.

docs/morse.md, MORSE-15.
"""

from __future__ import annotations

from typing import Final

STEP: Final = 2**0.5  # two steps halve the speed, and with it the jitter in units
MOST_STEPS: Final = 4  # down to a quarter of the speed asked for
LOOK_FRAMES: Final = 8
MOST_REPEATS: Final = 3  # of LOOK_FRAMES: more is lost than the 29 % that a step costs
CLEAN_FRAMES: Final = 16  # before a faster unit is tried
MOST_CLEAN_FRAMES: Final = 512  # where a try has failed, the next one comes later


class RateControl:
    """The unit to key with.

    Attributes:
        step: how many steps below full speed, 0 to :data:`MOST_STEPS`.
    """

    __slots__ = ("_clean", "_fastest_s", "_frames", "_patience", "_repeats", "_tried", "step")

    def __init__(self, fastest_unit_s: float) -> None:
        self._fastest_s = fastest_unit_s
        self.step = 0
        self._frames = 0
        self._repeats = 0
        self._clean = 0
        self._patience = CLEAN_FRAMES
        self._tried = False  # the last change was to a faster unit, not yet proved

    @property
    def unit_s(self) -> float:
        """Length of a unit to key with now."""
        return float(self._fastest_s * STEP**self.step)

    def note(self, frames: int, repeats: int) -> None:
        """Take the sender's figures since the last call: frames sent, repetitions among them."""
        self._frames += frames
        self._repeats += repeats
        self._clean = 0 if repeats else self._clean + frames
        if self._repeats >= MOST_REPEATS:
            self._slow_down()
        elif self._frames >= LOOK_FRAMES:
            self._frames = self._repeats = 0
        if self._clean >= self._patience:
            self._speed_up()

    def _slow_down(self) -> None:
        if self._tried:
            self._patience = min(2 * self._patience, MOST_CLEAN_FRAMES)
        self._tried = False
        self.step = min(self.step + 1, MOST_STEPS)
        self._frames = self._repeats = 0

    def _speed_up(self) -> None:
        self._clean = 0
        if self._tried:
            self._patience = CLEAN_FRAMES  # the last try was a success
        self._tried = self.step > 0
        self.step = max(0, self.step - 1)
