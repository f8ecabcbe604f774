"""Round-trip times as bars on a logarithmic axis: inline SVG, one strip for each target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

BARS_PER_DECADE: Final = 12
_WIDTH: Final = 1000
_LABEL: Final = 190  # room for the target's name
_FIGURES: Final = 220  # room for median and worst
_STRIP: Final = 54
_AXIS: Final = 26
_NAMES: Final = {
    -6: "1 µs",
    -5: "10 µs",
    -4: "0.1 ms",
    -3: "1 ms",
    -2: "10 ms",
    -1: "0.1 s",
    0: "1 s",
    1: "10 s",
}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share (0 to 1) of the sorted ``values`` lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def shown_time(seconds: float) -> str:
    """Return a time for people: ``"123 µs"``, ``"4.5 ms"``, ``"1.2 s"``."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def histogram(samples: Mapping[str, Sequence[float]]) -> str:
    """Return the SVG.

    Args:
        samples: target -> round-trip times in seconds; targets without any are left out.
    """
    strips = {name: [s for s in values if s > 0] for name, values in samples.items()}
    strips = {name: values for name, values in strips.items() if values}
    if not strips:
        return ""
    everything = [value for values in strips.values() for value in values]
    low = math.floor(math.log10(min(everything)))
    high = max(low + 1, math.ceil(math.log10(max(everything))))
    height = _STRIP * len(strips) + _AXIS
    parts = [_decade(power, low, high, height) for power in range(low, high + 1)]
    for row, (name, values) in enumerate(strips.items()):
        parts.append(_strip(name, values, low, high, row * _STRIP))
    return (
        f'<svg class="histogram" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Round-trip times of calls, by target">{"".join(parts)}</svg>'
    )


def _x(seconds: float, low: int, high: int) -> float:
    share = (math.log10(seconds) - low) / (high - low)
    return _LABEL + share * (_WIDTH - _LABEL - _FIGURES)


def _decade(power: int, low: int, high: int, height: int) -> str:
    at = _x(10**power, low, high)
    name = _NAMES.get(power, f"1e{power} s")
    return (
        f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height - _AXIS}"/>'
        f'<text class="axis" x="{at:.1f}" y="{height - 8}">{name}</text>'
    )


def _strip(name: str, values: Sequence[float], low: int, high: int, top: int) -> str:
    bars = [0] * ((high - low) * BARS_PER_DECADE + 1)
    for value in values:
        bars[int((math.log10(value) - low) * BARS_PER_DECADE)] += 1
    most = max(bars)
    base, room = top + _STRIP - 8, _STRIP - 14
    drawn = [_bar(index, count / most * room, low, high, base) for index, count in enumerate(bars)]
    middle = percentile(values, 0.5)
    at = _x(middle, low, high)
    figures = f"median {shown_time(middle)}, 99 % {shown_time(percentile(values, 0.99))}"
    return (
        f'<text class="name" x="{_LABEL - 12}" y="{base - 6}">{escape(name)}</text>'
        f'<line class="base" x1="{_LABEL}" x2="{_WIDTH - _FIGURES}" y1="{base}" y2="{base}"/>'
        f"{''.join(drawn)}"
        f'<line class="median" x1="{at:.1f}" x2="{at:.1f}" y1="{top + 6}" y2="{base}"/>'
        f'<text class="figure" x="{_WIDTH - _FIGURES + 12}" y="{base - 18}">'
        f"{len(values)} calls</text>"
        f'<text class="figure" x="{_WIDTH - _FIGURES + 12}" y="{base - 4}">{figures}</text>'
    )


def _bar(index: int, height: float, low: int, high: int, base: int) -> str:
    if not height:
        return ""
    left = _x(10 ** (low + index / BARS_PER_DECADE), low, high)
    right = _x(10 ** (low + (index + 1) / BARS_PER_DECADE), low, high)
    return (
        f'<rect class="bar" x="{left + 0.5:.1f}" y="{base - height:.1f}" '
        f'width="{right - left - 1:.1f}" height="{height:.1f}" rx="1.5"/>'
    )
