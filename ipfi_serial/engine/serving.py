"""What both shells do around a handler: arguments in, its result or failure out.  Pure."""

from __future__ import annotations

from typing import Any

from ipfi_serial.codec.values import ValueEncodeError, encode_value
from ipfi_serial.engine.context import CallContext
from ipfi_serial.engine.interface import Procedure
from ipfi_serial.errors import LocalProtocolError


def decode_arguments(
    procedure: Procedure, payload: bytes, context: CallContext, max_depth: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and keyword arguments for a handler.

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


def encode_result(procedure: Procedure, value: Any) -> bytes:
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


def describe_failure(error: BaseException) -> str:
    """Return one line about a handler's exception for the caller: never a traceback."""
    text = str(error).strip().partition("\n")[0][:200]
    name = type(error).__name__
    return f"{name}: {text}" if text else name
