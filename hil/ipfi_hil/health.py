"""Whether it is worth trying another test on a target: each may cost long patience."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_FAILURES: Final = 2  # one after the other, of a target that has worked before


@dataclass(slots=True)
class Health:
    """What is known of a target's failures.

    Attributes:
        given_up: why no further test is tried on it; empty while some are.
        has_worked: a test has begun on it.
        has_served: it has had a session.
    """

    given_up: str = ""
    has_worked: bool = False
    has_served: bool = False
    _failures: int = 0

    def began(self) -> None:
        """Note that a test has begun."""
        self._failures, self.has_worked = 0, True

    def failed(self, error: Exception) -> None:
        """Note that a test could not begin: what never worked is given up, the rest tried again."""
        self._failures += 1
        if not self.has_worked or self._failures == MOST_FAILURES:
            self._give_up(error)

    def silent(self, error: Exception) -> None:
        """Note that nobody answered on a good line: nobody will, if that was never otherwise."""
        if not self.has_served:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.given_up = str(error).partition("\n")[0]
