"""Why a procedure does not take its arguments: what it wants, what it got, what does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from ipfi_serial import CallRefusedError, Entry
from ipfi_serial.cli.screen import plain
from ipfi_serial.codec.names import Value

_RANGES: Final = {
    f"{sign}{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if sign == "i" else (0, 2**bits - 1)
    for sign in "iu"
    for bits in (8, 16, 32, 64)
}
_SHOWN: Final = 40  # characters of a value
_PARAMETER: Final = re.compile(r"\s*(\w+)\s*:\s*([^,]*(?:\[[^\]]*\])?)\s*")


def explained(
    error: CallRefusedError, entry: Entry | None, values: Sequence[Value]
) -> CallRefusedError:
    """Return a refusal with what the procedure takes and what it got."""
    if entry is None or error.reason != "bad arguments":
        return error
    got = ", ".join(map(_shown, values)) or "nothing"
    wanted = f"; it is {entry.name}{entry.signature}"
    text = f"{str(error).removesuffix(wanted)}{wanted} and got {got}"
    return CallRefusedError("; ".join([text, *_misfits(entry, values)]), reason=error.reason)


def doubts(entry: Entry, values: Sequence[Value]) -> str:
    """Return why an event's arguments do not seem to fit; empty if they may.

    No end answers an event, so nobody else tells.
    """
    inside = entry.signature.partition("(")[2].partition(")")[0]
    wanted = _PARAMETER.findall(inside)
    has_any_number = "=" in inside or "*" in inside
    if not _misfits(entry, values) and (has_any_number or len(wanted) == len(values)):
        return ""
    got = ", ".join(map(_shown, values)) or "nothing"
    return "; ".join(
        [f"the event is {entry.name}{entry.signature} and got {got}", *_misfits(entry, values)]
    )


def _misfits(entry: Entry, values: Sequence[Value]) -> list[str]:
    """Return what a glance at the signature shows, of types that are known here."""
    inside = entry.signature.partition("(")[2].partition(")")[0]
    wanted = [(name, kind.strip()) for name, kind in _PARAMETER.findall(inside)]
    if len(wanted) != len(values):
        return []
    found = []
    for (name, kind), value in zip(wanted, values, strict=True):
        if kind == "str" and (value is None or isinstance(value, int | float)):
            typed = json.dumps(value)
            found.append(f"'\"{typed}\"' is the text {typed}")
        elif kind == "bool" and not isinstance(value, bool):
            found.append(f"{name} is true or false")
        elif kind in _RANGES:
            low, high = _RANGES[kind]
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole and low <= int(str(value)) <= high):
                found.append(f"{name} is a whole number from {low} to {high}")
    return found


def _shown(value: Value) -> str:
    text = json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
