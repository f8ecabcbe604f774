"""What went wrong: an exit code for programs, one readable line with advice for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from ipfi_serial.errors import (
    CallCancelledError,
    CallError,
    CallRefusedError,
    CallTimeoutError,
    ConfigError,
    DeviceResetError,
    IpfiError,
    LinkLostError,
    LocalProtocolError,
    NoSessionError,
    PortNotFoundError,
    RemoteCallError,
    TransportError,
    WireClosedError,
)

_LINE_LOST: Final = (
    TransportError,
    LinkLostError,
    DeviceResetError,
    NoSessionError,
    WireClosedError,
)


class ExitCode(IntEnum):
    """How a command ended; docs/guide/cli.md has the table."""

    OK = 0
    FAILED = 1  # the other end refused, or its handler failed; the demo lost something
    USAGE = 2
    NO_CONNECTION = 3
    TIMEOUT = 4
    LINE_LOST = 5  # there was a connection, and it ended
    INTERRUPTED = 130
    NOBODY_READS = 141  # our output's reader has left, as SIGPIPE would tell
    TERMINATED = 143


class CannotConnectError(Exception):
    """There never was a connection.

    Attributes:
        error: why.
        endpoint: what was to be opened, if that is known.
    """

    def __init__(self, error: IpfiError, endpoint: str = "") -> None:
        super().__init__(str(error))
        self.error = error
        self.endpoint = endpoint


class UsageError(Exception):
    """The command line asks for what cannot be done; the text says what to write instead."""


class EndedEarlyError(Exception):
    """Less came than was asked for, in the time that was given."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a failure is told.

    Attributes:
        code: of the process.
        error: the name of the error.
        message: what happened.
        advice: what to do about it; may be empty.
        may_have_executed: of the call that failed; None if none did.
    """

    code: ExitCode
    error: str
    message: str
    advice: str = ""
    may_have_executed: bool | None = None

    def as_object(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "ok": False,
            "error": self.error,
            "message": self.message,
            "advice": self.advice,
            "may_have_executed": self.may_have_executed,
            "exit_code": int(self.code),
        }


def failure_of(error: Exception) -> Failure | None:
    """Return how to tell of an error; None for one that nobody expects."""
    if isinstance(error, CannotConnectError):
        inner = error.error
        code = ExitCode.USAGE if isinstance(inner, ConfigError) else ExitCode.NO_CONNECTION
        return Failure(
            code, type(inner).__name__, str(inner), _connect_advice(inner, error.endpoint)
        )
    if isinstance(error, EndedEarlyError):
        return Failure(ExitCode.TIMEOUT, "TimeoutError", str(error))
    if isinstance(error, UsageError):
        return Failure(ExitCode.USAGE, "UsageError", str(error))
    if isinstance(error, IpfiError):
        name = type(error).__name__
        return Failure(
            _code_of(error), name, str(error), _call_advice(error), error.may_have_executed
        )
    return None


def _code_of(error: IpfiError) -> ExitCode:
    if isinstance(error, CallTimeoutError):
        return ExitCode.TIMEOUT
    if isinstance(error, CallError):
        return ExitCode.FAILED
    if isinstance(error, LocalProtocolError):
        return ExitCode.USAGE
    if isinstance(error, _LINE_LOST):
        return ExitCode.LINE_LOST
    return ExitCode.FAILED


def _connect_advice(error: IpfiError, endpoint: str) -> str:
    if isinstance(error, PortNotFoundError) and endpoint.startswith("unix:"):
        return ""  # the message has it
    if isinstance(error, PortNotFoundError):
        return "`ipfi ports` lists them; `ipfi call sim: magic` needs no board"
    if isinstance(error, LinkLostError) and "baud" in str(error):
        return "--baud sets the speed, --link plain the other kind of wire"
    return ""


def _call_advice(error: IpfiError) -> str:
    if isinstance(error, CallTimeoutError):
        return "--timeout sets it" + _executed(error)
    if isinstance(error, CallRefusedError) and error.reason == "unknown procedure":
        return "`ipfi describe` lists what there is"
    if isinstance(error, RemoteCallError | CallRefusedError | CallCancelledError):
        return ""
    return _executed(error).removeprefix("; ")


def _executed(error: IpfiError) -> str:
    return "; the call may have been carried out" if error.may_have_executed else ""
