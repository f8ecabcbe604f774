"""A scripted host for tests of single frames: it sends what it is told to, right or wrong.

It does for itself only what a test would drown in: it acknowledges DATA, joins its messages, and
sends its own DATA one at a time, again if nobody answers.  docs/protocol.md, sections 1 to 3.
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from ipfi_serial.codec.message import Message, MessageDecoder, MessageKind, Terminator, encode
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import HANDSHAKE_TYPES, Rejected, Text
from ipfi_serial.link.parameters import (
    ALL_EXTENSIONS,
    Flag,
    FrameType,
    HelloAck,
    Parameters,
    confirm_of,
    decode_hello_ack,
    encode_hello,
    encode_ready,
)
from ipfi_serial.transport.base import Transport

PATIENCE_S: Final = 5.0
REPEAT_S: Final = 0.5  # above any round trip of a good line, below any patience
PLENTY: Final = 1 << 20  # stream bytes that this end takes
_PROFILES: Final = {0: CRC16, 1: CRC32}
_LARGEST_CONTENT: Final = 16384 + 64
_SEQUENCES: Final = 256
_OVERHEAD: Final = 24  # of a DATA frame on the wire, and one ACK beside it


class PeerError(AssertionError):
    """The board did not do what the test expects."""


@dataclass(frozen=True, slots=True)
class CallError:
    """The payload of an Error message: section 1.2."""

    code: int
    may_have_executed: bool
    message: str


def usual_parameters(**changes: int) -> Parameters:
    """Return what a generous host says of itself, with changes."""
    usual = Parameters(
        flags=Flag.HOST,
        boot_cause=6,
        nonce=secrets.randbits(32),
        frame_payload=1024,
        ring=0xFFFF,
        window=16,
        crc_profiles=3,
        extensions=ALL_EXTENSIONS,
        credit=PLENTY,
        stream_credit=64,
        max_calls=255,
        max_partial=255,
        max_message=0xFFFF,
        schema=0,
    )
    return replace(usual, **changes)


@dataclass(slots=True)
class Heard:
    """What came from the board.

    Attributes:
        frames: contents of the good frames that nobody has taken yet.
        texts: lines of text between frames.
        rejected: pieces that were no frames.
        messages: joined from DATA, that nobody has taken yet.
        raw_bytes: wire bytes, of everything.
    """

    frames: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rejected: int = 0
    messages: list[Message] = field(default_factory=list)
    raw_bytes: int = 0


class Peer:
    """A host, one step at a time.

    Attributes:
        line: to the board.
        mine: what this end says of itself in the next HELLO.
        theirs: what the board said, once there was a handshake.
        session: its id, 0 before.
        heard: what came.
        acknowledges: whether DATA is acknowledged by itself.
        floor: smallest session id of this end's next HELLO.
        confirm: what READY repeats of the last HELLO_ACK.
        next_out: sequence number of this end's next new DATA frame.
        next_in: the number that it waits for.
        acked: the number that the board waits for, as far as it said.
    """

    def __init__(self, line: Transport, patience_s: float = PATIENCE_S, **changes: int) -> None:
        """Take an open line; nothing is sent.

        Args:
            line: to the board.
            patience_s: how long to wait for anything, in seconds.
            **changes: of this end's :func:`usual_parameters`.
        """
        self.mine = usual_parameters(**changes)
        self.theirs = self.mine
        self.session = 0
        self.heard = Heard()
        self.acknowledges = True
        self.floor = secrets.randbelow(0xFFFF) + 1
        self.confirm = bytes(4)
        self.patience_s = patience_s
        self.next_out = 0
        self.next_in = 0
        self.line = line
        self._profile: CrcProfile = CRC16
        self._frames = FrameDecoder(_LARGEST_CONTENT)
        self._stream = MessageDecoder(unknown="skip_message", extensions=True)
        self.acked = 0
        self._credit = self.mine.credit
        self._calls = 0

    # --- bytes and frames out ---

    def send_bytes(self, data: bytes) -> None:
        """Put bytes on the line."""
        until_s = time.monotonic() + self.patience_s
        while data:
            data = data[self.line.write(data) :]
            if data:
                self._read(0.01)
                if time.monotonic() > until_s:
                    raise PeerError(f"the line took nothing for {self.patience_s} s")

    def frame(self, content: bytes) -> bytes:
        """Return the wire bytes of a frame, with the CRC of its type and session."""
        return encode_frame(content, CRC16 if content[0] in HANDSHAKE_TYPES else self._profile)

    def send(self, content: bytes) -> None:
        """Put a frame on the line, a delimiter before it."""
        self.send_bytes(b"\0" + self.frame(content))

    def say_hello(self, **changes: int) -> bytes:
        """Send a HELLO with a new nonce and these changes; return its content."""
        self.mine = replace(self.mine, **{"nonce": secrets.randbits(32), **changes})
        hello = encode_hello(self.mine, self.floor)
        self.send(hello)
        return hello

    def say_ready(self, session: int, ping: int = 1, confirm: bytes | None = None) -> None:
        """Send READY for a session; it confirms the last HELLO_ACK if nothing else is given."""
        self.send(encode_ready(session, ping, self.confirm if confirm is None else confirm))

    def ping(self, ping: int = 77) -> None:
        """Send a PING of the session."""
        head = (FrameType.PING, self.session, self.next_in, ping, self._credit)
        self.send(struct.pack("<BHBBI", *head))

    def acknowledge(self, echo: int = 0, credit: int | None = None) -> None:
        """Send an ACK of all that came in order."""
        self._credit = self._credit if credit is None else credit
        head = (FrameType.ACK, self.session, self.next_in, echo, self._credit)
        self.send(struct.pack("<BHBBI", *head))

    def data_frame(self, stream: bytes, sequence: int, session: int | None = None) -> bytes:
        """Return the content of one DATA frame."""
        session = self.session if session is None else session
        head = struct.pack("<BHBB", FrameType.DATA, session, sequence % _SEQUENCES, self.next_in)
        return head + stream

    # --- frames in ---

    def step(self, wait_s: float) -> None:
        """Read what comes within a time."""
        self._read(wait_s)

    def expect(
        self, kind: FrameType, fits: Callable[[bytes], bool] = lambda _: True, what: str = ""
    ) -> bytes:
        """Wait for a frame of a type and take it; those before it stay.

        Raises:
            PeerError: it does not come.
        """

        def found() -> bytes | None:
            for content in self.heard.frames:
                if content[0] == kind and fits(content):
                    return content
            return None

        self.until(lambda: found() is not None, what or kind.name)
        content = found()
        assert content is not None  # noqa: S101 - until() has seen it
        self.heard.frames.remove(content)
        return content

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Read until ``done()``.

        Raises:
            PeerError: that takes longer than the patience.
        """
        until_s = time.monotonic() + self.patience_s
        while not done():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                kinds = [f"0x{content[0]:02x}" for content in self.heard.frames]
                raise PeerError(f"no {what} within {self.patience_s} s; frames heard: {kinds}")
            self._read(min(left_s, 0.1))

    def listen(self, seconds: float) -> list[bytes]:
        """Read for a time; return and take the frames that came."""
        self.heard.frames.clear()
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._read(left_s)
        frames, self.heard.frames = self.heard.frames, []
        return frames

    # --- a session ---

    def shake_hands(self, **changes: int) -> HelloAck:
        """Send a HELLO, again if need be, and return the HELLO_ACK that answers it.

        Raises:
            PeerError: none comes, or its confirmation does not hold (HS-3).
        """
        until_s = time.monotonic() + self.patience_s
        while time.monotonic() < until_s:
            hello = self.say_hello(**changes)
            again_s = time.monotonic() + REPEAT_S
            while (left_s := again_s - time.monotonic()) > 0:
                for content in self._taken(FrameType.HELLO_ACK):
                    if (answer := decode_hello_ack(content, hello)) is not None:
                        self.theirs, self.confirm = answer.parameters, confirm_of(content)
                        return answer
                self._read(left_s)
        raise PeerError(f"no HELLO_ACK within {self.patience_s} s")

    def open(self, **changes: int) -> None:
        """Make a session; like a real host, a new attempt if READY is not answered (HS-6)."""
        until_s = time.monotonic() + self.patience_s
        while time.monotonic() < until_s:
            self.enter(self.shake_hands(**changes))
            self.say_ready(self.session)
            again_s = time.monotonic() + REPEAT_S
            while (left_s := again_s - time.monotonic()) > 0:
                if any(content[4] == 1 for content in self._taken(FrameType.ACK)):
                    return
                self._read(left_s)
        raise PeerError(f"no ACK of READY within {self.patience_s} s")

    def enter(self, answer: HelloAck) -> None:
        """Take over what a HELLO_ACK says; READY is still to be sent."""
        self.session = answer.session
        self._profile = _PROFILES[answer.profile]
        self.floor = answer.session % 0xFFFF + 1
        self.next_out = self.next_in = self.acked = 0
        self._credit = self.mine.credit
        self._stream = MessageDecoder(unknown="skip_message", extensions=True)

    def say_bye(self, reason: int = 0) -> None:
        """End the session."""
        self.send(struct.pack("<BHB", FrameType.BYE, self.session, reason))

    def send_stream(self, stream: bytes, piece: int | None = None) -> None:
        """Send bytes of the stream in order, a frame at a time, each until it is acknowledged."""
        room = min(self.theirs.frame_payload, self.theirs.ring - _OVERHEAD)
        size = min(piece or room, room)
        for start in range(0, len(stream), size):
            self._send_piece(stream[start : start + size])

    def send_message(
        self,
        kind: MessageKind,
        procedure: int,
        call: int,
        payload: bytes = b"",
        terminator: Terminator = Terminator.COMPLETE,
    ) -> None:
        """Send one message."""
        self.send_stream(encode(Message(kind, procedure, call, terminator, payload)))

    def start(
        self,
        procedure: int,
        *arguments: Any,  # noqa: ANN401 - whatever MessagePack takes
        terminator: Terminator = Terminator.COMPLETE,
    ) -> int:
        """Send a Call, or the first part of one; return its index."""
        self._calls += 1
        payload = encode_arguments(arguments)
        self.send_message(MessageKind.CALL, procedure, self._calls, payload, terminator)
        return self._calls

    def next_message(
        self, procedure: int, call: int, *kinds: MessageKind, what: str = ""
    ) -> Message:
        """Wait for the next message of a pair and take it."""
        wanted = kinds or (MessageKind.RESPONSE, MessageKind.ERROR)

        def found() -> Message | None:
            for each in self.heard.messages:
                if each.kind in wanted and (each.procedure, each.call) == (procedure, call):
                    return each
            return None

        self.until(lambda: found() is not None, what or f"answer to {procedure}/{call}")
        message = found()
        assert message is not None  # noqa: S101 - until() has seen it
        self.heard.messages.remove(message)
        return message

    def answer(self, procedure: int, call: int) -> Any:  # noqa: ANN401 - whatever it answers
        """Wait for a call's whole answer; return the value, or the :class:`CallError`."""
        payload, kind = b"", MessageKind.RESPONSE
        while True:
            message = self.next_message(procedure, call)
            if message.kind is not kind:  # an Error ends what had begun as an answer
                payload, kind = b"", message.kind
            payload += message.payload
            if message.terminator is Terminator.COMPLETE:
                break
        if message.kind is MessageKind.ERROR:
            return CallError(*msgspec.msgpack.decode(b"\x93" + payload))
        return msgspec.msgpack.decode(payload)

    def call(self, procedure: int, *arguments: Any) -> Any:  # noqa: ANN401
        """Make a call and return what it answers."""
        return self.answer(procedure, self.start(procedure, *arguments))

    # --- inside ---

    def _send_piece(self, piece: bytes) -> None:
        content = self.data_frame(piece, self.next_out)
        self.next_out = (self.next_out + 1) % _SEQUENCES
        until_s = time.monotonic() + self.patience_s
        while time.monotonic() < until_s:
            self.send(content)
            again_s = time.monotonic() + REPEAT_S
            while (left_s := again_s - time.monotonic()) > 0:
                if self.acked == self.next_out:
                    return
                self._read(left_s)
        raise PeerError(f"DATA #{content[3]} was not acknowledged within {self.patience_s} s")

    def _taken(self, kind: FrameType) -> list[bytes]:
        """Take all frames of a type that came."""
        found = [content for content in self.heard.frames if content[0] == kind]
        self.heard.frames = [content for content in self.heard.frames if content[0] != kind]
        return found

    def _read(self, wait_s: float) -> None:
        data = self.line.read(wait_s)
        self.heard.raw_bytes += len(data)
        for verdict in self._frames.receive(data):
            if isinstance(verdict, Text):
                self.heard.texts.append(verdict.line)
            elif isinstance(verdict, Rejected):
                self.heard.rejected += 1
            else:
                self.heard.frames.append(verdict)
                self._session_frame(verdict)

    def _session_frame(self, content: bytes) -> None:
        kind = content[0]
        session = int.from_bytes(content[1:3], "little")
        if session != self.session or kind not in (FrameType.DATA, FrameType.ACK, FrameType.PING):
            return
        if kind == FrameType.DATA:
            self.acked = content[4]
            if content[3] == self.next_in:
                self.next_in = (self.next_in + 1) % _SEQUENCES
                self.heard.messages += self._stream.feed(content[5:])
            if self.acknowledges:
                self.acknowledge()
        else:
            self.acked = content[3]
            if kind == FrameType.PING and self.acknowledges:
                self.acknowledge(echo=content[4])
