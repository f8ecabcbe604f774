"""What a handler may know and do about the call that it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ipfi_serial.codec.names import Value
from ipfi_serial.engine.calls import IncomingCall


class DeferredReply(Protocol):
    """The answer to a call, to be given later and from anywhere."""

    def reply(self, value: Value = None) -> None:
        """Answer with a value; ignored if the call has ended."""

    def fail(self, message: str) -> None:
        """Answer with an error, which reaches the caller as RemoteCallError."""


class CallContext:
    """Passed to a handler whose parameter is annotated with it.

    Attributes:
        wire: the connection that the call came over; calling back on it is fine.
        deadline_s: seconds after which this end gives the call up, or None: the caller's own
            deadline is not sent, and arrives as a cancellation.
    """

    __slots__ = ("_call", "_defer", "deadline_s", "wire")

    def __init__(
        self, wire: object, call: IncomingCall, defer: Callable[[], DeferredReply]
    ) -> None:
        self.wire: Any = wire  # of either shell
        self.deadline_s: float | None = None
        self._call = call
        self._defer = defer

    @property
    def cancelled(self) -> bool:
        """Whether the caller gave up: cancelled, timed out, or gone."""
        return self._call.cancelled

    def defer(self) -> DeferredReply:
        """Promise the answer for later; what the handler returns is then ignored."""
        return self._defer()
