"""Handshake frames to their fields and back; docs/protocol.md 3.2 and 3.3."""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from ipfi_serial.config import NO_LIMIT_ANNOUNCED, PROTOCOL_VERSION


class FrameType(enum.IntEnum):
    """First byte of a frame's content (docs/protocol.md 3.1)."""

    HELLO = 0x81
    HELLO_ACK = 0x82
    REFUSE = 0x83
    READY = 0x84
    DATA = 0x85
    ACK = 0x86
    PING = 0x87
    LOSSY = 0x88
    LOG = 0x89
    BYE = 0x8A
    PIECE = 0x8B


class Goodbye(enum.IntEnum):
    """Why a session ends, as BYE says it (HS-13)."""

    CLOSED = 0
    RESTARTING = 1
    LOST = 2
    CORRUPTED = 3


class Flag(enum.IntFlag):
    """Bits of the parameters' flags field."""

    HOST = 1
    IN_ORDER_ONLY = 2
    TAKES_NO_CALLS = 4
    MAKES_NO_CALLS = 8


class Extension(enum.IntFlag):
    """Bits of the parameters' extensions field."""

    EVENT = 1
    ERROR = 2
    CANCEL = 4
    GRANT = 8
    LOSSY = 16
    LOG = 32
    PIECE = 64


ALL_EXTENSIONS: Final = 0x3F
BOOT_CAUSES: Final = (
    "unknown cause",
    "power-on",
    "reset pin",
    "watchdog",
    "software",
    "brown-out",
    "program start",
)
PROGRAM_START: Final = 6
REFUSAL_REASONS: Final = {1: "version", 2: "parameters", 3: "busy", 4: "not wanted"}

_PARAMETERS: Final = struct.Struct("<BBBIHHBBHIHBBHI")
_HELLO_TAIL: Final = struct.Struct("<H")
_ACK_TAIL: Final = struct.Struct("<HIB")
_CONFIRM: Final = struct.Struct("<I")
_READY: Final = struct.Struct("<BHB")
_REFUSE: Final = struct.Struct("<BBI")
FRAME_OVERHEAD_BYTES: Final = 13  # type, session, sequence, ack, CRC-32, COBS, two delimiters
HELLO_SIZE: Final = 1 + _PARAMETERS.size + _HELLO_TAIL.size
HELLO_ACK_SIZE: Final = 1 + _PARAMETERS.size + _ACK_TAIL.size + _CONFIRM.size
PROFILE_PLACE: Final = 1 + _PARAMETERS.size + _ACK_TAIL.size - 1  # in a HELLO_ACK's content
# CRC-16, COBS code, two delimiters
HANDSHAKE_WIRE_BYTES: Final = HELLO_SIZE + HELLO_ACK_SIZE + 2 * 5


@dataclass(frozen=True, slots=True)
class Parameters:
    """What one end says of itself in a handshake; the fields of docs/protocol.md 3.2."""

    flags: int
    boot_cause: int
    nonce: int
    frame_payload: int
    ring: int
    window: int
    crc_profiles: int
    extensions: int
    credit: int
    stream_credit: int
    max_calls: int
    max_partial: int
    max_message: int
    schema: int
    version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        """Return the 29 bytes."""
        return _PARAMETERS.pack(
            self.version,
            self.flags,
            self.boot_cause,
            self.nonce,
            self.frame_payload,
            self.ring,
            self.window,
            self.crc_profiles,
            self.extensions,
            self.credit,
            self.stream_credit,
            self.max_calls,
            self.max_partial,
            self.max_message,
            self.schema,
        )

    @classmethod
    def decode(cls, content: bytes) -> Parameters:
        """Read them from a HELLO or HELLO_ACK that is long enough."""
        version, *fields = _PARAMETERS.unpack_from(content, 1)
        return cls(*(*fields, version))

    @property
    def valid(self) -> bool:
        """Whether every field is in its range (HS-10)."""
        return (
            16 <= self.frame_payload <= 16384
            and self.ring >= 32
            and 1 <= self.window <= 16
            and bool(self.crc_profiles & 1)
            and self.max_message >= 1
        )

    @property
    def rank(self) -> tuple[int, int]:
        """What decides a glare (HS-8): the larger pair goes on."""
        return (self.flags & Flag.HOST, self.nonce)

    @property
    def max_message_bytes(self) -> int | None:
        """Largest value this end takes, or None if it announces no limit."""
        return None if self.max_message == NO_LIMIT_ANNOUNCED else self.max_message * 256

    @property
    def stream_credit_bytes(self) -> int:
        """First grant of a stream of values (STREAM-2)."""
        return self.stream_credit * 16


def boot_cause_name(cause: int) -> str:
    """Return a boot cause in words."""
    return BOOT_CAUSES[cause] if cause < len(BOOT_CAUSES) else f"cause {cause}"


def serial_max(a: int, b: int) -> int:
    """Return the serially later of two 16-bit ids; on the antipode the larger (HS-2)."""
    ahead = (b - a) & 0xFFFF
    if ahead == 0x8000:
        return max(a, b)
    return b if ahead < 0x8000 else a


def later_floor(a: int, b: int) -> int:
    """Return the id that two floors leave free; 0 stands for an end that remembers none (HS-2)."""
    return serial_max(a, b) if a and b else a or b or 1


def next_id(session: int) -> int:
    """Return the id after ``session``; 0 is no id."""
    return (session + 1) & 0xFFFF or 1


def encode_hello(parameters: Parameters, floor: int) -> bytes:
    """Build a HELLO's content."""
    return bytes((FrameType.HELLO,)) + parameters.encode() + _HELLO_TAIL.pack(floor)


def hello_floor(content: bytes) -> int:
    """Return the floor in a HELLO's content."""
    floor: int = _HELLO_TAIL.unpack_from(content, 1 + _PARAMETERS.size)[0]
    return floor


def encode_hello_ack(hello: bytes, parameters: Parameters, session: int, profile: int) -> bytes:
    """Build the HELLO_ACK that answers ``hello`` and confirms both (HS-3)."""
    echo = Parameters.decode(hello).nonce
    body = parameters.encode() + _ACK_TAIL.pack(session, echo, profile)
    content = bytes((FrameType.HELLO_ACK,)) + body
    return content + _CONFIRM.pack(zlib.crc32(content, zlib.crc32(hello)))


class HelloAck(NamedTuple):
    """The fields of a HELLO_ACK beyond the parameters."""

    parameters: Parameters
    session: int
    echo: int
    profile: int


def decode_hello_ack(content: bytes, hello: bytes) -> HelloAck | None:
    """Read a HELLO_ACK; None if it does not confirm exactly ``hello`` (HS-4)."""
    if len(content) != HELLO_ACK_SIZE:
        return None
    (confirm,) = _CONFIRM.unpack_from(content, HELLO_ACK_SIZE - _CONFIRM.size)
    if zlib.crc32(content[: -_CONFIRM.size], zlib.crc32(hello)) != confirm:
        return None
    session, echo, profile = _ACK_TAIL.unpack_from(content, 1 + _PARAMETERS.size)
    return HelloAck(Parameters.decode(content), session, echo, profile)


def confirm_of(hello_ack: bytes) -> bytes:
    """Return what READY repeats of a HELLO_ACK's content: its last field (HS-5)."""
    return hello_ack[-_CONFIRM.size :]


def encode_ready(session: int, ping: int, confirm: bytes) -> bytes:
    """Build a READY's content."""
    return _READY.pack(FrameType.READY, session, ping) + confirm


def decode_ready(content: bytes) -> tuple[int, int, bytes] | None:
    """Read a READY: (session, ping, confirm), or None if it is malformed."""
    if len(content) != _READY.size + _CONFIRM.size:
        return None
    _, session, ping = _READY.unpack_from(content)
    return session, ping, content[_READY.size :]


def encode_refuse(reason: int, echo: int) -> bytes:
    """Build a REFUSE's content."""
    return bytes((FrameType.REFUSE,)) + _REFUSE.pack(PROTOCOL_VERSION, reason, echo)


def decode_refuse(content: bytes) -> tuple[int, int, int] | None:
    """Read a REFUSE: (version, reason, echo), or None if it is malformed."""
    if len(content) != 1 + _REFUSE.size:
        return None
    version, reason, echo = _REFUSE.unpack_from(content, 1)
    return version, reason, echo
