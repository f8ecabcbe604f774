"""Stream bytes in, and each message to whom it is for: caller, callee or the events of the wire.

docs/protocol.md, section 1 (MSG-5, MSG-6).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ipfi_serial.codec.message import Message, MessageDecoder, MessageKind, Oversized, Terminator
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.assembly import EventAssembly
from ipfi_serial.engine.callee import Callee
from ipfi_serial.engine.caller import Caller
from ipfi_serial.engine.outbox import Outbox
from ipfi_serial.errors import (
    IpfiError,
    NoSessionError,
    RemoteProtocolError,
    WireClosedError,
)
from ipfi_serial.events import EndOfInputReceived, EventReceived, FaultNoted


class Inbox:
    """The reading side of a wire.

    Args:
        config: our limits.
        outbox: what our answers wait in.
        caller: who takes answers.
        callee: who takes calls.
        events: where events go.
        framed: whether extension messages may come.

    Attributes:
        broken: why the rest of the session's stream is not read, or None.
    """

    def __init__(
        self,
        config: WireConfig,
        outbox: Outbox,
        caller: Caller,
        callee: Callee,
        events: deque[Any],
        *,
        framed: bool,
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._caller = caller
        self._callee = callee
        self._events = events
        self._framed = framed
        self._assembly = EventAssembly(config.max_message_bytes)
        self._decoder = self._new_decoder()
        self._skipped_before = 0
        self.broken: IpfiError | None = None
        self._takers: tuple[Callable[[Message], None], ...] = (  # by MessageKind
            self._take_termination,
            callee.on_call,
            caller.on_response,
            self._take_end_of_input,
            self._take_event,
            caller.on_error,
            callee.on_cancel,
            callee.on_grant,
        )

    def session_lost(self) -> None:
        """Forget what is incomplete."""
        self._skipped_before = self.skipped
        self._decoder = self._new_decoder()
        self._assembly.clear()
        self.broken = None

    @property
    def skipped(self) -> int:
        """Messages and stray bytes that were skipped."""
        decoder = self._decoder
        skipped = decoder.skipped_messages + decoder.skipped_bytes + decoder.oversized_messages
        return self._skipped_before + skipped

    def take(self, data: bytes) -> None:
        """Take bytes of the stream; never raises on them."""
        if self.broken is not None:
            return
        decoder = self._decoder
        messages: list[Any] = decoder.feed(data)
        if decoder.oversized_messages:
            for oversized in reversed(decoder.take_oversized()):
                messages.insert(oversized.position, oversized)
        if self._hand_out(messages):
            self.broken = decoder.error
            if self._outbox.flooded:
                self.broken = RemoteProtocolError(
                    "the other end sends calls and events but does not take our answers"
                )

    def _hand_out(self, messages: list[Any]) -> bool:
        """Pass each on to who takes its kind; return False if one of them ended the stream."""
        takers = self._takers
        for message in messages:
            if type(message) is not Oversized:
                takers[message.kind](message)
                if self.broken is not None:
                    return False
            else:
                self._take_oversized(message)
        return True

    def take_lossy(self, content: bytes) -> None:
        """Take the content of a LOSSY frame: one whole event (EVENT-3)."""
        decoder = self._new_decoder()
        messages = decoder.feed(content)
        if len(messages) != 1 or decoder.error is not None or not decoder.idle:
            return
        (message,) = messages
        if message.kind is MessageKind.EVENT and message.terminator is Terminator.COMPLETE:
            self._events.append(EventReceived(message.procedure, message.payload))

    def _new_decoder(self) -> MessageDecoder:
        return MessageDecoder(
            max_payload_bytes=self._config.max_message_bytes,
            skip_limit_bytes=self._config.skip_limit_bytes,
            unknown="skip_message" if self._framed else "skip_byte",
            extensions=self._framed,
        )

    def _take_termination(self, _: Message) -> None:
        if self._framed:  # a goodbye of no session; the next one may come
            self.broken = NoSessionError("the other end ended the session")
        else:
            self.broken = WireClosedError("the other end closed the wire")

    def _take_end_of_input(self, _: Message) -> None:
        self._events.append(EndOfInputReceived())

    def _take_event(self, message: Message) -> None:
        if self._assembly.index is not None:
            self._note(self._assembly.give_up(message.procedure))
        self._note(self._assembly.take(message))

    def _take_oversized(self, message: Oversized) -> None:
        if message.kind is MessageKind.CALL:
            self._callee.on_oversized(message)
        elif message.kind is MessageKind.EVENT:
            self._note(self._assembly.give_up(message.procedure))
            self._note(self._assembly.take_oversized(message))
        elif message.kind in (MessageKind.RESPONSE, MessageKind.ERROR):
            self._caller.on_oversized(message)

    def _note(self, event: EventReceived | FaultNoted | None) -> None:
        if event is not None:
            self._events.append(event)
