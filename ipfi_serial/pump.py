"""The engine room of the blocking shell: joins a wire to a transport and to real time.

One lock guards the wire.  One thread at a time reads the transport, the leader: a caller that
waits for an answer reads for itself, so that no other thread must be woken, and a thread of the
pump reads when nobody waits.  Events are handed over after the lock is released, one by one, in the
order in which the wire reported them, whichever thread does it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import IpfiError, TransportError, WireClosedError
from ipfi_serial.events import SessionLost
from ipfi_serial.transport.base import Transport

log = logging.getLogger("ipfi_serial")

GRACE_S: Final = 0.002  # the pump's thread takes over when no caller has read for this long
SLICE_BYTES: Final = 65536  # handed to the transport at a time
FOREVER_S: Final = 3600.0  # a wait without a deadline looks up this often
FULL_LOOK_S: Final = 0.01  # shortest wait while the line takes no more and sending is overdue
PARK_LOOK_S: Final = 0.25  # an interrupt may have swallowed the word that no caller leads any more
JOIN_S: Final = 5.0  # how long close() waits for the thread

Result = TypeVar("Result")


class Waiter(Protocol):
    """What a caller waits for.

    Attributes:
        ready: whether it has come; set by a delivery, on any thread.
    """

    ready: bool


class Pump:
    """Moves bytes, time and events of one wire.

    Args:
        wire: what to move; nobody else may touch it but through :meth:`command`.
        transport: the open line.
        deliver: gets each event, without the lock, on the thread that brought it or on one that
            was delivering then; it may not wait.  The last event is a final SessionLost.
    """

    def __init__(
        self, wire: Wire, transport: Transport, deliver: Callable[[WireEvent], None]
    ) -> None:
        self._wire = wire
        self._transport = transport
        self._deliver = deliver
        self._lock = threading.Lock()
        self._delivering = threading.RLock()  # re-entrant: a log handler may use the wire
        self._events: deque[WireEvent] = deque()  # reported, not delivered yet
        self._leader: _Turn | None = None  # who reads
        self._sleepers: list[_Sleeper] = []
        self._flushes: list[_Flush] = []
        self._unsent = b""
        self._due_s: float | None = None  # what the leader found due when it began to read
        self._wakes_at_s = 0.0  # when the leader looks up by itself
        self._callers_turn_s = 0.0  # when a caller last read, or was woken and may read next
        self._lost: IpfiError | None = None
        self._closed = False
        self._parked = threading.Event()
        self._is_parked = False  # the pump's thread waits until no caller leads
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
        news = False
        try:
            with self._lock:
                now_s = time.monotonic()
                try:
                    return do(self._wire, now_s)
                finally:
                    self._send(now_s)
                    news = self._collect()
                    self._call_leader()
        finally:
            if news:
                self._hand_over()

    def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        """Wait until ``waiter.ready``; return whether it is, after at most ``timeout_s`` seconds.

        Returns early, and False, if the line is gone and ``waiter`` has not heard of it.
        """
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        going = True
        while going and not waiter.ready:
            turn = _Turn(waiter)
            try:
                if self._take_lead(turn):
                    going = self._lead(waiter, until_s)
                else:
                    going = self._follow(waiter, until_s)
            finally:
                if self._leader is turn:  # no call before the next line: an interrupt may come
                    self._leader = None
                    self._callers_turn_s = time.monotonic()
                if self._leader is None:
                    self._pass_on()
        return waiter.ready

    def look(self) -> None:
        """Let every caller look whether what it waits for is ready: another thread has set it."""
        for sleeper in self._sleepers.copy():
            if sleeper.waiter.ready:
                self._callers_turn_s = time.monotonic()  # the woken one may read next
                sleeper.ring()
        leader = self._leader
        if leader is not None and leader.waiter.ready and not leader.is_mine:
            self._wake_leader()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued has left (framed: was acknowledged); tell if it did."""
        flush = _Flush()
        with self._lock:
            if self._is_over or self._is_flushed:
                return self._is_flushed
            self._flushes.append(flush)
        try:
            return self.wait(flush, timeout_s)
        finally:
            self._flushes.remove(flush)

    def close(self) -> bool:
        """Say goodbye, release the transport, end the thread; return False if it was closed."""
        with self._lock:
            if self._closed:
                return False
            now_s = time.monotonic()
            if self._lost is None:
                self._wire.close(now_s)
                self._send(now_s)
            self._closed = True
            self._collect()
            reason = self._lost or WireClosedError("this end closed the wire")
            self._events.append(SessionLost(reason, final=True))
        try:
            self._hand_over()
        finally:
            self._transport.close()
            self._parked.set()
            if threading.current_thread() is not self._thread and self._thread.ident is not None:
                self._thread.join(JOIN_S)
        return True

    # --- the leader ---

    def _take_lead(self, turn: _Turn) -> bool:
        with self._lock:
            if self._leader is None:
                self._leader = turn
                return True
            return False

    def _lead(self, waiter: Waiter, until_s: float | None) -> bool:
        """Read until ``waiter`` is ready; return False if its time ran out or the line is gone."""
        while not waiter.ready:
            left_s = None if until_s is None else until_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                return False
            if not self._turn(left_s):
                return False
        return True

    def _turn(self, limit_s: float | None) -> bool:
        """Read once, or wait for the next deadline; return False if the line is gone."""
        with self._lock:
            timeout_s = None if self._is_over else self._next_timeout_s(limit_s)
        if timeout_s is None:
            self._hand_over()  # or wait until another thread has done it
            return False
        try:
            data = self._transport.read(timeout_s)
        except Exception as error:  # noqa: BLE001 - a transport of the user's may raise anything
            with self._lock:
                self._lose(error)
            self._hand_over()
            return False
        with self._lock:
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
            news = self._collect()
            self._wakes_at_s = now_s  # until the next read: commands need not wake anybody
        if news:
            self._hand_over()
        return True

    def _next_timeout_s(self, limit_s: float | None) -> float:
        now_s = time.monotonic()
        due_s = self._due_s = self._wire.next_deadline_s()
        timeout_s = FOREVER_S if due_s is None else min(max(0.0, due_s - now_s), FOREVER_S)
        if self._unsent and timeout_s < FULL_LOOK_S:
            timeout_s = FULL_LOOK_S  # sending may be overdue, but room ends the read by itself
        if limit_s is not None and limit_s < timeout_s:
            timeout_s = limit_s
        self._wakes_at_s = now_s + timeout_s
        return timeout_s

    def _run(self) -> None:
        """Be the leader whenever no caller is."""
        going = True
        turn = _Turn(_NOTHING)
        while going and not self._closed:
            quiet_s = time.monotonic() - self._callers_turn_s
            if quiet_s < GRACE_S:
                self._parked.wait(GRACE_S - quiet_s)
            elif self._take_lead(turn):
                try:
                    going = self._turn(None)
                finally:
                    self._leader = None
                    self._pass_on()
            else:
                self._park()

    def _park(self) -> None:
        """Sleep while a caller leads."""
        self._parked.clear()
        self._is_parked = True
        if self._leader is not None and not self._closed:
            self._parked.wait(PARK_LOOK_S)
        self._is_parked = False
        if not self._closed:
            self._parked.clear()

    def _pass_on(self) -> None:
        """Nobody leads: let a sleeping caller do it, if there is one, or else the pump's thread."""
        for sleeper in self._sleepers.copy():
            if not sleeper.waiter.ready:
                self._callers_turn_s = time.monotonic()
                sleeper.ring()
                return
        if self._is_parked:
            self._parked.set()

    def _follow(self, waiter: Waiter, until_s: float | None) -> bool:
        """Sleep until the waiter is ready or may lead; return False if its time ran out."""
        left_s = FOREVER_S if until_s is None else until_s - time.monotonic()
        if left_s <= 0:
            return False
        sleeper = _Sleeper(waiter)
        self._sleepers.append(sleeper)
        try:  # whoever wakes sets first and looks at the sleepers then; here it is the other way
            if not waiter.ready and self._leader is not None:
                sleeper.sleep(min(left_s, FOREVER_S))
        finally:
            self._sleepers.remove(sleeper)
        return True

    # --- delivering ---

    def _hand_over(self) -> None:
        """Deliver what was reported; when this returns, what was reported before is delivered."""
        events = self._events
        with self._delivering:
            while events:
                event = events.popleft()
                try:
                    self._deliver(event)
                except Exception:
                    log.exception("%s: lost %r", self._transport.endpoint, event)
        leader = self._leader
        if self._sleepers or (leader is not None and not leader.is_mine):
            self.look()

    # --- with the lock held ---

    def _send(self, now_s: float) -> None:
        """Hand over what may go on the line, as far as the transport takes it."""
        if self._is_over:
            return
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

    def _collect(self) -> bool:
        """Take what the wire reported; return whether there is something to tell."""
        news = False
        while (event := self._wire.next_event()) is not None:
            self._events.append(event)
            news = True
        if self._flushes and self._is_flushed:
            news = True
            for flush in self._flushes:
                flush.ready = True
        return news or self._is_over

    def _call_leader(self) -> None:
        """Wake the leader if it sleeps beyond what is due now."""
        if self._leader is None:
            return  # whoever leads next looks for itself
        due_s = self._wire.next_deadline_s()
        if due_s is not None and due_s < self._wakes_at_s:
            self._wake_leader()

    def _wake_leader(self) -> None:
        with contextlib.suppress(Exception):  # a line that is gone
            self._transport.wake()

    def _lose(self, error: Exception) -> None:
        """Note that the line is gone; everything that waits ends with this."""
        if self._is_over:
            return
        if isinstance(error, IpfiError):
            self._lost = error
        else:
            self._lost = TransportError(f"{self._transport.endpoint}: {error!r}")
        self._wire.transport_lost(self._lost, time.monotonic())
        self._collect()
        self._events.append(SessionLost(self._lost, final=True))
        self._wake_leader()

    @property
    def _is_over(self) -> bool:
        return self._lost is not None or self._closed

    @property
    def _is_flushed(self) -> bool:
        return not self._unsent and self._wire.flushed


class _Turn:
    """A thread that leads."""

    __slots__ = ("_thread", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self._thread = threading.get_ident()

    @property
    def is_mine(self) -> bool:
        return self._thread == threading.get_ident()


class _Sleeper:
    """A caller that sleeps while another thread leads."""

    __slots__ = ("_bell", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self._bell = threading.Lock()
        self._bell.acquire()

    def sleep(self, timeout_s: float) -> None:
        self._bell.acquire(timeout=timeout_s)

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was rung before
            self._bell.release()


class _Flush:
    """Becomes ready when everything has left."""

    __slots__ = ("ready",)

    def __init__(self) -> None:
        self.ready = False


_NOTHING: Final = _Flush()  # what the pump's own thread waits for
