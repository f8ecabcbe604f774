"""Characters as marks and gaps: International Morse, and one code that is made for bytes.

Everything is counted in units: a dot lasts one, a dash three.  A character is written as the number
that its elements make, a 1 in front: ``.-`` is 0b101.  docs/morse.md, MORSE-1 to MORSE-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from ipfi_serial.errors import ConfigError

AlphabetName = Literal["itu", "compact"]

DOT: Final = 1  # ITU-R M.1677-1, part I, section 2: a dash is three dots, ...
DASH: Final = 3
ELEMENT_GAP: Final = 1  # ... between elements one, ...
CHARACTER_GAP: Final = 3  # ... between letters three, ...
WORD_GAP: Final = 7  # ... between words seven

PARIS_UNITS: Final = 50  # the standard word of telegraphy, its word gap included
UNIT_WPM_S: Final = 60 / PARIS_UNITS  # a unit at one word a minute

LETTERS: Final[Mapping[str, str]] = MappingProxyType(
    {  # ITU-R M.1677-1, part I, section 1
        "A": ".-", "B": "-...", "C": "-.-.", "D": "-..", "E": ".", "F": "..-.", "G": "--.",
        "H": "....", "I": "..", "J": ".---", "K": "-.-", "L": ".-..", "M": "--", "N": "-.",
        "O": "---", "P": ".--.", "Q": "--.-", "R": ".-.", "S": "...", "T": "-", "U": "..-",
        "V": "...-", "W": ".--", "X": "-..-", "Y": "-.--", "Z": "--..",
        "1": ".----", "2": "..---", "3": "...--", "4": "....-", "5": ".....",
        "6": "-....", "7": "--...", "8": "---..", "9": "----.", "0": "-----",
        ".": ".-.-.-", ",": "--..--", ":": "---...", "?": "..--..", "'": ".----.",
        "-": "-....-", "/": "-..-.", "(": "-.--.", ")": "-.--.-", '"': ".-..-.",
        "=": "-...-", "+": ".-.-.", "@": ".--.-.",
    }
)  # fmt: skip
TRAINING: Final = "VVV"  # what telegraphers send to tune in; V is no hexadecimal digit (MORSE-6)

_HEX: Final = "0123456789ABCDEF"
_BITS: Final = 8
_WHITENING_START: Final = 0xACE1
_WHITENING_TAPS: Final = 0xB400  # x^16 + x^14 + x^13 + x^11 + 1, of full period
WHITENING_BYTES: Final = 1024  # then it begins anew, so that a table holds it


def number_of(elements: str) -> int:
    """Return dots and dashes as a number: a 1, then 0 for a dot and 1 for a dash."""
    return int("1" + elements.replace(".", "0").replace("-", "1"), 2)


def units_of(elements: str) -> tuple[int, ...]:
    """Return how long marks and gaps of a character last, in turn, its character gap included."""
    units: list[int] = []
    for element in elements:
        units += (DASH if element == "-" else DOT, ELEMENT_GAP)
    return (*units[:-1], CHARACTER_GAP)


@dataclass(frozen=True, slots=True)
class Alphabet:
    """How bytes become marks and gaps.

    Attributes:
        name: "itu" or "compact".
        units: for each byte value its marks and gaps in turn, in units, the last gap included.
        numbers: for each number of a character what it stands for: a byte, or half of one.
        characters: how many make a byte.
        white: whether bytes are whitened (MORSE-5).
        units_per_byte: mean over all byte values.
    """

    name: AlphabetName
    units: tuple[tuple[int, ...], ...]
    numbers: Mapping[int, int]
    characters: int
    white: bool

    @property
    def units_per_byte(self) -> float:
        """Mean over all byte values, in units."""
        return sum(map(sum, self.units)) / len(self.units)


def alphabet_named(name: str) -> Alphabet:
    """Return "itu" or "compact".

    Raises:
        ConfigError: it is neither.
    """
    try:
        return _ALPHABETS[name]
    except KeyError:
        raise ConfigError(f"no Morse alphabet {name!r}: it is itu or compact") from None


def whitening(size: int) -> bytes:
    """Return the first bytes of the whitening, up to all 1024 of them (MORSE-5)."""
    state = _WHITENING_START
    out = bytearray()
    for _ in range(size):
        out.append(state & 0xFF)
        for _ in range(_BITS):
            state = state >> 1 ^ (_WHITENING_TAPS if state & 1 else 0)
    return bytes(out)


def _itu() -> Alphabet:
    digits = [LETTERS[digit] for digit in _HEX]
    return Alphabet(
        name="itu",
        units=tuple(units_of(digits[b >> 4]) + units_of(digits[b & 15]) for b in range(256)),
        numbers={number_of(elements): value for value, elements in enumerate(digits)},
        characters=2,
        white=False,
    )


def _compact() -> Alphabet:
    elements = [f"{b:08b}".replace("0", ".").replace("1", "-") for b in range(256)]
    return Alphabet(
        name="compact",
        units=tuple(map(units_of, elements)),
        numbers={1 << _BITS | b: b for b in range(256)},
        characters=1,
        white=True,
    )


WHITENING: Final = whitening(WHITENING_BYTES)
ITU: Final = _itu()
COMPACT: Final = _compact()
_ALPHABETS: Final = {"itu": ITU, "compact": COMPACT}
