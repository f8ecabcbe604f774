"""Jobs at their times, on one thread that exists while there are any."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Timers:
    """Runs each job once, when it is due.  Safe from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()  # jobs of the same time run in the order they were given
        self._running = False
        self._closed = False

    def at(self, due_s: float, job: Callable[[], None]) -> None:
        """Run ``job`` once ``time.monotonic()`` is ``due_s``; it must be short and not raise."""
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._due, (due_s, next(self._order), job))
            self._changed.notify()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="ipfi board timers", daemon=True).start()

    def close(self) -> None:
        """Forget every job; one that runs just now ends by itself."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            job()

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next job that is due; None if there are no more."""
        with self._changed:
            while self._due:
                left_s = self._due[0][0] - time.monotonic()
                if left_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left_s)
            self._running = False
            return None
