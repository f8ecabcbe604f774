"""The payload of an Error message to an exception and back; docs/protocol.md 1.2.  Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from ipfi_serial.engine.calls import REFUSAL_REASONS, ErrorCode
from ipfi_serial.errors import (
    CallCancelledError,
    CallError,
    CallRefusedError,
    IpfiError,
    RemoteCallError,
)

_ARRAY_OF_3: Final = b"\x93"  # MessagePack's header, put before the joined values

_DECODER: Final = msgspec.msgpack.Decoder(tuple[int, bool, str])
_encode: Final = msgspec.msgpack.Encoder().encode


def encode_failure(code: ErrorCode, text: str, *, may_have_executed: bool) -> bytes:
    """Return the payload of an Error."""
    return _encode((int(code), may_have_executed, text))[1:]


def failure_from(payload: bytes, procedure: int) -> IpfiError:
    """Return the exception that an Error means to the caller."""
    try:
        code, executed, text = _DECODER.decode(_ARRAY_OF_3 + payload)
    except msgspec.MsgspecError:
        return CallError(
            f"procedure {procedure} failed at the other end, which could not say why",
            may_have_executed=True,
        )
    if code == ErrorCode.CANCELLED:
        return CallCancelledError(text or "cancelled", may_have_executed=executed)
    if code in REFUSAL_REASONS:
        reason = REFUSAL_REASONS[ErrorCode(code)]
        return CallRefusedError(text or reason, reason=reason, may_have_executed=executed)
    return RemoteCallError(text or "the handler failed", may_have_executed=executed)
