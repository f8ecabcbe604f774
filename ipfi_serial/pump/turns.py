"""Who reads a wire, and who sleeps until it is their turn."""

from __future__ import annotations

import contextlib
import threading
from typing import Final, Protocol


class Waiter(Protocol):
    """What a caller waits for."""

    @property
    def ready(self) -> bool:
        """Whether it has come; becomes true in a delivery, on any thread."""


class Turn:
    """A thread that leads: it reads for all.

    Attributes:
        waiter: what it waits for.
    """

    __slots__ = ("_ident", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self._ident = threading.get_ident()

    @property
    def is_mine(self) -> bool:
        """Whether it is the thread that asks."""
        return self._ident == threading.get_ident()


class Sleeper:
    """A caller that sleeps while another thread leads.

    Attributes:
        waiter: what it waits for.
    """

    __slots__ = ("_bell", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self._bell = threading.Lock()
        self._bell.acquire()

    def sleep(self, timeout_s: float) -> None:
        """Sleep until rung, for at most so long."""
        self._bell.acquire(timeout=timeout_s)

    def ring(self) -> None:
        """Wake it; harmless if it was woken before."""
        with contextlib.suppress(RuntimeError):
            self._bell.release()


class Flush:
    """Becomes ready when everything has left.

    Attributes:
        ready: whether it has.
    """

    __slots__ = ("ready",)

    def __init__(self) -> None:
        self.ready = False


NOTHING: Final = Flush()  # what a thread waits for that reads because nobody else does
