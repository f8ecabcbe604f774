"""Two ends that do anything in any order, and a line that may lose what it likes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import IncomingCall, OutgoingCall
from ipfi_serial.errors import CallRefusedError, IpfiError
from tests.engine.lines import Pair
from tests.engine.wires import ADD, COUNT, ECHO, LED, End, assert_empty, fail

TIGHT = WireConfig(
    max_calls=4,
    max_partial_calls=2,
    max_message_bytes=1024,
    skip_limit_bytes=4096,
    stream_buffer_bytes=256,
    frame_payload_bytes=64,
)


class Chaos:
    """Two ends that do anything in any order, and a line that may lose what it likes."""

    def __init__(self, *, framed: bool, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - seeded, no secret
        self.pair = Pair(framed=framed, config=TIGHT)
        self.framed = framed
        self.lossy = False
        self.tag = 0
        self.tags: dict[int, bytes] = {}
        if framed:
            self.pair.fault = lambda _, __, frame: [frame] * self._copies()
        self.operations: list[Callable[[End], None]] = [
            self.start,
            self.start,
            self.open,
            self.stream,
            self.nested,
            self.add,
            self.cancel,
            self.answer,
            self.answer,
            self.produce,
            self.produce,
            self.end_stream,
            self.fail,
            self.defer,
            self.emit,
            self.consume,
            self.settle,
            self.carry,
            self.carry,
            self.pass_time,
            self.disturb,
            self.break_session,
        ]

    def _copies(self) -> int:
        return self.chance.choice((0, 1, 1, 1, 2)) if self.lossy else 1

    def arguments(self) -> bytes:
        """Arguments that tell one call from every other."""
        self.tag += 1
        return self.tag.to_bytes(4, "big") + bytes(max(0, self.size() - 4))

    def size(self) -> int:
        """Any size that can be sent."""
        return self.chance.choice((0, 1, 10, 127, 129, 500, 1024))

    def picked(self, end: End) -> OutgoingCall | None:
        """One of the calls that an end made."""
        return self.chance.choice(end.started) if end.started else None

    def served(self, end: End) -> IncomingCall | None:
        """One of the calls that an end serves."""
        return self.chance.choice(end.received) if end.received else None

    def step(self, number: int, end: End) -> None:
        """Do one thing; what our own caller may not do, it is told."""
        try:
            self.operations[number](end)
        except CallRefusedError:
            pass
        except IpfiError:
            if end.wire.caller.down is None:
                raise
        end.take_events()

    def begin(self, end: End, procedure: int, **options: Any) -> None:
        """Begin a call and remember it by its arguments."""
        arguments = self.arguments()
        call = end.start(procedure, arguments, **options)
        self.tags[id(call)] = arguments[:4]

    # --- operations ---

    def start(self, end: End) -> None:
        """Call."""
        procedure = self.chance.choice((ADD, ECHO, COUNT, 99) if self.framed else (ADD, ECHO))
        self.begin(end, procedure, timeout_s=self.chance.choice((0.5, 100)))

    def open(self, end: End) -> None:
        """Call, with arguments to follow."""
        self.begin(end, ECHO, more=True, timeout_s=50)

    def stream(self, end: End) -> None:
        """Call for a stream."""
        self.begin(end, self.chance.choice((COUNT, ECHO)), streaming=True, timeout_s=float("inf"))

    def nested(self, end: End) -> None:
        """Call as a handler does."""
        self.begin(end, ADD, nested=True)

    def add(self, end: End) -> None:
        """Send more arguments."""
        call = self.picked(end)
        if call is not None and call.arguments_open:
            end.add(call, bytes(self.size()), more=self.chance.random() < 0.6)

    def cancel(self, end: End) -> None:
        """Cancel, or try to."""
        call = self.picked(end)
        if call is not None:
            end.cancel(call)

    def answer(self, end: End) -> None:
        """Answer."""
        call = self.served(end)
        if call is not None:
            end.wire.callee.answer(call, bytes(self.size()))
            end.wire.callee.worker_done(call)

    def produce(self, end: End) -> None:
        """Send values."""
        call = self.served(end)
        if call is not None:
            end.produce(call, [bytes(self.size()) for _ in range(self.chance.randrange(5))])

    def end_stream(self, end: End) -> None:
        """Send no more values."""
        call = self.served(end)
        if call is not None:
            end.wire.callee.end_stream(call)
            end.wire.callee.worker_done(call)

    def fail(self, end: End) -> None:
        """Fail."""
        call = self.served(end)
        if call is not None and self.framed:
            fail(end, call, "it broke " * self.chance.randrange(40))
            end.wire.callee.worker_done(call)

    def defer(self, end: End) -> None:
        """Defer an answer."""
        call = self.served(end)
        if call is not None:
            end.wire.callee.defer(call)

    def emit(self, end: End) -> None:
        """Emit an event."""
        lossy = self.framed and self.chance.random() < 0.3
        end.emit(LED, bytes(self.chance.randrange(40) if lossy else self.size()), lossy=lossy)

    def consume(self, end: End) -> None:
        """Read what came."""
        for call in end.started:
            unread = sum(map(len, end.values(call))) - call.consumed_bytes
            if unread:
                end.wire.caller.consumed(call, unread)

    def settle(self, end: End) -> None:
        """Let everything arrive."""
        del end
        self.pair.settle()

    def carry(self, end: End) -> None:
        """Let what one end says now arrive."""
        a, b = self.pair.a, self.pair.b
        if end is a:
            self.pair._carry("a to b", a, b)
        else:
            self.pair._carry("b to a", b, a)

    def pass_time(self, end: End) -> None:
        """Let time pass."""
        del end
        self.pair.pass_time(self.chance.choice((0.001, 0.05, 0.6)))

    def disturb(self, end: End) -> None:
        """Make the line better or worse."""
        del end
        self.lossy = self.framed and not self.lossy

    def break_session(self, end: End) -> None:
        """Say something that ends the session."""
        if self.framed and self.chance.random() < 0.2:
            end.wire.link.push(b"\x01\x80", self.pair.now_s)

    # --- to the end ---

    def finish(self) -> None:
        """Answer, read and complete everything; then nothing may be left."""
        self.lossy = False
        for _ in range(60):
            self.pair.run(0.5)
            for end in (self.pair.a, self.pair.b):
                self.consume(end)
                for call in end.started:
                    if call.arguments_open:
                        end.add(call, b"", more=False)
                for received in end.received:
                    end.wire.callee.answer(received, b"")
                    end.wire.callee.worker_done(received)
            if all(end.is_over(c) for end in (self.pair.a, self.pair.b) for c in end.started):
                break
        self.pair.run(200)
        if not self.framed:  # without Cancel and Error a pair may wait until the wire closes
            self.pair.a.wire.close(self.pair.now_s)
            self.pair.run(1)
        assert_empty(self.pair.a, self.pair.b)
        executed = {*self.pair.a.begun, *self.pair.b.begun}
        for end in (self.pair.a, self.pair.b):
            for call in end.started:
                error = end.ended[id(call)].error
                if error is not None and error.may_have_executed is False:
                    assert self.tags[id(call)] not in executed, "it was executed all the same"
            assert all(call.answered for call in end.received)
            assert end.wire.next_deadline_s() is None
