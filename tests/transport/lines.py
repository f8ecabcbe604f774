"""Real ptys and helpers for the transport tests.  Every wait here has an end."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from ipfi_serial.transport import AsyncTransport, Transport, open_transport

PATIENCE_S = 10.0
T = TypeVar("T")


class Pty:
    """A raw pty: ``fd`` is the side that plays the board, ``path`` what the host opens."""

    def __init__(self) -> None:
        self.fd, self.other_fd = pty.openpty()
        tty.setraw(self.other_fd)
        self.path = os.ttyname(self.other_fd)

    def close(self) -> None:
        """Let the board die.  Idempotent."""
        for name in ("fd", "other_fd"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)


def opened(endpoint: str, **options: Any) -> closing[Transport]:
    """Open a line for a ``with`` block."""
    return closing(open_transport(endpoint, **options))


def start_python(script: str, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    """Start a Python program of the test's own in another process."""
    return subprocess.Popen([sys.executable, "-c", script, *arguments], **streams)  # noqa: S603


def count_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def open_pty() -> Iterator[Pty]:
    line = Pty()
    try:
        yield line
    finally:
        line.close()


class Background(Generic[T]):
    """Runs a function in a thread; ``result()`` returns or raises what it did."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # noqa: BLE001 handed to the test
            self._error = error

    def result(self, timeout_s: float = PATIENCE_S) -> T:
        """Wait for the function's end."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "still running"
        if self._error is not None:
            raise self._error
        return self._results[0]


def read_exactly(transport: Transport, size: int) -> bytes:
    """Read until ``size`` bytes have come."""
    data = b""
    end_s = time.monotonic() + PATIENCE_S
    while len(data) < size:
        assert time.monotonic() < end_s, f"only {len(data)} of {size} bytes came"
        data += transport.read(1.0)
    return data


class Ear:
    """What an asyncio transport told: all bytes, how often it had room, how it was lost."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.data = b""
        self.rooms = 0
        self.losses: list[Exception] = []
        self._changed = asyncio.Event()
        transport.start(self._on_bytes, self._on_room, self._on_lost)

    def _on_bytes(self, data: bytes) -> None:
        assert 0 < len(data) <= 65536
        self.data += data
        self._changed.set()

    def _on_room(self) -> None:
        self.rooms += 1
        self._changed.set()

    def _on_lost(self, error: Exception) -> None:
        self.losses.append(error)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was told fulfils the condition."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def take(self, size: int) -> bytes:
        """Wait for ``size`` bytes and return them."""
        await self.until(lambda: len(self.data) >= size)
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run one asyncio test, in debug mode and with a limit."""

    async def limited() -> None:
        async with asyncio.timeout(3 * PATIENCE_S):
            await test

    asyncio.run(limited(), debug=True)


def fill(transport: Transport | AsyncTransport) -> int:
    """Write until the line takes no more; return how many bytes it took."""
    total = 0
    while taken := transport.write(b"x" * 4096):
        total += taken
        assert total < 1 << 26, "this line takes everything"
    return total


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll a condition that another thread brings about."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.001)
