"""Turns a stream of bytes into ipfiBuF messages and messages into bytes.

Never looks into a payload, never raises because of what came in, and never stores more than the
bytes that arrived.  docs/protocol.md, section 1 (MSG-1 to MSG-7).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import Final, Literal

from ipfi_serial.codec.header import PACKERS, numbers_format, width_code
from ipfi_serial.codec.kinds import Message as Message
from ipfi_serial.codec.kinds import MessageKind as MessageKind
from ipfi_serial.codec.kinds import Oversized as Oversized
from ipfi_serial.codec.kinds import Terminator as Terminator
from ipfi_serial.errors import ConfigError, RemoteProtocolError

MAX_PAYLOAD_BYTES: Final = 16 << 20  # docs/protocol.md section 4, largest value
SKIP_LIMIT_BYTES: Final = 64 << 20  # MSG-6

UnknownTypes = Literal["error", "skip_byte", "skip_message"]
_Unpack = Callable[[bytes, int], tuple[int, int, int]]
_Header = tuple[_Unpack, int, Terminator]

_EXTENSIONS: Final = tuple(kind for kind in MessageKind if kind >= MessageKind.EVENT)
_TERMINATION: Final = Message(MessageKind.TERMINATION, 0, 0, Terminator.COMPLETE, b"")
_END_OF_INPUT: Final = Message(MessageKind.END_OF_INPUT, 0, 0, Terminator.COMPLETE, b"")


def _header(flag: int) -> _Header | None:
    """Return how to read the header that begins with ``flag``; None if the flag is invalid."""
    if flag & 0xC0 == 0x80:
        return None
    numbers = Struct(numbers_format(flag))
    return numbers.unpack_from, 2 + numbers.size, Terminator(flag & 0xC0)


def _kind_table(*known: MessageKind) -> tuple[MessageKind | None, ...]:
    """Return the kind for each type byte, None for a type without a header or an unknown one."""
    return tuple(MessageKind(code) if code in known else None for code in range(256))


_PLAIN_KINDS: Final = _kind_table(MessageKind.CALL, MessageKind.RESPONSE)
_ALL_KINDS: Final = _kind_table(MessageKind.CALL, MessageKind.RESPONSE, *_EXTENSIONS)
_HEADERS: Final = tuple(_header(flag) for flag in range(256))
_PACK_U8_U8: Final = PACKERS[0b00_00_00]
_PACK_U8_U16: Final = PACKERS[0b00_10_00]


def encode(message: Message) -> bytes:
    """Return the wire bytes of one message, each number in its smallest width (MSG-3).

    Raises:
        LocalProtocolError: an index is negative or above 2^64 - 1.
    """
    return encode_parts(
        message.kind, message.procedure, message.call, message.terminator, message.payload
    )


def encode_parts(
    kind: MessageKind,
    procedure: int,
    call: int,
    terminator: Terminator,
    payload: bytes | bytearray | memoryview,
) -> bytes:
    """Return the wire bytes of one message without building a :class:`Message`.

    Args:
        kind: bodiless kinds ignore everything else.
        procedure: procedure or event index, 0 to 2^64 - 1.
        call: call index, 0 to 2^64 - 1.
        terminator: what follows the payload.
        payload: any size.

    Raises:
        LocalProtocolError: an index is negative or above 2^64 - 1.
    """
    if kind == 0 or kind == 3:  # one comparison for a Call is cheaper than a set
        return b"\x00" if kind == 0 else b"\x03"
    length = len(payload)
    if 0 <= procedure < 256 and length < 256:  # nearly every message
        if 0 <= call < 256:
            return _PACK_U8_U8(kind, terminator, procedure, call, length) + payload
        if 0 <= call < 65536:
            return _PACK_U8_U16(kind, terminator | 0x08, procedure, call, length) + payload
    widths = width_code(procedure) | width_code(call) << 2 | width_code(length) << 4
    return PACKERS[widths](kind, terminator | widths, procedure, call, length) + payload


class MessageDecoder:
    """Bytes in, messages out, however the bytes are split.

    An invalid byte sets :attr:`error`, and the decoder stays stopped: messages completed before
    it are still returned, later calls return nothing.

    Attributes:
        error: why decoding stopped, or None.
        skipped_bytes: bytes skipped one by one because no known message begins with them.
        skipped_messages: messages of unknown types skipped whole.
        oversized_messages: messages above the payload limit that were skipped.
    """

    __slots__ = (
        "_body",
        "_head",
        "_kinds",
        "_max_payload",
        "_missing",
        "_oversized",
        "_skip_limit",
        "_straddling",
        "_tail",
        "_unknown",
        "error",
        "oversized_messages",
        "skipped_bytes",
        "skipped_messages",
    )

    def __init__(
        self,
        *,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        skip_limit_bytes: int = SKIP_LIMIT_BYTES,
        unknown: UnknownTypes = "error",
        extensions: bool = False,
    ) -> None:
        """Prepare for a new stream.

        Args:
            max_payload_bytes: longest payload that is delivered.
            skip_limit_bytes: longest payload that is skipped instead (MSG-6).
            unknown: what to do with an unknown type: stop, skip one byte (right on a plain wire)
                or skip the message by its length (right on a framed wire) (MSG-5).
            extensions: whether types 4 to 7 are known.

        Raises:
            ConfigError: a limit is negative, or ``unknown`` is none of the three.
        """
        if max_payload_bytes < 0 or skip_limit_bytes < 0:
            raise ConfigError("payload limits of a decoder are 0 or more bytes")
        if unknown not in ("error", "skip_byte", "skip_message"):
            raise ConfigError(f"unknown={unknown!r}: use error, skip_byte or skip_message")
        self._kinds = _ALL_KINDS if extensions else _PLAIN_KINDS
        self._max_payload = max_payload_bytes
        self._skip_limit = skip_limit_bytes
        self._unknown = unknown
        self._tail = b""  # the beginning of a header, at most 25 bytes
        self._straddling = False  # inside a payload, or stopped
        self._head: tuple[MessageKind, int, int, Terminator] | None = None  # None while skipping
        self._missing = 0  # bytes of the payload that have not arrived
        self._body = bytearray()  # those that have
        self._oversized: list[Oversized] = []
        self.error: RemoteProtocolError | None = None
        self.skipped_bytes = 0
        self.skipped_messages = 0
        self.oversized_messages = 0

    @property
    def idle(self) -> bool:
        """Whether the stream stands between two messages, or decoding stopped."""
        return self.error is not None or not (self._tail or self._straddling)

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of an unfinished message are stored."""
        return len(self._tail) + len(self._body)

    def take_oversized(self) -> list[Oversized]:
        """Hand over what was too large since the last call, in order."""
        taken, self._oversized = self._oversized, []
        return taken

    def feed(self, data: bytes | bytearray | memoryview) -> list[Message]:
        """Take the next bytes of the stream; return the messages that they complete.

        A whole message inside ``data`` is sliced out of it, without a step for each byte.
        """
        if type(data) is not bytes:
            data = bytes(data)
        if self._straddling:
            return self._feed_payload(data)
        if self._tail:
            data, self._tail = self._tail + data, b""
        messages: list[Message] = []
        self._parse(data, 0, messages)
        return messages

    def _feed_payload(self, data: bytes) -> list[Message]:
        """Take bytes of a payload that began in an earlier chunk; parse what follows it."""
        if self.error is not None:
            return []
        messages: list[Message] = []
        used = min(self._missing, len(data))
        if self._head is not None:
            self._body += data if used == len(data) else data[:used]
        self._missing -= used
        if not self._missing:
            if self._head is not None:
                messages.append(Message(*self._head, bytes(self._body)))
                self._head, self._body = None, bytearray()
            self._straddling = False
            self._parse(data, used, messages)
        return messages

    def _parse(self, data: bytes, start: int, messages: list[Message]) -> None:
        """Append the messages of ``data`` from ``start``, a message's first byte; keep the rest."""
        size = len(data)
        kinds, headers, limit, append = self._kinds, _HEADERS, self._max_payload, messages.append
        try:
            while start < size:
                kind = kinds[data[start]]
                if kind is None:
                    start = self._parse_other(data, start, messages)
                    continue
                header = headers[data[start + 1]]
                if header is None:
                    self._stop(f"invalid flag 0x{data[start + 1]:02x} (MSG-2)")
                    return
                unpack, header_size, terminator = header
                procedure, call, length = unpack(data, start + 2)
                payload_at = start + header_size
                start = payload_at + length
                if length <= limit and start <= size:
                    append(Message(kind, procedure, call, terminator, data[payload_at:start]))
                elif length <= limit:
                    self._head = kind, procedure, call, terminator
                    self._begin(data, payload_at, length)
                elif self._may_skip(length):
                    self._begin(data, payload_at, length)
                    self.oversized_messages += 1
                    self._oversized.append(
                        Oversized(kind, procedure, call, terminator, length, len(messages))
                    )
                else:
                    return
        except (IndexError, struct.error):
            self._tail = data[start:]  # the header is not complete

    def _begin(self, data: bytes, payload_at: int, length: int) -> None:
        """Note how much of a payload lies beyond ``data``; store the rest unless it is skipped."""
        self._missing = max(0, payload_at + length - len(data))
        self._straddling = self._missing > 0
        if self._head is not None:
            self._body += data[payload_at:]

    def _parse_other(self, data: bytes, start: int, messages: list[Message]) -> int:
        """Parse what is neither Call, Response nor a known extension; return where the next begins.

        Raises:
            IndexError: the message's header is not complete.
            struct.error: the same.
        """
        code = data[start]
        if code == MessageKind.TERMINATION or code == MessageKind.END_OF_INPUT:
            messages.append(_END_OF_INPUT if code else _TERMINATION)
            return start + 1
        if self._unknown == "skip_byte":
            self.skipped_bytes += 1
            return start + 1
        header = _HEADERS[data[start + 1]] if self._unknown == "skip_message" else None
        if header is None:
            self._stop(f"unknown message type 0x{code:02x} (MSG-5)")
            return len(data)
        unpack, header_size, _ = header
        _, _, length = unpack(data, start + 2)
        if not self._may_skip(length):
            return len(data)
        self.skipped_messages += 1
        self._begin(data, start + header_size, length)
        return start + header_size + length

    def _may_skip(self, length: int) -> bool:
        """Return whether a payload may be skipped; stop if it is too long for that."""
        if length <= self._skip_limit:
            return True
        self._stop(f"a payload of {length} bytes is above the skip limit (MSG-6)")
        return False

    def _stop(self, reason: str) -> None:
        self._straddling = True
        self.error = RemoteProtocolError(
            f"the other end's message stream is broken: {reason}; check that both ends speak "
            "IPFI 0.1.0-rc.2 and that both are framed or both plain"
        )
