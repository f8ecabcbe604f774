"""The life of one call, at the caller and at the callee; docs/protocol.md 1.2 and 1.3.

These objects hold state only; :class:`~ipfi_serial.engine.wire.Wire` moves them.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import Any, Final

import msgspec

from ipfi_serial.codec.message import Terminator
from ipfi_serial.errors import IpfiError

CallKey = tuple[int, int]  # procedure index, call index (CALL-1)


class OutgoingState(enum.Enum):
    """Where a call of ours stands."""

    WAITING = enum.auto()  # the other end is at its limit (CALL-6); nothing was sent
    OPEN = enum.auto()  # sent, or being sent
    ABANDONED = enum.auto()  # it ended here, its terminal answer is still to come (CALL-2)
    ENDED = enum.auto()


class OutgoingCall:
    """A call that we made.

    Attributes:
        procedure: procedure index.
        call: call index; -1 until it has one.
        streaming: whether values are reported one by one.
        deadline_s: when it times out, on the core's clock.
        state: where it stands.
        handed_over: whether its last argument byte left the outbox: then it may have executed.
        owner: for the shell; the core never looks at it.
    """

    __slots__ = (
        "arguments_open",
        "call",
        "consumed_bytes",
        "deadline_s",
        "first_arguments",
        "granted_bytes",
        "handed_over",
        "nested",
        "owner",
        "partial_value",
        "procedure",
        "received_bytes",
        "sent",
        "state",
        "streaming",
    )

    def __init__(
        self, procedure: int, deadline_s: float, *, streaming: bool, nested: bool, owner: Any
    ) -> None:
        self.procedure = procedure
        self.call = -1
        self.streaming = streaming
        self.nested = nested  # made by a handler: never waits for a free slot
        self.deadline_s = deadline_s
        self.state = OutgoingState.WAITING
        self.sent = False  # anything of it left the outbox: the other end knows the pair
        self.handed_over = False
        self.arguments_open = False  # more arguments are to come
        self.first_arguments: list[tuple[bytes, Terminator]] = []  # while WAITING
        self.partial_value: bytearray | None = None  # parts of a value that is not complete
        self.received_bytes = 0
        self.consumed_bytes = 0
        self.granted_bytes = 0
        self.owner = owner

    @property
    def key(self) -> CallKey:
        """The pair that names the call (CALL-1)."""
        return (self.procedure, self.call)

    def take_value(self, payload: bytes) -> bytes:
        """Return the whole value that ``payload`` completes."""
        if self.partial_value is None:
            return payload
        self.partial_value += payload
        value = bytes(self.partial_value)
        self.partial_value = None
        return value


class IncomingState(enum.Enum):
    """Where a call of the other end stands."""

    RECEIVING = enum.auto()  # its arguments are not complete
    RUNNING = enum.auto()  # the handler has it
    ANSWERED = enum.auto()  # its terminal answer was queued


class IncomingCall:
    """A call that the other end made.

    Attributes:
        procedure: procedure index.
        call: call index.
        arguments: what has arrived of them.
        state: where it stands.
        cancelled: whether the caller, or the end of the session, asked to stop.
        items: values of a stream that wait for credit, with how much of the first was sent.
        owner: for the shell; the core never looks at it.
    """

    __slots__ = (
        "answer",
        "arguments",
        "call",
        "cancelled",
        "credit_bytes",
        "held",
        "is_event",
        "items",
        "ordered",
        "owner",
        "procedure",
        "sent_bytes",
        "sent_of_first",
        "state",
        "streamed",
        "wants_room",
        "worker_runs",
    )

    def __init__(self, procedure: int, call: int, credit_bytes: int | None) -> None:
        self.procedure = procedure
        self.call = call
        self.arguments = bytearray()
        self.state = IncomingState.RECEIVING
        self.cancelled = False
        self.credit_bytes = credit_bytes  # None: no credit on this wire
        self.sent_bytes = 0
        # a value and its terminator; None marks an Error's payload behind them
        self.items: deque[tuple[bytes, Terminator | None]] = deque()
        self.sent_of_first = 0
        self.held: bytes | None = None  # last value of a plain stream, until the end is known
        self.streamed = False  # a value was sent or held
        self.ordered = False  # its answer has a place in the order of CALL-9
        self.answer: bytes | None = None  # an answer that waits for its place
        self.is_event = False
        self.wants_room = False
        self.worker_runs = False
        self.owner: Any = None

    @property
    def key(self) -> CallKey:
        """The pair that names the call (CALL-1)."""
        return (self.procedure, self.call)

    @property
    def answered(self) -> bool:
        """Whether nothing more can be sent for it."""
        return self.state is IncomingState.ANSWERED


class CallEnded(msgspec.Struct, frozen=True, gc=False):
    """A call of ours ended.

    Attributes:
        call: which one.
        value: the returned value; None for a stream, whose last value came before, or an error.
        error: why it failed, or None.
    """

    call: OutgoingCall
    value: bytes | None
    error: IpfiError | None


class ItemReceived(msgspec.Struct, frozen=True, gc=False):
    """A stream that we read brought a value."""

    call: OutgoingCall
    value: bytes


class CallReceived(msgspec.Struct, frozen=True, gc=False):
    """The other end calls; the arguments are complete."""

    call: IncomingCall


class CallCancelled(msgspec.Struct, frozen=True, gc=False):
    """The other end, or the end of the session, cancelled a call that a handler has."""

    call: IncomingCall


class RoomAvailable(msgspec.Struct, frozen=True, gc=False):
    """A stream that we produce may go on."""

    call: IncomingCall


class ErrorCode(enum.IntEnum):
    """Codes of an Error message (docs/protocol.md 1.2)."""

    UNKNOWN_PROCEDURE = 1
    BAD_ARGUMENTS = 2
    LIMIT = 3
    HANDLER_FAILED = 4
    CANCELLED = 5
    NOT_ALLOWED = 6


REFUSAL_REASONS: Final = {
    ErrorCode.UNKNOWN_PROCEDURE: "unknown procedure",
    ErrorCode.BAD_ARGUMENTS: "bad arguments",
    ErrorCode.LIMIT: "limit",
    ErrorCode.NOT_ALLOWED: "not allowed",
}
