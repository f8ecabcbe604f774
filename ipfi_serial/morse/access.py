"""One line for both ends: when may this end talk?

Listen before talk; after a burst the other end has the word; who talks unasked waits for a random
time first.  docs/morse.md, MORSE-16 to MORSE-19.
"""

from __future__ import annotations

from typing import Final

QUIET_UNITS: Final = 10.0  # within a burst gaps are 7 units at most, and clocks differ by 30 %
TURN_UNITS: Final = 12.0  # how long the other end is given to begin its answer
SLOT_UNITS: Final = 4.0
SLOTS: Final = 8
_MULTIPLIER: Final = 1664525  # Numerical Recipes' generator modulo 2^32; only slots are drawn
_INCREMENT: Final = 1013904223
_WORD: Final = 0xFFFFFFFF


class Access:
    """When one end of a shared line may talk."""

    __slots__ = ("_backoff", "_heard_s", "_state", "_talked_s", "_unit_s")

    def __init__(self, seed: int, unit_s: float) -> None:
        """Begin on a line of which nothing is known.

        Args:
            seed: of the random slots; the two ends should have different ones.
            unit_s: length of a unit.
        """
        self._state = seed & _WORD
        self._unit_s = unit_s
        self._heard_s = self._talked_s = float("-inf")
        self._backoff = self._draw()

    def heard(self, time_s: float, unit_s: float) -> None:
        """Note the last edge of the other end, and its unit."""
        self._heard_s = time_s
        self._unit_s = unit_s

    def talked(self, end_s: float) -> None:
        """Note when a burst of ours ends."""
        self._talked_s = end_s
        self._backoff = self._draw()

    def free_s(self, wanted_s: float) -> float:
        """Return when this end may begin to talk, if nothing is heard until then; pure.

        Args:
            wanted_s: since when it wants to.
        """
        quiet_s = max(self._heard_s, self._talked_s) + QUIET_UNITS * self._unit_s
        turn_s = quiet_s + TURN_UNITS * self._unit_s
        if self._heard_s > self._talked_s and wanted_s < turn_s:
            return quiet_s  # it is our turn
        return max(turn_s, wanted_s) + self._backoff * SLOT_UNITS * self._unit_s

    def _draw(self) -> int:
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _WORD
        return (self._state >> 16) % SLOTS
