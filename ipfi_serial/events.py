"""What the core reports upward: frozen, comparable; imports only errors and msgspec.

The link reports sessions, text and (as plain ``bytes``) the stream; the wire above it reports
calls, answers and events to a shell.  They are Structs because a dataclass writes and compiles
its own methods: half a millisecond for each class at every import.
"""

from __future__ import annotations

import msgspec

from ipfi_serial.errors import IpfiError

# --- the link ---


class SessionOpened(msgspec.Struct, frozen=True):
    """A session stands; the stream flows."""


class SessionLost(msgspec.Struct, frozen=True):
    """The session ended.

    Attributes:
        reason: what every call in flight ends with.
        final: whether the link gave up: no new handshake will follow.
    """

    reason: IpfiError
    final: bool


class LossyReceived(msgspec.Struct, frozen=True):
    """The content of a LOSSY frame: one whole message."""

    message: bytes


class TextReceived(msgspec.Struct, frozen=True):
    """A line that the other end printed between frames, or a LOG frame.

    Attributes:
        text: the line, without its newline.
        level: None for printed text; 0 debug, 1 info, 2 warning, 3 error for a LOG frame.
    """

    text: str
    level: int | None = None


LinkEvent = bytes | SessionOpened | SessionLost | LossyReceived | TextReceived

# --- the wire ---
# What it reports about calls is defined beside them, in engine/calls.py.


class EventReceived(msgspec.Struct, frozen=True):
    """The other end emitted an event.

    Attributes:
        index: which one.
        payload: its arguments, as received.
    """

    index: int
    payload: bytes


class EndOfInputReceived(msgspec.Struct, frozen=True):
    """The other end has nothing more to say for now; the wire stays usable."""


class FaultNoted(msgspec.Struct, frozen=True):
    """Something that nobody waits for went wrong; it was counted, and belongs in a log.

    Attributes:
        text: what happened, and what to check.
    """

    text: str
