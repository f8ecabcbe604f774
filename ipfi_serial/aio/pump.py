"""The engine room of the asyncio shell: joins a wire to a transport and to the event loop.

Everything runs on the loop's thread.  One lazy timer serves all deadlines of the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.stats import loss_report
from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import IpfiError, TransportError, WireClosedError
from ipfi_serial.events import SessionLost
from ipfi_serial.transport.base import AsyncTransport

log = logging.getLogger("ipfi_serial")

SLICE_BYTES: Final = 65536  # handed to the transport at a time
FULL_LOOK_S: Final = 0.01  # shortest wait while the line takes no more and sending is overdue
BUSY_CALLS: Final = 4  # calls under way beyond which the messages of a turn go together ...
HELD_MESSAGES: Final = 8  # ... up to so many: the other end begins with these meanwhile

Result = TypeVar("Result")


class AioPump:
    """Moves bytes, time and events of one wire.

    Args:
        wire: what to move; nobody else may touch it but through :meth:`command`.
        transport: the open line, not started.
        deliver: gets each event.  The last one is a final SessionLost.
    """

    def __init__(
        self, wire: Wire, transport: AsyncTransport, deliver: Callable[[WireEvent], None]
    ) -> None:
        self._wire = wire
        self._transport = transport
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._unsent = b""
        self._blocked = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = float("inf")
        self._sent_this_turn = False
        self._more_this_turn = False  # something may wait to be sent at the end of this turn
        self._lost: IpfiError | None = None
        self._closed = False
        self._progress: list[asyncio.Future[None]] = []
        self._losses = loss_report(wire, transport)

    def start(self) -> None:
        """Open the wire and begin to move it."""
        self._transport.start(self._on_bytes, self._on_room, self._on_lost)
        self.command(lambda wire, now_s: wire.open(now_s))

    def command(self, do: Callable[[Wire, float], Result], *, single: bool = False) -> Result:
        """Do something to the wire, send what that made, and deliver what it reported.

        The first command of a turn of the loop is sent at once, those after it together.

        Args:
            do: gets the wire and the time.
            single: it begins or ends one call.  Then the calls under way tell whether more is to
                come in this turn: a lone call costs no second turn, many share one frame.

        Raises:
            IpfiError: what ``do`` raises.
        """
        now_s = time.monotonic()
        try:
            return do(self._wire, now_s)
        finally:
            if self._sent_this_turn and self._wire.queued_messages < HELD_MESSAGES:
                self._more_this_turn = True
                self._deliver_events()
            elif self._sent_this_turn:
                self._send(now_s)
                self._settle()
            else:
                self._send_or_collect(now_s, self._wire.calls_under_way if single else 2)

    def _send_or_collect(self, now_s: float, calls: int) -> None:
        if calls > 1:
            self._sent_this_turn = True
            self._loop.call_soon(self._end_turn)
        if calls > BUSY_CALLS:
            self._more_this_turn = True
            self._deliver_events()
        else:
            self._send(now_s)
            self._settle()

    def forget(self, call: OutgoingCall) -> None:
        """Cancel a call soon: nobody waits for it any more.

        Takes no lock: a garbage collection may call it anywhere, on any thread.
        """
        with contextlib.suppress(RuntimeError):  # the loop is closed, and the call with it
            self._loop.call_soon_threadsafe(self._cancel, call)

    def _cancel(self, call: OutgoingCall) -> None:
        if not self._closed:
            self.command(lambda wire, _: wire.caller.cancel(call))

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued has left (framed: was acknowledged); tell if it did."""
        until_s = time.monotonic() + timeout_s
        while self._unsent or not self._wire.flushed:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or self._lost is not None:
                return False
            progress = self._loop.create_future()
            self._progress.append(progress)
            await asyncio.wait((progress,), timeout=left_s)
        return True

    def close(self) -> None:
        """Say goodbye and release the transport.  Idempotent."""
        if self._closed:
            return
        now_s = time.monotonic()
        if self._lost is None:
            self._wire.close(now_s)
            self._send(now_s)
        self._closed = True
        self._cancel_timer()
        self._end(self._lost or WireClosedError("this end closed the wire"))
        self._transport.close()

    # --- the loop's callbacks ---

    def _on_bytes(self, data: bytes) -> None:
        if self._closed:
            return
        now_s = time.monotonic()
        try:
            self._wire.receive_bytes(data, now_s)
        except Exception as error:
            log.exception("%s: the wire failed", self._transport.endpoint)
            self._on_lost(error)
            return
        self._deliver_events()
        if self._sent_this_turn:
            self._more_this_turn = True
        else:
            self._send(now_s)
            self._settle()
        self._note_progress()

    def _on_room(self) -> None:
        self._blocked = False
        self._send(time.monotonic())
        self._settle()
        self._note_progress()

    def _on_lost(self, error: Exception) -> None:
        if self._closed or self._lost is not None:
            return
        if isinstance(error, IpfiError):
            self._lost = error
        else:
            self._lost = TransportError(f"{self._transport.endpoint}: {error!r}")
        self._wire.transport_lost(self._lost, time.monotonic())
        self._cancel_timer()
        self._end(self._lost)

    def _end(self, reason: IpfiError) -> None:
        """Deliver what is left and the end of it all."""
        self._deliver_events()
        self._tell(SessionLost(reason, final=True))
        self._note_progress()

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_due_s = float("inf")
        now_s = time.monotonic()
        due_s = self._wire.next_deadline_s()
        if due_s is not None and due_s <= now_s:
            try:
                self._wire.on_deadline(now_s)
            except Exception as error:
                log.exception("%s: the wire failed", self._transport.endpoint)
                self._on_lost(error)
                return
            self._send(now_s)
        self._settle()
        self._note_progress()

    def _end_turn(self) -> None:
        self._sent_this_turn = False
        if self._more_this_turn and not self._closed:
            self._more_this_turn = False
            self._send(time.monotonic())
            self._settle()
            self._note_progress()

    # --- inside ---

    def _settle(self) -> None:
        """Deliver what was reported and arm the timer for what is due next."""
        self._deliver_events()
        due_s = self._wire.next_deadline_s()
        if due_s is None or due_s >= self._timer_due_s or self._closed or self._lost is not None:
            return  # a timer that fires too early does no harm
        self._cancel_timer()
        self._timer_due_s = due_s
        # while the line takes no more, sending may be overdue, but on_room comes by itself
        shortest_s = FULL_LOOK_S if self._blocked else 0.0
        delay_s = max(shortest_s, due_s - time.monotonic())
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _send(self, now_s: float) -> None:
        if self._lost is not None or self._blocked or self._closed:
            return
        if self._losses is not None:
            self._losses.tell()
        try:
            while data := self._unsent or self._wire.bytes_to_send(now_s, SLICE_BYTES):
                taken = self._transport.write(data)
                if taken < len(data):
                    self._unsent = data[taken:]
                    self._blocked = True
                    return
                if taken < SLICE_BYTES // 2 and not self._unsent:
                    return  # the wire had no more; behind a rest it may have
                self._unsent = b""
        except Exception as error:  # noqa: BLE001 - a transport of the user's may raise anything
            self._on_lost(error)

    def _deliver_events(self) -> None:
        events = self._wire.events
        while events:
            self._tell(events.popleft())

    def _tell(self, event: WireEvent) -> None:
        try:
            self._deliver(event)
        except Exception:
            log.exception("%s: lost %r", self._transport.endpoint, event)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timer_due_s = float("inf")

    def _note_progress(self) -> None:
        """Wake those who flush: something has left, arrived or ended."""
        if not self._progress:
            return
        for progress in self._progress:
            if not progress.done():
                progress.set_result(None)
        self._progress.clear()
