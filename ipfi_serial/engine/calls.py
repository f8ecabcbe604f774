"""The life of one call, at the caller and at the callee; docs/protocol.md 1.2 and 1.3.

These objects hold state only; :class:`~ipfi_serial.engine.wire.Wire` moves them.
"""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec

from ipfi_serial.engine.items import ItemQueue
from ipfi_serial.errors import IpfiError
from ipfi_serial.events import (
    EndOfInputReceived,
    EventReceived,
    FaultNoted,
    SessionLost,
    SessionOpened,
    TextReceived,
)

CallKey = tuple[int, int]  # procedure index, call index (CALL-1)


class OutgoingState(enum.Enum):
    """Where a call of ours stands."""

    WAITING = enum.auto()  # the other end is at its limit (CALL-6); nothing was sent
    OPEN = enum.auto()  # sent, or being sent
    ABANDONED = enum.auto()  # it ended here, its terminal answer is still to come (CALL-2)
    ENDED = enum.auto()


class OutgoingCall(msgspec.Struct, eq=False):
    """A call that we made.

    A msgspec Struct because one is built in 150 ns, a class with ``__init__`` in 900.

    Attributes:
        procedure: procedure index.
        call: call index; -1 until it has one.
        streaming: whether values are reported one by one.
        deadline_s: when it times out, on the core's clock.
        state: where it stands.
        handed_over: whether its last argument byte left the outbox: then it may have executed.
        owner: for the shell; the core never looks at it.
    """

    procedure: int
    deadline_s: float
    streaming: bool
    nested: bool  # made by a handler: never waits for a free slot
    owner: Any
    call: int = -1
    state: OutgoingState = OutgoingState.WAITING
    sent: bool = False  # anything of it left the outbox: the other end knows the pair
    handed_over: bool = False
    arguments_open: bool = False  # more arguments are to come
    arguments_bytes: int = 0  # so far
    first_arguments: list[bytes] = []  # while WAITING; Struct makes a list for each
    partial_value: bytearray | None = None  # parts of a value that is not complete
    failure: bytes = b""  # parts of an Error
    received_bytes: int = 0
    consumed_bytes: int = 0
    granted_bytes: int = 0
    name: str = ""  # of the procedure, for people, if it was called by name

    @property
    def label(self) -> str:
        """What error messages call the procedure."""
        return f"{self.name!r} ({self.procedure})" if self.name else str(self.procedure)

    @property
    def key(self) -> CallKey:
        """The pair that names the call (CALL-1)."""
        return (self.procedure, self.call)

    def is_partial(self, part_bytes: int) -> bool:
        """Tell whether the arguments travel in more than one message."""
        return self.arguments_open or self.arguments_bytes > part_bytes

    @property
    def is_sending(self) -> bool:
        """Whether arguments may still leave, or have not all left."""
        return self.state is not OutgoingState.ENDED and not self.handed_over

    def wanted_bytes(self, credit_bytes: int) -> int:
        """Return how many bytes of a stream it is right to have granted (STREAM-3).

        The credit beyond what the program took; and the rest of a value that has begun, once there
        is little before it that the program could take to make room.
        """
        target = self.consumed_bytes + credit_bytes
        if self.partial_value is not None:
            unread = self.received_bytes - len(self.partial_value) - self.consumed_bytes
            if unread <= credit_bytes // 2:
                target = max(target, self.received_bytes + credit_bytes)
        return target

    def take_value(self, payload: bytes) -> bytes:
        """Return the whole value that ``payload`` completes, with the parts before it."""
        value = bytes((self.partial_value or bytearray()) + payload)
        self.partial_value = None
        return value


class IncomingState(enum.Enum):
    """Where a call of the other end stands."""

    RECEIVING = enum.auto()  # its arguments are not complete
    RUNNING = enum.auto()  # the handler has it
    ANSWERED = enum.auto()  # its terminal answer was queued


class IncomingCall(msgspec.Struct, eq=False):
    """A call that the other end made.

    Attributes:
        procedure: procedure index.
        call: call index.
        arguments: what has arrived of them.
        state: where it stands.
        cancelled: whether the caller, or the end of the session, asked to stop.
        items: values of a stream that wait for credit.
        owner: for the shell; the core never looks at it.
    """

    procedure: int
    call: int
    items: ItemQueue
    arguments: bytes | bytearray = b""
    state: IncomingState = IncomingState.RECEIVING
    cancelled: bool = False
    ending: bool = False  # its terminal answer is decided, though it may wait for its turn
    held: bytes | None = None  # last value of a plain stream, until the end is known
    ordered: bool = False  # its answer has a place in the order of CALL-9
    answer: bytes | None = None  # an answer that waits for its place
    handed_over: bool = False  # to the shell
    is_event: bool = False
    wants_room: bool = False
    worker_runs: bool = False
    owner: Any = None

    @property
    def key(self) -> CallKey:
        """The pair that names the call (CALL-1)."""
        return (self.procedure, self.call)

    def add_arguments(self, part: bytes) -> None:
        """Take the next part of the arguments; mostly it is all of them, and not copied."""
        if not self.arguments:
            self.arguments = part
            return
        if type(self.arguments) is bytes:
            self.arguments = bytearray(self.arguments)
        self.arguments += part

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


WireEvent = (  # what a wire reports
    SessionOpened
    | SessionLost
    | TextReceived
    | EndOfInputReceived
    | EventReceived
    | FaultNoted
    | CallEnded
    | ItemReceived
    | CallReceived
    | CallCancelled
    | RoomAvailable
)


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
