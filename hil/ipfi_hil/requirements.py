"""The numbered requirements of docs/protocol.md, which come with the package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from ipfi_serial.errors import ConfigError

_DEFINED: Final = re.compile(r"^- \*\*([A-Z]+-\d+)\*\* (.*(?:\n  .*)*)", re.MULTILINE)
_RANGE: Final = re.compile(r"([A-Z]+)-(\d+)(?: to (?:[A-Z]+-)?(\d+))?")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement.

    Attributes:
        number: "CALL-3".
        text: what it demands, on one line.
    """

    number: str
    text: str


def protocol() -> Path:
    """Return docs/protocol.md: of the wheel, or of the clone around an editable one.

    Raises:
        ConfigError: it is nowhere.
    """
    package = Path(__file__).resolve().parent
    for place in (package / "protocol.md", package.parents[1] / "docs" / "protocol.md"):
        if place.is_file():
            return place
    raise ConfigError(f"the protocol's document is missing: there is no {package / 'protocol.md'}")


@cache
def defined() -> tuple[Requirement, ...]:
    """Return all requirements in the order of the document."""
    text = protocol().read_text(encoding="utf-8")
    return tuple(Requirement(n, " ".join(body.split())) for n, body in _DEFINED.findall(text))


def expand(cited: str) -> list[str]:
    """Return the requirements that a citation means: ``"LINK-9 to LINK-11"`` is three.

    Raises:
        ConfigError: it names none, or one that the protocol does not have.
    """
    known = {each.number for each in defined()}
    found = [
        f"{family}-{number}"
        for family, first, last in _RANGE.findall(cited)
        for number in range(int(first), int(last or first) + 1)
    ]
    wrong = [number for number in found if number not in known]
    if wrong or not found:
        raise ConfigError(f"docs/protocol.md has no requirement {wrong[0] if wrong else cited!r}")
    return found
