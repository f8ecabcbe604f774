"""Wraps a real line, blocking or asyncio, into one that damages what passes.

The faults themselves are :mod:`ipfi_serial.transport.faults`.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.descriptor import READ_SIZE_BYTES
from ipfi_serial.transport.faults import FaultCounts, FaultyLine, LineFaults
from ipfi_serial.transport.morse_losses import pass_losses_on

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "AsyncImpairedTransport",
    "FaultCounts",
    "FaultyLine",
    "ImpairedTransport",
    "LineFaults",
]


def _two_lines(faults: LineFaults, incoming: LineFaults | None) -> tuple[FaultyLine, FaultyLine]:
    """Return the outgoing and the incoming line; by default with the same faults."""
    other = incoming if incoming is not None else replace(faults, seed=~faults.seed)
    return FaultyLine(faults), FaultyLine(other)


class _Outgoing:
    """The outgoing half of both transports: damages once, and keeps what the line did not take."""

    def __init__(self, inner: Transport | AsyncTransport, line: FaultyLine) -> None:
        self._inner = inner
        self._line = line
        self._unsent = b""
        self._lock = threading.Lock()

    def write(self, data: bytes) -> int:
        """Take all of ``data``, or nothing while damaged bytes still wait."""
        with self._lock:
            if not self._send():
                return 0
            self._unsent = self._line.pass_bytes(data)
            self._send()
            return len(data)

    def send_rest(self) -> bool:
        """Try to send what waits; True if nothing waits any more."""
        with self._lock:
            return self._send()

    def _send(self) -> bool:
        if self._unsent:
            self._unsent = self._unsent[self._inner.write(self._unsent) :]
        return not self._unsent


class ImpairedTransport:
    """A blocking line with faults in both directions.

    Attributes:
        outgoing: what happens to what is written; ``outgoing.faults`` may be set at any time.
        incoming: what happens to what is read.
    """

    def __init__(
        self, inner: Transport, faults: LineFaults, incoming: LineFaults | None = None
    ) -> None:
        """Wrap ``inner``, which this then owns.

        Args:
            inner: the real line.
            faults: of both directions, each with its own chances.
            incoming: of what is read, if that is to differ.
        """
        self.endpoint = f"{inner.endpoint} (impaired)"
        self.bytes_per_s = inner.bytes_per_s
        self.outgoing, self.incoming = _two_lines(faults, incoming)
        self._inner = inner
        pass_losses_on(self, inner)
        self._sender = _Outgoing(inner, self.outgoing)
        self._late: deque[tuple[float, bytes]] = deque()  # when it is due, and what came in

    def read(self, timeout_s: float | None) -> bytes:
        """See :meth:`ipfi_serial.transport.base.Transport.read`."""
        end_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            first_s = min(end_s, self._late[0][0]) if self._late else end_s
            wait_s = None if first_s == math.inf else max(0.0, first_s - time.monotonic())
            data = self._inner.read(wait_s)
            now_s = time.monotonic()
            if data:
                due_s = now_s + self.incoming.faults.delay_s
                self._late.extend((due_s, each) for each in _cut(self.incoming.pass_bytes(data)))
            else:
                self._sender.send_rest()
            if self._late and self._late[0][0] <= now_s:
                return self._late.popleft()[1]
            if not data or now_s >= end_s:
                return b""

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.Transport.write`."""
        return self._sender.write(data)

    def wake(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.wake`."""
        self._inner.wake()

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.close`."""
        self._inner.close()


class AsyncImpairedTransport:
    """An asyncio line with faults in both directions.

    Attributes:
        outgoing: what happens to what is written; ``outgoing.faults`` may be set at any time.
        incoming: what happens to what is read.
    """

    def __init__(
        self, inner: AsyncTransport, faults: LineFaults, incoming: LineFaults | None = None
    ) -> None:
        """Wrap ``inner``, which this then owns; arguments of :class:`ImpairedTransport`."""
        self.endpoint = f"{inner.endpoint} (impaired)"
        self.bytes_per_s = inner.bytes_per_s
        self.outgoing, self.incoming = _two_lines(faults, incoming)
        self._inner = inner
        pass_losses_on(self, inner)
        self._sender = _Outgoing(inner, self.outgoing)
        self._is_full = False
        self._late: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def start(
        self,
        on_bytes: Callable[[bytes], None],
        on_room: Callable[[], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.start`."""
        import asyncio  # not before it is needed: it takes 40 ms

        self._on_bytes, self._on_room, self._on_lost = on_bytes, on_room, on_lost
        self._loop = asyncio.get_running_loop()
        self._inner.start(self._receive, self._send_on, self._lose)

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.write`."""
        taken = self._sender.write(data)
        self._is_full = taken < len(data)
        return taken

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.close`."""
        self._stop_timer()
        self._late.clear()
        self._inner.close()

    def _receive(self, data: bytes) -> None:
        due_s = self._loop.time() + self.incoming.faults.delay_s
        self._late.extend((due_s, each) for each in _cut(self.incoming.pass_bytes(data)))
        self._deliver()

    def _deliver(self) -> None:
        """Hand over what is due, and come back for the rest."""
        self._stop_timer()
        while self._late and self._late[0][0] <= self._loop.time():
            self._on_bytes(self._late.popleft()[1])
        if self._late and self._timer is None:
            self._timer = self._loop.call_at(self._late[0][0], self._deliver)

    def _send_on(self) -> None:
        if self._sender.send_rest() and self._is_full:
            self._is_full = False
            self._on_room()

    def _lose(self, error: Exception) -> None:
        self._stop_timer()
        while self._late:
            self._on_bytes(self._late.popleft()[1])
        self._on_lost(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _cut(data: bytes) -> list[bytes]:
    """Cut into pieces of 64 KiB, the most that one read gives: damage can make data longer."""
    return [data[i : i + READ_SIZE_BYTES] for i in range(0, len(data), READ_SIZE_BYTES)]
