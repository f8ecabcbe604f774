"""What both shells do around a handler: arguments in, its result or failure out.  Pure."""

from __future__ import annotations

from typing import Any

from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.codec.values import (
    ValueCodecError,
    ValueEncodeError,
    decode_value,
    encode_value,
)
from ipfi_serial.engine.context import CallContext
from ipfi_serial.engine.interface import Procedure
from ipfi_serial.errors import LocalProtocolError, RemoteCallError


def decode_arguments(
    procedure: Procedure, payload: bytes, context: CallContext | None, max_depth: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and keyword arguments for a handler.

    ``context`` is needed if the procedure's signature wants one injected.

    Raises:
        ArgumentError: the payload does not fit the handler's signature; says how.
    """
    signature = procedure.signature
    if procedure.raw:
        return signature.place((payload,), context)
    return signature.place(signature.decode(payload, max_depth), context)


def raw_payload(arguments: tuple[Any, ...]) -> bytes:
    """Return the payload of a raw call.

    Raises:
        LocalProtocolError: the argument is not one bytes object.
    """
    if not arguments:
        return b""
    if len(arguments) == 1 and isinstance(arguments[0], bytes | bytearray | memoryview):
        return bytes(arguments[0])
    raise LocalProtocolError("a raw procedure takes one bytes object")


def encode_result(procedure: Procedure, value: Value) -> bytes:
    """Return what a handler returned or yielded as bytes for the wire.

    Raises:
        ValueEncodeError: the value cannot travel; says why.
    """
    if not procedure.raw:
        return encode_value(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise ValueEncodeError(
        f"raw procedure {procedure.name} must give bytes, not {type(value).__name__}"
    )


def decode_result(value: bytes, wanted: TypeForm) -> Value:
    """Return what a call answered, checked against the type that its caller wants.

    Raises:
        ValueCodecError: it is not a ``wanted``; the call was executed.
    """
    try:
        return decode_value(value, wanted)
    except ValueCodecError as error:
        raise error.for_call(may_have_executed=True) from error.__cause__


def describe_failure(error: BaseException) -> str:
    """Return one line about a handler's exception for the caller: never a traceback."""
    name = type(error).__name__
    try:
        text = str(error).strip().partition("\n")[0][:200]
    except Exception:  # noqa: BLE001 - an exception of the program that cannot even say its name
        return name
    if isinstance(error, RemoteCallError):
        return text  # of a nested call: the root cause, not the way back
    return f"{name}: {text}" if text else name
