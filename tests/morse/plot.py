"""Draws frame error rate against jitter as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 40, 60
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")
DECADES = 4  # from 1 down to 1e-4


def plot(curves: Mapping[str, Sequence[tuple[float, float]]], frames: int) -> str:
    """Return the picture.

    Args:
        curves: name, and for each jitter the part of frames that failed.
        frames: for each point; a point without a failure stands at the bottom.
    """
    most = max(x for points in curves.values() for x, _ in points)

    def place(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        depth = min(DECADES, -math.log10(max(y, 10.0**-DECADES)))
        return LEFT + x / most * wide, TOP + depth / DECADES * high

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        (
            f'<text x="{LEFT}" y="22" font-size="15">Frames that fail, by jitter'
            f" ({frames:,} frames a point)</text>"
        ),
    ]
    for decade in range(DECADES + 1):
        x0, y0 = place(0, 10.0**-decade)
        label = "1" if not decade else f"1e-{decade}"
        label = f"≤ {label}" if decade == DECADES else label
        parts.append(
            f'<line x1="{x0}" x2="{WIDTH - RIGHT}" y1="{y0}" y2="{y0}" stroke="#ddd"/>'
            f'<text x="{x0 - 8}" y="{y0 + 4}" text-anchor="end">{label}</text>'
        )
    for x in sorted({x for points in curves.values() for x, _ in points}):
        x0, y0 = place(x, 10.0**-DECADES)
        parts.append(f'<text x="{x0}" y="{y0 + 20}" text-anchor="middle">{x:.2f}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">'
        "standard deviation of an edge, in units</text>"
    )
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in points:
            cx, cy = place(x, y)
            parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3.5" fill="{colour}"/>')
        y = TOP + 20 + 22 * number
        x = WIDTH - RIGHT + 16
        parts.append(
            f'<line x1="{x}" x2="{x + 24}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" '
            f'stroke-width="2"/><text x="{x + 30}" y="{y}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])
