"""Turns Python values into MessagePack and back, as the reference implementation writes it.

Arguments stand one after the other without an array around them (VAL-1); dataclasses are arrays,
enums their values, datetimes text (VAL-3).  Raises only what is named here, whatever came in.
docs/protocol.md, section 1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from ipfi_serial.codec.depth import nests_deeper_than
from ipfi_serial.codec.names import TypeForm, Value, type_name
from ipfi_serial.codec.refusals import ArgumentError as ArgumentError
from ipfi_serial.codec.refusals import ValueCodecError as ValueCodecError
from ipfi_serial.codec.refusals import ValueEncodeError as ValueEncodeError
from ipfi_serial.codec.travel import ATOMS, travelling
from ipfi_serial.codec.twins import twin_of

MAX_DEPTH: Final = 64  # VAL-4
MAX_COUNT_OF_FIXARRAY: Final = 15  # MessagePack: one byte of header up to here, three up to ...
MAX_COUNT_OF_ARRAY16: Final = 65535  # ... here, five beyond


_UNENCODABLE: Final = (TypeError, ValueError, OverflowError, RecursionError)
_encode: Final = msgspec.msgpack.Encoder().encode


def encode_arguments(arguments: tuple[Any, ...] | list[Any]) -> bytes:
    """Return the values one after the other (VAL-1).

    Raises:
        ValueEncodeError: one of them cannot travel.
    """
    try:
        for argument in arguments:
            if type(argument) not in ATOMS:
                encoded = _encode(travelling(arguments))
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
        return _encode(value if type(value) in ATOMS else travelling(value))
    except _UNENCODABLE as error:
        raise _refusal(error) from None


def _refusal(error: Exception) -> ValueEncodeError:
    if isinstance(error, RecursionError):
        return ValueEncodeError("a value nests too deep, or contains itself")
    return ValueEncodeError(f"a value cannot travel: {error}")


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
