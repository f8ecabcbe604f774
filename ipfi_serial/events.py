"""What the core reports upward: frozen, comparable; imports only errors.

The link reports sessions, text and (as plain ``bytes``) the stream; the wire above it reports
calls, answers and events to a shell.
"""

from __future__ import annotations

from dataclasses import dataclass

from ipfi_serial.errors import IpfiError

# --- the link ---


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A session stands; the stream flows."""


@dataclass(frozen=True, slots=True)
class SessionLost:
    """The session ended.

    Attributes:
        reason: what every call in flight ends with.
        final: whether the link gave up: no new handshake will follow.
    """

    reason: IpfiError
    final: bool


@dataclass(frozen=True, slots=True)
class LossyReceived:
    """The content of a LOSSY frame: one whole message."""

    message: bytes


@dataclass(frozen=True, slots=True)
class TextReceived:
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


@dataclass(frozen=True, slots=True)
class EventReceived:
    """The other end emitted an event.

    Attributes:
        index: which one.
        payload: its arguments, as received.
    """

    index: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class EndOfInputReceived:
    """The other end has nothing more to say for now; the wire stays usable."""


@dataclass(frozen=True, slots=True)
class FaultNoted:
    """Something that nobody waits for went wrong; it was counted, and belongs in a log.

    Attributes:
        text: what happened, and what to check.
    """

    text: str
