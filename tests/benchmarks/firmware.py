"""Cycles of the firmware: counted in simulators, not timed."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.figures import Figure, missing

WHY: Final = "not counted yet: this runner does not drive simavr or Unicorn"


def measure(rounds: int) -> list[Figure]:  # noqa: ARG001 - nothing is repeated: counts are exact
    """Return what is missing."""
    return [
        missing("ATmega328P: cycles of one byte in and one out", "", "<= 280", WHY),
        missing("Cortex-M0: 1,000,000 baud both ways at 48 MHz", "", "<= 480", WHY),
        missing("Cortex-M0: 3,000,000 baud one way at 48 MHz", "", "<= 160", WHY),
    ]
