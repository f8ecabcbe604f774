"""The numbers of a message's header in all their widths.

docs/protocol.md, section 1 (MSG-1, MSG-3).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from ipfi_serial.errors import LocalProtocolError

MAX_INDEX: Final = (1 << 64) - 1  # the widest field
MAX_HEADER_BYTES: Final = 2 + 3 * 8  # type, flag and three u64

_WIDTHS: Final = "BIHQ"  # struct's letter for each width code


def numbers_format(flag: int) -> str:
    """Return struct's letters for the three numbers that follow ``flag``."""
    return "<" + _WIDTHS[flag & 3] + _WIDTHS[flag >> 2 & 3] + _WIDTHS[flag >> 4 & 3]


# For each combination of widths: (type, flag, procedure, call, length) to bytes.
PACKERS: Final = tuple(Struct(numbers_format(flag).replace("<", "<BB")).pack for flag in range(64))


def width_code(number: int) -> int:
    """Return the code of the smallest width that holds ``number``.

    Raises:
        LocalProtocolError: it is negative or above 2^64 - 1.
    """
    if not 0 <= number <= MAX_INDEX:
        raise LocalProtocolError(f"index {number} does not fit a message: 0 to 2^64 - 1")
    if number < 1 << 16:
        return 0 if number < 1 << 8 else 2
    return 1 if number < 1 << 32 else 3
