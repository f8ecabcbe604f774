"""Calls that we make: indices, limits, deadlines, answers, stream credit.

docs/protocol.md, CALL-1 to CALL-10 and STREAM-1 to STREAM-3 as the caller sees them.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

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
from ipfi_serial.engine.failures import failure_from
from ipfi_serial.engine.outbox import Outbox
from ipfi_serial.errors import (
    CallCancelledError,
    CallError,
    CallRefusedError,
    CallTimeoutError,
    IpfiError,
    LocalProtocolError,
    WireClosedError,
)
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.parameters import Extension

CALL_INDICES: Final = 1 << 16  # CALL-2
NESTED_SHARE: Final = 4  # one slot in four is kept for calls that handlers make

_GRANT_VALUE: Final = msgspec.msgpack.Encoder()


class Caller:
    """The calling half of a wire.

    Args:
        config: our limits.
        outbox: where messages go.
        events: where :class:`CallEnded` and :class:`ItemReceived` go.

    Attributes:
        down: why there is no session, or None if there is one.
        strays: answers to calls that we do not know.
    """

    def __init__(self, config: WireConfig, outbox: Outbox, events: deque[Any]) -> None:
        self._config = config
        self._outbox = outbox
        self._events = events
        self._calls: dict[CallKey, OutgoingCall] = {}
        self._waiting: deque[OutgoingCall] = deque()
        self._partial: list[OutgoingCall] = []
        self._next_index: dict[int, int] = {}
        self._deadlines = Deadlines()
        self._open = 0
        self._limit = CALL_INDICES
        self._partial_limit = CALL_INDICES
        self._max_message: int | None = None
        self._stream_credit = 0
        self._extensions = Extension(0)
        self.down: IpfiError | None = WireClosedError("the wire is not open yet")
        self.strays = 0

    # --- sessions ---

    def session_opened(self, agreement: Agreement | None) -> None:
        """Take the other end's limits; None on a plain wire, which announces none."""
        self.down = None
        if agreement is None:
            return
        theirs = agreement.theirs
        self._limit = theirs.max_calls or 1
        self._partial_limit = theirs.max_partial or 1
        self._max_message = theirs.max_message_bytes
        self._extensions = Extension(theirs.extensions & 0x3F)
        self._stream_credit = agreement.ours.stream_credit_bytes

    def session_lost(self, reason: IpfiError) -> None:
        """End every call: with ``reason``, and whether it may have executed."""
        self.down = reason
        ended = [c for c in self._calls.values() if c.state is OutgoingState.OPEN]
        ended += self._waiting
        self._calls.clear()
        self._waiting.clear()
        self._partial.clear()
        self._deadlines.clear()
        self._open = 0
        for call in ended:
            call.state = OutgoingState.ENDED
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
            CallRefusedError: the arguments are too large for the other end, or a handler made this
                call and all slots are taken.
        """
        self._check(call, arguments)
        call.arguments_open = more
        call.first_arguments.append((arguments, Terminator.NONE if more else Terminator.COMPLETE))
        self._deadlines.add(call)
        if self._waiting or not self._has_slot(call):
            if call.nested:
                call.state = OutgoingState.ENDED
                raise CallRefusedError(
                    f"procedure {call.procedure}: the other end serves {self._limit} calls at once "
                    "and all are taken; calls are nested too deeply or too many are open",
                    reason="limit",
                )
            self._waiting.append(call)
            return
        self._send_first(call)

    def add_arguments(self, call: OutgoingCall, arguments: bytes, *, more: bool) -> None:
        """Send more of a call's arguments.

        Raises:
            LocalProtocolError: the arguments are complete already.
        """
        if call.state in (OutgoingState.ABANDONED, OutgoingState.ENDED):
            return  # its end was reported
        if not call.arguments_open:
            raise LocalProtocolError("the arguments of this call are complete already")
        call.arguments_open = more
        terminator = Terminator.NONE if more else Terminator.COMPLETE
        if call.state is OutgoingState.WAITING:
            call.first_arguments.append((arguments, terminator))
        else:
            self._put(call, arguments, terminator)

    def cancel(self, call: OutgoingCall, error: IpfiError | None = None) -> None:
        """End a call here and ask the other end to stop (CALL-8); harmless if it ended."""
        may = call.handed_over
        if call.state is OutgoingState.WAITING:
            if call in self._waiting:
                self._waiting.remove(call)
            call.state = OutgoingState.ENDED
        elif call.state is OutgoingState.OPEN:
            self._abandon(call)
        else:
            return
        if error is None:
            error = CallCancelledError("cancelled by this program", may_have_executed=may)
        self._events.append(CallEnded(call, None, error))
        self._start_waiting()

    def disown(self, call: OutgoingCall) -> None:
        """Wait for a call's answer no longer, without cancelling it (EVENT-4)."""
        if call.state is OutgoingState.OPEN:
            self._open -= 1
            call.state = OutgoingState.ABANDONED

    def consumed(self, call: OutgoingCall, size_bytes: int) -> None:
        """Note that the program took stream values; grant more when half was taken (STREAM-3)."""
        call.consumed_bytes += size_bytes
        if call.state is OutgoingState.OPEN and self._stream_credit:
            target = call.consumed_bytes + self._stream_credit
            if target - call.granted_bytes >= self._stream_credit // 2:
                self._grant(call, target)

    # --- messages in ---

    def on_response(self, message: Message) -> None:
        """Take a Response."""
        call = self._calls.get((message.procedure, message.call))
        if call is None:
            self.strays += 1
        elif call.state is OutgoingState.ABANDONED:
            if message.terminator is Terminator.COMPLETE:
                self._forget(call)
        elif message.terminator is Terminator.NONE:
            self._take_part(call, message.payload)
        elif not call.streaming:
            self._take_answer(call, message)
        else:
            self._take_item(call, message)

    def on_error(self, message: Message) -> None:
        """Take an Error, the terminal answer to a call."""
        call = self._calls.get((message.procedure, message.call))
        if call is None:
            self.strays += 1
            return
        if call.state is OutgoingState.OPEN:
            if call.arguments_open or self._outbox.drop(_lane(call)):
                self._send_cancel(call)  # CALL-7
            self._end(call, None, failure_from(message.payload, call.procedure))
        self._forget(call)

    def on_oversized(self, message: Oversized) -> None:
        """End the call whose answer was above our limit."""
        call = self._calls.get((message.procedure, message.call))
        if call is not None and call.state is OutgoingState.OPEN:
            self._fail_oversized(call)

    # --- time ---

    def next_deadline_s(self) -> float | None:
        """Return when the next call times out."""
        return self._deadlines.next_s

    def on_deadline(self, now_s: float) -> None:
        """Time out what is due."""
        while (call := self._deadlines.take_due(now_s)) is not None:
            self.cancel(call, _timeout_error(call))

    @property
    def busy(self) -> bool:
        """Whether an answer is being waited for."""
        return self._open > 0

    @property
    def open_calls(self) -> int:
        """Calls sent and not ended."""
        return self._open

    # --- inside ---

    def _check(self, call: OutgoingCall, arguments: bytes) -> None:
        if not self._config.can_call:
            raise LocalProtocolError("this wire was opened with can_call=False")
        if self.down is not None:
            raise self.down.for_call(may_have_executed=False)
        if self._max_message is not None and len(arguments) > self._max_message:
            raise CallRefusedError(
                f"procedure {call.procedure}: {len(arguments)} bytes of arguments, but the other "
                f"end takes {self._max_message}",
                reason="limit",
            )

    def _has_slot(self, call: OutgoingCall) -> bool:
        limit = self._limit
        if not call.nested and limit > 1:
            limit -= max(1, limit // NESTED_SHARE)
        if len(self._calls) >= limit:
            return False
        if not self._is_partial(call):
            return True
        self._partial = [c for c in self._partial if not c.handed_over and c.key in self._calls]
        return len(self._partial) < self._partial_limit

    def _is_partial(self, call: OutgoingCall) -> bool:
        return call.arguments_open or self._outbox.cuts(len(call.first_arguments[0][0]))

    def _send_first(self, call: OutgoingCall) -> None:
        call.call = self._take_index(call.procedure)
        call.state = OutgoingState.OPEN
        call.granted_bytes = self._stream_credit
        self._calls[call.key] = call
        self._open += 1
        if self._is_partial(call):
            self._partial.append(call)
        for arguments, terminator in call.first_arguments:
            self._put(call, arguments, terminator)
        call.first_arguments = []

    def _put(self, call: OutgoingCall, arguments: bytes, terminator: Terminator) -> None:
        self._outbox.put(
            _lane(call), MessageKind.CALL, call.procedure, call.call, terminator, arguments, call
        )

    def _take_index(self, procedure: int) -> int:
        index = self._next_index.get(procedure, 0)
        for _ in range(CALL_INDICES):
            if (procedure, index) not in self._calls:
                self._next_index[procedure] = (index + 1) % CALL_INDICES
                return index
            index = (index + 1) % CALL_INDICES
        raise CallRefusedError(
            f"procedure {procedure}: all {CALL_INDICES} call indices wait for their answers",
            reason="limit",
        )

    def _take_part(self, call: OutgoingCall, payload: bytes) -> None:
        if call.partial_value is None:
            call.partial_value = bytearray()
        call.partial_value += payload
        if len(call.partial_value) > self._config.max_message_bytes:
            self._fail_oversized(call)
            return
        if call.streaming:
            self._note_received(call, len(payload))
            if call.granted_bytes - call.received_bytes < self._stream_credit // 2:
                self._grant(call, call.received_bytes + self._stream_credit)

    def _take_answer(self, call: OutgoingCall, message: Message) -> None:
        if message.terminator is Terminator.CHUNK:
            self._abandon(call)
            self._events.append(
                CallEnded(
                    call,
                    None,
                    CallError(
                        f"procedure {call.procedure} streams its values: use stream()",
                        may_have_executed=True,
                    ),
                )
            )
            return
        self._end(call, call.take_value(message.payload), None)
        self._forget(call)

    def _take_item(self, call: OutgoingCall, message: Message) -> None:
        complete = message.terminator is Terminator.COMPLETE
        empty_end = complete and not message.payload and call.partial_value is None
        if not empty_end:
            value = call.take_value(message.payload)
            self._note_received(call, len(message.payload))
            self._events.append(ItemReceived(call, value))
        if complete:
            self._end(call, None, None)
            self._forget(call)
        elif call.received_bytes - call.consumed_bytes > self._unread_limit:
            self._fail_unread(call)

    def _note_received(self, call: OutgoingCall, size_bytes: int) -> None:
        call.received_bytes += size_bytes

    @property
    def _unread_limit(self) -> int:
        """Unread bytes that one stream may hold: with credit the other end cannot exceed it."""
        return self._config.max_message_bytes + self._config.stream_buffer_bytes

    def _fail_unread(self, call: OutgoingCall) -> None:
        self._abandon(call)
        error = CallError(
            f"the stream of procedure {call.procedure} was not read: more than "
            f"{self._unread_limit} bytes wait, and this wire cannot slow the other end down",
            may_have_executed=True,
        )
        self._events.append(CallEnded(call, None, error))

    def _fail_oversized(self, call: OutgoingCall) -> None:
        self._abandon(call)
        error = CallError(
            f"procedure {call.procedure} answered more than max_message_bytes="
            f"{self._config.max_message_bytes}: raise the limit or stream the value",
            may_have_executed=True,
        )
        self._events.append(CallEnded(call, None, error))

    def _grant(self, call: OutgoingCall, target: int) -> None:
        call.granted_bytes = target
        self._outbox.put(
            _lane(call),
            MessageKind.GRANT,
            call.procedure,
            call.call,
            Terminator.COMPLETE,
            _GRANT_VALUE.encode(target & 0xFFFFFFFF),
        )

    def _abandon(self, call: OutgoingCall) -> None:
        """End an open call here; its pair stays in use until the terminal answer (CALL-2)."""
        self._open -= 1
        call.state = OutgoingState.ABANDONED
        call.partial_value = None
        self._outbox.drop(_lane(call))
        self._send_cancel(call)

    def _send_cancel(self, call: OutgoingCall) -> None:
        if self._extensions & Extension.CANCEL:
            self._outbox.put(
                ("cancel", call.key),
                MessageKind.CANCEL,
                call.procedure,
                call.call,
                Terminator.COMPLETE,
                b"",
            )

    def _end(self, call: OutgoingCall, value: bytes | None, error: IpfiError | None) -> None:
        self._open -= 1
        call.state = OutgoingState.ENDED
        self._events.append(CallEnded(call, value, error))

    def _forget(self, call: OutgoingCall) -> None:
        """Free the pair: its terminal answer arrived."""
        call.state = OutgoingState.ENDED
        del self._calls[call.key]
        self._deadlines.sweep(len(self._calls) + len(self._waiting))
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and self._has_slot(self._waiting[0]):
            self._send_first(self._waiting.popleft())


def _lane(call: OutgoingCall) -> tuple[str, CallKey]:
    return ("call", call.key)


def _timeout_error(call: OutgoingCall) -> CallTimeoutError:
    what = "is still waiting for a free slot" if call.call < 0 else "was not answered"
    return CallTimeoutError(
        f"procedure {call.procedure} {what} before its deadline: check that it exists, that its "
        "handler returns, or give it a longer timeout_s",
        may_have_executed=call.handed_over,
    )
