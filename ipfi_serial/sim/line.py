"""The Python board's UART: it outlives the board's resets, and prints text between frames.

Never interprets what comes in.  docs/protocol.md, FRAME-8.
"""

from __future__ import annotations

import threading
from typing import Final

from ipfi_serial.errors import TransportError
from ipfi_serial.transport.base import Transport
from ipfi_serial.transport.morse_losses import pass_losses_on

_DELIMITER: Final = 0


class BoardLine:
    """A line that several boots of a board use, one after the other.  Owns the transport.

    Attributes:
        inner: the transport.
        reading: held by the boot that reads: one thread reads a transport at a time, and a handler
            of the boot before may still do so when the next one begins.
    """

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.reading = threading.Lock()
        self._lock = threading.Lock()
        self._text = b""  # waits for the end of a frame, or for room
        self._between_frames = True

    def write(self, data: bytes) -> int:
        """Take frames, as far as there is room; nothing while text waits that comes first."""
        with self._lock:
            if not self._print_waiting():
                return 0
            taken = self.inner.write(data)
            if taken:
                self._between_frames = data[taken - 1] == _DELIMITER
            self._print_waiting()
            return taken

    def print(self, text: bytes) -> None:
        """Put a line of text between two frames, as a firmware's ``printf`` would."""
        with self._lock:
            self._text += text + b"\n\0"  # the delimiter: whatever follows, it starts afresh
            self._print_waiting()

    def print_waiting(self) -> None:
        """Try again to print what waits."""
        with self._lock:
            self._print_waiting()

    def close(self) -> None:
        """Release the line.  Idempotent."""
        self.inner.close()

    def _print_waiting(self) -> bool:
        """Print what can be printed now; return whether frames may follow."""
        if self._text and self._between_frames:
            self._text = self._text[self.inner.write(self._text) :]
            return not self._text
        return True


class BootTransport:
    """What one boot of the board sees of its line.

    Closing it leaves the line open for the next boot.
    """

    def __init__(self, line: BoardLine) -> None:
        self.endpoint = line.inner.endpoint
        self.bytes_per_s = line.inner.bytes_per_s
        pass_losses_on(self, line.inner)
        self._line = line
        self._has_power = True
        self._closed = False

    def cut_power(self) -> None:
        """Let everything that is written from now on vanish, a goodbye included."""
        self._has_power = False

    def read(self, timeout_s: float | None) -> bytes:
        """See :meth:`ipfi_serial.transport.base.Transport.read`."""
        line = self._line
        if self._closed:
            raise TransportError(f"{self.endpoint}: the board restarts")
        if not line.reading.acquire(blocking=False):
            with line.reading:  # the boot before was woken, and leaves
                return b""  # a wake of ours may have been taken there
        try:
            data = line.inner.read(timeout_s)
        finally:
            line.reading.release()
        if not data:
            line.print_waiting()
        return data

    def write(self, data: bytes) -> int:
        """See :meth:`ipfi_serial.transport.base.Transport.write`."""
        return self._line.write(data) if self._has_power else len(data)

    def wake(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.wake`."""
        self._line.inner.wake()

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.base.Transport.close`."""
        self._closed = True
        self._line.inner.wake()
