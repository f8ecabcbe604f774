"""What an ipfiBuF message is made of; :mod:`ipfi_serial.codec.message` has its bytes.

Interpreted even where its neighbours are compiled: mypyc drops the keywords of a class statement,
and without ``frozen``, ``gc`` and ``eq`` a msgspec Struct is another one.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class MessageKind(IntEnum):
    """The type byte; 4 to 7 are extensions (MSG-7)."""

    TERMINATION = 0
    CALL = 1
    RESPONSE = 2
    END_OF_INPUT = 3
    EVENT = 4
    ERROR = 5
    CANCEL = 6
    GRANT = 7


class Terminator(IntEnum):
    """What follows a payload, as a value of the whole flag byte (MSG-2)."""

    NONE = 0x00  # the value goes on in a later message
    CHUNK = 0x40  # ends a value, more values follow
    COMPLETE = 0xC0  # ends the last value


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message.  Bodiless kinds have procedure = call = 0, no payload and COMPLETE.

    A msgspec Struct because one is built in 60 ns, a NamedTuple in 300, a dataclass in 400.

    Attributes:
        kind: the type byte.
        procedure: procedure or event index, 0 to 2^64 - 1.
        call: call index, 0 to 2^64 - 1.
        terminator: what follows the payload.
        payload: at most the decoder's limit.
    """

    kind: MessageKind
    procedure: int
    call: int
    terminator: Terminator
    payload: bytes


class Oversized(msgspec.Struct, frozen=True, gc=False):
    """A message whose payload is skipped because it is above the limit (MSG-6).

    Attributes:
        kind: the type byte.
        procedure: procedure or event index.
        call: call index.
        terminator: what would have followed the payload.
        size_bytes: the announced length.
        position: how many messages of the list that the same feed returned came before it.
    """

    kind: MessageKind
    procedure: int
    call: int
    terminator: Terminator
    size_bytes: int
    position: int
