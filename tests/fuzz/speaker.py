"""The other end of a wire under test: opens a session honestly, then says anything.

Speaks to either core through :class:`Subject`, acknowledges what comes, keeps the messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final, Protocol

from ipfi_serial.codec.message import Message, MessageDecoder
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import HANDSHAKE_TYPES
from ipfi_serial.link.parameters import ALL_EXTENSIONS, Flag, FrameType, Parameters
from ipfi_serial.link.session import Link

CREDIT: Final = 0x0FFFFFFF
ROUNDS: Final = 400


class Subject(Protocol):
    """One core, on the clock of whoever holds it."""

    def receive(self, data: bytes) -> None:
        """Take bytes of the line."""

    def take(self) -> bytes:
        """Hand over what it has to say now."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass, deadline by deadline."""


class Speaker:
    """Plays the host of a session.

    Attributes:
        messages: all that the subject has said in its stream.
        session: the session's id; 0 while there is none.
        profile: its CRC.
        ended: whether the subject has said goodbye.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._decoder = FrameDecoder(4096)
        self.begin()

    def begin(self) -> None:
        """Open a session, with a link of our own that knows how."""
        self.messages: list[Message] = []
        self._stream = MessageDecoder(extensions=True, unknown="skip_message")
        self.session = self._next = self._expected = 0
        self.profile: CrcProfile = CRC16
        self.ended = False
        numbers = count(0x4000)
        link = Link(
            Parameters(
                flags=Flag.HOST,
                boot_cause=6,
                nonce=0,
                frame_payload=1024,
                ring=0xFFFF,
                window=16,
                crc_profiles=0b11,
                extensions=ALL_EXTENSIONS,
                credit=CREDIT,
                stream_credit=0xFFFF,
                max_calls=255,
                max_partial=255,
                max_message=0xFFFF,
                schema=0,
            ),
            active=True,
            floor=1,
            new_nonce=lambda: next(numbers),
            bytes_per_s=None,
        )
        link.open(0.0)
        self._subject.take()
        for _ in range(ROUNDS):
            link.on_deadline(0.0)
            self._subject.receive(link.bytes_to_send(0.0))
            link.receive_bytes(self._subject.take(), 0.0)
            if link.agreement is not None:
                agreement = link.agreement
                self.session = agreement.session
                profile = (CRC16, CRC32)[agreement.profile]
                self.profile = profile.for_session(agreement.confirm)
                self._decoder.profiles = (self.profile,)
                return
        raise AssertionError("no session with an honest end")

    # --- saying ---

    def say(self, content: bytes) -> None:
        """Send a frame of the session, or of a handshake, whatever is in it."""
        profile = CRC16 if content[0] in HANDSHAKE_TYPES else self.profile
        self._subject.receive(encode_frame(content, profile))

    def say_frame(self, kind: int, body: bytes, session: int | None = None) -> None:
        """Send a frame of some type."""
        number = self.session if session is None else session
        self.say(bytes((kind | 0x80,)) + number.to_bytes(2, "little") + body)

    def say_stream(self, data: bytes) -> None:
        """Send bytes of the stream in the next DATA frame."""
        self.say_frame(FrameType.DATA, bytes((self._next, self._expected)) + data)
        self._next = (self._next + 1) & 0xFF

    def say_again(self, data: bytes, back: int) -> None:
        """Send a DATA frame with a number that was used ``back`` frames ago."""
        number = (self._next - 1 - back) & 0xFF
        self.say_frame(FrameType.DATA, bytes((number, self._expected)) + data)

    # --- hearing ---

    def listen(self) -> None:
        """Take what the subject says until it is silent, and acknowledge it."""
        for _ in range(ROUNDS):
            data = self._subject.take()
            if not data:
                return
            for content in self._frames(data):
                self._hear(content)
        raise AssertionError("it talks for ever")

    def _frames(self, data: bytes) -> Iterator[bytes]:
        for verdict in self._decoder.receive(data):
            if isinstance(verdict, bytes):
                yield verdict

    def _hear(self, content: bytes) -> None:
        kind = content[0]
        if kind < FrameType.READY or int.from_bytes(content[1:3], "little") != self.session:
            return
        if kind == FrameType.DATA:
            if content[3] == self._expected:
                self._expected = (self._expected + 1) & 0xFF
                self.messages += self._stream.feed(content[5:])
                assert self._stream.error is None, "it sent a broken stream"
            self._acknowledge(0)
        elif kind == FrameType.PING:
            self._acknowledge(content[4])
        elif kind == FrameType.BYE:
            self.ended = True

    def _acknowledge(self, echo: int) -> None:
        self.say_frame(FrameType.ACK, bytes((self._expected, echo)) + CREDIT.to_bytes(4, "little"))
