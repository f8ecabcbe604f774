"""The engine room of the blocking shell: joins a wire to a transport and to real time.

One lock guards the wire.  One thread at a time reads the transport, the leader: a caller that waits
for an answer reads for itself, so that no other thread must be woken, and a thread of the pump
reads when nobody waits.  Events are handed over after the lock is released.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import IpfiError, TransportError
from ipfi_serial.transport.base import Transport

GRACE_S: Final = 0.002  # the pump's thread takes over when no caller has read for this long
SLICE_BYTES: Final = 65536  # handed to the transport at a time
FOREVER_S: Final = 3600.0  # a wait without a deadline looks up this often

Result = TypeVar("Result")


class Waiter(Protocol):
    """What a caller waits for.

    Attributes:
        ready: whether it has come; set by the leader's deliveries.
        event: wakes the caller if another thread is the leader; None while nobody sleeps.
    """

    ready: bool
    event: threading.Event | None


class Pump:
    """Moves bytes, time and events of one wire.

    Args:
        wire: what to move; nobody else may touch it but through :meth:`command`.
        transport: the open line.
        deliver: gets each batch of events, without the lock, on the leader's thread.
    """

    def __init__(
        self, wire: Wire, transport: Transport, deliver: Callable[[list[WireEvent]], None]
    ) -> None:
        self._wire = wire
        self._transport = transport
        self._deliver = deliver
        self._lock = threading.Lock()
        self._leading = threading.Lock()  # held by the leader
        self._sleepers: list[Waiter] = []
        self._unsent = b""
        self._wakes_at_s = 0.0  # when the leader looks up by itself
        self._led_by_caller_s = 0.0
        self._lost: IpfiError | None = None
        self._closed = False
        self._parked = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"ipfi {transport.endpoint}", daemon=True
        )

    def start(self) -> None:
        """Open the wire and begin to move it."""
        self.command(lambda wire, now_s: wire.open(now_s))
        self._thread.start()

    # --- for any thread ---

    def command(self, do: Callable[[Wire, float], Result]) -> Result:
        """Do something to the wire, send what that made, and deliver what it reported.

        Raises:
            IpfiError: what ``do`` raises.
        """
        with self._lock:
            now_s = time.monotonic()
            try:
                result = do(self._wire, now_s)
            finally:
                self._send(now_s)
            events = self._take_events()
            self._call_leader()
        if events:
            self._deliver(events)
        return result

    def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        """Wait until ``waiter.ready``, at most ``timeout_s`` seconds; return whether it is."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not waiter.ready:
            if self._leading.acquire(blocking=False):
                try:
                    expired = self._lead(waiter, until_s)
                finally:
                    self._led_by_caller_s = time.monotonic()
                    self._leading.release()
                    self._pass_on()
                if expired:
                    break
            elif not self._follow(waiter, until_s):
                break
        return waiter.ready

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued has left (framed: was acknowledged); tell if it did."""
        until_s = time.monotonic() + timeout_s
        flushed = _Flushed()
        while not self._is_flushed():
            left_s = until_s - time.monotonic()
            if left_s <= 0 or self._lost is not None:
                return False
            self.wait(flushed, min(left_s, 0.01))
        return True

    def close(self) -> None:
        """Say goodbye, release the transport, end the thread.  Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            now_s = time.monotonic()
            self._wire.close(now_s)
            self._send(now_s)
            events = self._take_events()
        self._deliver(events)
        self._transport.close()
        self._parked.set()
        if threading.current_thread() is not self._thread and self._thread.ident is not None:
            self._thread.join(timeout=5.0)

    @property
    def is_own_thread(self) -> bool:
        """Whether the calling thread is the pump's own."""
        return threading.current_thread() is self._thread

    # --- the leader ---

    def _lead(self, waiter: Waiter, until_s: float | None) -> bool:
        """Read until ``waiter`` is ready; return True if its time ran out first."""
        while not waiter.ready:
            left_s = None if until_s is None else until_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                return True
            if not self._turn(left_s):
                return True
        return False

    def _turn(self, limit_s: float | None) -> bool:
        """Read once, or wait for the next deadline; return False if the line is gone."""
        with self._lock:
            if self._lost is not None or self._closed:
                return False
            timeout_s = self._next_timeout_s(limit_s)
        try:
            data = self._transport.read(timeout_s)
        except TransportError as error:
            self._lose(error)
            return False
        with self._lock:
            now_s = time.monotonic()
            if data:
                self._wire.receive_bytes(data, now_s)
            due_s = self._wire.next_deadline_s()
            if due_s is not None and due_s <= now_s:
                self._wire.on_deadline(now_s)
            self._send(now_s)
            events = self._take_events()
            self._wakes_at_s = now_s  # until the next read: commands need not wake anybody
        if events:
            self._deliver(events)
        return True

    def _next_timeout_s(self, limit_s: float | None) -> float | None:
        now_s = time.monotonic()
        due_s = self._wire.next_deadline_s()
        timeout_s = FOREVER_S if due_s is None else max(0.0, due_s - now_s)
        if limit_s is not None and limit_s < timeout_s:
            timeout_s = limit_s
        self._wakes_at_s = now_s + timeout_s
        return timeout_s

    def _run(self) -> None:
        """Be the leader whenever no caller is."""
        while not self._closed:
            idle_s = time.monotonic() - self._led_by_caller_s
            if idle_s < GRACE_S or not self._leading.acquire(blocking=False):
                self._parked.wait(GRACE_S)
                continue
            try:
                going = self._turn(None)
            finally:
                if self._sleepers:
                    self._led_by_caller_s = time.monotonic()  # cede to the one that is woken now
                self._leading.release()
                self._pass_on()
            if not going:
                return

    def _pass_on(self) -> None:
        """Let a sleeping caller lead, if there is one."""
        for waiter in self._sleepers[:1]:
            if waiter.event is not None:
                waiter.event.set()

    def _follow(self, waiter: Waiter, until_s: float | None) -> bool:
        """Sleep until the waiter is ready or may lead; return False if its time ran out."""
        event = threading.Event()
        waiter.event = event
        self._sleepers.append(waiter)
        try:
            if waiter.ready or self._lost is not None:
                return self._lost is None
            left_s = FOREVER_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0:
                return False
            event.wait(min(left_s, 1.0))
            return True
        finally:
            waiter.event = None
            self._sleepers.remove(waiter)

    # --- with the lock held ---

    def _send(self, now_s: float) -> None:
        """Hand over what may go on the line, as far as the transport takes it."""
        if self._lost is not None:
            return
        try:
            while True:
                data = self._unsent or self._wire.bytes_to_send(now_s, SLICE_BYTES)
                if not data:
                    return
                taken = self._transport.write(data)
                if taken < len(data):
                    self._unsent = data[taken:]
                    return
                self._unsent = b""
                if taken < SLICE_BYTES // 2:
                    return
        except TransportError as error:
            self._lost = error
            self._wire.transport_lost(error, now_s)

    def _take_events(self) -> list[WireEvent]:
        events: list[WireEvent] = []
        while (event := self._wire.next_event()) is not None:
            events.append(event)
        return events

    def _call_leader(self) -> None:
        """Wake the leader if it sleeps beyond what is due now."""
        due_s = self._wire.next_deadline_s()
        if due_s is not None and due_s < self._wakes_at_s:
            self._transport.wake()

    def _is_flushed(self) -> bool:
        with self._lock:
            return not self._unsent and self._wire.flushed

    def _lose(self, error: IpfiError) -> None:
        """Note that the line is gone and end everything that waits."""
        with self._lock:
            if self._lost is None and not self._closed:
                self._lost = error
                self._wire.transport_lost(error, time.monotonic())
            events = self._take_events()
        self._deliver(events)
        for waiter in list(self._sleepers):
            if waiter.event is not None:
                waiter.event.set()


class _Flushed:
    """A waiter that nothing makes ready: flushing looks for itself."""

    def __init__(self) -> None:
        self.ready = False
        self.event: threading.Event | None = None
