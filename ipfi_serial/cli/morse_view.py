"""The live view of a Morse line: level, decoded bytes, the eye of dots and dashes, the margin.

Lines that redraw themselves on a terminal; elsewhere nothing, the caller prints plain lines.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from types import TracebackType
from typing import Final, Self, TextIO

from ipfi_serial.morse.quality import Quality
from ipfi_serial.transport.morse import MorseSource

REDRAW_S: Final = 0.1
WIDTH: Final = 64
_EYE_UNITS: Final = 8.0
_BARS: Final = " ▁▂▃▄▅▆▇█"
_TRACE_UNITS: Final = 64.0
_BYTES: Final = 20


def trace(quality: Quality, now_s: float) -> str:
    """Return the last marks and gaps of a line, a character for each unit."""
    edges_s = quality.recent_s
    high = quality.last_rising != quality.inverted
    signs: list[str] = []
    for k in range(WIDTH):
        moment_s = now_s - k * quality.unit_s * _TRACE_UNITS / WIDTH
        while edges_s and moment_s < edges_s[-1]:
            edges_s.pop()
            high = not high
        signs.append("▀" if high and edges_s else "▁")
    return "".join(reversed(signs))


def eye(quality: Quality) -> str:
    """Return how often the last marks and gaps had which length, from 0 to 8 units."""
    edges_s = quality.recent_s
    counts = [0] * WIDTH
    for begin_s, end_s in pairwise(edges_s):
        place = int((end_s - begin_s) / quality.unit_s / _EYE_UNITS * WIDTH)
        if place < WIDTH:
            counts[place] += 1
    most = max(counts) or 1
    return "".join(_BARS[(count * 8 + most - 1) // most] for count in counts)


def scale() -> str:
    """Return what stands below the eye: 1, 3 and 7 units, and the thresholds at 2 and 5."""
    marks = {1: "1", 2: "|", 3: "3", 5: "|", 7: "7"}
    line = [" "] * WIDTH
    for units, sign in marks.items():
        line[int(units / _EYE_UNITS * WIDTH)] = sign
    return "".join(line).rstrip()


def lines_of(quality: Quality, heard: Sequence[int], now_s: float) -> list[str]:
    """Return the whole view."""
    return [
        f"line   {trace(quality, now_s)}",
        f"eye    {eye(quality)}",
        f"units  {scale()}",
        f"bytes  {' '.join(f'{byte:02X}' for byte in heard[-_BYTES:])}",
        f"       {quality.describe(now_s)}",
    ]


class View:
    """Draws the view of a line until it is left; draws nothing where nobody looks."""

    def __init__(self, source: MorseSource, out: TextIO = sys.stderr) -> None:
        self._source = source
        self._out = out
        self._heard: list[int] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ipfi morse view", daemon=True)
        self._drawn = 0

    def __enter__(self) -> Self:
        if self._out.isatty():
            self._source.watch(self.note)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def note(self, data: bytes) -> None:
        """Take bytes that were read."""
        self._heard = [*self._heard, *data][-_BYTES:]

    def _run(self) -> None:
        while not self._stopped.wait(REDRAW_S):
            self._draw()
        self._draw()

    def _draw(self) -> None:
        with self._source.lock:
            lines = lines_of(self._source.modem.quality, self._heard, time.monotonic())
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._out.write(up + "".join(f"\x1b[2K{line[:110]}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)
