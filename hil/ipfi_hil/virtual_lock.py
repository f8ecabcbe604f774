"""The locks of virtual time, and what a thread waits at.  See :mod:`ipfi_hil.virtual_time`."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfi_hil.virtual_time import VirtualTime

real_lock = threading.Lock


class Gate:
    """What one thread waits for once.

    Attributes:
        granted: whether it was opened; else the time ran out.
        failed: the wait is over because it would never end.
    """

    __slots__ = ("bell", "failed", "granted", "is_member", "waits")

    def __init__(self, *, is_member: bool) -> None:
        self.bell = real_lock()
        self.bell.acquire()
        self.is_member = is_member
        self.granted = self.failed = False
        self.waits = True


class VirtualLock:
    """A lock as of ``threading.Lock``; a member waits for it in virtual time."""

    __slots__ = ("_is_locked", "_queue", "_time")

    def __init__(self, of: VirtualTime) -> None:
        self._time = of
        self._is_locked = False
        self._queue: deque[Gate] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; return whether that came about in time."""
        virtual = self._time
        while True:
            with virtual.mutex:
                if not self._is_locked:
                    self._is_locked = True
                    return True
                if not blocking or timeout == 0:
                    return False
                gate = virtual.new_gate()
                self._queue.append(gate)
            try:
                if virtual.wait(gate, None if timeout < 0 else timeout):
                    return True
            except BaseException:
                self._give_up(gate)
                raise
            self._give_up(gate)
            if timeout >= 0:
                return False  # else virtual time was closed meanwhile

    def release(self) -> None:
        """Hand it to who waits longest, or free it."""
        with self._time.mutex:
            if not self._is_locked:
                raise RuntimeError("release unlocked lock")
            while self._queue:
                if self._time.grant(self._queue.popleft()):
                    return
            self._is_locked = False

    def _give_up(self, gate: Gate) -> None:
        """Wait there no more; if the lock was handed over meanwhile, hand it on."""
        with self._time.mutex:
            gate.waits = False
            if gate.granted:
                self.release()
            else:
                with contextlib.suppress(ValueError):
                    self._queue.remove(gate)

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return self._is_locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Started:
    """A thread's flag that it has begun; its beginner waits for that in real time, and briefly."""

    def __init__(self) -> None:
        self._is_set = False
        self._bell = real_lock()
        self._bell.acquire()

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Set it."""
        self._is_set = True
        self._bell.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set."""
        return self._is_set or self._bell.acquire(timeout=-1 if timeout is None else timeout)
