"""What happened to a target, with the time of day: the part of its log that this program writes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

_MOST_LINES: Final = 1000  # of a target that runs for days; the oldest go


class Diary:
    """Lines of text, oldest first.  Any thread may add one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)

    def note(self, what: str) -> None:
        """Add a line, or several."""
        now_s = time.time()
        clock = time.strftime("%H:%M:%S", time.localtime(now_s)) + f".{int(now_s * 1000) % 1000:03}"
        with self._lock:
            self._lines.extend(f"{clock}  {line}" for line in what.splitlines())

    def text(self) -> str:
        """Return all of it."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines)
