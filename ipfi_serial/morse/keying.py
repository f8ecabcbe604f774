"""Wire bytes in, the times of edges out.

A ``0x00`` is not keyed: it is the frame gap (MORSE-4), and every frame begins with a training
preamble (MORSE-6).  docs/morse.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, cycle
from operator import xor
from typing import Final

from ipfi_serial.errors import ConfigError
from ipfi_serial.morse.alphabet import (
    CHARACTER_GAP,
    LETTERS,
    TRAINING,
    WHITENING,
    WORD_GAP,
    Alphabet,
    units_of,
)

DELIMITER: Final = 0
_PREAMBLE_LETTERS: Final = tuple(u for letter in TRAINING for u in units_of(LETTERS[letter]))
PREAMBLE: Final = (*_PREAMBLE_LETTERS[:-1], WORD_GAP)  # marks and gaps in turn, in units
PREAMBLE_UNITS: Final = sum(PREAMBLE)
FRAME_UNITS: Final = PREAMBLE_UNITS + WORD_GAP - CHARACTER_GAP  # that a frame costs besides bytes


class Keyer:
    """Frames in, marks and gaps out, in units."""

    __slots__ = ("_alphabet",)

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet

    def key(self, frame: bytes) -> list[int]:
        """Return marks and gaps of one frame in turn, preamble and frame gap included.

        Args:
            frame: its wire bytes without delimiters; not empty.
        """
        table = self._alphabet.units
        if self._alphabet.white:
            frame = bytes(map(xor, frame, cycle(WHITENING)))
        units = list(PREAMBLE)
        for byte in frame:
            units += table[byte]
        units[-1] = WORD_GAP
        return units


def key_text(text: str) -> list[int]:
    """Return marks and gaps of a text in International Morse, as a telegrapher sends it.

    Raises:
        ConfigError: a character is not in the alphabet.
    """
    units: list[int] = []
    for word in text.upper().split():
        for letter in word:
            elements = LETTERS.get(letter)
            if elements is None:
                known = "".join(LETTERS)
                raise ConfigError(f"no Morse code for {letter!r}; there are {known}")
            units += units_of(elements)
        units[-1] = WORD_GAP
    return units


def edge_times(units: Sequence[int], start_s: float, unit_s: float) -> list[float]:
    """Return when the level changes: the first edge begins a mark, the last one ends one.

    Args:
        units: marks and gaps in turn; the last gap makes no edge.
        start_s: when the first mark begins.
        unit_s: length of a unit.
    """
    sums = accumulate(units[:-1], initial=0)
    return [start_s + total * unit_s for total in sums]
