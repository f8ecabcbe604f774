"""A POSIX file descriptor as an asyncio transport, native on the event loop: no thread.

The counterpart of :mod:`ipfi_serial.transport.descriptor`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ipfi_serial.errors import TransportError
from ipfi_serial.transport.descriptor import READ_SIZE_BYTES, close_all, lost

if TYPE_CHECKING:
    import asyncio


class AsyncDescriptorTransport:
    """An :class:`~ipfi_serial.transport.base.AsyncTransport` on a descriptor.

    Args:
        fd: read from and, unless ``write_fd`` is given, written to; made non-blocking.
        endpoint: for people.
        bytes_per_s: speed of the line, or None.
        write_fd: where writes go if that is another descriptor.
        release: closes the descriptors; by default ``os.close`` of each.
        read_size_bytes: most bytes of one read, 1 to 65536.
    """

    def __init__(
        self,
        fd: int,
        endpoint: str,
        bytes_per_s: float | None = None,
        *,
        write_fd: int | None = None,
        release: Callable[[], None] | None = None,
        read_size_bytes: int = READ_SIZE_BYTES,
    ) -> None:
        self.endpoint = endpoint
        self.bytes_per_s = bytes_per_s
        self._fd = fd
        self._write_fd = fd if write_fd is None else write_fd
        self._release = release or partial(close_all, {self._fd, self._write_fd})
        self._read_size_bytes = read_size_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._why_lost: str | None = None
        self._closed = False
        self._wants_room = False
        for each in {self._fd, self._write_fd}:
            os.set_blocking(each, False)

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
        if self._why_lost is not None:
            self._loop.call_soon(self._tell_lost)
            return
        try:
            self._loop.add_reader(self._fd, self._read)
        except PermissionError:  # epoll takes no regular file, as standard input may be
            self._loop.call_soon(self._read_file)
        if self._wants_room:
            self._loop.add_writer(self._write_fd, self._tell_room)

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.write`."""
        if self._why_lost is not None:
            raise TransportError(self._why_lost)
        try:
            taken = os.write(self._write_fd, data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise self._lose(error) from error
        if taken < len(data) and not self._wants_room:
            self._wants_room = True
            if self._loop is not None:
                self._loop.add_writer(self._write_fd, self._tell_room)
        return taken

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.AsyncTransport.close`."""
        if self._closed:
            return
        self._closed = True
        self._stop()
        self._why_lost = f"{self.endpoint}: closed by this program"
        self._fd = self._write_fd = -1
        self._release()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            text = f"{self.endpoint} was not closed"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
            self._closed = True
            self._release()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, self._read_size_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._on_bytes(data)
        else:
            self._lose(None)

    def _read_file(self) -> None:
        """Read a regular file a piece at a time, and let others have their turn in between."""
        if self._why_lost is None:
            self._read()
        if self._why_lost is None and self._loop is not None:
            self._loop.call_soon(self._read_file)

    def _tell_room(self) -> None:
        self._wants_room = False
        if self._loop is not None:
            self._loop.remove_writer(self._write_fd)
        self._on_room()

    def _lose(self, cause: OSError | None) -> TransportError:
        """Remember that the line is gone and tell it, from the loop, once."""
        if self._why_lost is None:
            self._why_lost = str(lost(self.endpoint, cause, self.bytes_per_s))
            self._stop()
            if self._loop is not None:
                self._loop.call_soon(self._tell_lost)
        return TransportError(self._why_lost)

    def _tell_lost(self) -> None:
        if not self._closed:
            self._on_lost(TransportError(self._why_lost))

    def _stop(self) -> None:
        if self._loop is not None and not self._loop.is_closed() and self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._write_fd)
