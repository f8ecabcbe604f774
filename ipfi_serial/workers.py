"""Threads for handlers: as many as are needed at once, reused, never waited for at exit.

Not concurrent.futures: its threads are joined when the interpreter ends, so one handler that never
returns would keep a program from ending.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

log = logging.getLogger("ipfi_serial")

IDLE_S: Final = 5.0  # an unused thread ends after this

Job = Callable[[], None]


class Workers:
    """Runs each job at once in a thread of its own, an idle one if there is one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Condition(threading.Lock())
        self._jobs: deque[Job] = deque()
        self._idle = 0
        self._count = 0
        self._closed = False

    def run(self, job: Job) -> bool:
        """Start ``job``, which must not raise; return False, and forget it, after :meth:`close`.

        Raises:
            RuntimeError: the system gives no more threads; the job is forgotten.
        """
        with self._lock:
            if self._closed:
                return False
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._lock.notify()
                return True
            self._count += 1
            number = self._count
        thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            with self._lock, contextlib.suppress(ValueError):  # another thread took it
                self._jobs.remove(job)
                raise
        return True

    def close(self) -> None:
        """Let idle threads end; busy ones end when no job that was started is left."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs and not self._wait_for_job():
                    return
                job = self._jobs.popleft()
            run_guarded(job)
            del job

    def _wait_for_job(self) -> bool:
        """Wait until there is a job; return False if this thread should end."""
        self._idle += 1
        try:
            self._lock.wait_for(lambda: self._jobs or self._closed, timeout=IDLE_S)
        finally:
            self._idle -= 1
        return bool(self._jobs)


class Sequence:
    """Runs jobs one after the other, in order, on a worker that is taken while there are any."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._jobs: deque[tuple[Job, bool]] = deque()
        self._running = False

    @property
    def idle(self) -> bool:
        """Whether no job waits or runs."""
        return not self._running

    def run(self, job: Job) -> None:
        """Queue ``job``; it must not raise."""
        self._put(job, droppable=False)

    def run_or_drop(self, job: Job, limit: int) -> bool:
        """Queue ``job``; if ``limit`` wait already, drop the oldest of this sort, return False."""
        with self._lock:
            full = len(self._jobs) >= limit
            if full:
                self._drop_oldest()
        self._put(job, droppable=True)
        return not full

    def _drop_oldest(self) -> None:
        for position, (_, droppable) in enumerate(self._jobs):
            if droppable:
                del self._jobs[position]
                return

    def _put(self, job: Job, *, droppable: bool) -> None:
        with self._lock:
            self._jobs.append((job, droppable))
            if self._running:
                return
            self._running = True
        try:
            if self._workers.run(self._drain):
                return
            self._jobs.clear()  # closed: nobody is left to tell
        except RuntimeError:  # the next job tries again
            log.exception("no thread for a callback")
        self._running = False

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running = False
                    return
                job, _ = self._jobs.popleft()
            run_guarded(job)


class Shift:
    """Jobs that a thread which reads runs itself, between two of its reads.

    Shared by the threads that take turns in reading; at most one of them is away running jobs.

    Attributes:
        away: the identity of that one, or 0.
    """

    __slots__ = ("_jobs", "_open_to", "away")

    def __init__(self) -> None:
        self._jobs: deque[tuple[Job, Job]] = deque()
        self._open_to = 0  # the thread that may leave jobs now, or 0
        self.away = 0

    def open_to_me(self) -> None:
        """Let this thread leave jobs, unless another one is away."""
        self._open_to = 0 if self.away else threading.get_ident()

    def take(self, job: Job, instead: Job) -> bool:
        """Take a job, and what to do instead if it cannot begin soon; False: not from here."""
        if self._open_to != threading.get_ident():
            return False
        self._jobs.append((job, instead))
        return True

    def close(self) -> bool:
        """Take no more jobs; return whether there are any: then this thread is away."""
        self._open_to = 0
        if not self._jobs:
            return False
        self.away = threading.get_ident()
        return True

    def run_next(self) -> bool:
        """Run a job if this thread is away; return whether it should go on."""
        if self.away != threading.get_ident():
            return False
        try:
            job, _ = self._jobs.popleft()
        except IndexError:
            self.away = 0
            return False
        run_guarded(job)
        return True

    def give_away(self) -> None:
        """Do something else with the jobs that have not begun."""
        while self._jobs:
            with contextlib.suppress(IndexError):  # the other thread took it
                _, instead = self._jobs.popleft()
                run_guarded(instead)

    @property
    def goes_on(self) -> bool:
        """Whether this thread is away and has another job after the one that it runs."""
        return bool(self._jobs) and self.away == threading.get_ident()

    def keeps(self, thread: threading.Thread) -> bool:
        """Whether nobody may wait for the end of a thread: us, in a handler, or not begun."""
        return thread.ident in (None, self.away, threading.get_ident())


def run_guarded(job: Job) -> None:
    """Run a job; one that raises, which it must not, is logged and stops no other one."""
    try:
        job()
    except BaseException:
        log.exception("a job of a worker failed")
