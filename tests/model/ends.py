"""One end in a replay: its core, its clock, and what its program sees."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.session import Link
from ipfi_serial.link.states import LinkState

_EVENT: Final = bytes((4, 0xC0, 40, 0, 2))  # Event 40, complete, with two bytes: what C can take


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
        self._decoder = FrameDecoder(20_000)

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

    def take_delivered(self) -> list[tuple[int, int]]:
        """Return the stream data that its program got: life of the sender, number."""
        raise NotImplementedError

    def push(self, life: int, number: int) -> None:
        """Send stream data that says whose it is."""
        raise NotImplementedError

    def set_busy(self) -> None:
        """Be in the middle of a call."""

    def expect_nonces(self, nonces: list[int]) -> None:
        """Let these be the nonces that it draws next."""

    def differs(self, session: int, pending: int) -> str:
        """Tell which live session or candidate, and which pending one it holds, if others."""
        raise NotImplementedError

    def forget(self) -> None:
        """Be gone."""

    def say(self) -> list[Frame]:
        """Return all frames that it has to say now."""
        frames: list[Frame] = []
        while wire := self.take():
            pieces = filter(None, wire.split(b"\0"))
            frames += [self._read(b"\0" + piece + b"\0") for piece in pieces]
        return frames

    def _read(self, wire: bytes) -> Frame:
        (content,) = (v for v in self._decoder.receive(wire) if isinstance(v, bytes))
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

    def take_delivered(self) -> list[tuple[int, int]]:
        """Return what its program got."""
        found = []
        while (event := self._link.next_event()) is not None:
            if isinstance(event, bytes):
                assert len(event) == len(_EVENT) + 2, "stream data joined or cut"
                found.append((event[-2], event[-1]))
        return found

    def push(self, life: int, number: int) -> None:
        """Send an Event that says whose it is."""
        self._link.push(_EVENT + bytes((life, number)), self.now_s)

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
