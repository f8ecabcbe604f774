"""Turns a trace into lines that people read, and into the round-trip times of its calls.

Never raises because of what is in a trace.  docs/protocol.md, sections 1 to 3.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import msgspec

from ipfi_hil.trace import LARGEST_CONTENT, Chunk, Mark, Trace, Way
from ipfi_serial.codec.message import Message, MessageDecoder, MessageKind, Terminator
from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.framing.verdict import Rejected, RejectReason, Text
from ipfi_serial.link.heard import HeardSessions
from ipfi_serial.link.parameters import (
    BOOT_CAUSES,
    HELLO_ACK_SIZE,
    HELLO_SIZE,
    REFUSAL_REASONS,
    Flag,
    FrameType,
    Parameters,
)

_VALUE_CHARACTERS: Final = 72
_BYTES_SHOWN: Final = 24
_LONGEST_READ: Final = 256  # nobody reads a longer payload in a trace
_REJECTED: Final = {
    RejectReason.FOREIGN: "frame      of a session whose handshake is not in this trace",
}
_PIECE_HEAD: Final = 9  # LINK-21
_SHORT_ACK: Final = 9  # without sack (LINK-3)
_SEQUENCES: Final = 256
_BYE_REASONS: Final = ("closed", "restarting", "patience spent", "stream corrupted")
_TERMINATORS: Final = {Terminator.NONE: "...", Terminator.CHUNK: " ;", Terminator.COMPLETE: ""}
_Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame, text or piece of noise.

    Attributes:
        time_s: when its last byte passed, of ``time.monotonic()``.
        line: which wire of the test.
        way: out or in.
        what: in words.
        messages: that it completed.
    """

    time_s: float
    line: int
    way: Way
    what: str
    messages: tuple[Message, ...] = ()


@dataclass(slots=True)
class _Direction:
    """One direction of one line: joins its frames to messages."""

    frames: FrameDecoder = field(default_factory=lambda: FrameDecoder(LARGEST_CONTENT, profiles=()))
    messages: MessageDecoder = field(default_factory=lambda: _message_decoder())
    session: int = -1
    next_sequence: int = 0
    ahead: dict[int, bytes] = field(default_factory=dict)
    pieces: dict[int, dict[int, bytes]] = field(default_factory=dict)  # LINK-21, by sequence

    def take_piece(self, content: bytes) -> tuple[str, list[Message]]:
        """Take one PIECE frame; as :meth:`take` once its DATA frame is whole."""
        session, sequence, _, offset, size = struct.unpack_from("<HBBHH", content, 1)
        parts = self.pieces.setdefault(sequence, {})
        parts[offset] = content[_PIECE_HEAD:]
        if sum(map(len, parts.values())) < size:
            return "", []
        del self.pieces[sequence]
        return self.take(session, sequence, b"".join(parts[at] for at in sorted(parts)))

    def take(self, session: int, sequence: int, payload: bytes) -> tuple[str, list[Message]]:
        """Take one DATA frame; return a remark and the messages that it completes."""
        if session != self.session:
            self.session, self.next_sequence, self.ahead, self.pieces = session, 0, {}, {}
            self.messages = _message_decoder()
        distance = (sequence - self.next_sequence) % _SEQUENCES
        if distance >= _SEQUENCES // 2:
            return ", again", []
        self.ahead[sequence] = payload
        if distance:
            return ", ahead", []
        completed: list[Message] = []
        while (data := self.ahead.pop(self.next_sequence, None)) is not None:
            completed += self.messages.feed(data)
            self.next_sequence = (self.next_sequence + 1) % _SEQUENCES
        return "", completed


class _Line:
    """Both directions of one line."""

    def __init__(self, heard: HeardSessions) -> None:
        self._heard = heard
        self.directions = {way: _Direction() for way in Way}
        self._expect()

    def note(self, content: bytes) -> None:
        """Take a frame of the handshake into account."""
        if self._heard.note(content):
            self._expect()

    def _expect(self) -> None:
        for direction in self.directions.values():
            direction.frames.profiles = self._heard.profiles


def _message_decoder() -> MessageDecoder:
    return MessageDecoder(unknown="skip_message", extensions=True)


def decode(trace: Trace) -> Iterator[Seen | Mark]:
    """Yield what passed, oldest first."""
    lines: dict[int, _Line] = {}
    for entry in trace.entries():
        if isinstance(entry, Mark):
            yield entry
            continue
        if entry.line not in lines:
            lines[entry.line] = _Line(trace.heard_before(entry.line))
        line = lines[entry.line]
        direction = line.directions[entry.way]
        for verdict in direction.frames.receive(entry.data):
            if isinstance(verdict, Text):
                yield _seen(entry, f"text       {verdict.line!r}")
            elif isinstance(verdict, Rejected):
                noise = f"noise      {verdict.reason.value}"
                yield _seen(entry, _REJECTED.get(verdict.reason, noise))
            else:
                line.note(verdict)
                yield _frame(entry, direction, verdict)


def _seen(entry: Chunk, what: str, messages: tuple[Message, ...] = ()) -> Seen:
    return Seen(entry.time_s, entry.line, entry.way, what, messages)


def _frame(entry: Chunk, direction: _Direction, content: bytes) -> Seen:
    try:
        kind = FrameType(content[0])
        if kind is FrameType.DATA:
            session, sequence, ack = struct.unpack_from("<HBB", content, 1)
            payload = content[5:]
            remark, messages = direction.take(session, sequence, payload)
            what = f"s{session} #{sequence} ack {ack}, {len(payload)} bytes{remark}"
        elif kind is FrameType.PIECE:
            session, sequence, ack, offset, size = struct.unpack_from("<HBBHH", content, 1)
            remark, messages = direction.take_piece(content)
            part = len(content) - _PIECE_HEAD
            what = f"s{session} #{sequence} ack {ack}, {part} of {size} bytes at {offset}{remark}"
        else:
            what, messages = _DESCRIBERS[kind](content), []
    except (ValueError, KeyError, struct.error, IndexError):
        return _seen(entry, f"frame      of type 0x{content[0]:02x}: {content[1:].hex(' ')}")
    return _seen(entry, f"{kind.name:<10} {what}".rstrip(), tuple(messages))


def _parameters(content: bytes) -> str:
    mine = Parameters.decode(content)
    role = "host" if mine.flags & Flag.HOST else "device"
    cause = BOOT_CAUSES[mine.boot_cause] if mine.boot_cause < len(BOOT_CAUSES) else mine.boot_cause
    return (
        f"{role} after {cause}, version {mine.version}, nonce {mine.nonce:08x}, "
        f"window {mine.window} x {mine.frame_payload}, ring {mine.ring}, "
        f"CRC mask {mine.crc_profiles}, {mine.max_calls} calls"
    )


def _hello(content: bytes) -> str:
    if len(content) != HELLO_SIZE:
        return f"of a wrong length: {content.hex(' ')}"
    return _parameters(content)


def _hello_ack(content: bytes) -> str:
    if len(content) != HELLO_ACK_SIZE:
        return f"of a wrong length: {content.hex(' ')}"
    session, echo, profile = struct.unpack_from("<HIB", content, 30)
    return f"s{session} for nonce {echo:08x}, CRC profile {profile}; {_parameters(content)}"


def _refuse(content: bytes) -> str:
    version, reason, echo = struct.unpack_from("<BBI", content, 1)
    return f"{REFUSAL_REASONS.get(reason, reason)}, version {version}, for nonce {echo:08x}"


def _ready(content: bytes) -> str:
    session, ping = struct.unpack_from("<HB", content, 1)
    return f"s{session} ping {ping} confirm {content[4:].hex()}"


def _ack(content: bytes) -> str:
    session, ack, echo, credit = struct.unpack_from("<HBBI", content, 1)
    sack = f" sack {content[9:].hex()}" if len(content) > _SHORT_ACK else ""
    return f"s{session} ack {ack} echo {echo} credit {credit}{sack}"


def _ping(content: bytes) -> str:
    session, ack, ping, credit = struct.unpack_from("<HBBI", content, 1)
    return f"s{session} ack {ack} ping {ping} credit {credit}"


def _lossy(content: bytes) -> str:
    found = _message_decoder().feed(content[3:])
    return " | ".join(describe_message(each) for each in found) or content.hex(" ")


def _log(content: bytes) -> str:
    return f"level {content[3]} {content[4:].decode(errors='replace')!r}"


def _bye(content: bytes) -> str:
    session, reason = struct.unpack_from("<HB", content, 1)
    name = _BYE_REASONS[reason] if reason < len(_BYE_REASONS) else reason
    return f"s{session} {name}"


_DESCRIBERS: Final[dict[FrameType, Callable[[bytes], str]]] = {
    FrameType.HELLO: _hello,
    FrameType.HELLO_ACK: _hello_ack,
    FrameType.REFUSE: _refuse,
    FrameType.READY: _ready,
    FrameType.ACK: _ack,
    FrameType.PING: _ping,
    FrameType.LOSSY: _lossy,
    FrameType.LOG: _log,
    FrameType.BYE: _bye,
}


def describe_message(message: Message) -> str:
    """Return one message in words: ``Call 1/0 (40, 2)``."""
    name = message.kind.name.replace("_", " ").capitalize()
    if message.kind in (MessageKind.TERMINATION, MessageKind.END_OF_INPUT):
        return name
    values = _values(message.payload)
    return f"{name} {message.procedure}/{message.call} {values}{_TERMINATORS[message.terminator]}"


def _values(payload: bytes) -> str:
    """Show a payload: as values if it is some (VAL-1), else as bytes."""
    shown = payload[:_BYTES_SHOWN].hex(" ") + (" ..." if len(payload) > _BYTES_SHOWN else "")
    if len(payload) <= _LONGEST_READ:
        for count in range(16):  # behind an array header they are an array, if there are so many
            with contextlib.suppress(msgspec.DecodeError, ValueError, TypeError, RecursionError):
                shown = repr(tuple(msgspec.msgpack.decode(bytes([0x90 | count]) + payload)))
                break
    return shown if len(shown) <= _VALUE_CHARACTERS else shown[: _VALUE_CHARACTERS - 4] + " ..."


def lines(trace: Trace) -> Iterator[str]:
    """Yield a trace as text, a line for each frame: time in ms, direction, what it was."""
    yield "      ms    > to the board, < from the board"
    if trace.dropped_bytes:
        yield f"            the first {trace.dropped_bytes} bytes were not kept"
    for seen, copies in _folded(decode(trace)):
        at = f"{(seen.time_s - trace.start_s) * 1000:10.3f}"
        if isinstance(seen, Mark):
            yield f"{at}  * {seen.what}"
            continue
        number = f" [{seen.line}]" if trace.lines > 1 else ""
        times = f", {copies} times" if copies > 1 else ""
        yield f"{at}{number}  {seen.way.value} {seen.what}{times}"
        for message in seen.messages:
            yield f"{'':10}{number}      {describe_message(message)}"


def _folded(entries: Iterator[Seen | Mark]) -> Iterator[tuple[Seen | Mark, int]]:
    """Join what is the same and passed at once, as the copies of a HELLO do (HS-1)."""
    for entry, same in groupby(entries):
        if isinstance(entry, Seen) and not entry.messages:
            yield entry, len(list(same))
        else:
            yield from ((each, 1) for each in same)


def round_trips_s(trace: Trace) -> list[float]:
    """Return how long each call of the board took: from its last frame to its whole answer."""
    asked: dict[tuple[int, _Pair], float] = {}
    found: list[float] = []
    for seen in decode(trace):
        if isinstance(seen, Mark):
            asked.clear()  # a reset ended what was under way
            continue
        for message in seen.messages:
            key = (seen.line, (message.procedure, message.call))
            if message.terminator is not Terminator.COMPLETE:
                continue
            if seen.way is Way.OUT and message.kind is MessageKind.CALL:
                asked[key] = seen.time_s
            elif seen.way is Way.IN and message.kind is MessageKind.RESPONSE and key in asked:
                found.append(seen.time_s - asked.pop(key))
    return found
