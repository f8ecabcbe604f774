"""Names of parametrised cases: short, and the same in every process that collects them."""

from __future__ import annotations

import re
from typing import Final

_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
_LONGEST: Final = 80


def case_id(value: object) -> str:
    """Return what a value looks like, without where it lies in memory."""
    text = _ADDRESS.sub("", str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
