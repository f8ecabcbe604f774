"""The wire: one end of an IPFI connection behind the five verbs.

Turns bytes into calls, values and events and back, over a link or a plain stream.  Never blocks,
never looks at a clock, never runs a handler: it reports CallReceived, a shell runs the handler and
comes back with :meth:`Callee.answer <ipfi_serial.engine.callee.Callee.answer>`.
docs/protocol.md sections 1.2 to 1.5.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ipfi_serial.codec.message import MessageKind, Terminator, encode_parts
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.callee import Callee
from ipfi_serial.engine.caller import Caller
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.calls import WireEvent as WireEvent
from ipfi_serial.engine.inbox import Inbox
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.outbox import Outbox
from ipfi_serial.engine.plain import PlainLink
from ipfi_serial.errors import CallRefusedError, IpfiError, LocalProtocolError, WireClosedError
from ipfi_serial.events import LinkEvent, LossyReceived, SessionLost, SessionOpened, TextReceived
from ipfi_serial.link.deadlines import sooner
from ipfi_serial.link.parameters import Extension
from ipfi_serial.link.session import Link

SMALLEST_PART_BYTES: Final = 128  # CALL-5
PULL_BYTES: Final = 4096  # messages that are joined on their way into the stream: a few frames
EVENT_LANE: Final = "events"  # EVENT-2: the parts of two Events never mix


class Wire:
    """One end of a connection, without I/O.

    Every method that takes ``now_s`` wants a monotonic clock in seconds, the same one each time.

    Args:
        link: a :class:`Link` (framed) or a :class:`PlainLink`.
        interface: what this end serves.
        config: its limits.

    Attributes:
        caller: the calls that we make.
        callee: the calls that we serve.
        events: what happened, the oldest first; :meth:`next_event` takes it from here.
        framed: whether there is a link.
    """

    def __init__(self, link: Link | PlainLink, interface: Interface, config: WireConfig) -> None:
        self.framed = isinstance(link, Link)
        self._link = link
        self._interface = interface
        self.events: deque[WireEvent] = deque()
        self._outbox = Outbox(SMALLEST_PART_BYTES if self.framed else None)
        self.caller = Caller(config, self._outbox, self.events)
        self.callee = Callee(config, interface, self._outbox, self.events, framed=self.framed)
        self._inbox = Inbox(
            config, self._outbox, self.caller, self.callee, self.events, framed=self.framed
        )
        self._busy = False
        self._peer_extensions = 0
        self._peer_max_message: int | None = None
        self._over = False  # no session will follow

    # --- commands ---

    def open(self, now_s: float) -> None:
        """Begin the handshake; SessionOpened reports its success."""
        self._describe()
        self._link.open(now_s)
        self._take_link_events(now_s)

    def start_call(
        self, call: OutgoingCall, arguments: bytes, now_s: float, *, more: bool = False
    ) -> None:
        """Begin a call; see :meth:`Caller.start` for the arguments and errors."""
        if call.nested:
            self.callee.handler_calls()
        self.caller.start(call, arguments, more=more)
        self._note_busy(now_s)

    def emit(self, index: int, payload: bytes, now_s: float, *, lossy: bool = False) -> None:
        """Emit an event.

        Args:
            index: which one.
            payload: its encoded arguments.
            now_s: the clock.
            lossy: send it once, in a frame of its own (EVENT-3).

        Raises:
            IpfiError: why there is no session.
            LocalProtocolError: lossy on a plain wire or with an end that cannot take it.
            CallRefusedError: it is larger than the other end takes, or than a frame if it is lossy;
                or more wait already than the line will take soon.
        """
        self._check_up()
        if self._outbox.crowded:
            raise CallRefusedError(
                f"event {index}: the line is slower than this program emits: emit less, or "
                "lossy=True where the next value replaces this one",
                reason="limit",
            )
        if not self.framed:
            self._emit_plain(index, payload, now_s, lossy=lossy)
        elif lossy:
            self._emit_lossy(index, payload)
        elif not self._peer_extensions & Extension.EVENT:
            raise LocalProtocolError("the other end does not take events")
        elif self._peer_max_message is not None and len(payload) > self._peer_max_message:
            raise CallRefusedError(
                f"event {index}: {len(payload)} bytes, but the other end takes "
                f"{self._peer_max_message}",
                reason="limit",
            )
        else:
            self._outbox.put(EVENT_LANE, MessageKind.EVENT, index, 0, Terminator.COMPLETE, payload)

    def end_of_input(self, now_s: float) -> None:
        """Tell the other end that nothing more will come for now, once what is queued has left.

        Raises:
            IpfiError: why there is no session.
        """
        self._check_up()
        self._outbox.put_last(
            encode_parts(MessageKind.END_OF_INPUT, 0, 0, Terminator.COMPLETE, b"")
        )
        self._drain_outbox(now_s)

    def close(self, now_s: float) -> None:
        """Say goodbye; what was queued before should have been flushed (:attr:`flushed`)."""
        if not self.framed and self._link.established:
            self._drain_outbox(now_s)
            self._link.push(
                encode_parts(MessageKind.TERMINATION, 0, 0, Terminator.COMPLETE, b""), now_s
            )
        self._link.close()
        self._take_link_events(now_s)
        self._end_for_good(WireClosedError("this end closed the wire"))

    def transport_lost(self, error: IpfiError, now_s: float) -> None:
        """Note that the line is gone for good."""
        if not self.framed:
            self._link.on_deadline(float("inf"))  # what may be a HELLO will not become one
        self._take_link_events(now_s)
        self._link.close()
        while self._link.next_event() is not None:
            pass  # its goodbye, which nobody hears
        self._end_for_good(error)

    # --- the five verbs ---

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the line brought; never raises on it."""
        self._link.receive_bytes(data, now_s)
        self._take_link_events(now_s)

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:
        """Hand over what may go on the line now, about ``max_bytes`` at most."""
        outbox = self._outbox
        if outbox.pending:
            self._drain_outbox(now_s)
        data = self._link.bytes_to_send(now_s, max_bytes)
        if data and outbox.pending:
            self._drain_outbox(now_s)
        return data

    def next_event(self) -> WireEvent | None:
        """Hand over the oldest event, or None."""
        return self.events.popleft() if self.events else None

    def next_deadline_s(self) -> float | None:
        """Return when :meth:`on_deadline` is due; asking changes nothing."""
        return sooner(self._link.next_deadline_s(), self.caller.next_deadline_s())

    def on_deadline(self, now_s: float) -> None:
        """Act on what is due; early or stale calls are harmless."""
        self.caller.on_deadline(now_s)
        self._link.on_deadline(now_s)
        self._take_link_events(now_s)

    # --- queries ---

    @property
    def link(self) -> Link | PlainLink:
        """What carries the stream: its state, counters and round-trip time."""
        return self._link

    @property
    def established(self) -> bool:
        """Whether a session stands."""
        return self._link.established

    @property
    def flushed(self) -> bool:
        """Whether everything queued has left and, on a framed wire, was acknowledged."""
        return not self._outbox and self._link.flushed

    @property
    def peer_schema(self) -> int:
        """Hash of the other end's description, 0 if it has none (DESC-3)."""
        agreement = self._link.agreement
        return agreement.theirs.schema if agreement is not None else 0

    @property
    def queued_messages(self) -> int:
        """How many messages have not entered the stream."""
        return self._outbox.pending

    @property
    def queued_bytes(self) -> int:
        """How many bytes of messages have not entered the stream."""
        return self._outbox.queued_bytes

    @property
    def calls_under_way(self) -> int:
        """How many calls have not ended: sent to the other end, and served here."""
        return self.caller.open_calls + self.callee.open_calls

    @property
    def frames_under_way(self) -> int:
        """How many frames wait for their ACK; 0 on a plain wire."""
        return self._link.frames_under_way

    @property
    def skipped_messages(self) -> int:
        """Messages and stray bytes of the stream that were skipped."""
        return self._inbox.skipped

    # --- events of the link ---

    def _take_link_events(self, now_s: float) -> None:
        link, inbox, events = self._link, self._inbox, self._link.events
        while True:
            while events:
                event = events.popleft()
                if isinstance(event, bytes):
                    inbox.take(_joined(event, events) if events else event)
                else:
                    self._take_other(event)
            if inbox.broken is None:
                break
            broken, inbox.broken = inbox.broken, None
            link.abort(broken, now_s)  # reports SessionLost
        self._note_busy(now_s)

    def _take_other(
        self, event: SessionOpened | SessionLost | LossyReceived | TextReceived
    ) -> None:
        if isinstance(event, SessionOpened):
            self._session_opened(event)
        elif isinstance(event, SessionLost):
            self._session_lost(event)
        elif isinstance(event, LossyReceived):
            self._inbox.take_lossy(event.message)
        else:
            self.events.append(event)

    def _session_opened(self, event: SessionOpened) -> None:
        agreement = self._link.agreement
        if agreement is not None:
            frame = min(agreement.ours.frame_payload, agreement.theirs.frame_payload)
            self._outbox.part_bytes = max(SMALLEST_PART_BYTES, frame)
            self._peer_extensions = agreement.theirs.extensions
            self._peer_max_message = agreement.theirs.max_message_bytes
        self.caller.session_opened(agreement)
        self.callee.session_opened(agreement)
        self.events.append(event)

    def _session_lost(self, event: SessionLost) -> None:
        self._over = event.final
        self._outbox.clear()
        self._inbox.session_lost()
        self.caller.session_lost(event.reason)
        self.callee.session_lost()
        self._busy = False
        self.events.append(event)
        self._describe()

    def _end_for_good(self, error: IpfiError) -> None:
        if not self._over:
            self._session_lost(SessionLost(error, final=True))

    def _check_up(self) -> None:
        if self.caller.down is not None:
            raise self.caller.down.for_call(may_have_executed=False)

    def _describe(self) -> None:
        """Fix what the next session will say of us, and announce its hash (DESC-3)."""
        if not self._link.established:  # else one stands already, in place of the lost one
            self.callee.description = self._interface.description
            self._link.describe_as(self._interface.schema)

    # --- sending ---

    def _drain_outbox(self, now_s: float) -> None:
        """Move messages into the stream while the link has room for them."""
        link, outbox = self._link, self._outbox
        while True:
            while outbox.pending and (room_bytes := link.room_bytes) > 0:
                link.push(outbox.pull(min(room_bytes, PULL_BYTES)), now_s)
            if self.callee.producers:
                self.callee.producers.offer_room()
            # calls whose arguments have left make room
            if not self.caller.slots.waiting or not self.caller.start_waiting():
                break

    def _emit_lossy(self, index: int, payload: bytes) -> None:
        if not self._peer_extensions & Extension.LOSSY:
            raise LocalProtocolError("the other end does not take lossy events")
        message = encode_parts(MessageKind.EVENT, index, 0, Terminator.COMPLETE, payload)
        if len(message) > self._link.lossy_limit_bytes:
            raise CallRefusedError(
                f"a lossy event travels in one frame: {len(message)} bytes, but only "
                f"{self._link.lossy_limit_bytes} fit; emit it without lossy=True",
                reason="limit",
            )
        self._link.push_lossy(message)

    def _emit_plain(self, index: int, payload: bytes, now_s: float, *, lossy: bool) -> None:
        """Emit an event as a call whose answer nobody waits for (EVENT-4)."""
        if lossy:
            raise LocalProtocolError("a plain wire loses nothing: emit without lossy=True")
        call = OutgoingCall(index, float("inf"), streaming=False, nested=True, owner=None)
        self.caller.start(call, payload, more=False)
        self.caller.disown(call)
        self._note_busy(now_s)

    def _note_busy(self, now_s: float) -> None:
        busy = self.caller.busy
        if busy is not self._busy:
            self._busy = busy
            self._link.set_busy(busy, now_s)


def _joined(first: bytes, events: deque[LinkEvent]) -> bytes:
    """Take the pieces of the stream that follow ``first``, and return all of them as one."""
    pieces: list[Any] = [first]
    while events and isinstance(events[0], bytes):
        pieces.append(events.popleft())
    return b"".join(pieces)
