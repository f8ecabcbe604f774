"""What carries marks and gaps: a pair of pins, whatever moves them.

One thread hears, another one keys.  docs/morse.md.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

_LOOK_S: Final = 0.05  # a longer sleep looks up whether it should go on
CLOSED: Final = "closed by this program"


@dataclass(slots=True)
class Heard:
    """What a line brought.

    Attributes:
        until_s: every edge before this moment (of ``time.monotonic``) has been handed over.
        runs: edges in the order of time, in runs without a hole: their times, and whether the
            first one rises.  Between two runs edges are missing.
        lost: whether edges are missing before the first run.
        busy_until_s: until when the line is known to be busy, if later edges are known to come.
    """

    until_s: float
    runs: list[tuple[list[float], bool]] = field(default_factory=list)
    lost: bool = False
    busy_until_s: float = 0.0


class Pins(Protocol):
    """A pin to key and a pin to hear, or one that does both."""

    def key(self, edges_s: list[float]) -> None:
        """Key, and return after the last edge; raise OSError when the pin is gone.

        Args:
            edges_s: when, by ``time.monotonic``; the first begins a mark, the last ends one.
        """

    def hear(self, timeout_s: float) -> Heard:
        """Wait for edges, at most so long; raise OSError when the pin is gone."""

    def close(self) -> None:
        """Release the pins; a waiting :meth:`key` ends with OSError.  Idempotent."""


class Metronome:
    """Sets a level at given times, as exactly as the system's scheduler allows.

    What is late shifts all that follows: a mark or gap may be longer than it should be and is never
    shorter, so a hiccup spoils one of them and not two.  The thread that plays asks for real-time
    priority, which root has, or who is given the capability CAP_SYS_NICE; others do without.
    """

    def __init__(self, set_level: Callable[[bool], None]) -> None:
        self._set_level = set_level
        self._stopped = threading.Event()

    def play(self, edges_s: list[float]) -> None:
        """Set the level at each of these times, high at the first one; low at the end.

        Raises:
            OSError: :meth:`stop` was called.
        """
        _ask_for_priority()
        high = False
        late_s = 0.0
        try:
            for edge_s in edges_s:
                self._sleep_until(edge_s + late_s)
                high = not high
                self._set_level(high)
                late_s = max(late_s, time.monotonic() - edge_s)
        finally:
            if high:
                self._set_level(False)

    def stop(self) -> None:
        """End what is played."""
        self._stopped.set()

    def _sleep_until(self, moment_s: float) -> None:
        while (left_s := moment_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))
            if self._stopped.is_set():
                raise OSError(CLOSED)


def _ask_for_priority() -> None:
    """Let the scheduler prefer this thread, which sleeps most of the time, if it may."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # 0: this thread
