"""A scripted host for tests of what boards do: sessions, messages and calls, one step at a time.

It sends its own DATA one frame at a time, again if nobody answers.  docs/protocol.md, 1 to 3.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ipfi_hil.frame_peer import PATIENCE_S, SEQUENCES, FramePeer, PeerError
from ipfi_serial.codec.message import Message, MessageDecoder, MessageKind, Terminator, encode
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.framing.crc import CRC16, CRC32
from ipfi_serial.link.parameters import FrameType, HelloAck, confirm_of, decode_hello_ack
from ipfi_serial.transport.base import Transport

__all__ = ["CallError", "Peer", "PeerError"]

REPEAT_S: Final = 0.5  # above any round trip at 115200 baud, below any patience
_PROFILES: Final = {0: CRC16, 1: CRC32}
_OVERHEAD: Final = 24  # of a DATA frame on the wire, and one ACK beside it


@dataclass(frozen=True, slots=True)
class CallError:
    """The payload of an Error message: section 1.2."""

    code: int
    may_have_executed: bool
    message: str


class Peer(FramePeer):
    """A host, one step at a time."""

    def __init__(self, line: Transport, patience_s: float = PATIENCE_S, **changes: int) -> None:
        """Take an open line; arguments of :class:`FramePeer`."""
        super().__init__(line, patience_s, **changes)
        self._calls = 0

    # --- a session ---

    def shake_hands(self, **changes: int) -> HelloAck:
        """Send a HELLO, again if need be, and return the HELLO_ACK that answers it.

        Raises:
            PeerError: none comes, or its confirmation does not hold (HS-3).
        """
        until_s = time.monotonic() + self.patience_s
        while time.monotonic() < until_s:
            hello = self.say_hello(**changes)
            again_s = time.monotonic() + REPEAT_S * self.slowness
            while (left_s := again_s - time.monotonic()) > 0:
                for content in self.taken(FrameType.HELLO_ACK):
                    if (answer := decode_hello_ack(content, hello)) is not None:
                        self.theirs, self.confirm = answer.parameters, confirm_of(content)
                        return answer
                self.step(left_s)
        raise PeerError(f"no HELLO_ACK within {self.patience_s} s")

    def open(self, **changes: int) -> None:
        """Make a session; like a real host, a new attempt if READY is not answered (HS-6)."""
        until_s = time.monotonic() + self.patience_s
        while time.monotonic() < until_s:
            self.enter(self.shake_hands(**changes))
            self.say_ready(self.session)
            again_s = time.monotonic() + REPEAT_S * self.slowness
            while (left_s := again_s - time.monotonic()) > 0:
                if any(content[4] == 1 for content in self.taken(FrameType.ACK)):
                    return
                self.step(left_s)
        raise PeerError(f"no ACK of READY within {self.patience_s} s")

    def enter(self, answer: HelloAck) -> None:
        """Take over what a HELLO_ACK says; READY is still to be sent."""
        self.join(answer.session, _PROFILES[answer.profile])
        self.floor = answer.session % 0xFFFF + 1
        self.next_out = self.next_in = self.acked = 0
        self.credit = self.mine.credit
        self.stream = MessageDecoder(unknown="skip_message", extensions=True)

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
        self.next_out = (self.next_out + 1) % SEQUENCES
        until_s = time.monotonic() + self.patience_s
        while time.monotonic() < until_s:
            self.send(content)
            again_s = time.monotonic() + REPEAT_S * self.slowness
            while (left_s := again_s - time.monotonic()) > 0:
                if self.acked == self.next_out:
                    return
                self.step(left_s)
        raise PeerError(f"DATA #{content[3]} was not acknowledged within {self.patience_s} s")
