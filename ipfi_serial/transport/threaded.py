"""Lines without a descriptor to wait for: two threads of our own do the waiting.

For pyserial's URL handlers and for Windows.  One thread reads, one writes; the rest of the
program only touches two buffers, so nothing blocks.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import serial

from ipfi_serial.errors import TransportError
from ipfi_serial.transport.descriptor import READ_SIZE_BYTES, gone
from ipfi_serial.transport.uart import close_port

if TYPE_CHECKING:
    import asyncio

POLL_S: Final = 0.1  # how long a read of the thread waits before it looks for our close
_MOST_INCOMING_BYTES: Final = 1 << 20  # then the thread stops reading until somebody takes it
MOST_OUTGOING_BYTES: Final = 16384  # as a driver has: a write beyond it is short
_SEND_SIZE_BYTES: Final = 4096
_CLOSE_PATIENCE_S: Final = 2.0


class Source(Protocol):
    """A line that blocks."""

    def receive(self) -> bytes:
        """Return what has come, or b"" after at most 0.1 s; raise OSError when it is gone."""

    def send(self, data: bytes) -> None:
        """Send all of it; raise OSError when the line is gone."""

    def close(self) -> None:
        """Release the line."""


class PySerialSource:
    """A port object of pyserial, whose ``timeout`` is ``POLL_S``."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port

    def receive(self) -> bytes:
        """See :class:`Source`."""
        data = bytes(self._port.read(1))
        waiting = min(self._port.in_waiting, READ_SIZE_BYTES - 1) if data else 0
        return data + self._port.read(waiting) if waiting else data

    def send(self, data: bytes) -> None:
        """See :class:`Source`."""
        self._port.write(data)

    def close(self) -> None:
        """See :class:`Source`."""
        line = getattr(self._port, "_socket", None)
        close_port(self._port)
        if isinstance(line, socket.socket):  # rfc2217:// forgets it if the other end left first
            line.close()
        log = getattr(getattr(self._port, "formatter", None), "output", None)
        if log not in (None, sys.stderr):  # the file of spy://, which pyserial forgets
            log.close()


class SocketSource:
    """A socket, where descriptors of sockets cannot be read as files (Windows)."""

    def __init__(self, line: socket.socket, release: Callable[[], None] | None = None) -> None:
        line.setblocking(True)
        self._line = line
        self._release = release or line.close

    def receive(self) -> bytes:
        """See :class:`Source`."""
        if not select.select([self._line], [], [], POLL_S)[0]:
            return b""
        data = self._line.recv(READ_SIZE_BYTES)
        if not data:
            raise ConnectionResetError("end of file")
        return data

    def send(self, data: bytes) -> None:
        """See :class:`Source`."""
        self._line.sendall(data)

    def close(self) -> None:
        """See :class:`Source`."""
        self._release()


class _ThreadedLine:
    """The two threads and the two buffers; the ends below only differ in how they are told."""

    def __init__(
        self,
        source: Source,
        endpoint: str,
        tell: Callable[[], None] | None,
        most_outgoing_bytes: int,
    ) -> None:
        self._most_outgoing_bytes = most_outgoing_bytes
        self.changed = threading.Condition()
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.wants_room = False
        self.why_lost: str | None = None
        self.is_closing = False
        self._source = source
        self._endpoint = endpoint
        self._on_change = tell
        self._reader = threading.Thread(target=self._receive, name=f"{endpoint} in", daemon=True)
        self._writer = threading.Thread(target=self._send, name=f"{endpoint} out", daemon=True)
        self._reader.start()
        self._writer.start()

    def put(self, data: bytes) -> int:
        with self.changed:
            if self.why_lost is not None:
                raise TransportError(self.why_lost)
            taken = max(0, min(len(data), self._most_outgoing_bytes - len(self.outgoing)))
            self.outgoing += data[:taken]
            self.wants_room = self.wants_room or taken < len(data)
            self.changed.notify_all()
            return taken

    def has_room(self) -> bool:
        return self.wants_room and len(self.outgoing) < self._most_outgoing_bytes

    def take(self) -> bytes:
        data = bytes(self.incoming[:READ_SIZE_BYTES])
        del self.incoming[:READ_SIZE_BYTES]
        self.changed.notify_all()
        return data

    def close(self, patience_s: float) -> None:
        """Let the writer send what it has, then release the line; wait for that a while."""
        with self.changed:
            self.is_closing = True
            self.why_lost = self.why_lost or f"{self._endpoint}: closed by this program"
            self.changed.notify_all()
        self._tell()
        if patience_s:
            self._writer.join(patience_s)

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()
        if self._on_change is not None:
            self._on_change()

    def _receive(self) -> None:
        while not self.is_closing:
            try:
                data = self._source.receive()
            except Exception as error:  # noqa: BLE001 pyserial raises anything (its #203, #713)
                self._lose(error)
                return
            if data:
                with self.changed:
                    self.incoming += data
                self._tell()
                with self.changed:
                    self.changed.wait_for(self._may_receive)

    def _may_receive(self) -> bool:
        return len(self.incoming) < _MOST_INCOMING_BYTES or self.is_closing

    def _send(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.outgoing or self.is_closing)
                data = bytes(self.outgoing[:_SEND_SIZE_BYTES])
            if not data:
                break
            try:
                self._source.send(data)
            except Exception as error:  # noqa: BLE001 as above: the loss must not go unseen
                self._lose(error)
                break
            with self.changed:
                del self.outgoing[: len(data)]
            self._tell()
        with self.changed:
            self.changed.wait_for(lambda: self.is_closing)
        self._reader.join(_CLOSE_PATIENCE_S)
        with contextlib.suppress(Exception):
            self._source.close()

    def _lose(self, error: Exception) -> None:
        with self.changed:
            if self.why_lost is None:
                self.why_lost = f"{self._endpoint}: {error}: {gone(self._endpoint)}"
        self._tell()


class ThreadedTransport:
    """A :class:`~ipfi_serial.transport.base.Transport` on a line that blocks."""

    def __init__(
        self,
        source: Source,
        endpoint: str,
        bytes_per_s: float | None = None,
        *,
        most_outgoing_bytes: int = MOST_OUTGOING_BYTES,
    ) -> None:
        self.endpoint = endpoint
        self.bytes_per_s = bytes_per_s
        self._woken = False
        self._line = _ThreadedLine(source, endpoint, None, most_outgoing_bytes)

    def read(self, timeout_s: float | None) -> bytes:
        """See :meth:`ipfi_serial.transport.base.Transport.read`."""
        line = self._line
        with line.changed:
            line.changed.wait_for(
                lambda: line.incoming or self._woken or line.why_lost or line.has_room(),
                None if timeout_s is None else max(0.0, min(timeout_s, threading.TIMEOUT_MAX)),
            )
            if line.incoming and not line.is_closing:
                return line.take()
            if line.why_lost is not None:
                raise TransportError(line.why_lost)
            if line.has_room():
                line.wants_room = False
            self._woken = False
            return b""

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.Transport.write`."""
        return self._line.put(data)

    def wake(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.wake`."""
        with self._line.changed:
            self._woken = True
            self._line.changed.notify_all()

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.close`."""
        self._line.close(_CLOSE_PATIENCE_S)


class AsyncThreadedTransport:
    """An :class:`~ipfi_serial.transport.base.AsyncTransport` on a line that blocks."""

    def __init__(
        self,
        source: Source,
        endpoint: str,
        bytes_per_s: float | None = None,
        *,
        most_outgoing_bytes: int = MOST_OUTGOING_BYTES,
    ) -> None:
        self.endpoint = endpoint
        self.bytes_per_s = bytes_per_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = False
        self._line = _ThreadedLine(source, endpoint, self._tell, most_outgoing_bytes)

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
        self._loop.call_soon(self._deliver)

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.write`."""
        return self._line.put(data)

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.close`."""
        self._is_over = True
        self._line.close(0)

    def _tell(self) -> None:
        """Called by the threads."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        line = self._line
        while not self._is_over:
            with line.changed:
                data = line.take()
                has_room, line.wants_room = line.has_room(), line.wants_room and not line.has_room()
                why_lost = line.why_lost
            if data:
                self._on_bytes(data)
            if has_room:
                self._on_room()
            if not data:
                if why_lost is not None and not self._is_over:
                    self._is_over = True
                    self._on_lost(TransportError(why_lost))
                return
