"""What a program says on its standard output, line by line, on a thread.

Somebody has to read it for as long as the program runs: one that fills its pipe stands still.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import IO, Final

log = logging.getLogger(__name__)

LONGEST_LINE_BYTES: Final = 4096
"""A longer line is handed on in pieces: a program that never ends its line takes no memory."""

_READ_BYTES: Final = 4096
THREAD_NAME: Final = "ipfi-board-output"


class Output:
    """Reads a pipe to its end, and closes it then.

    Args:
        stream: to read; from now on it belongs to the thread.
        on_line: is called on that thread with each line after the first, without its end.
    """

    def __init__(self, stream: IO[bytes], on_line: Callable[[str], object]) -> None:
        self._stream = stream
        self._on_line = on_line
        self._first: str | None = None
        self._first_known = threading.Event()
        self._thread = threading.Thread(target=self._read, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def first_line(self, timeout_s: float) -> str | None:
        """Wait for the first line; "" if the pipe ends without one.

        Returns:
            The line without its end, or None if it did not come in time.
        """
        if not self._first_known.wait(timeout_s):
            return None
        return self._first or ""

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the pipe: until all who can write to it have ended."""
        self._thread.join(timeout_s)

    def _read(self) -> None:
        open_line = b""
        with self._stream:
            while data := os.read(self._stream.fileno(), _READ_BYTES):
                *lines, open_line = (open_line + data).split(b"\n")
                for line in lines:
                    self._tell(line)
                if len(open_line) >= LONGEST_LINE_BYTES and self._first is not None:
                    self._tell(open_line)
                    open_line = b""
                open_line = open_line[-LONGEST_LINE_BYTES:]
        if open_line and self._first is not None:
            self._tell(open_line)
        self._first_known.set()

    def _tell(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        if self._first is None:
            self._first = text
            self._first_known.set()
            return
        try:
            self._on_line(text)
        except Exception:  # else nobody reads on, and the program stands still or dies of it
            log.exception("lost a program's line %r", text)
