"""What travels of a value: the plain one that msgspec writes as we want it (VAL-3).

Interpreted in compiled wheels too: whether a value contains itself is told by Python's limit of
nested calls, which compiled functions do not have.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
from typing import Any, Final

from ipfi_serial.codec.names import Value

ATOMS: Final = frozenset((int, float, str, bytes, bool, type(None)))  # travel as they are
_ATOM_BASES: Final[tuple[Any, ...]] = (str, bytes, int, float)
_atoms_only = ATOMS.issuperset


def travelling(value: Value) -> Value:
    """Return what msgspec writes as we want it: ``value`` itself if that will do.

    Raises:
        RecursionError: the value contains itself, or nests too deep.
    """
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is list or kind is tuple:
        return value if _atoms_only(map(type, value)) else [travelling(item) for item in value]
    if kind is dict:
        if _atoms_only(map(type, value)) and _atoms_only(map(type, value.values())):
            return value
        return {_travelling_key(key): travelling(item) for key, item in value.items()}
    return _object_travelling(value)


def _travelling_key(key: Value) -> Value:
    return _hashable(travelling(key))


def _hashable(key: Value) -> Value:
    return tuple(map(_hashable, key)) if isinstance(key, list) else key


def _object_travelling(value: Value) -> Value:
    """Return what travels for a value of any other class."""
    if isinstance(value, enum.Enum):
        return travelling(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [
            travelling(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init
        ]
    if isinstance(value, dt.datetime):
        return value.isoformat()  # msgspec writes one with a zone as an extension
    if isinstance(value, list | tuple | set | frozenset | collections.deque):
        return [travelling(item) for item in value]
    if isinstance(value, dict):
        return travelling(dict(value))
    return _plain_atom(value)


def _plain_atom(value: Value) -> Value:
    """Return the text, bytes or number in an object of a subclass, which msgspec does not take."""
    for atom in _ATOM_BASES:
        if isinstance(value, atom):
            return atom(value)
    return value
