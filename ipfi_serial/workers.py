"""Threads for handlers: as many as are needed at once, reused, never waited for at exit.

Not concurrent.futures: its threads are joined when the interpreter ends, so one handler that never
returns would keep a program from ending.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

IDLE_S: Final = 5.0  # an unused thread ends after this


class Workers:
    """Runs each job at once in a thread of its own, an idle one if there is one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Condition(threading.Lock())
        self._jobs: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._count = 0
        self._closed = False

    def run(self, job: Callable[[], None]) -> None:
        """Start ``job``; it must not raise.  Ignored after :meth:`close`."""
        with self._lock:
            if self._closed:
                return
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._lock.notify()
                return
            self._count += 1
            number = self._count
        threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()

    def close(self) -> None:
        """Let idle threads end; busy ones end when their job returns."""
        with self._lock:
            self._closed = True
            self._jobs.clear()
            self._lock.notify_all()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs and not self._wait_for_job():
                    return
                job = self._jobs.popleft()
            job()
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
        self._jobs: deque[Callable[[], None]] = deque()
        self._running = False

    def __len__(self) -> int:
        return len(self._jobs)

    def run(self, job: Callable[[], None]) -> None:
        """Queue ``job``; it must not raise."""
        with self._lock:
            self._jobs.append(job)
            if self._running:
                return
            self._running = True
        self._workers.run(self._drain)

    def drop_oldest(self) -> None:
        """Forget the oldest job that has not begun."""
        with self._lock:
            if self._jobs:
                self._jobs.popleft()

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running = False
                    return
                job = self._jobs.popleft()
            job()
