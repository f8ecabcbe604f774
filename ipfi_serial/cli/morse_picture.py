"""A recorded message as a picture: its marks, characters, bytes, the frame and its CRC, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 1200
_MARGIN: Final = 24
_ROW: Final = 112  # of the line, its characters, bytes and parts
_SIGNAL: Final = 26
_COLOURS: Final = {
    "training": "#b0b0b0",
    "delimiter": "#b0b0b0",
    "COBS": "#8e6bbf",
    "type": "#1b6ca8",
    "body": "#2e8b57",
    "body and CRC": "#2e8b57",
    "CRC": "#c0392b",
    "bytes": "#2e8b57",
    "letters": "#2e8b57",
    "damaged": "#d68910",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a message with a name.

    Attributes:
        begin_s: where it begins.
        end_s: where it ends.
        label: what stands in it.
        part: which part of the message it is: a key of the colours.
        detail: what stands below the label: dots and dashes.
    """

    begin_s: float
    end_s: float
    label: str
    part: str
    detail: str = ""


def draw(edges_s: Sequence[float], spans: Sequence[Span], parts: Sequence[Span], title: str) -> str:
    """Return the picture.

    Args:
        edges_s: beginnings and ends of marks in turn.
        spans: characters or bytes, in order.
        parts: of the frame, in order: what several spans are together.
        title: a line above.
    """
    rows = _rows(edges_s, spans)
    height = 64 + _ROW * len(rows) + _MARGIN
    longest_s = max(end_s - begin_s for begin_s, end_s in rows)
    scale = (WIDTH - 2 * _MARGIN) / longest_s
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        '<g font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_MARGIN}" y="24" font-size="15">{escape(title)}</text>',
        _legend([*spans, *parts]),
    ]
    for number, (begin_s, end_s) in enumerate(rows):
        row = _Row(begin_s, end_s, scale, 64.0 + _ROW * number)
        out.append(row.signal(edges_s))
        out += [row.span(span) for span in spans if begin_s <= span.begin_s < end_s]
        out += [row.part(part) for part in parts if row.shows(part)]
    return "\n".join([*out, "</g></svg>", ""])


class _Row:
    """One line of the picture."""

    def __init__(self, begin_s: float, end_s: float, scale: float, top: float) -> None:
        self.begin_s, self.end_s, self.scale, self.top = begin_s, end_s, scale, top

    def place(self, moment_s: float) -> float:
        bounded_s = min(max(moment_s, self.begin_s), self.end_s)
        return round(_MARGIN + (bounded_s - self.begin_s) * self.scale, 1)

    def shows(self, span: Span) -> bool:
        return span.begin_s < self.end_s - 1e-9 and span.end_s > self.begin_s + 1e-9

    def signal(self, edges_s: Sequence[float]) -> str:
        low, high = self.top + _SIGNAL, self.top + 4
        path = f"M{_MARGIN},{low}"
        for begin_s, end_s in zip(edges_s[::2], edges_s[1::2], strict=False):
            if end_s > self.begin_s and begin_s < self.end_s:
                a, b = self.place(begin_s), self.place(end_s)
                path += f"H{a}V{high}H{b}V{low}"
        path += f"H{self.place(self.end_s)}"
        return f'<path d="{path}" fill="#e8eef5" stroke="#223" stroke-width="1"/>'

    def span(self, span: Span) -> str:
        x, width = self.place(span.begin_s), self.place(span.end_s) - self.place(span.begin_s)
        y, middle, colour = self.top + _SIGNAL + 6, x + width / 2, _COLOURS[span.part]
        detail = ""
        if len(span.detail) * 6.7 < width:
            detail = (
                f'<text x="{middle}" y="{y + 31}" text-anchor="middle" fill="#555">'
                f"{span.detail}</text>"
            )
        return (
            f'<rect x="{x + 0.5}" y="{y}" width="{max(width - 1, 1)}" height="17" rx="2" '
            f'fill="{colour}" fill-opacity="0.25" stroke="{colour}"/>'
            f'<text x="{middle}" y="{y + 12.5}" text-anchor="middle">{escape(span.label)}</text>'
            f"{detail}"
        )

    def part(self, part: Span) -> str:
        x, end = self.place(part.begin_s), self.place(part.end_s)
        y, colour = self.top + _SIGNAL + 46, _COLOURS[part.part]
        return (
            f'<path d="M{x + 1},{y - 4}V{y}H{end - 1}V{y - 4}" fill="none" stroke="{colour}" '
            f'stroke-width="1.5"/><text x="{(x + end) / 2}" y="{y + 13}" text-anchor="middle" '
            f'fill="{colour}">{escape(part.label)}</text>'
        )


def _rows(edges_s: Sequence[float], spans: Sequence[Span]) -> list[tuple[float, float]]:
    """Cut the message between spans, so that a row is readable."""
    end_s = spans[-1].end_s if spans else edges_s[-1]
    units = [b - a for a, b in pairwise(edges_s)]
    longest_s = 200 * sorted(units)[len(units) // 4]  # a quarter is longer than a dot
    rows: list[tuple[float, float]] = []
    begin_s = edges_s[0]
    for span, following in zip(spans, [*spans[1:], None], strict=True):
        if following is None or following.end_s - begin_s > longest_s:
            rows.append((begin_s, span.end_s))
            begin_s = span.end_s
    return rows or [(edges_s[0], end_s)]


def _legend(spans: Sequence[Span]) -> str:
    out, x = [], float(_MARGIN)
    for part in dict.fromkeys(span.part for span in spans):
        out.append(
            f'<rect x="{x}" y="36" width="12" height="12" fill="{_COLOURS[part]}" '
            f'fill-opacity="0.5"/><text x="{x + 17}" y="46">{part}</text>'
        )
        x += 40 + 7 * len(part)
    return "".join(out)
