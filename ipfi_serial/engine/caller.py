"""Calls that we make: indices, limits, deadlines, answers, stream credit.

docs/protocol.md, CALL-1 to CALL-10 and STREAM-1 to STREAM-3 as the caller sees them.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ipfi_serial.codec.message import Message, MessageKind, Oversized, Terminator
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import (
    CallEnded,
    CallKey,
    ItemReceived,
    OutgoingCall,
    OutgoingState,
)
from ipfi_serial.engine.deadlines import Deadlines
from ipfi_serial.engine.failures import (
    answer_too_large,
    arguments_too_large,
    failure_from,
    not_a_stream,
    slots_taken,
    timed_out,
    unread,
)
from ipfi_serial.engine.outbox import Outbox
from ipfi_serial.engine.requests import Requests
from ipfi_serial.engine.slots import CALL_INDICES, Slots
from ipfi_serial.errors import (
    CallCancelledError,
    CallError,
    IpfiError,
    LocalProtocolError,
    NoSessionError,
)
from ipfi_serial.link.handshake import Agreement

_OPEN: Final = OutgoingState.OPEN  # a global is found faster than a member of an Enum
_ENDED: Final = OutgoingState.ENDED
_NONE: Final = Terminator.NONE
_COMPLETE: Final = Terminator.COMPLETE


class Caller:
    """The calling half of a wire.

    Args:
        config: our limits.
        outbox: where messages go.
        events: where :class:`CallEnded` and :class:`ItemReceived` go.

    Attributes:
        down: why there is no session, or None if there is one.
        strays: answers to calls that we do not know.
        open_calls: calls sent and not ended.
        slots: the other end's limits, and the calls that wait for them.
    """

    def __init__(self, config: WireConfig, outbox: Outbox, events: deque[Any]) -> None:
        self._config = config
        self._outbox = outbox
        self._requests = Requests(outbox)
        self._events = events
        self._calls: dict[CallKey, OutgoingCall] = {}
        self.slots = Slots()
        self._next_index: dict[int, int] = {}
        self._deadlines = Deadlines()
        self._max_message: int | None = None
        self.open_calls = 0
        self.down: IpfiError | None = NoSessionError("the other end has not come yet")
        self.strays = 0

    # --- sessions ---

    def session_opened(self, agreement: Agreement | None) -> None:
        """Take the other end's limits; None on a plain wire, which announces none."""
        self.down = None
        if agreement is None:
            return
        theirs = agreement.theirs
        self.slots.agree(theirs.max_calls, theirs.max_partial)
        self._max_message = theirs.max_message_bytes
        self._requests.session_opened(agreement)

    def session_lost(self, reason: IpfiError) -> None:
        """End every call: with ``reason``, and whether it may have executed."""
        self.down = reason
        calls = [*self._calls.values(), *self.slots.clear()]
        self._calls.clear()
        self._deadlines.clear()
        self.open_calls = 0
        for call in calls:
            abandoned = call.state is OutgoingState.ABANDONED
            call.state = OutgoingState.ENDED
            if not abandoned:  # else its end was reported
                error = reason.for_call(may_have_executed=call.handed_over)
                self._events.append(CallEnded(call, None, error))

    # --- commands ---

    def start(self, call: OutgoingCall, arguments: bytes, *, more: bool) -> None:
        """Begin a call, now or when the other end has a free slot (CALL-6).

        Args:
            call: a new one.
            arguments: encoded, or the first part of them.
            more: whether more arguments are to come.

        Raises:
            IpfiError: why there is no session.
            LocalProtocolError: this wire does not call.
            CallRefusedError: too large for the other end, or nested and all slots are taken.
        """
        if not self._config.can_call:
            raise LocalProtocolError("this wire was opened with can_call=False")
        if self.down is not None:
            raise self.down.for_call(may_have_executed=False)
        call.arguments_open = more
        call.arguments_bytes = size = len(arguments)
        if self._max_message is not None and size > self._max_message:
            raise arguments_too_large(call, self._max_message)
        slots = self.slots
        partial = more or size > self._outbox.part_bytes
        if slots.take(call, len(self._calls), partial=partial):
            self._send_first(call, arguments)
        elif call.nested:
            call.state = _ENDED
            raise slots_taken(call, slots.limit)
        else:
            call.first_arguments += (arguments,)
            slots.wait(call)
            self.start_waiting()
        self._deadlines.add(call, len(self._calls) + slots.waiting)

    def add_arguments(self, call: OutgoingCall, arguments: bytes, *, more: bool) -> None:
        """Send more of a call's arguments; too many end the call (CALL-6).

        Raises:
            LocalProtocolError: the arguments are complete already.
        """
        if call.state in (OutgoingState.ABANDONED, OutgoingState.ENDED):
            return  # its end was reported
        if not call.arguments_open:
            raise LocalProtocolError("the arguments of this call are complete already")
        call.arguments_bytes += len(arguments)
        if self._max_message is not None and call.arguments_bytes > self._max_message:
            self.cancel(call, arguments_too_large(call, self._max_message))
            return
        call.arguments_open = more
        if call.state is OutgoingState.WAITING:
            call.first_arguments += (arguments,)
        else:
            self._requests.send_arguments(call, arguments)

    def cancel(self, call: OutgoingCall, error: IpfiError | None = None) -> None:
        """End a call here and ask the other end to stop (CALL-8); harmless if it ended."""
        may = call.handed_over
        if call.state is OutgoingState.WAITING:
            self.slots.withdraw(call)
            call.state = OutgoingState.ENDED
        elif call.state is OutgoingState.OPEN:
            self._abandon(call)
        else:
            return
        if error is None:
            error = CallCancelledError("cancelled by this program", may_have_executed=may)
        self._events.append(CallEnded(call, None, error))

    def disown(self, call: OutgoingCall) -> None:
        """Wait for a call's answer no longer, without cancelling it (EVENT-4)."""
        self.open_calls -= 1
        call.state = OutgoingState.ABANDONED

    def consumed(self, call: OutgoingCall, size_bytes: int) -> None:
        """Note that the program took stream values, and grant more (STREAM-3).

        A shell may save up a quarter of ``stream_buffer_bytes`` before it says so.
        """
        call.consumed_bytes += size_bytes
        if call.state is OutgoingState.OPEN:
            self._requests.grant(call)

    def start_waiting(self) -> bool:
        """Send calls that waited for a slot, if there are any; return whether one was sent."""
        started = False
        slots, part_bytes = self.slots, self._outbox.part_bytes
        while slots.waiting and (call := slots.next_call(len(self._calls), part_bytes)) is not None:
            self._send_first(call, b"".join(call.first_arguments))
            call.first_arguments = ()
            started = True
        return started

    # --- messages in ---

    def on_response(self, message: Message) -> None:
        """Take a Response."""
        call = self._calls.get((message.procedure, message.call))
        if call is None:
            self.strays += 1
        elif call.state is not _OPEN:
            if message.terminator is _COMPLETE:
                self._forget(call)
        elif message.terminator is _NONE:
            self._take_part(call, message.payload)
        elif not call.streaming:
            self._take_answer(call, message)
        else:
            self._take_item(call, message)

    def on_error(self, message: Message) -> None:
        """Take an Error, the terminal answer to a call; it may come in parts (CALL-5)."""
        call = self._calls.get((message.procedure, message.call))
        if call is None:
            self.strays += 1
            return
        if message.terminator is Terminator.NONE:
            if len(call.failure) + len(message.payload) <= self._config.max_message_bytes:
                call.failure += message.payload
            return
        self._finish(call, None, failure_from(call.failure + message.payload, call))

    def on_oversized(self, message: Oversized) -> None:
        """Take the head of an answer that is above our limit and was skipped (MSG-6)."""
        call = self._calls.get((message.procedure, message.call))
        if call is None:
            self.strays += 1
        elif message.terminator is Terminator.COMPLETE:
            self._finish(call, None, self._oversized(call))
        elif call.state is OutgoingState.OPEN and message.kind is MessageKind.RESPONSE:
            self._fail(call, self._oversized(call))

    # --- time ---

    def next_deadline_s(self) -> float | None:
        """Return when the next call times out."""
        return self._deadlines.next_s

    def on_deadline(self, now_s: float) -> None:
        """Time out what is due."""
        while (call := self._deadlines.take_due(now_s)) is not None:
            self.cancel(call, timed_out(call))

    @property
    def busy(self) -> bool:
        """Whether a terminal answer is to come, also to a call that ended here (CALL-2)."""
        return bool(self._calls)

    def _send_first(self, call: OutgoingCall, arguments: bytes) -> None:
        """Give a call the next index that is not in use; there is one: fewer calls than indices."""
        procedure, calls = call.procedure, self._calls
        index = self._next_index.get(procedure, 0)
        while (procedure, index) in calls:
            index = (index + 1) % CALL_INDICES
        self._next_index[procedure] = (index + 1) % CALL_INDICES
        call.call = index
        call.state = _OPEN
        call.granted_bytes = self._requests.stream_credit
        calls[procedure, index] = call
        self.open_calls += 1
        self._requests.send_arguments(call, arguments)

    # --- answers ---

    def _take_part(self, call: OutgoingCall, payload: bytes) -> None:
        if call.partial_value is None:
            call.partial_value = bytearray()
        call.partial_value += payload
        if len(call.partial_value) > self._config.max_message_bytes:
            self._fail(call, self._oversized(call))
        elif call.streaming:
            call.received_bytes += len(payload)
            self._requests.grant(call)

    def _take_answer(self, call: OutgoingCall, message: Message) -> None:
        if message.terminator is not _COMPLETE:
            self._fail(call, not_a_stream(call))
            return
        value = message.payload
        if call.partial_value is not None:
            value = call.take_value(value)
        if len(value) > self._config.max_message_bytes:
            self._finish(call, None, self._oversized(call))
        else:
            self._finish(call, value, None)

    def _take_item(self, call: OutgoingCall, message: Message) -> None:
        complete = message.terminator is _COMPLETE
        value = message.payload
        empty_end = complete and not value and call.partial_value is None
        if not empty_end:
            call.received_bytes += len(value)
            if call.partial_value is not None:
                value = call.take_value(value)
            if len(value) > self._config.max_message_bytes:
                self._fail(call, self._oversized(call), terminal=complete)
                return
            self._events.append(ItemReceived(call, value))
        if complete:
            self._finish(call, None, None)
        elif call.received_bytes - call.consumed_bytes > self._unread_limit:
            self._fail(call, unread(call, self._unread_limit))

    @property
    def _unread_limit(self) -> int:
        """Unread bytes that one stream may hold: with credit the other end cannot exceed it.

        A value that began when half the credit was unread, and what was granted with its last part.
        """
        return self._config.max_message_bytes + 2 * self._config.stream_buffer_bytes

    def _oversized(self, call: OutgoingCall) -> CallError:
        return answer_too_large(call, self._config.max_message_bytes)

    # --- the end of a call ---

    def _fail(self, call: OutgoingCall, error: CallError, *, terminal: bool = False) -> None:
        """End an open call whose answer is of no use; ``terminal``: all of it has come."""
        if terminal:
            self._finish(call, None, error)
        else:
            self._abandon(call)
            self._events.append(CallEnded(call, None, error))

    def _abandon(self, call: OutgoingCall) -> None:
        """End an open call here; its pair stays in use until the terminal answer (CALL-2)."""
        self.open_calls -= 1
        call.state = OutgoingState.ABANDONED
        call.partial_value = None
        if not self._requests.stop(call):
            self._forget(call)  # the other end never heard of it

    def _finish(self, call: OutgoingCall, value: bytes | None, error: IpfiError | None) -> None:
        """Take the terminal answer."""
        if call.state is _OPEN:
            self.open_calls -= 1
            if not call.handed_over:
                self._requests.stop(call)  # CALL-7
            self._events.append(CallEnded(call, value, error))
        self._forget(call)

    def _forget(self, call: OutgoingCall) -> None:
        """Free the pair: its terminal answer arrived."""
        call.state = _ENDED
        del self._calls[call.procedure, call.call]
        if self.slots.waiting:
            self.start_waiting()
