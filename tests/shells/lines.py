"""Transports that a test plays: what is read, what a write does, when it all ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ipfi_serial.errors import TransportError
from ipfi_serial.transport import Transport


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


class PoweredBoard:
    """A line whose user loses power in the middle of a word; the line itself stays."""

    def __init__(self, line: Transport) -> None:
        self.endpoint = line.endpoint
        self.bytes_per_s = line.bytes_per_s
        self._line = line
        self._has_power = True

    def cut_power(self) -> None:
        """Read and write nothing any more."""
        self._has_power = False
        self._line.wake()

    def read(self, timeout_s: float | None) -> bytes:
        """See Transport."""
        if not self._has_power:
            raise TransportError("no power")
        data = self._line.read(timeout_s)
        if not self._has_power:
            raise TransportError("no power")
        return data

    def write(self, data: bytes) -> int:
        """See Transport."""
        if not self._has_power:
            raise TransportError("no power")
        return self._line.write(data)

    def wake(self) -> None:
        """See Transport."""
        self._line.wake()

    def close(self) -> None:
        """See Transport; the line is left to the next one."""
        self.cut_power()
