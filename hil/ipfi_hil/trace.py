"""Keeps what passed on a wire, with the time and the direction: bytes only, decoded later.

Recording costs one append for each chunk, so it is always on; :mod:`ipfi_hil.decoding` turns what
was kept into lines for people when a test failed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ipfi_serial.transport.base import Transport
from ipfi_serial.transport.morse_losses import pass_losses_on

MOST_BYTES: Final = 1 << 20  # about 90 s of a line at 115200 baud, or the last 10,000 calls


class Way(Enum):
    """Which way bytes went."""

    OUT = ">"  # from this program to the board
    IN = "<"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some bytes that passed together.

    Attributes:
        time_s: of ``time.monotonic()``.
        line: which wire of the test they passed on, counted from 1.
        way: out or in.
        data: the bytes.
    """

    time_s: float
    line: int
    way: Way
    data: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to the target or to the line."""

    time_s: float
    what: str


class Trace:
    """What passed during one test; when it is full the oldest goes.  Safe from any thread.

    Attributes:
        start_s: when it began, of ``time.monotonic()``.
        dropped_bytes: what went because the trace was full.
        lines: how many lines were opened.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.start_s = time.monotonic()
        self.dropped_bytes = 0
        self.lines = 0
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: deque[Chunk | Mark] = deque()
        self._lock = threading.Lock()

    def tap(self, line: Transport) -> TappedTransport:
        """Return ``line`` with this trace listening to it."""
        self.lines += 1
        return TappedTransport(line, self, self.lines)

    def passed(self, line: int, way: Way, data: bytes) -> None:
        """Keep bytes."""
        with self._lock:
            self._kept.append(Chunk(time.monotonic(), line, way, data))
            self._bytes += len(data)
            while self._bytes > self._most_bytes:
                oldest = self._kept.popleft()
                if isinstance(oldest, Chunk):
                    self._bytes -= len(oldest.data)
                    self.dropped_bytes += len(oldest.data)

    def mark(self, what: str) -> None:
        """Keep a remark."""
        with self._lock:
            self._kept.append(Mark(time.monotonic(), what))

    def entries(self) -> list[Chunk | Mark]:
        """Return what was kept, oldest first."""
        with self._lock:
            return list(self._kept)


class TappedTransport:
    """A line that a trace listens to."""

    def __init__(self, inner: Transport, trace: Trace, number: int) -> None:
        self.endpoint = inner.endpoint
        self.bytes_per_s = inner.bytes_per_s
        self._inner = inner
        pass_losses_on(self, inner)
        self._trace = trace
        self._number = number

    def read(self, timeout_s: float | None) -> bytes:
        """See :meth:`ipfi_serial.transport.base.Transport.read`."""
        data = self._inner.read(timeout_s)
        if data:
            self._trace.passed(self._number, Way.IN, data)
        return data

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.Transport.write`."""
        taken = self._inner.write(data)
        if taken:
            self._trace.passed(self._number, Way.OUT, data[:taken])
        return taken

    def wake(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.wake`."""
        self._inner.wake()

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.close`."""
        self._inner.close()
