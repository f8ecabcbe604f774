"""Calls that the other end makes: arguments, answers, produced streams, cancellation.

docs/protocol.md, CALL-3 to CALL-9 and STREAM-1 to STREAM-2 as the callee sees them.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ipfi_serial.codec.manifest import fit_entry
from ipfi_serial.codec.message import Message, MessageKind, Oversized, Terminator
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.admission import Admission, Tombstones
from ipfi_serial.engine.calls import (
    CallCancelled,
    CallKey,
    CallReceived,
    ErrorCode,
    IncomingCall,
    IncomingState,
)
from ipfi_serial.engine.failures import encode_failure
from ipfi_serial.engine.interface import DESCRIBE_INDEX, Interface
from ipfi_serial.engine.items import ItemQueue
from ipfi_serial.engine.order import AnswerOrder
from ipfi_serial.engine.outbox import Outbox
from ipfi_serial.engine.producers import Producers
from ipfi_serial.events import EventReceived, FaultNoted
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.parameters import Extension

NIL: Final = b"\xc0"  # MessagePack nil, VAL-2
_RECEIVING: Final = IncomingState.RECEIVING  # a global is found faster than a member of an Enum
_COMPLETE: Final = Terminator.COMPLETE
_CHUNK: Final = Terminator.CHUNK
_RESPONSE: Final = MessageKind.RESPONSE


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
        description: what procedure 0xFFFF streams in this session (DESC-2).
        producers: handlers of streams, which may have to wait for room.
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
        self._outbox = outbox
        self._events = events
        self._framed = framed
        self._calls: dict[CallKey, IncomingCall] = {}
        self._admission = Admission(config, interface, framed=framed)
        self._tombstones = Tombstones()
        self._order = AnswerOrder()
        self.producers = Producers(outbox, events)
        self._first_credit: int | None = None
        self._max_message: int | None = None
        self._sends_errors = False
        self.description: list[bytes] = []
        self.refused = 0
        self.ignored = 0

    # --- sessions ---

    def session_opened(self, agreement: Agreement | None) -> None:
        """Take what the other end announced."""
        if agreement is None:
            return
        theirs, known = agreement.theirs, agreement.theirs.extensions
        self._sends_errors = bool(known & Extension.ERROR)
        self._first_credit = theirs.stream_credit_bytes if known & Extension.GRANT else None
        self._max_message = theirs.max_message_bytes

    def session_lost(self) -> None:
        """Drop every call: there is nobody left to answer; their handlers are told."""
        calls = list(self._calls.values())
        self._calls.clear()
        self._tombstones.clear()
        self._order.clear()
        self.producers.clear()
        self._admission.session_lost()
        for call in calls:
            call.state = IncomingState.ANSWERED
            call.ending = True
            call.drop_items()
            self._admission.worker_left(call)
            self._tell_cancelled(call)

    @property
    def open_calls(self) -> int:
        """How many calls are being received or served."""
        return len(self._calls)

    # --- messages in ---

    def on_call(self, message: Message) -> None:
        """Take a Call message: a new call, or more arguments of one."""
        key = (message.procedure, message.call)
        if self._tombstones.drop(key, message.terminator):
            return
        call = self._calls.get(key)
        complete = message.terminator is _COMPLETE
        if call is None:
            call = self._begin(key)
            refusal = self._admission.refusal(call, len(self._calls), complete=complete)
            if refusal is not None:
                self._refuse(call, *refusal, complete=complete)
                return
        elif call.state is not _RECEIVING:
            self.ignored += 1
            return
        size = len(call.arguments) + len(message.payload)
        if size > self._config.max_message_bytes:
            self._refuse_large(call, size, complete=complete)
            return
        call.add_arguments(message.payload)
        if complete:
            self._admission.receiving -= 1
            call.state = IncomingState.RUNNING
            self._run(call)

    def on_cancel(self, message: Message) -> None:
        """Take a Cancel (CALL-8)."""
        key = (message.procedure, message.call)
        self._tombstones.discard(key)
        if (call := self._calls.get(key)) is None:
            return  # the answer has crossed it
        call.ending = False  # its end may wait for credit
        call.drop_items()
        self._outbox.drop(call)
        running = call.state is IncomingState.RUNNING
        self.fail(call, ErrorCode.CANCELLED, "cancelled by the caller", may_have_executed=running)
        self._tombstones.discard(key)
        self._tell_cancelled(call)

    def on_grant(self, message: Message) -> None:
        """Take a Grant (STREAM-2)."""
        call = self._calls.get((message.procedure, message.call))
        if call is None:
            return  # the stream has ended, the grant has crossed it
        items = call.queue()
        if items.grant(message.payload):
            self._send_items(call, items)
            self.producers.offer_room()
        else:
            self.ignored += 1

    def on_oversized(self, message: Oversized) -> None:
        """Refuse the call whose arguments were above our limit (MSG-6)."""
        key = (message.procedure, message.call)
        if self._tombstones.drop(key, message.terminator):
            return
        call = self._calls.get(key)
        if call is None:
            call = self._begin(key)
        elif call.state is not IncomingState.RECEIVING:
            self.ignored += 1
            return
        size = len(call.arguments) + message.size_bytes
        self._refuse_large(call, size, complete=message.terminator is Terminator.COMPLETE)

    # --- commands: what a handler did ---

    def answer(self, call: IncomingCall, value: bytes) -> None:
        """Send a unary call's answer."""
        if call.ending or self._is_too_large(call, value):
            return
        call.ending = True
        if call.ordered:
            call.answer = value
            self._release_answers()
        else:
            self._put(call, _COMPLETE, value)
            self._finish(call)

    def fail(
        self, call: IncomingCall, code: ErrorCode, text: str, *, may_have_executed: bool
    ) -> None:
        """Answer with an Error; on a plain wire, where there is none, note it (CALL-10)."""
        if call.ending:
            return
        call.ending = True
        self.refused += 1
        if self._sends_errors:
            payload = encode_failure(code, text, self._max_message, executed=may_have_executed)
            # after the values before it
            self._send_item(call, MessageKind.ERROR, _COMPLETE, payload)
            return
        self._events.append(FaultNoted(f"call of procedure {call.procedure}: {text}"))
        if call.held is not None:
            self._put(call, Terminator.CHUNK, call.held)
        self.defer(call)
        self._finish(call)

    def defer(self, call: IncomingCall) -> None:
        """Let other answers overtake this one (CALL-9)."""
        self._order.leave(call)
        self._release_answers()

    def handler_calls(self) -> None:
        """Note that a handler calls back: what that leads to must not wait for its own answer."""
        self._order.leave_unanswered()
        self._release_answers()

    def send_item(self, call: IncomingCall, value: bytes) -> None:
        """Send one value of a stream."""
        if call.ending or self._is_too_large(call, value):
            return
        if self._framed:
            self._send_item(call, _RESPONSE, _CHUNK, value)
            return
        self.defer(call)
        if call.held is not None:
            self._put(call, Terminator.CHUNK, call.held)
        call.held = value  # the last value carries Complete (STREAM-1)

    def end_stream(self, call: IncomingCall) -> None:
        """Say that a stream has no more values."""
        if call.ending:
            return
        call.ending = True
        if self._framed:
            self._send_item(call, _RESPONSE, _COMPLETE, b"")
            return
        self.defer(call)
        self._put(call, Terminator.COMPLETE, call.held or b"")
        self._finish(call)

    def has_room(self, call: IncomingCall) -> bool:
        """Tell whether a producer may go on; if not, RoomAvailable will be reported."""
        return self.producers.has_room(call)

    def worker_done(self, call: IncomingCall) -> None:
        """Note that a call's handler has returned."""
        if (following := self._admission.worker_done(call)) is not None:
            self._hand_over(following)

    # --- arguments ---

    def _begin(self, key: CallKey) -> IncomingCall:
        call = self._calls[key] = IncomingCall(key[0], key[1], self._first_credit)
        self._admission.receiving += 1
        return call

    def _run(self, call: IncomingCall) -> None:
        """Hand a complete call over."""
        if not self._framed:
            self._order.enter(call)
        if call.is_event:
            self._events.append(EventReceived(call.procedure, bytes(call.arguments)))
            self.answer(call, NIL)
        elif call.procedure == DESCRIBE_INDEX and self._framed:
            for entry in self.description:
                self.send_item(call, fit_entry(entry, self._max_message))
            self.end_stream(call)
        else:
            self._hand_over(call)

    def _hand_over(self, call: IncomingCall) -> None:
        if self._admission.take_worker(call):
            call.handed_over = True
            self._events.append(CallReceived(call))

    def _tell_cancelled(self, call: IncomingCall) -> None:
        """Tell the handler, if there is one, that nobody wants its answer."""
        call.cancelled = True
        if call.handed_over:
            self._events.append(CallCancelled(call))

    def _refuse(self, call: IncomingCall, code: ErrorCode, text: str, *, complete: bool) -> None:
        """End a call that was never run; ``complete``: no more of it will come."""
        self.fail(call, code, text, may_have_executed=False)
        if complete:
            self._tombstones.discard(call.key)

    def _refuse_large(self, call: IncomingCall, size_bytes: int, *, complete: bool) -> None:
        text = f"{size_bytes} bytes of arguments; the limit is {self._config.max_message_bytes}"
        self._refuse(call, ErrorCode.LIMIT, text, complete=complete)

    # --- answers ---

    def _is_too_large(self, call: IncomingCall, value: bytes) -> bool:
        """End a call whose answer is more than the other end takes (CALL-6)."""
        if self._max_message is None or len(value) <= self._max_message:
            return False
        text = f"an answer of {len(value)} bytes; the caller takes {self._max_message}"
        self.fail(call, ErrorCode.LIMIT, text, may_have_executed=True)
        self._tell_cancelled(call)  # a producer need not go on
        return True

    def _put(self, call: IncomingCall, terminator: Terminator, payload: bytes) -> None:
        self._outbox.put(call, _RESPONSE, call.procedure, call.call, terminator, payload)

    def _send_item(
        self, call: IncomingCall, kind: MessageKind, terminator: Terminator, payload: bytes
    ) -> None:
        """Send one item of a stream, or queue it until those before it and its credit allow it."""
        items = call.queue()
        if not items.passes(len(payload)):
            items.put(kind, terminator, payload)
            self._send_items(call, items)
            return
        self._outbox.put(call, kind, call.procedure, call.call, terminator, payload)
        if terminator is _COMPLETE:
            self._finish(call)

    def _send_items(self, call: IncomingCall, items: ItemQueue) -> None:
        """Send what a stream has and its credit allows."""
        while (item := items.take()) is not None:
            kind, end = item.kind, item.terminator
            self._outbox.put(call, kind, call.procedure, call.call, end, item.payload)
            if item.ends:
                self._finish(call)

    def _release_answers(self) -> None:
        """Send answers whose turn it is (CALL-9)."""
        for call, value in self._order.take_ready():
            self._put(call, Terminator.COMPLETE, value)
            self._finish(call)

    def _finish(self, call: IncomingCall) -> None:
        """Free the pair; keep a tombstone if its arguments are still coming (CALL-7)."""
        if call.state is _RECEIVING:
            self._admission.receiving -= 1
            self._tombstones.add(call.key)
        call.state = IncomingState.ANSWERED
        if not call.handed_over:  # else its handler may be about to read them
            call.arguments = b""
        self._admission.worker_left(call)
        del self._calls[call.procedure, call.call]
