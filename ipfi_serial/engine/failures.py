"""Why calls fail: an Error's payload to an exception and back, and the errors of our own end.

docs/protocol.md 1.2.  Pure.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ipfi_serial.engine.calls import REFUSAL_REASONS, ErrorCode, OutgoingCall
from ipfi_serial.errors import (
    CallCancelledError,
    CallError,
    CallRefusedError,
    CallTimeoutError,
    DeviceResetError,
    IpfiError,
    RemoteCallError,
)

LONGEST_TEXT_BYTES: Final = 4096
HEADERS_BYTES: Final = 5  # code, may-have-executed and the header of a string
_ARRAY_OF_3: Final = b"\x93"  # MessagePack's header, put before the joined values

_DECODER: Final = msgspec.msgpack.Decoder(tuple[int, bool, str])
_encode: Final = msgspec.msgpack.Encoder().encode


def encode_failure(code: ErrorCode, text: str, limit_bytes: int | None, *, executed: bool) -> bytes:
    """Return the payload of an Error; its text is cut to what the other end takes (CALL-6)."""
    room = min(limit_bytes or LONGEST_TEXT_BYTES, LONGEST_TEXT_BYTES) - HEADERS_BYTES
    text = text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return _encode((int(code), executed, text))[1:]


def failure_from(payload: bytes, call: OutgoingCall) -> IpfiError:
    """Return the exception that an Error means to the caller."""
    try:
        code, executed, text = _DECODER.decode(_ARRAY_OF_3 + payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # the text need not be UTF-8
        return CallError(
            f"procedure {call.label} failed at the other end, which could not say why",
            may_have_executed=True,
        )
    if code == ErrorCode.CANCELLED:
        text = text or f"procedure {call.label}: cancelled"
        return CallCancelledError(text, may_have_executed=executed)
    if code in REFUSAL_REASONS:
        reason = REFUSAL_REASONS[ErrorCode(code)]
        text = text or f"procedure {call.label}: {reason}"
        return CallRefusedError(text, reason=reason, may_have_executed=executed)
    text = text or f"procedure {call.label}: its handler failed"
    return RemoteCallError(text, may_have_executed=executed)


def arguments_too_large(call: OutgoingCall, limit: int | None) -> CallRefusedError:
    """The other end takes no such value (CALL-6)."""
    return CallRefusedError(
        f"procedure {call.label}: {call.arguments_bytes} bytes of arguments, but the other "
        f"end takes {limit}",
        reason="limit",
    )


def slots_taken(call: OutgoingCall, limit: int) -> CallRefusedError:
    """A handler's call cannot wait for those that wait for the handler (CALL-6)."""
    return CallRefusedError(
        f"procedure {call.label}: the other end serves {limit} calls at once and all are "
        "taken; calls are nested too deeply or too many are open",
        reason="limit",
    )


def timed_out(call: OutgoingCall) -> CallTimeoutError:
    """The deadline passed (CALL-10)."""
    what = "is still waiting for a free slot" if call.call < 0 else "was not answered"
    return CallTimeoutError(
        f"procedure {call.label} {what} before its deadline: check that it exists, that its "
        "handler returns, or give it a longer timeout_s",
        may_have_executed=call.handed_over,
    )


def too_late(procedure: str, timeout_s: float) -> CallTimeoutError:
    """A call has no time left before it begins (CALL-10)."""
    return CallTimeoutError(
        f"procedure {procedure} was not called, there is no time left (timeout_s is {timeout_s}): "
        "give it a longer timeout_s",
        may_have_executed=False,
    )


def answer_too_large(call: OutgoingCall, limit: int) -> CallError:
    """We take no such value (CALL-6)."""
    return CallError(
        f"procedure {call.label} answered more than max_message_bytes={limit}: raise the "
        "limit or stream the value",
        may_have_executed=True,
    )


def not_a_stream(call: OutgoingCall) -> CallError:
    """Values came where one was expected."""
    return CallError(
        f"procedure {call.label} streams its values: use stream()", may_have_executed=True
    )


def not_described(name: str | int, error: IpfiError) -> IpfiError:
    """A name could not be looked up; what the program asked for was never sent (CALL-10)."""
    failure = error.for_call(may_have_executed=False)
    text = f"{name!r} was not looked up before its deadline, the other end did not describe "
    if isinstance(error, CallTimeoutError):
        failure.args = (text + "itself in time: give it a longer timeout_s, or use its index",)
    elif isinstance(error, CallError):
        text = f"{name!r} cannot be looked up, the description of the other end failed"
        failure.args = (f"{text} ({error}): use its index",)
    return failure


def describing_elsewhere() -> CallTimeoutError:
    """Another thread or task has been asking for the description all the time."""
    return CallTimeoutError("somebody else is asking for it", may_have_executed=False)


def restarted_meanwhile() -> DeviceResetError:
    """No name can be looked up: a new session came while the description was asked for."""
    error = DeviceResetError("while it described itself")
    return error.for_call(may_have_executed=False)


def unread(call: OutgoingCall, limit: int) -> CallError:
    """Values pile up, and on a plain wire nothing can hold them back."""
    return CallError(
        f"the stream of procedure {call.label} was not read: more than {limit} bytes wait, "
        "and this wire cannot slow the other end down",
        may_have_executed=True,
    )
