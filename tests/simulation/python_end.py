"""The Python core as one end of a simulated wire."""

from __future__ import annotations

from functools import cache
from typing import Any

from ipfi_serial.config import WireConfig
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
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.engine.wire import Wire
from ipfi_serial.errors import IpfiError
from ipfi_serial.events import EventReceived, SessionLost, SessionOpened
from tests.simulation.end import Ended, Entry, News, Served, SimulatedEnd, Went
from tests.simulation.plan import Behaviour, EndPlan
from tests.simulation.truth import (
    FLOW,
    NEWS,
    WORK,
    Operation,
    WrongError,
    arguments_of,
    order_of,
    value_of,
)


@cache
def interface() -> Interface:
    """Procedures whose handlers are never run: the simulation answers in their place."""
    table = Interface()
    table.raw_procedure(WORK, "work")(lambda data: data)
    table.procedure(FLOW, "flow")(lambda data: data)
    table.event(NEWS, "news")(lambda data: data)
    return table


class PythonEnd(SimulatedEnd):
    """One end of a wire, in Python."""

    def __init__(
        self, index: int, life: int, plan: EndPlan, line: tuple[float | None, bool], now_s: float
    ) -> None:
        super().__init__(index, life, plan, line[0])
        config = WireConfig(
            frame_payload_bytes=plan.payload,
            window_frames=plan.window,
            ring_bytes=plan.ring,
            crc_profiles=0b11 if line[1] else 0b01,
            max_calls=plan.calls,
            max_partial_calls=min(plan.calls, 4),
            max_message_bytes=plan.message,
            skip_limit_bytes=1 << 16,
            stream_buffer_bytes=plan.credit,
        )
        self.config = config
        self._first = True
        self.wire: Wire = build_wire(
            interface(),
            config,
            framed=True,
            role="host" if plan.host else "device",
            bytes_per_s=line[0],
            random_u32=self._random_u32,
        )
        self._link: Any = self.wire.link
        self.wire.open(self.local_s(now_s))

    def _random_u32(self) -> int:
        """Return a nonce, or at first the first session id, which is always random."""
        number = self.random.getrandbits(32)
        first, self._first = self._first, False
        constant = self.plan.nonce
        return number if constant is None or first else constant

    # --- the five verbs ---

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the line brought."""
        self.wire.receive_bytes(data, self.local_s(now_s))

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:
        """Hand over what may go on the line."""
        return self.wire.bytes_to_send(self.local_s(now_s), max_bytes)

    def next_deadline_s(self) -> float | None:
        """Return when something is due."""
        due_s = self.wire.next_deadline_s()
        if due_s is None or due_s == float("inf"):
            return None
        return (due_s - self._offset_s) / self._rate + 1e-9

    def on_deadline(self, now_s: float) -> None:
        """Act on what is due."""
        self.wire.on_deadline(self.local_s(now_s))

    def next_event(self) -> Entry | None:
        """Hand over the oldest report."""
        while (event := self.wire.next_event()) is not None:
            entry = self._entry(event)
            if entry is not None:
                return entry
        return None

    def _entry(self, event: object) -> Entry | None:
        if isinstance(event, CallReceived):
            call = event.call
            call.owner = Served(self, call.procedure, call, bytes(call.arguments))
            return call.owner  # type: ignore[no-any-return]
        if isinstance(event, CallEnded):
            error = event.error
            if error is None:
                return Ended(event.call.owner, event.value, None, None, last=True)
            name = type(error).__name__
            return Ended(event.call.owner, None, name, error.may_have_executed, last=True)
        if isinstance(event, ItemReceived):
            return Ended(event.call.owner, event.value, None, None, last=False)
        if isinstance(event, EventReceived):
            return News(event.payload)
        if isinstance(event, RoomAvailable):
            self._produce(event.call.owner)
        elif isinstance(event, CallCancelled):
            self._cancelled(event.call)
        elif isinstance(event, SessionOpened):
            return Went(up=True, final=False)
        elif isinstance(event, SessionLost):
            return Went(up=False, final=event.final)
        return None

    # --- what a program does ---

    @property
    def up(self) -> bool:
        """Whether a session stands."""
        return self.wire.established

    def begin(self, operation: Operation, now_s: float) -> bool:
        """Call."""
        step = operation.step
        streaming = step.values >= 0
        local_s = self.local_s(now_s)
        call = OutgoingCall(
            FLOW if streaming else WORK,
            local_s + step.timeout_s,
            streaming=streaming,
            nested=operation.nested,
            owner=operation,
        )
        arguments = arguments_of(step)
        parts = step.parts != 1
        operation.complete = not parts
        operation.handle = call
        try:
            first = arguments[: len(arguments) // 2] if parts else arguments
            self.wire.start_call(call, first, local_s, more=parts)
        except IpfiError as error:
            if error.may_have_executed is not False:
                raise WrongError(f"{error!r} refused a call, and may have executed") from error
            return False
        return True

    def add(self, operation: Operation, part: bytes, *, last: bool) -> None:
        """Send more arguments."""
        operation.complete = last
        self.wire.caller.add_arguments(operation.handle, part, more=not last)

    def cancel(self, operation: Operation) -> None:
        """Give a call up."""
        self.wire.caller.cancel(operation.handle)

    def read(self, operation: Operation, size: int) -> None:
        """Take a value of a stream."""
        self.wire.caller.consumed(operation.handle, size)

    def emit(self, payload: bytes, now_s: float, *, lossy: bool) -> bool:
        """Emit an event."""
        try:
            self.wire.emit(NEWS, payload, self.local_s(now_s), lossy=lossy)
        except IpfiError:
            return False
        return True

    def resume(self, served: Served, *, fails: bool = False) -> None:
        """Let a handler do what it was told."""
        order = order_of(served.arguments)
        call: IncomingCall = served.handle
        if served.procedure == FLOW:
            self._produce(served)
            return
        if fails or order.behaviour is Behaviour.FAILS:
            self._fail(call)
        else:
            self.wire.callee.answer(call, value_of(order.tag, 0, order.size))
        self.wire.callee.worker_done(call)

    def _fail(self, call: IncomingCall) -> None:
        code = ErrorCode.HANDLER_FAILED
        self.wire.callee.fail(call, code, "as told", may_have_executed=True)

    def _produce(self, served: Served) -> None:
        """Hand over values while there is room."""
        order = order_of(served.arguments)
        call, callee = served.handle, self.wire.callee
        while served.produced < order.values:
            if call.cancelled:
                break
            if not callee.has_room(call):
                return
            callee.send_item(call, value_of(order.tag, served.produced, order.size))
            served.produced += 1
        if order.behaviour is Behaviour.FAILS:
            self._fail(call)
        else:
            callee.end_stream(call)
        callee.worker_done(call)

    def _cancelled(self, call: IncomingCall) -> None:
        """Let a handler return that is told to stop, unless it never does."""
        order = order_of(call.owner.arguments)
        if order.behaviour is not Behaviour.NEVER:
            self.wire.callee.worker_done(call)

    def returns(self, served: Served) -> None:
        """Let a handler return that never answered."""
        self.wire.callee.answer(served.handle, b"late")
        self.wire.callee.worker_done(served.handle)

    def close(self, now_s: float) -> None:
        """Say goodbye."""
        self.wire.close(self.local_s(now_s))

    # --- what is true ---

    def bounded(self) -> str | None:
        """Name what has grown above its limit."""
        wire = self.wire
        if len(wire.callee._calls) > self.config.max_calls + 8:
            return f"{len(wire.callee._calls)} calls are served"
        if len(self._link._line.control) > 64:
            return f"{len(self._link._line.control)} control frames wait"
        if len(wire.callee._tombstones) > 300:
            return f"{len(wire.callee._tombstones)} tombstones"
        if wire._outbox.queued_bytes > 1 << 18:
            return f"{wire._outbox.queued_bytes} bytes wait to be sent"
        return None

    def leftovers(self) -> list[str]:
        """Name what should be empty and is not."""
        wire, caller, callee = self.wire, self.wire.caller, self.wire.callee
        found = {
            "calls of ours": len(caller._calls),
            "calls that wait for a slot": caller.slots.waiting,
            "calls served": len(callee._calls),
            "tombstones": len(callee._tombstones),
            "producers": callee.producers,
            "calls being received": callee._admission.receiving,
            "workers": callee._admission._workers,
            "bytes to send": wire._outbox.queued_bytes + int(bool(wire._outbox)),
            "parts of events": len(wire._inbox._assembly) if wire._inbox._assembly else 0,
            "frames to be acknowledged": int(not wire.link.flushed),
        }
        return [f"{count} {name}" for name, count in found.items() if count]
