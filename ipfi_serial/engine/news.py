"""What a wire reports: of calls here, of the session and the rest in :mod:`ipfi_serial.events`.

Interpreted even where its neighbours are compiled: mypyc drops the keywords of a class statement,
and without ``frozen`` and ``gc`` a msgspec Struct is another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ipfi_serial.errors import IpfiError
from ipfi_serial.events import (
    EndOfInputReceived,
    EventReceived,
    FaultNoted,
    SessionLost,
    SessionOpened,
    TextReceived,
)

if TYPE_CHECKING:
    from ipfi_serial.engine.calls import IncomingCall, OutgoingCall


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
