"""What is waited for before a session, and waits that end with Ctrl-C whenever it comes.

A signal that reaches the main thread just before it begins to sleep on a lock does not wake it:
Python's handler waits until the thread runs again.  So it looks up now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from ipfi_serial.errors import IpfiError

INTERRUPT_LOOK_S: Final = 0.5  # how long such an interrupt goes unseen at most


def wait_interruptibly(wait: Callable[[float], object], timeout_s: float | None = None) -> bool:
    """Wait for long, but look up every ``INTERRUPT_LOOK_S``; return whether it has come.

    Args:
        wait: waits so many seconds at most; true if what is waited for has come.
        timeout_s: in seconds; None waits for ever.
    """
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = INTERRUPT_LOOK_S if until_s is None else until_s - time.monotonic()
        if wait(max(0.0, min(left_s, INTERRUPT_LOOK_S))):
            return True
        if left_s <= INTERRUPT_LOOK_S and until_s is not None:
            return False


class Session(Protocol):
    """A wire, as far as the waiting for its session is concerned."""

    @property
    def standing(self) -> bool:
        """Whether a session stands."""

    @property
    def closed(self) -> bool:
        """Whether none will ever follow."""


class Standing:
    """Waits until a session stands, or none ever will."""

    def __init__(self, wire: Session) -> None:
        self._wire = wire

    @property
    def ready(self) -> bool:
        """Whether there is no more to wait for."""
        return self._wire.standing or self._wire.closed


class Opened:
    """Waits for the first session, however short it was."""

    def __init__(self) -> None:
        self.ready = False
        self.failure: IpfiError | None = None

    def open(self) -> None:
        """Note that it stands."""
        self.ready = True

    def fail(self, reason: IpfiError) -> None:
        """Note why there will be none."""
        if not self.ready:
            self.failure = reason
            self.ready = True
