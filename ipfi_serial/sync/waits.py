"""Waits that end with Ctrl-C whenever it comes.

A signal that reaches the main thread just before it begins to sleep on a lock does not wake it:
Python's handler waits until the thread runs again.  So it looks up now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

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
