"""What a benchmark says: a name, a value, a target, and whether it was met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One result.

    Attributes:
        name: what was measured.
        value: the result.
        unit: its unit; "x" for a ratio.
        target: what is aimed at, for people; "" if nothing.
        ok: whether the target was met; True if there is none.
    """

    name: str
    value: float
    unit: str
    target: str = ""
    ok: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        mark = "" if not self.target else "  ok" if self.ok else "  MISSED"
        return f"{self.name:<52} {self.value:>10.2f} {self.unit:<4} {self.target:>10}{mark}"


def at_most(name: str, value: float, limit: float, unit: str = "x") -> Figure:
    """Make a figure that should not exceed ``limit``."""
    return Figure(name, value, unit, f"<= {limit:g}", value <= limit)


def interleaved(
    rounds: int, repeats: int, **measured: Callable[[], float]
) -> dict[str, list[float]]:
    """Take turns: each round measures each candidate ``repeats`` times; return the medians.

    A noisy machine then slows all candidates alike.
    """
    medians: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, once in measured.items():
            medians[name].append(statistics.median(once() for _ in range(repeats)))
    return medians


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
