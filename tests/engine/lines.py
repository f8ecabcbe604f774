"""The line between two ends, the time, and ends that are joined to begin with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, Literal

from ipfi_serial.codec.message import MessageKind, Terminator
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.plain import PlainLink
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.link.parameters import ALL_EXTENSIONS, Parameters
from ipfi_serial.link.session import Link
from tests.engine.wires import COMPLETE, End, Peer, interface

Direction = Literal["a to b", "b to a"]
Fault = Callable[[Direction, int, bytes], list[bytes]]  # (direction, frame number, frame)


class Line:
    """Two ends, the line between them, and the time.

    Attributes:
        now_s: the time; moves only when told.
        fault: what the line does to each frame (framed) or slice (plain).
        carried: how many frames or slices each direction carried.
        cut: whether the line passes nothing at all.
    """

    def __init__(self) -> None:
        self.now_s = 100.0
        self.fault: Fault | None = None
        self.carried: Counter[Direction] = Counter()
        self.cut = False
        self.byte_by_byte = False
        self.ends: tuple[Any, Any] = (None, None)

    def clock(self) -> float:
        """Return the time."""
        return self.now_s

    def settle(self) -> None:
        """Carry bytes both ways until nobody has more to say at this moment."""
        a, b = self.ends
        for _ in range(10_000):
            moved = self._carry("a to b", a, b)
            if not self._carry("b to a", b, a) and not moved:
                return
        raise AssertionError("the two ends talk for ever")

    def run(self, limit_s: float = 30.0, until: Callable[[], bool] | None = None) -> None:
        """Let time pass, from deadline to deadline, until nothing is due within ``limit_s``."""
        end_s = self.now_s + limit_s
        self.settle()
        while until is None or not until():
            due = [t for e in self.ends if (t := e.wire.next_deadline_s()) is not None]
            if not due or min(due) > end_s:
                break
            self.now_s = max(self.now_s, min(due))
            self.wake()
        assert until is None or until(), "it did not come about"
        if until is None:
            self.now_s = end_s

    def pass_time(self, seconds: float) -> None:
        """Jump ahead and act on what is due."""
        self.now_s += seconds
        self.wake()

    def wake(self) -> None:
        """Act on what is due and carry what that brings."""
        for end in self.ends:
            end.wire.on_deadline(self.now_s)
            end.take_events()
        self.settle()

    def _carry(self, direction: Direction, source: End | Peer, target: End | Peer) -> bool:
        source.take_events()
        data = source.wire.bytes_to_send(self.now_s)
        if self.cut:
            return False
        for frame in _frames(data) if self.fault is not None else [data] if data else []:
            number = self.carried[direction]
            self.carried[direction] += 1
            passed = [frame] if self.fault is None else self.fault(direction, number, frame)
            for piece in passed:
                self._deliver(piece, target)
        return bool(data)

    def _deliver(self, data: bytes, target: End | Peer) -> None:
        pieces = [data[i : i + 1] for i in range(len(data))] if self.byte_by_byte else [data]
        for piece in pieces:
            target.wire.receive_bytes(piece, self.now_s)
            target.take_events()


class Pair(Line):
    """Two engines.  ``a`` is the host: the end that opens."""

    def __init__(
        self,
        *,
        framed: bool = True,
        config: WireConfig | None = None,
        config_a: WireConfig | None = None,
        config_b: WireConfig | None = None,
        interface_b: Interface | None = None,
        opened: bool = True,
    ) -> None:
        super().__init__()
        numbers = count(0x1000)
        ends = []
        for role, own in (("host", config_a), ("device", config_b)):
            wire = build_wire(
                interface_b or interface() if role == "device" else interface(),
                own or config or WireConfig(),
                framed=framed,
                role="host" if role == "host" else "device",
                bytes_per_s=None,
                random_u32=lambda: next(numbers),
            )
            ends.append(End(wire, self.clock))
        self.a, self.b = ends
        self.ends = (self.a, self.b)
        if opened:
            self.b.wire.open(self.now_s)
            self.a.wire.open(self.now_s)
            self.run(until=lambda: self.a.wire.established and self.b.wire.established)

    def restart_b(self, config: WireConfig | None = None) -> End:
        """Reboot b: a new wire takes its place and says HELLO."""
        numbers = count(0x2000 + int(self.now_s))
        wire = build_wire(
            interface(),
            config or WireConfig(),
            framed=self.a.wire.framed,
            role="device",
            bytes_per_s=None,
            random_u32=lambda: next(numbers),
        )
        self.b = End(wire, self.clock)
        self.ends = (self.a, self.b)
        wire.open(self.now_s)
        self.run(until=lambda: wire.established)
        return self.b


class OneEnd(Line):
    """An engine, the host, and a peer that a test plays."""

    def __init__(
        self,
        *,
        framed: bool = True,
        config: WireConfig | None = None,
        **announced: int,
    ) -> None:
        super().__init__()
        numbers = count(0x1000)
        self.end = End(
            build_wire(
                interface(),
                config or WireConfig(),
                framed=framed,
                role="host",
                bytes_per_s=None,
                random_u32=lambda: next(numbers),
            ),
            self.clock,
        )
        link = peer_link(**announced) if framed else PlainLink()
        self.peer = Peer(link, self.clock)
        self.ends = (self.end, self.peer)
        self.peer.wire.open(self.now_s)
        self.end.wire.open(self.now_s)
        self.run(until=lambda: self.end.wire.established and self.peer.wire.established)

    def hear(
        self,
        kind: MessageKind,
        procedure: int = 0,
        call: int = 0,
        terminator: Terminator = COMPLETE,
        payload: bytes = b"",
    ) -> None:
        """Let the peer say one message, and the engine answer."""
        self.peer.say(kind, procedure, call, terminator, payload)
        self.settle()


def peer_link(**announced: int) -> Link:
    """A passive link that announces what it is told to."""
    numbers = count(0x3000)
    defaults = Parameters(
        flags=0,
        boot_cause=1,
        nonce=0,
        frame_payload=64,
        ring=0xFFFF,
        window=8,
        crc_profiles=1,
        extensions=ALL_EXTENSIONS,
        credit=1 << 20,
        stream_credit=16,
        max_calls=8,
        max_partial=8,
        max_message=0xFFFF,
        schema=0,
    )
    return Link(
        replace(defaults, **announced),
        active=False,
        floor=1,
        new_nonce=lambda: next(numbers),
        bytes_per_s=None,
    )


def _frames(data: bytes) -> list[bytes]:
    """Cut what was handed over into frames."""
    return [piece + b"\x00" for piece in data.split(b"\x00") if piece]
