"""How long a unit is: first from the training preamble, then from every mark and gap.

Marks may be stretched at the cost of gaps, or the other way round (a slow lamp, a lazy relay): that
is the bias.  docs/morse.md, MORSE-6 to MORSE-9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ipfi_serial.morse.alphabet import DASH
from ipfi_serial.morse.keying import PREAMBLE

DASH_FROM_UNITS: Final = 2.0  # half-way between a dot and a dash, or the gaps as long as these
LONG_FROM_UNITS: Final = 5.0  # half-way between a character gap and a word gap
TOO_LONG_UNITS: Final = 10.0  # the preamble's gap of 7 is shorter; silence is longer

# One interval moves the estimate by so much of what it deviates.  A byte of `compact` has 8 marks,
# half of them dashes, and 8 gaps: it takes away 1 - (0.98 * 0.98 * 0.98 * 0.82)^4 = 60 % of an
# error, and leaves 2 % of noise when edges move by 15 %.
SHORT_GAIN: Final = 0.02
LONG_GAIN: Final = 0.06
BIAS_GAIN: Final = 0.01
MOST_BIAS_UNITS: Final = 0.6  # beyond it a gap would vanish in the spike filter
WORST_FIT_UNITS: Final = 0.35  # root of the mean square; jitter of 15 % an edge gives 0.21

TRAINING_INTERVALS: Final = len(PREAMBLE)  # the word gap included
_SHAPE: Final = PREAMBLE[:-1]
_COUNT: Final = len(_SHAPE)
_SIGNS: Final = tuple(1 if i % 2 == 0 else -1 for i in range(_COUNT))  # marks, gaps
_SUM_SQUARES: Final = sum(units * units for units in _SHAPE)
_SUM_SIGNED: Final = sum(s * units for s, units in zip(_SIGNS, _SHAPE, strict=True))
_DETERMINANT: Final = _SUM_SQUARES * _COUNT - _SUM_SIGNED * _SUM_SIGNED


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a preamble told.

    Attributes:
        unit_s: length of a unit.
        bias_s: by how much marks are longer, and gaps shorter, than they should be.
        noise_s: how far its marks and gaps are off, root of the mean square.
    """

    unit_s: float
    bias_s: float
    noise_s: float


def calibrate(
    intervals: Sequence[float], shortest_s: float, longest_s: float
) -> Calibration | None:
    """Return the calibration if these intervals are a training preamble, else None.

    Solves ``interval = unit * units + sign * bias`` by least squares.

    Args:
        intervals: :data:`TRAINING_INTERVALS` marks and gaps in turn, a mark first, in seconds.
        shortest_s: of a unit.
        longest_s: of a unit.
    """
    along = across = 0.0
    for units, sign, interval in zip(_SHAPE, _SIGNS, intervals, strict=False):
        along += interval * units
        across += interval * sign
    unit_s = (_COUNT * along - _SUM_SIGNED * across) / _DETERMINANT
    bias_s = (_SUM_SQUARES * across - _SUM_SIGNED * along) / _DETERMINANT
    if not shortest_s <= unit_s <= longest_s or abs(bias_s) > MOST_BIAS_UNITS * unit_s:
        return None
    last_gap = (intervals[_COUNT] + bias_s) / unit_s
    if not LONG_FROM_UNITS <= last_gap < TOO_LONG_UNITS:
        return None
    squares = 0.0
    dash_s, long_s = DASH_FROM_UNITS * unit_s, LONG_FROM_UNITS * unit_s
    for units, sign, interval in zip(_SHAPE, _SIGNS, intervals, strict=False):
        length_s = interval - sign * bias_s
        if (length_s >= dash_s) != (units == DASH) or length_s >= long_s:
            return None
        squares += (length_s - units * unit_s) ** 2
    noise_s = (squares / _COUNT) ** 0.5
    if noise_s > WORST_FIT_UNITS * unit_s:
        return None
    return Calibration(unit_s, bias_s, noise_s)
