"""Virtual time for a whole program: its threads run one at a time, and waiting takes no time.

While it is open, what this module calls a member (the thread that opened it, and every thread that
a member starts) sees a clock that only moves on when all members wait; then it jumps to the first
deadline.  So a line of 30 bytes a second is tested as fast as it can be computed, nothing depends
on the machine's speed, and the order in which threads run is the same every time.

Members wait by the locks of :mod:`threading` (thus by its conditions and events), by joining
threads, and by ``time.sleep``; these are replaced while it is open.  What waits otherwise (a
socket) holds up all of them.  Other threads of the program see real time and the real functions.

Real for members, too, stay ``time.time``, ``time.perf_counter`` and ``time.monotonic_ns``, and what
took ``monotonic`` out of :mod:`time` by its name before: ``sched``, ``subprocess`` and
``socketserver`` (but not ``queue``, which is seen to).  ``queue.SimpleQueue`` waits out of our
sight; ``Popen.wait`` with a time-out sleeps in virtual time but looks at the real clock.  So start
and end other programs before or after it is open.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from ipfi_hil.target import TargetError
from ipfi_hil.virtual_lock import Gate, Started, VirtualLock, real_lock

START_S: Final = 1000.0  # of every clock, so that two runs see the same times
LOOK_S: Final = 20e-6  # what a look at the clock costs: who waits by looking must see it move
MOST_LOOKS: Final = 500  # of a thread in a row, before others have their turn
MOST_WAIT_S: Final = 7200.0  # of virtual time, of the thread that opened it: nothing waits for ever
STALL_S: Final = 120.0  # of real time in which no thread came to wait: one waits out of our sight

_real_monotonic = time.monotonic
_real_sleep = time.sleep
_real_start = threading.Thread.start
_real_join = threading.Thread.join
_real_rlock = threading.RLock

_only_one = real_lock()  # held by the virtual time that is open


class Device(Protocol):
    """Something beside the threads that needs the time: an emulated chip."""

    def advance(self, until_s: float) -> float:
        """Live until a moment, or until something happens that a thread may wait for.

        Returns:
            Where it stands now.
        """


class VirtualTime:
    """The time of a program; one of them may be open, and each of them once."""

    def __init__(self) -> None:
        self.mutex = _real_rlock()
        self.device: Device | None = None
        self._now_s = START_S
        self._is_open = False
        self._looks = 0
        self._switches = 0
        self._order = itertools.count()
        self._members: set[int] = set()
        self._asleep: set[Gate] = set()
        self._ready: deque[Gate] = deque()
        self._timers: list[tuple[float, int, Gate]] = []
        self._owner = 0
        self._owner_gate: Gate | None = None
        self._owner_until_s = 0.0
        self._replaced: list[tuple[Any, str, Any]] = []

    def open(self) -> None:
        """Let this thread, and those that it starts, live in virtual time.

        Raises:
            TargetError: this one or another one is open, or this one was open before.
        """
        if not _only_one.acquire(blocking=False):
            raise TargetError("virtual time is open already; close it before you open it again")
        if self._owner:
            _only_one.release()
            raise TargetError("this virtual time is over; make a new one")
        self._is_open = True
        self._owner = threading.get_ident()
        self._members.add(self._owner)
        try:
            replacements = self._replacements()
            self._replaced = [
                (place, name, getattr(place, name)) for place, name, _ in replacements
            ]
            for place, name, new in replacements:
                setattr(place, name, new)
        except BaseException:
            self.close()
            raise

    def _replacements(self) -> tuple[tuple[Any, str, Any], ...]:
        """Return what is replaced: where, its name, and by what."""
        lock: Callable[[], VirtualLock] = lambda: VirtualLock(self)  # noqa: E731 - as a class is
        return (
            (time, "monotonic", self.monotonic),
            (time, "sleep", self.sleep),
            (threading, "Lock", lock),
            (threading, "_allocate_lock", lock),  # what conditions wait by
            (threading, "RLock", threading._PyRLock),  # type: ignore[attr-defined]
            (threading, "_time", self.monotonic),
            (queue, "time", self.monotonic),  # its name there for time.monotonic
            (threading.Thread, "start", lambda thread: self._start(thread)),
            (
                threading.Thread,
                "join",
                lambda thread, timeout=None: self._join(thread, timeout),
            ),
        )

    def close(self) -> None:
        """Go back to real time; threads that still wait go on as if their time had run out."""
        with self.mutex:
            if not self._is_open:
                return
            for place, name, old in self._replaced:
                setattr(place, name, old)
            self._members.clear()
            self._ready.clear()
            self._timers.clear()
            while self._asleep:
                gate = self._asleep.pop()
                gate.waits = False
                gate.bell.release()
            self._is_open = False  # last: who interrupts this may close it again
            _only_one.release()

    @property
    def now_s(self) -> float:
        """The time, without the cost of a look."""
        return self._now_s

    # --- what members call instead of the real functions ---

    def monotonic(self) -> float:
        """Return the virtual time to a member, real time to others."""
        if threading.get_ident() not in self._members:
            return _real_monotonic()
        self._now_s += LOOK_S
        self._looks += 1
        if self._looks > MOST_LOOKS:
            self._yield()
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if threading.get_ident() not in self._members:
            _real_sleep(seconds)
        else:
            self.wait(self.new_gate(), seconds)

    def _start(self, thread: Any) -> None:  # noqa: ANN401 - its attributes are replaced
        """Start a thread; a member's thread is a member, whose turn comes later."""
        if threading.get_ident() not in self._members:
            _real_start(thread)
            return
        gate, over, run = self.new_gate(), VirtualLock(self), thread.run
        over.acquire()

        def live() -> None:
            gate.bell.acquire()
            with self.mutex:
                if self._is_open:
                    self._members.add(threading.get_ident())
            try:
                run()
            finally:
                over.release()
                self._leave()

        thread.run, thread.ipfi_over, thread._started = live, over, Started()
        _real_start(thread)
        with self.mutex:
            self._asleep.add(gate)
            self.grant(gate)

    def _join(self, thread: Any, timeout_s: float | None) -> None:  # noqa: ANN401 - as above
        over: VirtualLock | None = getattr(thread, "ipfi_over", None)
        if over is not None and threading.get_ident() in self._members:
            if not over.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s)):
                return
            over.release()
        _real_join(thread, timeout_s)

    # --- gates ---

    def new_gate(self) -> Gate:
        """Return a gate for this thread to wait at."""
        return Gate(is_member=threading.get_ident() in self._members)

    def grant(self, gate: Gate) -> bool:
        """Open a gate, with the mutex held; return False if nobody waits there any more."""
        if not gate.waits:
            return False
        gate.waits, gate.granted = False, True
        if gate.is_member and self._is_open:
            self._ready.append(gate)
        else:
            gate.bell.release()
        return True

    def wait(self, gate: Gate, timeout_s: float | None) -> bool:
        """Wait until a gate is opened; return whether it was.

        Raises:
            TargetError: that will never be.
        """
        with self.mutex:
            is_virtual = gate.is_member and self._is_open
            if is_virtual:
                self._note_deadline(gate, timeout_s)
                self._pass_on(gate)
            elif not gate.waits:  # granted before virtual time was closed: no bell rings for that
                return gate.granted
        if is_virtual:
            self._sleep_at(gate)
        else:
            gate.bell.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))
            with self.mutex:
                gate.waits = False
        if gate.failed:
            raise TargetError(
                f"nothing has come of this wait in {MOST_WAIT_S:.0f} s of virtual time; "
                "does it want a time-out?"
            )
        return gate.granted

    def _note_deadline(self, gate: Gate, timeout_s: float | None) -> None:
        if timeout_s is not None:
            due_s = self._now_s + max(0.0, timeout_s)
            heapq.heappush(self._timers, (due_s, next(self._order), gate))
        if threading.get_ident() == self._owner:
            self._owner_gate, self._owner_until_s = gate, self._now_s + MOST_WAIT_S

    # --- turns; all but _yield, _leave and _sleep_at with the mutex held, while it is open ---

    def _yield(self) -> None:
        gate = self.new_gate()
        with self.mutex:
            if not self._is_open:
                return
            self.grant(gate)
            self._pass_on(gate)
        self._sleep_at(gate)

    def _leave(self) -> None:
        with self.mutex:
            self._members.discard(threading.get_ident())
            if self._is_open:
                self._wake_next()

    def _pass_on(self, gate: Gate) -> None:
        """Let the next thread run, maybe this one; then this one is to sleep at its gate."""
        self._asleep.add(gate)
        self._wake_next()

    def _wake_next(self) -> None:
        try:
            self._next().bell.release()
        except BaseException:  # of the device, or an interrupt: nobody has the turn now
            self.close()
            raise

    def _next(self) -> Gate:
        """Return the gate of the thread that runs next; time passes if all wait."""
        self._switches += 1
        while (gate := self._awake()) is None:
            due_s = self._timers[0][0] if self._timers else self._owner_until_s
            self._pass_time(min(due_s, self._owner_until_s))
        self._asleep.discard(gate)
        return gate

    def _awake(self) -> Gate | None:
        """Take the gate of a thread whose time has run out, of one that may go on, or None."""
        timers = self._timers
        while timers and not timers[0][2].waits:
            heapq.heappop(timers)
        if timers and timers[0][0] <= self._now_s:
            gate = heapq.heappop(timers)[2]
            gate.waits = False
            return gate
        if self._ready:
            return self._ready.popleft()
        owner = self._owner_gate
        if self._now_s >= self._owner_until_s and owner is not None:
            owner.failed, owner.waits = True, False
            return owner
        return None

    def _pass_time(self, until_s: float) -> None:
        if self.device is not None:
            until_s = self.device.advance(until_s)
        self._now_s = max(self._now_s, until_s)

    def _sleep_at(self, gate: Gate) -> None:
        """Wait in real time until it is this gate's turn."""
        is_owner = threading.get_ident() == self._owner
        try:
            while True:
                before = self._switches
                if gate.bell.acquire(timeout=STALL_S if is_owner else -1):
                    self._looks = 0
                    return
                self._check_moves(before)
        except BaseException:  # an interrupt: nobody has the turn now
            self.close()
            raise

    def _check_moves(self, switches: int) -> None:
        """Raise TargetError, with where every member is, if no thread has come to wait since."""
        if self._switches != switches:
            return
        frames = sys._current_frames()
        shown = []
        for thread in threading.enumerate():
            if thread.ident in self._members and thread.ident in frames:
                stack = "".join(traceback.format_stack(frames[thread.ident])[-4:])
                shown.append(f"{thread.name}:\n{stack}")
        raise TargetError("virtual time stands still:\n" + "\n".join(shown))
