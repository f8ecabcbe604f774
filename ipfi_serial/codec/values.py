"""Turns Python values into MessagePack and back, as the reference implementation writes it.

Arguments stand one after the other without an array around them (VAL-1); dataclasses are arrays,
enums their values, datetimes text (VAL-3).  Raises only what is named here, whatever came in.
docs/protocol.md, section 1.1.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from ipfi_serial.codec.depth import nests_deeper_than
from ipfi_serial.codec.names import TypeForm, Value, type_name
from ipfi_serial.codec.refusals import ArgumentError as ArgumentError
from ipfi_serial.codec.refusals import ValueCodecError as ValueCodecError
from ipfi_serial.codec.refusals import ValueEncodeError as ValueEncodeError
from ipfi_serial.codec.twins import twin_of

MAX_DEPTH: Final = 64  # VAL-4
MOST_LEVELS: Final = (
    400  # of what is encoded; within what Python nests calls, and any thread's stack
)
MAX_COUNT_OF_FIXARRAY: Final = 15  # MessagePack: one byte of header up to here, three up to ...
MAX_COUNT_OF_ARRAY16: Final = 65535  # ... here, five beyond


_ATOMS: Final = frozenset((int, float, str, bytes, bool, type(None)))  # as they are
_ATOM_BASES: Final[tuple[Any, ...]] = (str, bytes, int, float)
_atoms_only = _ATOMS.issuperset
_UNENCODABLE: Final = (TypeError, ValueError, OverflowError, RecursionError)
_encode: Final = msgspec.msgpack.Encoder().encode


def encode_arguments(arguments: tuple[Any, ...] | list[Any]) -> bytes:
    """Return the values one after the other (VAL-1).

    Raises:
        ValueEncodeError: one of them cannot travel.
    """
    try:
        for argument in arguments:
            if type(argument) not in _ATOMS:
                encoded = _encode(_travelling(arguments, MOST_LEVELS))
                break
        else:
            encoded = _encode(arguments)
    except _UNENCODABLE as error:
        raise _refusal(error) from None
    count = len(arguments)
    if count <= MAX_COUNT_OF_FIXARRAY:
        return encoded[1:]
    return encoded[3:] if count <= MAX_COUNT_OF_ARRAY16 else encoded[5:]


def encode_value(value: Value) -> bytes:
    """Return one value (VAL-2, VAL-3).

    Raises:
        ValueEncodeError: it, or something in it, cannot travel: an integer beyond 64 bits, an
            object of an unknown class, a container that contains itself.
    """
    try:
        return _encode(value if type(value) in _ATOMS else _travelling(value, MOST_LEVELS))
    except _UNENCODABLE as error:
        raise _refusal(error) from None


def _refusal(error: Exception) -> ValueEncodeError:
    if isinstance(error, RecursionError):
        return ValueEncodeError("a value nests too deep, or contains itself")
    return ValueEncodeError(f"a value cannot travel: {error}")


def _travelling(value: Value, levels: int) -> Value:
    """Return what msgspec writes as we want it: ``value`` itself if that will do.

    Args:
        value: what is encoded.
        levels: containers that may still be around what is innermost.

    Raises:
        RecursionError: the value contains itself, or nests too deep.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if levels == 0:  # compiled functions call each other until the stack is over
        raise RecursionError
    if kind is list or kind is tuple:
        if _atoms_only(map(type, value)):
            return value
        return [_travelling(item, levels - 1) for item in value]
    if kind is dict:
        if _atoms_only(map(type, value)) and _atoms_only(map(type, value.values())):
            return value
        return {
            _hashable(_travelling(key, levels - 1)): _travelling(item, levels - 1)
            for key, item in value.items()
        }
    return _travelling_object(value, levels - 1)


def _hashable(travelling: Value) -> Value:
    return tuple(map(_hashable, travelling)) if isinstance(travelling, list) else travelling


def _travelling_object(value: Value, levels: int) -> Value:
    """Return what travels for a value of any other class; arguments of :func:`_travelling`."""
    if isinstance(value, enum.Enum):
        return _travelling(value.value, levels)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [
            _travelling(getattr(value, field.name), levels)
            for field in dataclasses.fields(value)
            if field.init
        ]
    if isinstance(value, dt.datetime):
        return value.isoformat()  # msgspec writes one with a zone as an extension
    if isinstance(value, list | tuple | set | frozenset | collections.deque):
        return [_travelling(item, levels) for item in value]
    if isinstance(value, dict):
        return _travelling(dict(value), levels)
    return _plain_atom(value)


def _plain_atom(value: Value) -> Value:
    """Return the text, bytes or number in an object of a subclass, which msgspec does not take."""
    for atom in _ATOM_BASES:
        if isinstance(value, atom):
            return atom(value)
    return value


def value_decoder(wanted: TypeForm) -> Callable[[bytes, int], Value]:
    """Return a function of (bytes, maximal depth) that decodes one value of the type ``wanted``.

    The function raises what :func:`decode_value` raises for its bytes.

    Raises:
        ConfigError: values of this type cannot travel.
    """
    try:
        return _value_decoder(wanted, repr(wanted))
    except TypeError:  # unhashable: Annotated with a list
        return _value_decoder.__wrapped__(wanted, "")


@lru_cache(maxsize=1024)
def _value_decoder(wanted: TypeForm, _spelling: str) -> Callable[[bytes, int], Value]:
    """Build the function; unions of another order are equal: the spelling tells them apart."""
    wire, finish, bound = twin_of(wanted)
    decode = msgspec.msgpack.Decoder(wire).decode

    def decode_wanted(data: bytes, max_depth: int) -> Value:
        if (bound is None or bound > max_depth) and nests_deeper_than(data, max_depth):
            raise ValueCodecError(f"a value nests deeper than {max_depth} levels")
        try:
            value = decode(data)
            return finish(value) if finish else value
        except Exception as error:  # a class's own check may raise anything
            raise ValueCodecError(f"not a value of type {type_name(wanted)}: {error}") from error

    return decode_wanted


_decode_any: Final = value_decoder(Any)


def decode_value(data: bytes, wanted: TypeForm = Any, max_depth: int = MAX_DEPTH) -> Value:
    """Return the one value that ``data`` holds.

    Args:
        data: one MessagePack value, nothing behind it.
        wanted: the type to decode and check against.
        max_depth: most arrays and maps around the innermost value (VAL-4).

    Raises:
        ValueCodecError: ``data`` is not such a value, or nests too deep.
        ConfigError: values of the type ``wanted`` cannot travel.
    """
    if wanted is Any:
        return _decode_any(data, max_depth)
    return value_decoder(wanted)(data, max_depth)
