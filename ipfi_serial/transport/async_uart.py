"""A serial port on the event loop, through pyserial-asyncio.  POSIX only.

pyserial-asyncio watches the port and owns it; this module keeps its slow and blocking habits out.
It would put off every write to the next turn of the loop (here a burst is one system call, at
once), read 1024 bytes through a second ``select``, and drain the line while the loop stands still
at closing.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Callable

import serial
import serial_asyncio

from ipfi_serial.errors import TransportError
from ipfi_serial.transport.descriptor import TTY_READ_SIZE_BYTES, lost
from ipfi_serial.transport.uart import close_port


class _BurstPort:
    """What pyserial-asyncio takes for a port: it reads all there is, and never raises."""

    def __init__(self, port: serial.Serial, on_failure: Callable[[OSError | None], object]) -> None:
        self.timeout: float | None = None  # pyserial-asyncio sets both, we never block
        self.write_timeout: float | None = None
        self._port = port
        self._fd: int = port.fileno()
        self.on_failure = on_failure

    def fileno(self) -> int:
        return self._fd

    def read(self, _size: int) -> bytes:
        """Return what is there; b"" if nothing is, or if the line is gone."""
        try:
            data = os.read(self._fd, TTY_READ_SIZE_BYTES)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            self.on_failure(error)
            return b""
        if not data:
            self.on_failure(None)
        return data

    def flush(self) -> None:
        """Do nothing: the driver goes on sending, and waiting would block the event loop."""

    def close(self) -> None:
        close_port(self._port)


class AsyncSerialTransport(asyncio.Protocol):
    """An :class:`~ipfi_serial.transport.base.AsyncTransport` on an open pyserial port."""

    def __init__(self, port: serial.Serial, endpoint: str, bytes_per_s: float | None) -> None:
        self.endpoint = endpoint
        self.bytes_per_s = bytes_per_s
        self._port = _BurstPort(port, self._lose)
        self._fd = self._port.fileno()
        self._transport: serial_asyncio.SerialTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._why_lost: str | None = None
        self._wants_room = False
        self._closed = False

    def start(
        self,
        on_bytes: Callable[[bytes], None],
        on_room: Callable[[], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.start`."""
        self._on_bytes, self._on_room, self._on_lost = on_bytes, on_room, on_lost
        self._loop = asyncio.get_running_loop()
        if self._why_lost is not None:
            self._loop.call_soon(self._tell_lost)
            return
        self._transport = serial_asyncio.SerialTransport(self._loop, self, self._port)
        if self._wants_room:
            self._loop.add_writer(self._fd, self._tell_room)

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.write`."""
        if self._why_lost is not None:
            raise TransportError(self._why_lost)
        try:
            taken = os.write(self._fd, data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise self._lose(error) from error
        if taken < len(data) and not self._wants_room:
            self._wants_room = True
            if self._loop is not None:
                self._loop.add_writer(self._fd, self._tell_room)
        return taken

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.close`."""
        if self._closed:
            return
        self._closed = True
        self._why_lost = self._why_lost or f"{self.endpoint}: closed by this program"
        self._stop()
        self._fd = -1
        self._port.close()

    def data_received(self, data: bytes) -> None:
        """Called by pyserial-asyncio."""
        self._on_bytes(data)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            text = f"{self.endpoint} was not closed"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
            self._closed = True
            self._port.close()

    def _tell_room(self) -> None:
        self._wants_room = False
        if self._loop is not None:
            self._loop.remove_writer(self._fd)
        if self._why_lost is None:
            self._on_room()

    def _lose(self, cause: OSError | None) -> TransportError:
        """Remember that the line is gone; tell it from the loop, outside of pyserial-asyncio."""
        if self._why_lost is None:
            self._why_lost = str(lost(self.endpoint, cause))
            if self._loop is not None:
                self._loop.call_soon(self._tell_lost)
        return TransportError(self._why_lost)

    def _tell_lost(self) -> None:
        if not self._closed:
            self._stop()
            self._on_lost(TransportError(self._why_lost))

    def _stop(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.remove_writer(self._fd)
            transport.abort()
