"""The two kinds of ends that tests join: an engine with a shell, and a peer that a test plays.

An :class:`End` is the smallest shell that a wire can have: it sorts what the wire reports, runs a
handler at once, if there is one, or leaves the call to the test.  A :class:`Peer` is the other end
without an engine: it says any message and remembers every message that it hears.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ipfi_serial.codec.message import Message, MessageDecoder, MessageKind, Terminator, encode_parts
from ipfi_serial.engine.calls import (
    CallCancelled,
    CallEnded,
    CallReceived,
    ErrorCode,
    IncomingCall,
    ItemReceived,
    OutgoingCall,
    RoomAvailable,
)
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.plain import PlainLink
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
        begun: the first bytes of the arguments of every call that was handed over.
        ended: how each call of ours ended, exactly once.
        log: everything that the wire reported, in order.
    """

    def __init__(self, wire: Wire, now: Callable[[], float]) -> None:
        self.wire = wire
        self.handlers: dict[int, Handler] = {}
        self.received: list[IncomingCall] = []
        self.begun: list[bytes] = []
        self.ended: dict[int, CallEnded] = {}
        self.items: dict[int, list[bytes]] = {}
        self.events: list[tuple[int, bytes]] = []
        self.faults: list[str] = []
        self.cancelled: list[IncomingCall] = []
        self.rooms: list[IncomingCall] = []
        self.lost: list[SessionLost] = []
        self.log: list[WireEvent] = []
        self._now = now
        self.started: list[OutgoingCall] = []

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
        self.wire.start_call(call, arguments, self._now(), more=more)
        self.started.append(call)
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
        self.take_events()
        end = self.ended[id(call)]
        assert end.error is None, end.error
        return end.value

    def error(self, call: OutgoingCall) -> IpfiError:
        """The error that a call ended with."""
        self.take_events()
        error = self.ended[id(call)].error
        assert error is not None
        return error

    def is_over(self, call: OutgoingCall) -> bool:
        """Whether a call has ended."""
        self.take_events()
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
                self.begun.append(bytes(call.arguments[:4]))
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


def assert_empty(*ends: End) -> None:
    """Nothing is left of any call, event or message."""
    for end in ends:
        end.take_events()
        wire, caller, callee = end.wire, end.wire.caller, end.wire.callee
        assert not caller._calls
        assert not caller.slots.waiting
        assert caller.open_calls == 0
        assert all(call.state.name == "ENDED" for call in end.started if end.is_over(call))
        assert all(end.is_over(call) for call in end.started), "a call never ended"
        assert not callee._calls
        assert not callee._tombstones
        assert not callee._order
        assert not callee.producers
        assert callee._admission.receiving == 0
        assert callee._admission.leftover_workers == 0
        assert not callee._admission._backlog
        assert not wire._outbox
        assert wire._outbox.pending == 0
        assert wire._outbox.queued_bytes == 0
        assert not wire._inbox._assembly


def fail(end: End, call: IncomingCall, text: str = "it broke") -> None:
    """What a shell does when a handler raises."""
    end.wire.callee.fail(call, ErrorCode.HANDLER_FAILED, text, may_have_executed=True)


def answer(end: End, call: IncomingCall) -> None:
    """A handler that answers with the arguments."""
    end.wire.callee.answer(call, bytes(call.arguments))
