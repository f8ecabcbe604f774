"""Calls that the other end makes: arguments, limits, answers, produced streams, cancellation.

docs/protocol.md, CALL-3 to CALL-9 and STREAM-1 to STREAM-2 as the callee sees them.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from ipfi_serial.codec.message import Message, MessageKind, Oversized, Terminator
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import (
    CallCancelled,
    CallKey,
    CallReceived,
    ErrorCode,
    IncomingCall,
    IncomingState,
    RoomAvailable,
)
from ipfi_serial.engine.failures import encode_failure
from ipfi_serial.engine.interface import DESCRIBE_INDEX, Interface
from ipfi_serial.engine.order import AnswerOrder
from ipfi_serial.engine.outbox import Outbox
from ipfi_serial.events import EventReceived, FaultNoted
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.parameters import Extension

NIL: Final = b"\xc0"  # MessagePack nil, VAL-2
BACKLOG_BYTES: Final = 64 << 10  # a producer waits while more than this has not left
ITEM_BACKLOG: Final = 16  # values of one stream that may wait for credit

_GRANT: Final = msgspec.msgpack.Decoder(int)


class Callee:
    """The serving half of a wire.

    Args:
        config: our limits.
        interface: what we serve.
        outbox: where messages go.
        events: where :class:`CallReceived` and its kin go.
        framed: whether extension messages may be used.

    Attributes:
        refused: calls that were refused or could not be answered.
        ignored: messages that fit no call.
    """

    def __init__(
        self,
        config: WireConfig,
        interface: Interface,
        outbox: Outbox,
        events: deque[Any],
        *,
        framed: bool,
    ) -> None:
        self._config = config
        self._interface = interface
        self._outbox = outbox
        self._events = events
        self._framed = framed
        self._calls: dict[CallKey, IncomingCall] = {}
        self._tombstones: set[CallKey] = set()
        self._order = AnswerOrder()
        self._receiving = 0
        self._leftover_workers = 0  # handlers that still run although their call was answered
        self._producers: list[IncomingCall] = []  # streams whose handlers wait for room
        self._first_credit: int | None = None
        self._sends_errors = False
        self.refused = 0
        self.ignored = 0

    # --- sessions ---

    def session_opened(self, agreement: Agreement | None) -> None:
        """Take what the other end announced."""
        if agreement is None:
            return
        extensions = agreement.theirs.extensions
        self._sends_errors = bool(extensions & Extension.ERROR)
        grants = extensions & Extension.GRANT
        self._first_credit = agreement.theirs.stream_credit_bytes if grants else None

    def session_lost(self) -> None:
        """Drop every call: there is nobody left to answer; their handlers are told."""
        calls = list(self._calls.values())
        self._calls.clear()
        self._tombstones.clear()
        self._order.clear()
        self._producers.clear()
        self._receiving = 0
        for call in calls:
            running = call.state is IncomingState.RUNNING
            call.state = IncomingState.ANSWERED
            call.cancelled = True
            call.items.clear()
            if running:
                self._leftover_workers += call.worker_runs
                self._events.append(CallCancelled(call))

    # --- messages in ---

    def on_call(self, message: Message) -> None:
        """Take a Call message: a new call, or more arguments of one."""
        key = (message.procedure, message.call)
        if key in self._tombstones:
            if message.terminator is Terminator.COMPLETE:
                self._tombstones.discard(key)  # CALL-7
            return
        call = self._calls.get(key)
        if call is None:
            call = self._admit(message)
            if call is None:
                return
        elif call.state is not IncomingState.RECEIVING:
            self.ignored += 1
            return
        self._take_arguments(call, message)

    def on_cancel(self, message: Message) -> None:
        """Take a Cancel (CALL-8)."""
        key = (message.procedure, message.call)
        self._tombstones.discard(key)
        call = self._calls.get(key)
        if call is None:
            return
        running = call.state is IncomingState.RUNNING
        call.cancelled = True
        call.items.clear()
        self._outbox.drop(_lane(call))
        self.fail(call, ErrorCode.CANCELLED, "cancelled by the caller", may_have_executed=running)
        self._tombstones.discard(key)
        if running:
            self._events.append(CallCancelled(call))

    def on_grant(self, message: Message) -> None:
        """Take a Grant (STREAM-2)."""
        call = self._calls.get((message.procedure, message.call))
        if call is None or call.credit_bytes is None:
            return  # the stream has ended, the grant has crossed it
        try:
            granted = _GRANT.decode(message.payload)
        except msgspec.MsgspecError:
            self.ignored += 1
            return
        more = (granted - call.credit_bytes) & 0xFFFFFFFF
        if more < 0x80000000:
            call.credit_bytes += more
            self._send_items(call)
            self.offer_room()

    def on_oversized(self, message: Oversized) -> None:
        """Refuse the call whose arguments were above our limit (MSG-6)."""
        key = (message.procedure, message.call)
        if key in self._tombstones:
            return
        call = self._calls.get(key) or IncomingCall(*key, self._first_credit)
        if call.key not in self._calls:
            self._calls[key] = call
            self._receiving += 1
        self._refuse(call, ErrorCode.LIMIT, self._too_large(message.size_bytes))
        if message.terminator is Terminator.COMPLETE:
            self._tombstones.discard(key)

    # --- commands: what a handler did ---

    def answer(self, call: IncomingCall, value: bytes) -> None:
        """Send a unary call's answer."""
        if call.answered:
            return
        if call.ordered:
            call.answer = value
            self._release_answers()
        else:
            self._put(call, Terminator.COMPLETE, value)
            self._finish(call)

    def fail(
        self, call: IncomingCall, code: ErrorCode, text: str, *, may_have_executed: bool
    ) -> None:
        """Answer with an Error; on a plain wire, where there is none, note it (CALL-10)."""
        if call.answered:
            return
        self.refused += 1
        if self._sends_errors:
            payload = encode_failure(code, text, may_have_executed=may_have_executed)
            if call.items:
                call.items.append((payload, None))  # after the values before it
                self._send_items(call)
                return
            self._put_error(call, payload)
        else:
            self._events.append(FaultNoted(f"call of procedure {call.procedure}: {text}"))
            if call.held is not None:
                self._put(call, Terminator.CHUNK, call.held)
        self._leave_order(call)
        self._finish(call)

    def defer(self, call: IncomingCall) -> None:
        """Let other answers overtake this one (CALL-9)."""
        self._leave_order(call)

    def send_item(self, call: IncomingCall, value: bytes) -> None:
        """Send one value of a stream."""
        if call.answered:
            return
        call.streamed = True
        if self._framed:
            call.items.append((value, Terminator.CHUNK))
            self._send_items(call)
            return
        self.defer(call)
        if call.held is not None:
            self._put(call, Terminator.CHUNK, call.held)
        call.held = value  # the last value carries Complete (STREAM-1)

    def end_stream(self, call: IncomingCall) -> None:
        """Say that a stream has no more values."""
        if call.answered:
            return
        if self._framed:
            call.items.append((b"", Terminator.COMPLETE))
            self._send_items(call)
            return
        self.defer(call)
        self._put(call, Terminator.COMPLETE, call.held or b"")
        self._finish(call)

    def has_room(self, call: IncomingCall) -> bool:
        """Tell whether a producer may go on; if not, RoomAvailable will be reported."""
        if call.answered or self._room_for(call):
            return True
        if not call.wants_room:
            call.wants_room = True
            self._producers.append(call)
        return False

    def worker_done(self, call: IncomingCall) -> None:
        """Note that a call's handler has returned."""
        if call.worker_runs:
            call.worker_runs = False
            if call.answered:
                self._leftover_workers -= 1

    def offer_room(self) -> None:
        """Report RoomAvailable to producers that may go on."""
        for call in [c for c in self._producers if c.answered or self._room_for(c)]:
            self._producers.remove(call)
            call.wants_room = False
            self._events.append(RoomAvailable(call))

    @property
    def open_calls(self) -> int:
        """Calls being received, run or answered."""
        return len(self._calls)

    # --- arguments ---

    def _admit(self, message: Message) -> IncomingCall | None:
        """Begin a new call, or refuse it."""
        call = IncomingCall(message.procedure, message.call, self._first_credit)
        self._calls[call.key] = call
        self._receiving += 1
        refusal = self._refusal(call, message)
        if refusal is None:
            return call
        self._refuse(call, *refusal)
        if message.terminator is Terminator.COMPLETE:
            self._tombstones.discard(call.key)
        return None

    def _refusal(self, call: IncomingCall, message: Message) -> tuple[ErrorCode, str] | None:
        config = self._config
        if not config.takes_calls:
            return ErrorCode.NOT_ALLOWED, "this end takes no calls"
        if call.procedure == DESCRIBE_INDEX and self._framed:
            return None
        if call.procedure not in self._interface.procedures:
            if not self._framed and call.procedure in self._interface.events:
                call.is_event = True  # EVENT-4
                return None
            return ErrorCode.UNKNOWN_PROCEDURE, f"there is no procedure {call.procedure} here"
        if len(self._calls) + self._leftover_workers > config.max_calls:
            return ErrorCode.LIMIT, f"{config.max_calls} calls are being served; try again later"
        partial = message.terminator is not Terminator.COMPLETE
        if partial and self._receiving > config.max_partial_calls:
            return ErrorCode.LIMIT, f"{config.max_partial_calls} calls are still sending arguments"
        return None

    def _take_arguments(self, call: IncomingCall, message: Message) -> None:
        size = len(call.arguments) + len(message.payload)
        complete = message.terminator is Terminator.COMPLETE
        if size > self._config.max_message_bytes:
            self._refuse(call, ErrorCode.LIMIT, self._too_large(size))
            if complete:
                self._tombstones.discard(call.key)
            return
        call.arguments += message.payload
        if complete:
            self._receiving -= 1
            call.state = IncomingState.RUNNING
            self._run(call)

    def _run(self, call: IncomingCall) -> None:
        """Hand a complete call over."""
        if not self._framed:
            self._order.enter(call)
        if call.is_event:
            self._events.append(EventReceived(call.procedure, bytes(call.arguments)))
            self.answer(call, NIL)
        elif call.procedure == DESCRIBE_INDEX and self._framed:
            for entry in self._interface.description:
                self.send_item(call, entry)
            self.end_stream(call)
        else:
            call.worker_runs = True
            self._events.append(CallReceived(call))

    def _refuse(self, call: IncomingCall, code: ErrorCode, text: str) -> None:
        self.fail(call, code, text, may_have_executed=False)

    def _too_large(self, size_bytes: int) -> str:
        return f"{size_bytes} bytes of arguments; the limit is {self._config.max_message_bytes}"

    # --- answers ---

    def _put(self, call: IncomingCall, terminator: Terminator, payload: bytes) -> None:
        lane = _lane(call)
        self._outbox.put(
            lane, MessageKind.RESPONSE, call.procedure, call.call, terminator, payload
        )

    def _put_error(self, call: IncomingCall, payload: bytes) -> None:
        self._outbox.put(
            _lane(call),
            MessageKind.ERROR,
            call.procedure,
            call.call,
            Terminator.COMPLETE,
            payload,
        )

    def _send_items(self, call: IncomingCall) -> None:
        """Send what a stream has and its credit allows."""
        while call.items:
            value, terminator = call.items[0]
            if terminator is None:  # an Error behind the values
                self._put_error(call, value)
                call.items.clear()
                self._finish(call)
                return
            if not self._send_item_part(call, value, terminator):
                return
            call.items.popleft()
            call.sent_of_first = 0
            if terminator is Terminator.COMPLETE:
                self._finish(call)

    def _send_item_part(self, call: IncomingCall, value: bytes, terminator: Terminator) -> bool:
        """Send as much of a value as the credit allows; return whether all of it was sent."""
        left = len(value) - call.sent_of_first
        room = left if call.credit_bytes is None else call.credit_bytes - call.sent_bytes
        take = min(left, max(0, room))
        begin = call.sent_of_first
        call.sent_bytes += take
        call.sent_of_first += take
        if take == left:
            self._put(call, terminator, value[begin:] if begin else value)
            return True
        if take:
            self._put(call, Terminator.NONE, value[begin : begin + take])
        return False

    def _room_for(self, call: IncomingCall) -> bool:
        return len(call.items) < ITEM_BACKLOG and self._outbox.queued_bytes < BACKLOG_BYTES

    def _release_answers(self) -> None:
        """Send answers whose turn it is (CALL-9)."""
        for call, value in self._order.take_ready():
            self._put(call, Terminator.COMPLETE, value)
            self._finish(call)

    def _leave_order(self, call: IncomingCall) -> None:
        self._order.leave(call)
        self._release_answers()

    def _finish(self, call: IncomingCall) -> None:
        """Free the pair; keep a tombstone if its arguments are still coming (CALL-7)."""
        if call.state is IncomingState.RECEIVING:
            self._receiving -= 1
            self._tombstones.add(call.key)
        call.state = IncomingState.ANSWERED
        call.arguments = bytearray()
        self._leftover_workers += call.worker_runs
        self._calls.pop(call.key, None)


def _lane(call: IncomingCall) -> tuple[str, CallKey]:
    return ("answer", call.key)
