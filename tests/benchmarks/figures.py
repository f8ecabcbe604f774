"""What a benchmark says: a name, a value, a target, and whether it was met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One result.

    Attributes:
        name: what was measured.
        value: the result; None if it could not be measured.
        unit: its unit; "x" for a ratio within this run.
        target: what is aimed at, for people; "" if nothing.
        ok: whether the target was met; True if there is none.
        note: why there is no value, or what to know about it.
        spread: least and greatest of the rounds, if there were rounds.
    """

    name: str
    value: float | None
    unit: str
    target: str = ""
    ok: bool = True
    note: str = ""
    spread: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        value = "-" if self.value is None else f"{self.value:.4g}"
        mark = "" if self.ok and not self.target else "  ok" if self.ok else "  MISSED"
        note = f"  ({self.note})" if self.note else ""
        return f"{self.name:<58} {value:>9} {self.unit:<5} {self.target:>9}{mark}{note}"


def plain(name: str, values: Sequence[float], unit: str) -> Figure:
    """Make a figure without a target: the median of the rounds."""
    return Figure(name, statistics.median(values), unit, spread=(min(values), max(values)))


def at_most(name: str, values: Sequence[float], limit: float, unit: str = "x") -> Figure:
    """Make a figure whose median should not exceed ``limit``."""
    value = statistics.median(values)
    spread = min(values), max(values)
    return Figure(name, value, unit, f"<= {limit:g}", value <= limit, spread=spread)


def at_least(name: str, values: Sequence[float], limit: float, unit: str = "x") -> Figure:
    """Make a figure whose median should not be below ``limit``."""
    value = statistics.median(values)
    spread = min(values), max(values)
    return Figure(name, value, unit, f">= {limit:g}", value >= limit, spread=spread)


def missing(name: str, unit: str, target: str, why: str) -> Figure:
    """Make a figure that could not be measured: it fails, with the reason."""
    return Figure(name, None, unit, target, ok=False, note=why)


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return the ratios round by round: what slows the machine slows both."""
    return [a / b for a, b in zip(above, below, strict=True)]
