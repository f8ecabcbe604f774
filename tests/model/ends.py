"""One end in a replay: its core, its clock, and what its program sees."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from ipfi_serial.framing.cobs import decode
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.session import Link
from ipfi_serial.link.states import LinkState

EVENT_HEAD: Final = bytes((4, 0xC0, 40, 0))  # Event 40, complete: what the C core can take
CRC_BYTES: Final = 2  # the ends of a replay offer nothing else
EVENT_AROUND: Final = len(EVENT_HEAD) + 1  # bytes of an Event that are not its payload


class DivergedError(AssertionError):
    """The code did something else than the model."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame on the line."""

    kind: str
    content: bytes
    wire: bytes


class End:
    """One life of one end.

    Attributes:
        now_s: its clock; goes on only when a timer of its expires.
        early: frames that it said before the model did.
        sent: pieces of stream data sent in this session.
    """

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self.early: list[Frame] = []
        self.sent = 0

    @property
    def state(self) -> LinkState:
        """Where it stands."""
        raise NotImplementedError

    def receive(self, wire: bytes) -> None:
        """Take a frame."""
        raise NotImplementedError

    def take(self) -> bytes:
        """Hand over wire bytes."""
        raise NotImplementedError

    def due_s(self) -> float | None:
        """Return when its next timer expires."""
        raise NotImplementedError

    def on_deadline(self) -> None:
        """Let what is due happen."""
        raise NotImplementedError

    def take_delivered(self) -> list[bytes]:
        """Return the payloads of the Events that its program got."""
        raise NotImplementedError

    def push(self, payload: bytes) -> None:
        """Send an Event, which is short enough for one frame."""
        raise NotImplementedError

    def set_busy(self) -> None:
        """Be in the middle of a call."""

    def expect_nonces(self, nonces: list[int]) -> None:
        """Let these be the nonces that it draws next."""

    def differs(self, session: int, pending: int) -> str:
        """Tell which live session or candidate, and which pending one it holds, if others."""
        raise NotImplementedError

    def push_lossy(self) -> None:
        """Send an Event in a LOSSY frame, which acknowledges nothing."""
        raise NotImplementedError

    def account(self) -> tuple[int, int, int] | None:
        """Return its oldest unacknowledged number, how many are, its credit; if they show."""
        return None

    def forget(self) -> None:
        """Be gone."""

    def expire(self) -> list[Frame]:
        """Let the next timer expire; return what it says then."""
        due_s = self.due_s()
        assert due_s is not None, "the code waits for nothing"
        self.now_s = max(self.now_s, due_s)
        self.on_deadline()
        return self.say()

    def say(self) -> list[Frame]:
        """Return all frames that it has to say now."""
        frames: list[Frame] = []
        while wire := self.take():
            pieces = filter(None, wire.split(b"\0"))
            frames += [self._read(b"\0" + piece + b"\0") for piece in pieces]
        return frames

    def _read(self, wire: bytes) -> Frame:
        content = decode(wire.strip(b"\0"))[:-CRC_BYTES]
        return Frame(FrameType(content[0]).name, content, wire)


class PythonEnd(End):
    """An end whose core is a :class:`Link`."""

    def __init__(self, link: Link, nonces: deque[int], now_s: float) -> None:
        super().__init__(now_s)
        self._link = link
        self._nonces = nonces
        link.open(now_s)

    @property
    def state(self) -> LinkState:
        """Where the link stands."""
        return self._link.state

    def receive(self, wire: bytes) -> None:
        """Take a frame."""
        self._link.receive_bytes(wire, self.now_s)

    def take(self) -> bytes:
        """Hand over wire bytes."""
        return self._link.bytes_to_send(self.now_s)

    def due_s(self) -> float | None:
        """Return when the link is due."""
        return self._link.next_deadline_s()

    def on_deadline(self) -> None:
        """Let what is due happen."""
        self._link.on_deadline(self.now_s)

    def take_delivered(self) -> list[bytes]:
        """Return what its program got."""
        found = []
        while (event := self._link.next_event()) is not None:
            if isinstance(event, bytes):
                assert len(event) == EVENT_AROUND + event[len(EVENT_HEAD)], "joined or cut"
                found.append(event[EVENT_AROUND:])
        return found

    def push(self, payload: bytes) -> None:
        """Send an Event."""
        self._link.push(EVENT_HEAD + bytes((len(payload),)) + payload, self.now_s)

    def push_lossy(self) -> None:
        """Send an Event in a LOSSY frame."""
        self._link.push_lossy(EVENT_HEAD + b"\0")

    def account(self) -> tuple[int, int, int] | None:
        """Return its oldest unacknowledged number, how many are, and its credit."""
        live = self._link._live
        assert live is not None, f"the session was lost: the link is {self.state.name}"
        return live.sender.oldest, len(live.sender.flights), live.sender.credit

    def set_busy(self) -> None:
        """Be in the middle of a call: the other end's silence counts."""
        self._link.set_busy(True, self.now_s)

    def expect_nonces(self, nonces: list[int]) -> None:
        """Let these be the nonces that it draws next; it has drawn all before them."""
        assert not self._nonces, "the model drew a nonce that the code did not"
        self._nonces.extend(nonces)

    def differs(self, session: int, pending: int) -> str:
        """Tell which sessions it holds, if others."""
        link = self._link
        terms = link.agreement or link._opening.candidate
        offered = link._handshake.pending
        found = (terms.session if terms else 0, offered.session if offered else 0)
        return "" if found == (session, pending) else f"the code holds {found}"
