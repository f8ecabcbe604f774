"""Transports that a test plays: what is read, what a write does, when it all ends."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ipfi_serial.errors import TransportError


class ScriptedLine:
    """A blocking transport whose other end is the test.

    Attributes:
        written: what was taken.
        room: how many bytes a write takes; None is all of them.
        fails_at_write: what a write raises.
        wakes: how often ``wake`` was called.
        reading: set while a thread waits in ``read``.
    """

    def __init__(self, endpoint: str = "scripted:", bytes_per_s: float | None = None) -> None:
        self.endpoint = endpoint
        self.bytes_per_s = bytes_per_s
        self.written = bytearray()
        self.room: int | None = None
        self.fails_at_write: Exception | None = None
        self.wakes = 0
        self.reads = 0
        self.closed = False
        self.reading = threading.Event()
        self._changed = threading.Condition()
        self._incoming: deque[bytes | Exception] = deque()
        self._woken = False

    def read(self, timeout_s: float | None) -> bytes:
        """See Transport."""
        with self._changed:
            self.reads += 1
            self.reading.set()
            self._changed.wait_for(lambda: self._incoming or self._woken or self.closed, timeout_s)
            self.reading.clear()
            self._woken = False
            if self.closed:
                raise TransportError("closed by this program")
            if not self._incoming:
                return b""
            come = self._incoming[0]
            if isinstance(come, Exception):
                raise come
            return bytes(self._incoming.popleft())  # type: ignore[arg-type]

    def write(self, data: bytes) -> int:
        """See Transport."""
        if self.fails_at_write is not None:
            raise self.fails_at_write
        taken = len(data) if self.room is None else min(self.room, len(data))
        self.written += data[:taken]
        return taken

    def wake(self) -> None:
        """See Transport."""
        with self._changed:
            self.wakes += 1
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """See Transport."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def bring(self, come: bytes | Exception) -> None:
        """Let a read return bytes, or raise from now on."""
        with self._changed:
            self._incoming.append(come)
            self._changed.notify_all()


class ScriptedAioLine:
    """The same for the event loop."""

    def __init__(self, endpoint: str = "scripted:", bytes_per_s: float | None = None) -> None:
        self.endpoint = endpoint
        self.bytes_per_s = bytes_per_s
        self.written = bytearray()
        self.writes = 0
        self.room: int | None = None
        self.fails_at_write: Exception | None = None
        self.closed = False
        self.on_bytes: Callable[[bytes], None]
        self.on_room: Callable[[], None]
        self.on_lost: Callable[[Exception], None]

    def start(
        self,
        on_bytes: Callable[[bytes], None],
        on_room: Callable[[], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        """See AsyncTransport."""
        self.on_bytes, self.on_room, self.on_lost = on_bytes, on_room, on_lost

    def write(self, data: bytes) -> int:
        """See AsyncTransport."""
        self.writes += 1
        if self.fails_at_write is not None:
            raise self.fails_at_write
        taken = len(data) if self.room is None else min(self.room, len(data))
        self.written += data[:taken]
        return taken

    def close(self) -> None:
        """See AsyncTransport."""
        self.closed = True


def join_aio_lines(first: ScriptedAioLine, second: ScriptedAioLine) -> Callable[[], Any]:
    """Carry bytes between two lines; call what this returns to move what was written."""

    def carry() -> None:
        for source, sink in ((first, second), (second, first)):
            data, source.written = bytes(source.written), bytearray()
            if data:
                asyncio.get_running_loop().call_soon(sink.on_bytes, data)

    return carry
