"""What a handler may know and do about the call that it serves."""

from __future__ import annotations

from typing import Any, Protocol


class DeferredReply(Protocol):
    """The answer to a call, to be given later and from anywhere."""

    def reply(self, value: Any = None) -> None:
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

    def __init__(self, wire: Any, call: Any, defer: Any) -> None:
        self.wire = wire
        self.deadline_s: float | None = None
        self._call = call
        self._defer = defer

    @property
    def cancelled(self) -> bool:
        """Whether the caller gave up: cancelled, timed out, or gone."""
        return bool(self._call.cancelled)

    def defer(self) -> DeferredReply:
        """Promise the answer for later; what the handler returns is then ignored."""
        reply: DeferredReply = self._defer()
        return reply
