"""A host that sends single frames, right or wrong, and sorts what comes; Peer adds sessions.

It acknowledges DATA and joins its messages, in which a test would drown.  docs/protocol.md,
sections 2 and 3.
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from ipfi_serial.codec.message import Message, MessageDecoder
from ipfi_serial.framing.crc import CRC16, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import HANDSHAKE_TYPES, Rejected, Text
from ipfi_serial.link.parameters import (
    ALL_EXTENSIONS,
    Extension,
    Flag,
    FrameType,
    Parameters,
    encode_hello,
    encode_ready,
)
from ipfi_serial.transport.base import Transport

PATIENCE_S: Final = 5.0
PLENTY: Final = 1 << 20  # stream bytes that this end takes
SEQUENCES: Final = 256
USUAL_BYTES_PER_S: Final = 11520.0  # 115200 baud: what the times of the tests are made for
_LARGEST_CONTENT: Final = 16384 + 64


class PeerError(AssertionError):
    """The board did not do what the test expects."""


def slowness(line: Transport) -> float:
    """Return how many times as long as at 115200 baud a byte takes; 1 if it is faster."""
    return max(1.0, USUAL_BYTES_PER_S / (line.bytes_per_s or USUAL_BYTES_PER_S))


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
        extensions=ALL_EXTENSIONS & ~Extension.PIECE,  # it does not join pieces
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


class FramePeer:
    """A host, one frame at a time.

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
        plain_profile: the CRC that was agreed on.
        profile: the CRC of session frames: that, begun for the session (FRAME-10).
        stream: joins what comes to messages.
        credit: stream bytes that the board was last allowed.
        acked: the number that the board waits for, as far as it said.
        slowness: how many times as long as at 115200 baud a byte takes on this line.
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
        self.slowness = slowness(line)
        self.plain_profile: CrcProfile = CRC16
        self.profile: CrcProfile = CRC16
        self._frames = FrameDecoder(_LARGEST_CONTENT, profiles=())
        self.stream = MessageDecoder(unknown="skip_message", extensions=True)
        self.acked = 0
        self.credit = self.mine.credit

    def join(self, session: int, profile: CrcProfile) -> None:
        """Send and take session frames of this session from now on, with this CRC."""
        self.session = session
        self.plain_profile = profile
        self.profile = profile.for_session(self.confirm)
        self._frames.profiles = (self.profile, *self._frames.profiles[:1])

    # --- bytes and frames out ---

    def send_bytes(self, data: bytes) -> None:
        """Put bytes on the line."""
        until_s = time.monotonic() + self.patience_s
        while data:
            data = data[self.line.write(data) :]
            if data:
                self.step(0.01)
                if time.monotonic() > until_s:
                    raise PeerError(f"the line took nothing for {self.patience_s} s")

    def frame(self, content: bytes) -> bytes:
        """Return the wire bytes of a frame, with the CRC of its type and session."""
        return encode_frame(content, CRC16 if content[0] in HANDSHAKE_TYPES else self.profile)

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
        head = (FrameType.PING, self.session, self.next_in, ping, self.credit)
        self.send(struct.pack("<BHBBI", *head))

    def acknowledge(self, echo: int = 0, credit: int | None = None) -> None:
        """Send an ACK of all that came in order."""
        self.credit = self.credit if credit is None else credit
        head = (FrameType.ACK, self.session, self.next_in, echo, self.credit)
        self.send(struct.pack("<BHBBI", *head))

    def data_frame(self, stream: bytes, sequence: int, session: int | None = None) -> bytes:
        """Return the content of one DATA frame."""
        session = self.session if session is None else session
        head = struct.pack("<BHBB", FrameType.DATA, session, sequence % SEQUENCES, self.next_in)
        return head + stream

    # --- frames in ---

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
            self.step(min(left_s, 0.1))

    def listen(self, seconds: float) -> list[bytes]:
        """Read for a time; return and take the frames that came.

        Args:
            seconds: on a line of 115200 baud; more on a slower one.
        """
        self.heard.frames.clear()
        until_s = time.monotonic() + seconds * self.slowness
        while (left_s := until_s - time.monotonic()) > 0:
            self.step(left_s)
        frames, self.heard.frames = self.heard.frames, []
        return frames

    # --- inside ---

    def taken(self, kind: FrameType) -> list[bytes]:
        """Take all frames of a type that came."""
        found = [content for content in self.heard.frames if content[0] == kind]
        self.heard.frames = [content for content in self.heard.frames if content[0] != kind]
        return found

    def step(self, wait_s: float) -> None:
        """Read what comes next within a time."""
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
                self.next_in = (self.next_in + 1) % SEQUENCES
                self.heard.messages += self.stream.feed(content[5:])
            if self.acknowledges:
                self.acknowledge()
        else:
            self.acked = content[3]
            if kind == FrameType.PING and self.acknowledges:
                self.acknowledge(echo=content[4])
