"""Ctrl-C and SIGTERM end a command at any moment, but never in the middle of a word.

They are exceptions only while a command runs: what comes before is kept until then, and what comes
after finds the command done.  So boards are stopped, links are removed and exit codes are those of
docs/guide/cli.md, however early or late a signal comes.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

from ipfi_serial.cli.failures import ExitCode

ENDING: Final = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """What the two signals do, for the whole process."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._is_heard = False
        self._is_over = False
        self._kept: list[int] = []

    def take(self) -> None:
        """Keep both signals from now on, and those that were blocked while this was imported."""
        self._is_heard = self._is_over = False
        self._kept.clear()
        with contextlib.suppress(ValueError):  # not the main thread: they are none of our business
            for number in ENDING:
                if signal.getsignal(number) is not signal.SIG_IGN:  # of nohup, or a shell's &
                    self._before[number] = signal.signal(number, self._receive)
            if hasattr(signal, "pthread_sigmask"):
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def give_back(self) -> None:
        """Let them do again what they did before."""
        while self._before:
            signal.signal(*self._before.popitem())

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Let both be exceptions inside, also one that was kept; afterwards they do nothing.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            SystemExit: SIGTERM.
        """
        try:
            self._is_heard = True
            self._raise_kept()
            yield
        finally:
            self._is_heard, self._is_over = False, True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep both until the end of a block that must be done whole, and is short."""
        was_heard, self._is_heard = self._is_heard, False
        try:
            yield
        finally:
            self._is_heard = was_heard
            if was_heard:
                self._raise_kept()

    def _raise_kept(self) -> None:
        if self._kept:
            self._raise(self._kept.pop(0))

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._is_heard:
            self._raise(number)
        elif self._is_over and self._kept:  # the second one: something hangs at the end
            os._exit(128 + number)
        else:
            self._kept.append(number)

    def _raise(self, number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(ExitCode.TERMINATED)


SIGNALS: Final = Signals()
