"""Moves bytes and time between a wire and a transport, for whoever holds the lock.

What it does it does at once; it never waits and never delivers.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from typing import Final

from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.stats import loss_report
from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import IpfiError, TransportError
from ipfi_serial.events import SessionLost
from ipfi_serial.pump.turns import Flush
from ipfi_serial.transport.base import Transport

log = logging.getLogger("ipfi_serial")

SLICE_BYTES: Final = 65536  # handed to the transport at a time
FOREVER_S: Final = 3600.0  # a wait without a deadline looks up this often ...
FORGOTTEN_S: Final = 1.0  # ... and while calls are under way, which may have been forgotten
CALLER_LOOK_S: Final = 0.5  # and that of a caller, whom Ctrl-C has to reach: sync/waits.py
FULL_LOOK_S: Final = 0.01  # shortest wait while the line takes no more and sending is overdue
BUSY_CALLS: Final = 4  # calls under way from which on the next few may travel together ...
BULK_BYTES: Final = 4096  # of streams that wait to fill a frame
HELD_MESSAGES: Final = 8  # ... so many; more fill a frame


class Carrier:
    """One wire on its transport; every method but :meth:`forget` wants the pump's lock.

    Args:
        wire: what to move.
        transport: the open line.
    """

    def __init__(self, wire: Wire, transport: Transport) -> None:
        self._wire = wire
        self._transport = transport
        self._events: deque[WireEvent] = deque()  # reported, not delivered yet
        self._flushes: list[Flush] = []
        self._forgotten: deque[OutgoingCall] = deque()  # that nobody waits for any more
        self._unsent = b""
        self._held = False  # messages wait for the next turn, though the line is free
        self._due_s: float | None = None  # what the leader found due when it began to read
        self._wakes_at_s = 0.0  # when the leader looks up by itself
        self._lost: IpfiError | None = None
        self._closed = False
        self._is_over = False  # lost or closed
        self._losses = loss_report(wire, transport)

    def forget(self, call: OutgoingCall) -> None:
        """Cancel a call when the lock is next held, within FORGOTTEN_S seconds.

        Takes no lock and wakes nobody: a garbage collection may call it anywhere, also in the
        middle of what any thread does with this pump or its transport.
        """
        self._forgotten.append(call)

    def _cancel_forgotten(self) -> None:
        while self._forgotten:
            self._wire.caller.cancel(self._forgotten.popleft())

    def _send(self, now_s: float) -> None:
        """Hand over what may go on the line, as far as the transport takes it."""
        if self._is_over:
            return
        self._held = False
        if self._losses is not None:
            self._losses.tell()
        try:
            while data := self._unsent or self._wire.bytes_to_send(now_s, SLICE_BYTES):
                taken = self._transport.write(data)
                if taken < len(data):
                    self._unsent = data[taken:]
                    return
                if taken < SLICE_BYTES // 2 and not self._unsent:
                    return  # the wire had no more; behind a rest it may have
                self._unsent = b""
        except Exception as error:  # noqa: BLE001 - a transport of the user's may raise anything
            self._lose(error)

    def _may_hold(self) -> bool:
        """Whether what was just queued may wait for the next turn, which comes within GRACE_S.

        Only if the other end has enough to do, and only a little: then messages share a frame, and
        a system call, that would each have cost one.
        """
        wire = self._wire
        return wire.caller.open_calls > BUSY_CALLS and wire.queued_messages < HELD_MESSAGES

    def _may_collect(self) -> bool:
        """Whether part of a stream may wait until an ACK comes, for a frame of its own size.

        Two frames under way are acknowledged at once (LINK-8), and a lost ACK is a deadline.
        """
        wire = self._wire
        return wire.frames_under_way >= 2 and wire.queued_bytes < BULK_BYTES

    def _take(self, data: bytes) -> bool:
        """Take what was read, act on what is due, answer; return whether there is news."""
        now_s = time.monotonic()
        try:
            if data:
                self._wire.receive_bytes(data, now_s)
            if self._due_s is not None and self._due_s <= now_s:
                self._wire.on_deadline(now_s)  # what the bytes made due waits for the next turn
        except Exception as error:
            log.exception("%s: the wire failed", self._transport.endpoint)
            self._lose(error)
        self._send(now_s)
        self._wakes_at_s = now_s  # until the next read: commands need not wake anybody
        return self._collect()

    def _collect(self) -> bool:
        """Take what the wire reported; return whether there is something to tell."""
        events = self._wire.events
        news = bool(events) or self._is_over
        if events:
            self._events.extend(events)
            events.clear()
        if self._flushes and self._is_flushed:
            news = True
            for flush in self._flushes:
                flush.ready = True
        return news

    def _next_timeout_s(self, limit_s: float | None) -> float:
        """Send what was held; return how long the leader may read."""
        now_s = time.monotonic()
        if self._forgotten:
            self._cancel_forgotten()
        if self._held:
            self._send(now_s)
        due_s = self._due_s = self._wire.next_deadline_s()
        timeout_s = self._longest_wait_s
        if due_s is not None:
            timeout_s = min(max(0.0, due_s - now_s), timeout_s)
        if self._unsent and timeout_s < FULL_LOOK_S:
            timeout_s = FULL_LOOK_S  # sending may be overdue, but room ends the read by itself
        if limit_s is not None and limit_s < timeout_s:
            timeout_s = limit_s
        self._wakes_at_s = now_s + timeout_s
        return timeout_s

    def _lose(self, error: Exception) -> None:
        """Note that the line is gone; everything that waits ends with this."""
        if self._is_over:
            return
        if isinstance(error, IpfiError):
            self._lost = error
        else:
            self._lost = TransportError(f"{self._transport.endpoint}: {error!r}")
        self._is_over = True
        self._wire.transport_lost(self._lost, time.monotonic())
        self._collect()
        self._events.append(SessionLost(self._lost, final=True))
        self._wake_leader()

    def _wake_leader(self) -> None:
        with contextlib.suppress(Exception):  # a line that is gone
            self._transport.wake()

    @property
    def _longest_wait_s(self) -> float:
        """What the leader may sleep when nothing is due."""
        return FORGOTTEN_S if self._wire.caller.open_calls else FOREVER_S

    @property
    def _is_flushed(self) -> bool:
        return not self._unsent and self._wire.flushed
