"""The life of one call, at the caller and at the callee; docs/protocol.md 1.2 and 1.3.

These objects hold state only; :class:`~ipfi_serial.engine.wire.Wire` moves them.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from ipfi_serial.engine.items import ItemQueue
from ipfi_serial.engine.news import CallCancelled as CallCancelled
from ipfi_serial.engine.news import CallEnded as CallEnded
from ipfi_serial.engine.news import CallReceived as CallReceived
from ipfi_serial.engine.news import ItemReceived as ItemReceived
from ipfi_serial.engine.news import RoomAvailable as RoomAvailable
from ipfi_serial.engine.news import WireEvent as WireEvent

CallKey = tuple[int, int]  # procedure index, call index (CALL-1)
Owner = Any  # what a shell keeps for a call; the core never looks at it


def label(procedure: int, name: str) -> str:
    """Return what error messages call a procedure, of which the name may be unknown ("")."""
    return f"{name!r} ({procedure})" if name else str(procedure)


class OutgoingState(enum.Enum):
    """Where a call of ours stands."""

    WAITING = enum.auto()  # the other end is at its limit (CALL-6); nothing was sent
    OPEN = enum.auto()  # sent, or being sent
    ABANDONED = enum.auto()  # it ended here, its terminal answer is still to come (CALL-2)
    ENDED = enum.auto()


_WAITING: Final = OutgoingState.WAITING  # a global is found faster than a member of an Enum


class OutgoingCall:
    """A call that we made.

    What most calls never change stays an attribute of the class: so few are set for each.

    Attributes:
        procedure: procedure index.
        call: call index; -1 until it has one.
        streaming: whether values are reported one by one.
        deadline_s: when it times out, on the core's clock.
        state: where it stands.
        handed_over: whether its last argument byte left the outbox: then it may have executed.
        owner: for the shell; the core never looks at it.
    """

    call: int = -1
    state: OutgoingState = _WAITING
    sent: bool = False  # anything of it left the outbox: the other end knows the pair
    handed_over: bool = False
    arguments_open: bool = False  # more arguments are to come
    arguments_bytes: int = 0  # so far
    first_arguments: tuple[bytes, ...] = ()  # while WAITING
    partial_value: bytearray | None = None  # parts of a value that is not complete
    failure: bytes = b""  # parts of an Error
    received_bytes: int = 0
    consumed_bytes: int = 0
    granted_bytes: int = 0

    def __init__(
        self,
        procedure: int,
        deadline_s: float,
        *,
        streaming: bool,
        nested: bool,
        owner: Owner,
        name: str = "",
    ) -> None:
        """Begin one.

        Args:
            procedure: procedure index.
            deadline_s: when it times out, on the core's clock.
            streaming: whether values are reported one by one.
            nested: made by a handler: never waits for a free slot.
            owner: for the shell.
            name: of the procedure, for people, if it was called by name.
        """
        self.procedure = procedure
        self.deadline_s = deadline_s
        self.streaming = streaming
        self.nested = nested
        self.owner = owner
        self.name = name

    @property
    def label(self) -> str:
        """What error messages call the procedure."""
        return label(self.procedure, self.name)

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


_RECEIVING: Final = IncomingState.RECEIVING
_ANSWERED: Final = IncomingState.ANSWERED


class IncomingCall:
    """A call that the other end made.

    Attributes:
        procedure: procedure index.
        call: call index.
        arguments: what has arrived of them.
        state: where it stands.
        cancelled: whether the caller, or the end of the session, asked to stop.
        items: values of a stream that wait for credit, once there were any.
        owner: for the shell; the core never looks at it.
    """

    arguments: bytes | bytearray = b""
    state: IncomingState = _RECEIVING
    cancelled: bool = False
    ending: bool = False  # its terminal answer is decided, though it may wait for its turn
    held: bytes | None = None  # last value of a plain stream, until the end is known
    ordered: bool = False  # its answer has a place in the order of CALL-9
    answer: bytes | None = None  # an answer that waits for its place
    handed_over: bool = False  # to the shell
    is_event: bool = False
    wants_room: bool = False
    worker_runs: bool = False
    owner: Owner = None
    items: ItemQueue | None = None

    def __init__(self, procedure: int, call: int, credit_bytes: int | None) -> None:
        """Begin one; ``credit_bytes`` is what its stream may send ahead (STREAM-2)."""
        self.procedure = procedure
        self.call = call
        self._credit_bytes = credit_bytes

    def queue(self) -> ItemQueue:
        """Return what waits for credit: made for those calls that need it."""
        if self.items is None:
            self.items = ItemQueue(self._credit_bytes)
        return self.items

    def drop_items(self) -> None:
        """Forget what waits for credit."""
        if self.items is not None:
            self.items.clear()

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
        return self.state is _ANSWERED


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
