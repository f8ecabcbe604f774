"""Measures MessagePack without decoding it: how deep it nests and where values end.

Never recurses, never allocates for what a header announces, takes any bytes: what is cut off or
malformed is left for the decoder to refuse.  docs/protocol.md, section 1.1 (VAL-4).

The layout of MessagePack is https://github.com/msgpack/msgpack/blob/master/spec.md.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cache
from typing import Final


class _Form(IntEnum):
    """How a value goes on behind its first byte."""

    FIXED = 0  # a known number of bytes
    SIZED = 1  # a length of 1, 2 or 4 bytes, then so many bytes (and one for the type of an ext)
    ITEMS = 2  # a known number of values
    COUNTED = 3  # a count of 2 or 4 bytes, then so many values or pairs of values


def _form(code: int) -> tuple[_Form, int, int]:
    """Return the form of the value that begins with ``code``, and two numbers that it needs."""
    if 0x80 <= code <= 0x9F:  # fixmap, fixarray
        return _Form.ITEMS, (code & 15) * (2 if code < 0x90 else 1), 0
    if 0xA0 <= code <= 0xBF:  # fixstr
        return _Form.FIXED, 1 + (code & 31), 0
    return {
        0xC4: (_Form.SIZED, 1, 0),  # bin
        0xC5: (_Form.SIZED, 2, 0),
        0xC6: (_Form.SIZED, 4, 0),
        0xC7: (_Form.SIZED, 1, 1),  # ext
        0xC8: (_Form.SIZED, 2, 1),
        0xC9: (_Form.SIZED, 4, 1),
        0xCA: (_Form.FIXED, 5, 0),  # float
        0xCB: (_Form.FIXED, 9, 0),
        0xCC: (_Form.FIXED, 2, 0),  # uint
        0xCD: (_Form.FIXED, 3, 0),
        0xCE: (_Form.FIXED, 5, 0),
        0xCF: (_Form.FIXED, 9, 0),
        0xD0: (_Form.FIXED, 2, 0),  # int
        0xD1: (_Form.FIXED, 3, 0),
        0xD2: (_Form.FIXED, 5, 0),
        0xD3: (_Form.FIXED, 9, 0),
        0xD4: (_Form.FIXED, 3, 0),  # fixext
        0xD5: (_Form.FIXED, 4, 0),
        0xD6: (_Form.FIXED, 6, 0),
        0xD7: (_Form.FIXED, 10, 0),
        0xD8: (_Form.FIXED, 18, 0),
        0xD9: (_Form.SIZED, 1, 0),  # str
        0xDA: (_Form.SIZED, 2, 0),
        0xDB: (_Form.SIZED, 4, 0),
        0xDC: (_Form.COUNTED, 2, 1),  # array
        0xDD: (_Form.COUNTED, 4, 1),
        0xDE: (_Form.COUNTED, 2, 2),  # map
        0xDF: (_Form.COUNTED, 4, 2),
    }.get(code, (_Form.FIXED, 1, 0))  # small integers, nil, booleans, and the unused 0xC1


_FORMS: Final = tuple(_form(code) for code in range(256))


def _fixed_values() -> bytes:
    """Return a pattern for one value of known size that is not in a container."""
    by_size: dict[int, list[bytes]] = {}
    for code, (form, size, _) in enumerate(_FORMS):
        if form is _Form.FIXED:
            by_size.setdefault(size, []).append(re.escape(bytes([code])))
    patterns = [
        b"[" + b"".join(codes) + b"]" + (b".{%d}" % (size - 1) if size > 1 else b"")
        for size, codes in sorted(by_size.items())
    ]
    return b"(?:" + b"|".join(patterns) + b")"


def _flat_containers() -> bytes:
    """Return a pattern for a small container of values of known size."""
    fixed = _fixed_values()
    patterns = [
        re.escape(bytes([code])) + (fixed + b"{%d}" % items if items else b"")
        for code, (form, items, _) in enumerate(_FORMS)
        if form is _Form.ITEMS
    ]
    return b"|".join(patterns)


@cache
def _flat_run() -> re.Pattern[bytes]:
    """Return a pattern for bytes with no header but those of containers without containers in them.

    It is scanned in C.  The bounds keep the matcher's memory small; possessive quantifiers would
    too, but match wrongly before CPython 3.11.5 (https://github.com/python/cpython/issues/106052).
    Built when it is first needed: that takes 20 ms.
    """
    return re.compile(
        b"(?:" + _fixed_values() + b"{1,256}|" + _flat_containers() + b"){0,256}", re.DOTALL
    )


def nests_deeper_than(data: bytes, max_depth: int) -> bool:
    """Return whether any value in ``data`` lies in more than ``max_depth`` arrays and maps.

    Three steps, each dearer than the one before: a level takes a byte; a level takes a header;
    the exact depth.

    Args:
        data: values one after the other; may be malformed.
        max_depth: 0 allows no container at all.
    """
    if len(data) <= max_depth or _containers_within(data, max_depth):
        return False
    return _walk(data, max_depth)


def _containers_within(data: bytes, limit: int) -> bool:
    """Return whether ``data`` surely nests no deeper than ``limit``, by counting headers."""
    levels = 1  # for all that the pattern skips
    position = 0
    flat_run = _flat_run().match
    while True:
        run = flat_run(data, position)
        if run and run.end() > position:
            position = run.end()  # what follows may go on as flat as before
            continue
        if position >= len(data):
            return levels <= limit
        form, size, extra = _FORMS[data[position]]
        if form is _Form.SIZED:
            length = int.from_bytes(data[position + 1 : position + 1 + size], "big")
            position += 1 + size + extra + length
            continue
        if form is not _Form.FIXED:
            levels += 1
            if levels > limit:
                return False
        position += 1 + size if form is _Form.COUNTED else 1


def _walk(data: bytes, max_depth: int) -> bool:
    """Return whether ``data`` nests deeper than ``max_depth``, by keeping count of each level."""
    waiting: list[int] = []  # values that each open container still lacks
    position = 0
    while position < len(data):
        form, size, extra = _FORMS[data[position]]
        if form is _Form.FIXED:
            position += size
            items = 0
        elif form is _Form.SIZED:
            length = int.from_bytes(data[position + 1 : position + 1 + size], "big")
            position += 1 + size + extra + length
            items = 0
        else:
            if len(waiting) >= max_depth:
                return True
            items = size
            position += 1
            if form is _Form.COUNTED:
                items = int.from_bytes(data[position : position + size], "big") * extra
                position += size
        if items:
            waiting.append(items)
            continue
        while waiting:  # a value is complete, and perhaps the containers that it ends
            waiting[-1] -= 1
            if waiting[-1]:
                break
            waiting.pop()
    return False


def value_ends(data: bytes, limit: int) -> list[int] | None:
    """Return where each of the values in ``data`` ends; None if the last one is cut off.

    Args:
        data: values one after the other.
        limit: look at no more values than this.
    """
    ends: list[int] = []
    position = 0
    while position < len(data) and len(ends) < limit:
        missing = 1
        while missing:
            if position >= len(data):
                return None
            form, size, extra = _FORMS[data[position]]
            missing -= 1
            if form is _Form.FIXED:
                position += size
            elif form is _Form.ITEMS:
                position += 1
                missing += size
            else:
                number = int.from_bytes(data[position + 1 : position + 1 + size], "big")
                position += 1 + size
                if form is _Form.SIZED:
                    position += extra + number
                else:
                    missing += number * extra
        ends.append(position)
    return ends if position <= len(data) else None
