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

from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.link.heard import HeardSessions
from ipfi_serial.transport.base import Transport
from ipfi_serial.transport.morse_losses import pass_losses_on

MOST_BYTES: Final = 1 << 20  # about 90 s of a line at 115200 baud, or the last 10,000 calls
LARGEST_CONTENT: Final = 16384 + 64  # FRAME-7 with the largest frame payload


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
        self._dropped: dict[tuple[int, Way], FrameDecoder] = {}
        self._heard: dict[int, HeardSessions] = {}  # in what was dropped, by line
        self._lock = threading.Lock()

    def tap(self, line: Transport) -> TappedTransport:
        """Return ``line`` with this trace listening to it."""
        self.lines += 1
        return TappedTransport(line, self, self.lines)

    def passed(self, line: int, way: Way, data: bytes) -> None:
        """Keep bytes."""
        with self._lock:
            self._keep(line, way, data)

    def write(self, line: int, inner: Transport, data: bytes) -> int:
        """Write, and keep what was taken before another thread can keep the answer to it."""
        with self._lock:
            taken = inner.write(data)
            if taken:
                self._keep(line, Way.OUT, data[:taken])
            return taken

    def _keep(self, line: int, way: Way, data: bytes) -> None:
        self._kept.append(Chunk(time.monotonic(), line, way, data))
        self._bytes += len(data)
        while self._bytes > self._most_bytes:
            oldest = self._kept.popleft()
            if isinstance(oldest, Chunk):
                self._drop(oldest)

    def _drop(self, oldest: Chunk) -> None:
        """Keep of it what the rest cannot be read without: which sessions began."""
        self._bytes -= len(oldest.data)
        self.dropped_bytes += len(oldest.data)
        direction = (oldest.line, oldest.way)
        if direction not in self._dropped:
            self._dropped[direction] = FrameDecoder(LARGEST_CONTENT, profiles=())
        for verdict in self._dropped[direction].receive(oldest.data):
            if isinstance(verdict, bytes):
                self._heard.setdefault(oldest.line, HeardSessions()).note(verdict)

    def heard_before(self, line: int) -> HeardSessions:
        """Return the sessions of a line that began in what was dropped."""
        with self._lock:
            heard = self._heard.get(line)
            return HeardSessions(heard.profiles if heard is not None else ())

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
        return self._trace.write(self._number, self._inner, data)

    def wake(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.wake`."""
        self._inner.wake()

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.close`."""
        self._inner.close()
