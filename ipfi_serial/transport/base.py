"""What carries bytes: the two protocols that every transport, ours or yours, fulfils.

A transport turns an open line into bytes in and bytes out.  It never interprets them.
docs/guide/transports.md shows a complete one in 20 lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from ipfi_serial.errors import ConfigError


def check_transport(line: object, method: str, settings: Iterable[str]) -> None:
    """Refuse what is handed over in place of a line and is none, and settings beside one.

    Args:
        line: what was handed over.
        method: what only a line for this shell has: "read" (blocking) or "start" (asyncio).
        settings: names of the settings of a serial port that came with it.

    Raises:
        ConfigError: it is none, or there are such settings.
    """
    if hasattr(line, method) and hasattr(line, "bytes_per_s"):
        if names := " and ".join(settings):
            raise ConfigError(
                f"{names} would set a serial port, and {line!r} is open already: "
                "set that where it is opened"
            )
        return
    if hasattr(line, "bytes_per_s"):
        raise ConfigError(f"{line!r} is a line for the other shell: blocking and asyncio differ")
    raise ConfigError(
        f"{line!r} is no endpoint: use a string like '/dev/ttyACM0' or 'sim:', or a transport"
    )


@runtime_checkable
class Transport(Protocol):
    """A line for the blocking shell.  One thread reads; any thread writes, one at a time.

    Attributes:
        endpoint: what was opened, for people: "/dev/ttyACM0", "tcp:127.0.0.1:5000".
        bytes_per_s: speed of the line (baud / 10 for 8N1), or None if it has none worth counting.
    """

    endpoint: str
    bytes_per_s: float | None

    def read(self, timeout_s: float | None) -> bytes:
        """Wait until bytes are there and return them, at most 64 KiB.

        Returns ``b""`` when ``timeout_s`` seconds have passed (None: no limit; 0: do not wait),
        when :meth:`wake` was called, or when room has come after a short :meth:`write`.

        Raises:
            TransportError: the line is gone.  Every later read raises it again.
        """

    def write(self, data: bytes) -> int:
        """Take what fits now and return how many bytes were taken; do not wait for room.

        Raises:
            TransportError: the line is gone.
        """

    def wake(self) -> None:
        """Make a read that is waiting in another thread (or the next one) return at once."""

    def close(self) -> None:
        """Release the line.  Idempotent; a waiting read ends with TransportError."""


@runtime_checkable
class AsyncTransport(Protocol):
    """A line for the asyncio shell.

    Attributes:
        endpoint: as for :class:`Transport`.
        bytes_per_s: as for :class:`Transport`.
    """

    endpoint: str
    bytes_per_s: float | None

    def start(
        self,
        on_bytes: Callable[[bytes], None],
        on_room: Callable[[], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        """Begin reading on the running event loop.

        ``on_bytes(data)`` gets what arrives, ``on_room()`` is called when a short write has room
        again, ``on_lost(error)`` exactly once when the line is gone; all on the loop's thread.
        """

    def write(self, data: bytes) -> int:
        """Take what fits now and return how many bytes were taken; never block.

        Raises:
            TransportError: the line is gone.
        """

    def close(self) -> None:
        """Release the line.  Idempotent; on_lost is not called for a close of our own."""
