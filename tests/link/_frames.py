"""Frames by hand: what one end hears in a test that plays the other end itself."""

from __future__ import annotations

from ipfi_serial.events import LinkEvent
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import HANDSHAKE_TYPES
from ipfi_serial.link.parameters import (
    FrameType,
    Parameters,
    decode_hello_ack,
    encode_hello,
    encode_hello_ack,
)
from ipfi_serial.link.session import Link
from tests.harness.links import parameters


def u16(number: int) -> bytes:
    """Encode a session id or a SACK."""
    return number.to_bytes(2, "little")


def hello(own: Parameters | None = None, floor: int = 1) -> bytes:
    """Content of a HELLO of a device."""
    return encode_hello(own if own is not None else parameters(flags=0, nonce=7), floor)


def ready(session: int, ping: int = 1, confirm: bytes = bytes(4)) -> bytes:
    """Content of a READY."""
    return bytes((FrameType.READY,)) + u16(session) + bytes((ping,)) + confirm


def data(session: int, sequence: int, payload: bytes, ack: int = 0) -> bytes:
    """Content of a DATA frame."""
    return bytes((FrameType.DATA,)) + u16(session) + bytes((sequence, ack)) + payload


def ack(
    session: int, number: int, *, echo: int = 0, credit: int = 1 << 20, sack: int | None = None
) -> bytes:
    """Content of an ACK."""
    content = bytes((FrameType.ACK,)) + u16(session) + bytes((number, echo))
    content += credit.to_bytes(4, "little")
    return content if sack is None else content + u16(sack)


def ping(session: int, number: int, *, ping: int = 1, credit: int = 1 << 20) -> bytes:
    """Content of a PING."""
    return (
        bytes((FrameType.PING,))
        + u16(session)
        + bytes((number, ping))
        + credit.to_bytes(4, "little")
    )


def bye(session: int, reason: int) -> bytes:
    """Content of a BYE."""
    return bytes((FrameType.BYE,)) + u16(session) + bytes((reason,))


class Puppet:
    """Plays the other end of one link by hand, frame by frame.

    Attributes:
        link: the end under test.
        now_s: the clock; moves only when told to.
        own: what the puppet says of itself.
        session: id of the session it is in.
        profile: of its session frames' CRC, which begins from the session's ``confirm``.
        confirms: what a READY must say, by the session that either end offered.
    """

    def __init__(self, link: Link, own: Parameters | None = None, now_s: float = 100.0) -> None:
        self.link = link
        self.now_s = now_s
        self.own = own if own is not None else parameters(flags=0, nonce=7)
        self.session = 0
        self.profile: CrcProfile = CRC32 if self.own.crc_profiles & 2 else CRC16
        self.confirms: dict[int, bytes] = {}
        self._decoder = FrameDecoder(20_000)

    def say(self, *contents: bytes, sealed_for: int | None = None) -> None:
        """Send frames, each with the CRC of its session or of another one."""
        wire = b"".join(encode_frame(each, self.seal(each, sealed_for)) for each in contents)
        self.link.receive_bytes(wire, self.now_s)

    def seal(self, content: bytes, session: int | None = None) -> CrcProfile:
        """Return the CRC of a frame, of its session if no other one is given (FRAME-10)."""
        if content[0] in HANDSHAKE_TYPES:
            return CRC16
        session = int.from_bytes(content[1:3], "little") if session is None else session
        return self.profile.for_session(self.confirms.get(session, bytes(4)))

    def hear(self) -> list[bytes]:
        """Let the link send all that it has now; return the frames' contents."""
        heard: list[bytes] = []
        known = self.confirms.values()
        self._decoder.profiles = tuple(map(self.profile.for_session, known))
        due_s = self.link.next_deadline_s()
        if due_s is not None and due_s <= self.now_s:
            self.link.on_deadline(self.now_s)
        while wire := self.link.bytes_to_send(self.now_s):
            heard += [v for v in self._decoder.receive(wire) if isinstance(v, bytes)]
        return heard

    def kinds(self) -> list[str]:
        """Let the link send, and return the names of the frames."""
        return [FrameType(content[0]).name for content in self.hear()]

    def events(self) -> list[LinkEvent]:
        """Return what the link reports."""
        found = []
        while (event := self.link.next_event()) is not None:
            found.append(event)
        return found

    def wait(self, seconds: float) -> None:
        """Let time pass; nothing happens by itself."""
        self.now_s += seconds

    def wait_until_due(self) -> list[bytes]:
        """Let time pass until the link is due, and hear what it says then."""
        due_s = self.link.next_deadline_s()
        assert due_s is not None, "the link waits for nothing"
        self.now_s = max(self.now_s, due_s)
        return self.hear()

    # --- ways into a session ---

    def open(self) -> list[bytes]:
        """Open the link and hear what it says first."""
        self.link.open(self.now_s)
        return self.hear()

    def answer(self, hello_content: bytes, session: int, profile: int | None = None) -> None:
        """Answer the link's HELLO as responder."""
        bit = profile if profile is not None else (1 if self.profile is CRC32 else 0)
        self.session = session
        content = encode_hello_ack(hello_content, self.own, session, bit)
        self.confirms[session] = content[-4:]
        self.say(content)

    def accept(self, session: int = 5, credit: int | None = None) -> None:
        """Go the whole way as responder: the link is ESTABLISHED afterwards."""
        (first,) = self.open()
        self.answer(first, session)
        (said,) = self.hear()
        assert said[0] == FrameType.READY
        self.say(
            ack(session, 0, echo=said[3], credit=self.own.credit if credit is None else credit)
        )

    def offer(self, floor: int = 1) -> int:
        """Send a HELLO; return the id that the link answers with."""
        mine = hello(self.own, floor)
        self.say(mine)
        answers = [c for c in self.hear() if c[0] == FrameType.HELLO_ACK]
        assert len(set(answers)) == 1
        found = decode_hello_ack(answers[0], mine)
        assert found is not None
        self.confirms[found.session] = answers[0][-4:]
        return found.session

    def ready(self, session: int, ping: int = 1) -> bytes:
        """Content of the READY for a session that the link offered."""
        return ready(session, ping, self.confirms[session])

    def initiate(self, floor: int = 1, ping: int = 9) -> None:
        """Go the whole way as initiator: the link is ESTABLISHED afterwards."""
        self.session = self.offer(floor)
        self.say(self.ready(self.session, ping))
        (said,) = self.hear()
        assert said[0] == FrameType.ACK
        assert said[4] == ping
