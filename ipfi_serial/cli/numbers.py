"""Numbers on the command line: each says in words what it takes."""

from __future__ import annotations

import argparse
import math
from typing import NoReturn


def whole_number(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        _refuse("a whole number", text)


def positive_int(text: str) -> int:
    """Read a count."""
    wanted = "a whole number above 0"
    try:
        value = int(text)
    except ValueError:
        _refuse(wanted, text)
    return value if value > 0 else _refuse(wanted, text)


def seconds(text: str) -> float:
    """Read a time in seconds."""
    value = _number(text)
    return value if 0 < value < math.inf else _refuse("seconds, a number above 0", text)


def minutes(text: str) -> float:
    """Read a time in minutes."""
    value = _number(text)
    return value if 0 < value < math.inf else _refuse("minutes, a number above 0", text)


def probability(text: str) -> float:
    """Read a probability that leaves a chance."""
    value = _number(text)
    return value if 0 <= value < 1 else _refuse("a probability from 0 to below 1", text)


def words_a_minute(text: str) -> float:
    """Read the speed of a telegrapher."""
    value = _number(text)
    return value if 1 <= value <= 100 else _refuse("1 to 100 words a minute", text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # out of every range


def _refuse(wanted: str, text: str) -> NoReturn:
    raise argparse.ArgumentTypeError(f"it takes {wanted}, not {text!r}")
