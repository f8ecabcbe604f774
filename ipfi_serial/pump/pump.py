"""Joins a wire to a transport and to real time: who reads, who waits, and who hears what came.

One lock guards the wire.  One thread at a time reads the transport, the leader: a caller that
waits for an answer reads for itself, so that no other thread must be woken, and a thread of the
pump reads when nobody waits.  Events are handed over after the lock is released, one by one, in the
order in which the wire reported them, whichever thread does it.

A thread of the pump that has read a call passes on the lead and runs the handler itself, so that a
short one costs no other thread's waking either.  When it stays away, a second thread reads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import WireClosedError
from ipfi_serial.events import SessionLost
from ipfi_serial.pump.carrier import CALLER_LOOK_S, Carrier
from ipfi_serial.pump.turns import NOTHING, Flush, Sleeper, Turn, Waiter
from ipfi_serial.transport.base import Transport
from ipfi_serial.workers import Job, Shift

log = logging.getLogger("ipfi_serial")

GRACE_S: Final = 0.002  # a thread of the pump takes over when nobody has read for this long
LINGER_S: Final = 0.05  # it looks every GRACE_S for so long after the last call, and sleeps then
PARK_LOOK_S: Final = 0.25  # an interrupt may have swallowed the word that no caller leads any more
JOIN_S: Final = 5.0  # how long close() waits for the threads

Result = TypeVar("Result")


class Pump(Carrier):
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
        super().__init__(wire, transport)
        self._deliver = deliver
        self._lock = threading.Lock()
        self._delivering = threading.RLock()  # re-entrant: a log handler may use the wire
        self._leader: Turn | None = None  # who reads
        self._sleepers: list[Sleeper] = []
        self._callers_turn_s = 0.0  # when a caller last read, or was woken and may read next
        self._shift = Shift()
        self._served_s = 0.0  # when a thread of the pump last began to run handlers
        self._back_by_s = 0.0  # when it will have been away for too long
        self._parked = threading.Event()
        self._is_parked = False  # a thread of the pump waits until no caller leads
        self._own_thread = self._new_thread()
        self._relief: threading.Thread | None = None  # reads while the other one runs a handler

    def start(self) -> None:
        """Open the wire and begin to move it."""
        self.command(lambda wire, now_s: wire.open(now_s))
        self._own_thread.start()

    # --- for any thread ---

    def command(self, do: Callable[[Wire, float], Result], *, bulk: bool = False) -> Result:
        """Do something to the wire, send what that made, and deliver what it reported.

        Args:
            do: gets the wire and the time.
            bulk: what it sends may wait for more of its kind while frames are under way.

        Raises:
            IpfiError: what ``do`` raises.
        """
        news = False
        try:
            with self._lock:
                now_s = time.monotonic()
                if self._forgotten:
                    self._cancel_forgotten()
                try:
                    return do(self._wire, now_s)
                finally:
                    if not (bulk and self._may_collect()):  # else an ACK brings the next turn
                        self._send_or_hold(now_s)
                    news = self._collect()
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
            turn = Turn(waiter)
            try:
                if self._take_lead(turn):
                    going = self._lead(waiter, until_s)
                else:
                    going = self._follow(waiter, until_s)
            finally:
                if self._leader is turn:  # no call before the next line: an interrupt may come
                    self._leader = None
                    self._callers_turn_s = time.monotonic()
                if self._leader is None and (self._sleepers or self._is_parked):
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
        flush = Flush()
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
            self._closed = self._is_over = True
            self._collect()
            reason = self._lost or WireClosedError("this end closed the wire")
            self._events.append(SessionLost(reason, final=True))
        try:
            self._hand_over()
        finally:
            self._transport.close()
            self._parked.set()
            for thread in (self._own_thread, self._relief):
                if thread is not None and not self._shift.keeps(thread):
                    thread.join(JOIN_S)
        return True

    def serve(self, job: Job, instead: Job) -> bool:
        """Let the thread that has just read run ``job`` when it has passed on the lead.

        If it stays away for GRACE_S seconds, another thread reads, and does ``instead`` for each
        job that has not begun: that should run the job on a worker, and must not wait.

        Args:
            job: runs a handler; must not raise.
            instead: what to do with the job when its thread is busy with another one.

        Returns:
            Whether this is done: False unless a delivery asks for it, on a thread of this pump,
            and another one is free to read.
        """
        return self._shift.take(job, instead)

    # --- the leader ---

    def _take_lead(self, turn: Turn) -> bool:
        with self._lock:
            if self._leader is None:
                self._leader = turn
                return True
            return False

    def _lead(self, waiter: Waiter, until_s: float | None) -> bool:
        """Read until ``waiter`` is ready; return False if its time ran out or the line is gone."""
        while not waiter.ready:
            left_s = CALLER_LOOK_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0 or not self._turn(min(left_s, CALLER_LOOK_S)):
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
            news = self._take(data)
        if news:
            self._hand_over(leading=True)
        return True

    # --- the pump's own threads ---

    def _new_thread(self) -> threading.Thread:
        name = f"ipfi {self._transport.endpoint}"
        return threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        """Be the leader whenever no caller is, and run the handlers of what this read."""
        going = True
        turn = Turn(NOTHING)
        while going and not self._closed:
            now_s = time.monotonic()
            wait_s = max(self._callers_turn_s + GRACE_S, self._back_by_s) - now_s
            if wait_s > 0:
                self._doze(wait_s)
            elif self._take_lead(turn):
                going = self._own_turn()
            elif now_s < max(self._callers_turn_s, self._served_s) + LINGER_S:
                self._doze(GRACE_S)
            else:
                self._park()

    def _own_turn(self) -> bool:
        """Read once for all and run what that brought; return False if the line is gone."""
        self._shift.give_away()  # another thread has been away for too long
        self._shift.open_to_me()
        try:
            return self._turn(None)
        finally:
            if self._shift.close() and self._has_relief():
                self._served_s = time.monotonic()
                self._back_by_s = self._served_s + GRACE_S
            self._leader = None
            self._pass_on()
            while self._shift.run_next():
                self._back_by_s = time.monotonic() + GRACE_S
            self._back_by_s = 0.0

    def _has_relief(self) -> bool:
        """Make sure that there is another thread to read."""
        if self._relief is None:
            self._relief = self._new_thread()
            try:
                self._relief.start()
            except RuntimeError:  # the system gives no more threads
                self._relief = None
                self._shift.give_away()
        return self._relief is not None

    def _doze(self, timeout_s: float) -> None:
        self._parked.clear()
        if not self._closed:
            self._parked.wait(timeout_s)

    def _park(self) -> None:
        """Sleep while a caller leads."""
        self._parked.clear()
        self._is_parked = True
        if self._leader is not None and not self._closed:
            self._parked.wait(PARK_LOOK_S)
        self._is_parked = False

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
        left_s = CALLER_LOOK_S if until_s is None else until_s - time.monotonic()
        if left_s <= 0:
            return False
        sleeper = Sleeper(waiter)
        self._sleepers.append(sleeper)
        try:  # whoever wakes sets first and looks at the sleepers then; here it is the other way
            if not waiter.ready and self._leader is not None:
                sleeper.sleep(min(left_s, CALLER_LOOK_S))
        finally:
            self._sleepers.remove(sleeper)
        return True

    # --- delivering ---

    def _hand_over(self, *, leading: bool = False) -> None:
        """Deliver what was reported; when this returns, what was reported before is delivered.

        Args:
            leading: this is the leader's thread.
        """
        events = self._events
        with self._delivering:
            while events:
                event = events.popleft()
                try:
                    self._deliver(event)
                except Exception:
                    log.exception("%s: lost %r", self._transport.endpoint, event)
        if self._sleepers or not leading:
            self.look()

    def _send_or_hold(self, now_s: float) -> None:
        if self._leader is not None:
            self._send(now_s)
            self._call_leader(now_s)
        elif self._shift.goes_on or self._may_hold():
            self._held = True
        else:
            self._send(now_s)

    def _call_leader(self, now_s: float) -> None:
        """Wake the leader if it sleeps beyond what is due now."""
        due_s = self._wire.next_deadline_s()
        if due_s is None:
            due_s = now_s + self._longest_wait_s
        if due_s < self._wakes_at_s:
            self._wake_leader()
