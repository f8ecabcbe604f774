"""Two ends of a wire on a line in memory, stepped by hand: the engine's test bench.

An :class:`End` is the smallest shell that a wire can have: it sorts what the wire reports, runs a
handler at once, if there is one, or leaves the call to the test.  A :class:`Peer` is the other end
without an engine: it says any message and remembers every message that it hears.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, Final, Literal

from ipfi_serial.codec.message import Message, MessageDecoder, MessageKind, Terminator, encode_parts
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import (
    CallCancelled,
    CallEnded,
    CallReceived,
    IncomingCall,
    ItemReceived,
    OutgoingCall,
    RoomAvailable,
)
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.plain import PlainLink
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import IpfiError
from ipfi_serial.events import (
    EndOfInputReceived,
    EventReceived,
    FaultNoted,
    SessionLost,
    SessionOpened,
    TextReceived,
)
from ipfi_serial.link.parameters import ALL_EXTENSIONS, Parameters
from ipfi_serial.link.session import Link

CALL: Final = MessageKind.CALL
RESPONSE: Final = MessageKind.RESPONSE
EVENT: Final = MessageKind.EVENT
ERROR: Final = MessageKind.ERROR
CANCEL: Final = MessageKind.CANCEL
GRANT: Final = MessageKind.GRANT
NONE: Final = Terminator.NONE
CHUNK: Final = Terminator.CHUNK
COMPLETE: Final = Terminator.COMPLETE

ADD: Final = 1  # procedures of every test interface
ECHO: Final = 2
COUNT: Final = 3
LED: Final = 40  # and its event

Direction = Literal["a to b", "b to a"]
Fault = Callable[[Direction, int, bytes], list[bytes]]  # (direction, frame number, frame)
Handler = Callable[["End", IncomingCall], None]


def interface() -> Interface:
    """An interface whose handlers are never run: the tests answer in their place."""
    table = Interface()
    table.procedure(ADD, "add")(lambda a, b: a + b)
    table.raw_procedure(ECHO, "echo")(lambda data: data)
    table.procedure(COUNT, "count")(lambda n: n)
    table.event(LED, "led")(lambda on: on)
    return table


class End:
    """A wire and the smallest shell for it.

    Attributes:
        handlers: what answers a procedure as soon as it is called.
        received: calls that wait for the test to answer them.
        ended: how each call of ours ended, exactly once.
        log: everything that the wire reported, in order.
    """

    def __init__(self, wire: Wire, now: Callable[[], float]) -> None:
        self.wire = wire
        self.handlers: dict[int, Handler] = {}
        self.received: list[IncomingCall] = []
        self.ended: dict[int, CallEnded] = {}
        self.items: dict[int, list[bytes]] = {}
        self.events: list[tuple[int, bytes]] = []
        self.faults: list[str] = []
        self.cancelled: list[IncomingCall] = []
        self.rooms: list[IncomingCall] = []
        self.lost: list[SessionLost] = []
        self.log: list[WireEvent] = []
        self._now = now
        self._calls: list[OutgoingCall] = []  # keeps the identities of ended calls apart

    # --- what a program does ---

    def start(
        self,
        procedure: int,
        arguments: bytes = b"",
        *,
        more: bool = False,
        streaming: bool = False,
        nested: bool = False,
        timeout_s: float = 10.0,
    ) -> OutgoingCall:
        """Begin a call."""
        call = OutgoingCall(
            procedure, self._now() + timeout_s, streaming=streaming, nested=nested, owner=self
        )
        self._calls.append(call)
        self.wire.start_call(call, arguments, self._now(), more=more)
        return call

    def stream(self, procedure: int, arguments: bytes = b"", **options: Any) -> OutgoingCall:
        """Begin a call of a streaming procedure, without a deadline unless one is given."""
        options.setdefault("timeout_s", float("inf"))
        return self.start(procedure, arguments, streaming=True, **options)

    def add(self, call: OutgoingCall, arguments: bytes, *, more: bool) -> None:
        """Send more arguments."""
        self.wire.caller.add_arguments(call, arguments, more=more)

    def cancel(self, call: OutgoingCall) -> None:
        """Cancel a call."""
        self.wire.caller.cancel(call)

    def emit(self, index: int, payload: bytes, *, lossy: bool = False) -> None:
        """Emit an event."""
        self.wire.emit(index, payload, self._now(), lossy=lossy)

    def produce(self, call: IncomingCall, values: list[bytes]) -> None:
        """Send values of a stream while there is room; take those that went out of the list."""
        while values and self.wire.callee.has_room(call):
            self.wire.callee.send_item(call, values.pop(0))

    # --- what came of it ---

    def value(self, call: OutgoingCall) -> bytes | None:
        """The value that a call ended with."""
        end = self.ended[id(call)]
        assert end.error is None, end.error
        return end.value

    def error(self, call: OutgoingCall) -> IpfiError:
        """The error that a call ended with."""
        error = self.ended[id(call)].error
        assert error is not None
        return error

    def is_over(self, call: OutgoingCall) -> bool:
        """Whether a call has ended."""
        return id(call) in self.ended

    def values(self, call: OutgoingCall) -> list[bytes]:
        """What a stream brought."""
        return self.items.get(id(call), [])

    def take_call(self) -> IncomingCall:
        """The oldest call that waits for the test."""
        return self.received.pop(0)

    def take_events(self) -> None:
        """Sort what the wire reports."""
        while (event := self.wire.next_event()) is not None:
            self.log.append(event)
            self._take(event)

    def _take(self, event: WireEvent) -> None:
        match event:
            case CallEnded(call):
                assert id(call) not in self.ended, "a call ended twice"
                self.ended[id(call)] = event
            case ItemReceived(call, value):
                assert id(call) not in self.ended, "a value came after the end"
                self.items.setdefault(id(call), []).append(value)
            case CallReceived(call):
                handler = self.handlers.get(call.procedure)
                if handler is None:
                    self.received.append(call)
                else:
                    handler(self, call)
                    self.wire.callee.worker_done(call)
            case CallCancelled(call):
                self.cancelled.append(call)
            case RoomAvailable(call):
                self.rooms.append(call)
            case EventReceived(index, payload):
                self.events.append((index, payload))
            case FaultNoted(text):
                self.faults.append(text)
            case SessionLost():
                self.lost.append(event)
            case SessionOpened() | TextReceived() | EndOfInputReceived():
                pass


class Peer:
    """The other end without an engine: a bare link.

    Attributes:
        messages: every message that came.
    """

    def __init__(self, link: Link | PlainLink, now: Callable[[], float]) -> None:
        self.wire = link
        self.messages: list[Message] = []
        self._now = now
        self._decoder = MessageDecoder(extensions=True, unknown="skip_byte")

    def say(
        self,
        kind: MessageKind,
        procedure: int = 0,
        call: int = 0,
        terminator: Terminator = COMPLETE,
        payload: bytes = b"",
    ) -> None:
        """Send one message."""
        self.say_bytes(encode_parts(kind, procedure, call, terminator, payload))

    def say_bytes(self, data: bytes) -> None:
        """Send bytes of the stream."""
        self.wire.push(data, self._now())

    def heard(self, kind: MessageKind) -> list[Message]:
        """The messages of one kind that came."""
        return [m for m in self.messages if m.kind is kind]

    def take_events(self) -> None:
        """Decode what the link brought."""
        while (event := self.wire.next_event()) is not None:
            if isinstance(event, bytes):
                self.messages += self._decoder.feed(event)
            elif isinstance(event, SessionLost):
                self._decoder = MessageDecoder(extensions=True, unknown="skip_byte")


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


def answer(end: End, call: IncomingCall) -> None:
    """A handler that answers with the arguments."""
    end.wire.callee.answer(call, bytes(call.arguments))


def _frames(data: bytes) -> list[bytes]:
    """Cut what was handed over into frames."""
    return [piece + b"\x00" for piece in data.split(b"\x00") if piece]
