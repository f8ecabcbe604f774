"""Marks and gaps of a telegrapher in, text out: no preamble, no frame, any steady speed.

For recordings: it looks at all of one to find how long a dot is.  docs/morse.md, MORSE-20.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from ipfi_serial.morse.alphabet import LETTERS, number_of, units_of
from ipfi_serial.morse.timing import DASH_FROM_UNITS, LONG_FROM_UNITS

UNKNOWN: Final = "�"  # a character that Morse does not have
_SPIKE: Final = 1 / 3  # of the shortest common mark or gap: a glitch, as in MORSE-8
_ROUNDS: Final = 8  # of moving the threshold between dots and dashes: it stands still after a few
_FEW: Final = 5  # intervals that could be anything
_NUMBERS: Final = {number_of(elements): letter for letter, elements in LETTERS.items()}


def read_text(edges_s: Sequence[float]) -> str:
    """Return the text that was keyed; the first edge begins a mark."""
    text, last_s = "", 0.0
    for begin_s, end_s, letter, signs in letters_of(edges_s):
        unit_s = (end_s - begin_s) / _length(signs)
        text += " " if text and begin_s - last_s >= LONG_FROM_UNITS * unit_s else ""
        text += letter
        last_s = end_s
    return text


def letters_of(edges_s: Sequence[float]) -> list[tuple[float, float, str, str]]:
    """Return of each letter its begin and end in seconds, itself, and its dots and dashes."""
    intervals = _without_glitches([b - a for a, b in pairwise(edges_s)])
    if not intervals:
        return []
    unit_s = unit_of(intervals[::2], intervals[1::2])
    letters: list[tuple[float, float, str, str]] = []
    begin_s = now_s = edges_s[0]
    signs = ""
    if len(intervals) % 2 == 0:
        intervals.pop()  # a mark begins where the recording ends
    for place, interval in enumerate([*intervals, LONG_FROM_UNITS * unit_s]):
        if place % 2 == 0:
            signs += "-" if interval >= DASH_FROM_UNITS * unit_s else "."
        elif interval >= DASH_FROM_UNITS * unit_s:
            letter = _NUMBERS.get(number_of(signs), UNKNOWN)
            letters.append((begin_s, now_s, letter, signs))
            begin_s, signs = now_s + interval, ""
        now_s += interval
    return letters


def _length(signs: str) -> int:
    """Return how many units dots and dashes last."""
    return sum(units_of(signs)[:-1])


def misfit(edges_s: Sequence[float]) -> float:
    """Return how badly marks and gaps fit any unit: 0 is perfect, noise has about 0.3 and more."""
    intervals = [b - a for a, b in pairwise(edges_s)]
    if len(intervals) < _FEW:
        return 1.0
    unit_s = unit_of(intervals[::2], intervals[1::2])
    squares = 0.0
    for interval in intervals:
        units = interval / unit_s
        nearest = 1 if units < DASH_FROM_UNITS else 3 if units < LONG_FROM_UNITS else units
        squares += (units - nearest) ** 2
    return math.sqrt(squares / len(intervals))


def unit_of(marks: Sequence[float], gaps: Sequence[float]) -> float:
    """Return the length of a unit, from marks and gaps of one steady sender.

    Marks fall into dots and dashes; where there is but one kind, the gaps within characters, which
    are as long as dots, tell which one it is.
    """
    low, high = min(marks), max(marks)
    if high < 1.8 * low:
        shortest = min(gaps, default=median(marks))
        return median(marks) / (3.0 if median(marks) > 1.8 * shortest else 1.0)
    split = math.sqrt(low * high)
    for _ in range(_ROUNDS):
        dots = [m for m in marks if m < split]
        dashes = [m for m in marks if m >= split]
        split = (sum(dots) / len(dots) + sum(dashes) / len(dashes)) / 2
    return split / 2  # half-way between one unit and three


def _without_glitches(intervals: list[float]) -> list[float]:
    """Join what a pulse that is much shorter than the others has cut."""
    if len(intervals) < 3:
        return intervals
    shortest = _SPIKE * sorted(intervals)[len(intervals) // 4]
    whole: list[float] = []
    joins = False
    for interval in intervals:
        if joins:
            whole[-1] += interval
            joins = False
        elif interval < shortest and whole:
            whole[-1] += interval
            joins = True
        else:
            whole.append(interval)
    return whole
