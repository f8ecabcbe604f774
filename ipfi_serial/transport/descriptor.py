"""A POSIX file descriptor as a blocking transport: one poll and one read for a reply.

Serial ports, ptys, sockets and pipes all end up here.  It never interprets bytes and never opens
anything itself.  Uses ``poll``, so descriptors above 1023 work.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from ipfi_serial.errors import TransportError

READ_SIZE_BYTES: Final = 65536  # the contract's most
TTY_READ_SIZE_BYTES: Final = 4096  # a tty never has more (Linux: N_TTY_BUF_SIZE)
HAS_DESCRIPTORS: Final = os.name == "posix"  # elsewhere threads do the waiting
_LONGEST_POLL_MS: Final = 2**30  # 12 days; poll takes 31 bits
_CLOSE_PATIENCE_S: Final = 0.5  # a reader leaves at once, unless this is its signal handler

_NO_CABLE: Final = ("tcp", "unix", "pty:", "loopback:", "stdio:", "sim:", "socket:", "loop:")


def lost(endpoint: str, cause: OSError | None, bytes_per_s: float | None = None) -> TransportError:
    """Return the error for a line that is gone; ``cause`` is None for an end of file."""
    why = "end of file" if cause is None else cause.strerror or str(cause)
    return TransportError(f"{endpoint}: {why}: {gone(endpoint, bytes_per_s)}")


def gone(endpoint: str, bytes_per_s: float | None = None) -> str:
    """Say what may have happened to a line, and what to check.

    Args:
        endpoint: what was opened.
        bytes_per_s: its speed, which a real port has and a virtual one has not.
    """
    if endpoint.startswith("/") and bytes_per_s is None:
        return "the virtual port was unplugged: the program that made it has ended; start it again"
    if endpoint.startswith(_NO_CABLE):
        return "the other end closed; check whether its program is still running"
    return "the port was unplugged, or the other end closed; check the cable and the other end"


class DescriptorTransport:
    """A :class:`~ipfi_serial.transport.base.Transport` on a descriptor.

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
        self._why_lost: str | None = None
        self._closed = False
        self._attention = False  # something besides data may have ended the poll
        self._woken = False
        self._wants_room = False
        self._is_reading = False  # these two keep close() from closing under a system call;
        self._is_writing = False  # a lock would cost more than the rest of read()
        self._left = threading.Event()
        self._flags = threading.RLock()  # re-entrant: a signal handler may wake or close
        self._wake_fd, self._waker_fd = os.pipe()
        for each in {self._fd, self._write_fd, self._wake_fd, self._waker_fd}:
            with contextlib.suppress(OSError):
                os.set_blocking(each, False)
        self._poll_data = self._make_poll(room=False).poll
        self._poll_room = self._make_poll(room=True).poll
        self._poll = self._poll_data

    def read(self, timeout_s: float | None) -> bytes:
        """See :meth:`ipfi_serial.transport.base.Transport.read`."""
        self._is_reading = True
        try:
            if self._why_lost is not None:
                raise TransportError(self._why_lost)
            timeout_ms = None
            if timeout_s is not None:
                timeout_ms = timeout_s * 1000.0
                if not 0.0 <= timeout_ms <= _LONGEST_POLL_MS:
                    timeout_ms = 0.0 if timeout_ms < 0.0 else _LONGEST_POLL_MS
            ready = self._poll(timeout_ms)
            if not ready:
                return b""
            if self._attention:
                return self._read_with_attention(ready, timeout_ms)
            try:
                data = os.read(self._fd, self._read_size_bytes)
            except BlockingIOError:
                return self._read_with_attention(ready, timeout_ms)
            except OSError as error:
                raise self._lose(error) from error
            if not data:
                raise self._lose(None)
            return data
        finally:
            self._is_reading = False
            if self._closed:
                self._left.set()

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.Transport.write`."""
        self._is_writing = True
        try:
            taken = os.write(self._write_fd, data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise self._lose(error) from error
        finally:
            self._is_writing = False
            if self._closed:
                self._left.set()
        if taken < len(data):
            with self._flags:
                self._wants_room = True
                self._signal()
        return taken

    def wake(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.wake`."""
        with self._flags:
            if not self._woken:
                self._woken = True
                self._signal()

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.close`."""
        with self._flags:
            if self._closed:
                return
            self._why_lost = f"{self.endpoint}: closed by this program"
            self._signal()
            self._closed = True
        deadline_s = time.monotonic() + _CLOSE_PATIENCE_S
        while (self._is_reading or self._is_writing) and time.monotonic() < deadline_s:
            self._left.clear()
            if self._is_reading or self._is_writing:
                self._left.wait(_CLOSE_PATIENCE_S)
        with self._flags:
            self._fd = self._write_fd = -1
            os.close(self._wake_fd)
            os.close(self._waker_fd)
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            text = f"{self.endpoint} was not closed"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
            self.close()

    def _make_poll(self, *, room: bool) -> select.poll:
        poll = select.poll()
        if not room:
            poll.register(self._fd, select.POLLIN)
        elif self._fd == self._write_fd:
            poll.register(self._fd, select.POLLIN | select.POLLOUT)
        else:
            poll.register(self._fd, select.POLLIN)
            poll.register(self._write_fd, select.POLLOUT)
        poll.register(self._wake_fd, select.POLLIN)
        return poll

    def _signal(self) -> None:
        """Make a poll in the reading thread end, and the read look at the flags."""
        self._attention = True
        if self._closed:
            return
        with contextlib.suppress(BlockingIOError):  # full: it is awake enough
            os.write(self._waker_fd, b"!")

    def _read_with_attention(self, ready: list[tuple[int, int]], timeout_ms: float | None) -> bytes:
        """Go on with a read whose poll ended for data, a wake-up, room, or for nothing."""
        started_s = time.monotonic()
        while True:
            events = dict(ready)
            data = self._read_if_ready(events)
            if data or self._consume_flags(events):
                return data
            left_ms = timeout_ms
            if timeout_ms is not None:
                left_ms = max(0.0, timeout_ms - (time.monotonic() - started_s) * 1000)
            ready = self._poll(left_ms)
            if not ready:
                return b""

    def _read_if_ready(self, events: dict[int, int]) -> bytes:
        if self._why_lost is not None:
            raise TransportError(self._why_lost)
        if not events.get(self._fd, 0) & ~select.POLLOUT:
            return b""
        try:
            data = os.read(self._fd, self._read_size_bytes)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lose(error) from error
        if not data:
            raise self._lose(None)
        return data

    def _consume_flags(self, events: dict[int, int]) -> bool:
        """Take what the wake pipe and the poll say; True if the read has to return."""
        with self._flags:
            if self._wake_fd in events:
                os.read(self._wake_fd, 512)
            has_room = self._wants_room and bool(events.get(self._write_fd, 0) & ~select.POLLIN)
            if has_room:
                self._wants_room = False
            was_woken, self._woken = self._woken, False
            self._poll = self._poll_room if self._wants_room else self._poll_data
            self._attention = self._wants_room
            return was_woken or has_room

    def _lose(self, cause: OSError | None) -> TransportError:
        """Remember that the line is gone; both directions end."""
        with self._flags:
            if self._why_lost is None:
                self._why_lost = str(lost(self.endpoint, cause, self.bytes_per_s))
                self._signal()
            return TransportError(self._why_lost)


def close_all(descriptors: set[int]) -> None:
    """Close each of them."""
    for each in descriptors:
        os.close(each)
