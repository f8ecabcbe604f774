"""A simulated Morse line for threads of one program: two ends with pins, and what lies between.

Edges have the times that the keyer gave them, spoilt as :class:`Quality` says, and are heard then
by the clock ``time.monotonic``; so the line works in real and in virtual time.  docs/morse.md.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from typing import Final

from ipfi_serial.transport.morse_pins import CLOSED, Heard

BATCH_UNITS: Final = 16  # edges are handed over so many units after the first of them
LONGEST_GLITCH: Final = 1.5  # units: some are read as dots; those below a third are left out
SHORTEST_GLITCH: Final = 0.1


@dataclass(frozen=True, slots=True)
class Quality:
    """What the line does to edges.

    Attributes:
        jitter: standard deviation of an edge, in units.
        glitches: false pulses in a unit while somebody talks, mean.
    """

    jitter: float = 0.0
    glitches: float = 0.0


class MorseLine:
    """The line between end 0 and end 1.

    Attributes:
        changed: guards it, and tells of news.
        unit_s: a unit of full speed, in seconds.
        is_shared: both ends use one wire, and each hears itself too.
        quality: of what each end keys; may be set at any time.
        edges: that passed since it was made.
        glitches: false pulses since then.
    """

    def __init__(self, unit_s: float, *, is_shared: bool = False, seed: int = 0) -> None:
        self.changed = threading.Condition()
        self.unit_s = unit_s
        self.is_shared = is_shared
        self.quality = [Quality(), Quality()]
        self.edges = self.glitches = 0
        self._chance = Random(seed)  # noqa: S311 - a run can be repeated
        self._coming: list[list[float]] = [[], []]  # edges that each end keys, in order
        self._levels = [False, False]
        self.heard: list[list[float]] = [[], []]  # by each end, not taken yet
        self.rises = [True, True]  # whether the first of them does

    def key(self, end: int, edges_s: list[float]) -> None:
        """Announce edges of an end; the first begins a mark."""
        with self.changed:
            self._coming[end] += self._spoilt(end, edges_s)
            self.edges += len(edges_s)
            self.changed.notify_all()

    def pass_time(self, now_s: float) -> None:
        """Let the ends hear what was keyed up to now; with the lock held."""
        counts = [bisect_right(coming, now_s) for coming in self._coming]
        passed = [(at_s, end) for end in (0, 1) for at_s in self._coming[end][: counts[end]]]
        for end in (0, 1):
            del self._coming[end][: counts[end]]
        for at_s, end in sorted(passed) if self.is_shared else passed:
            was_marked = any(self._levels)
            self._levels[end] ^= True
            if not self.is_shared:
                self._bring(1 - end, at_s, self._levels[end])
            elif any(self._levels) != was_marked:
                self._bring(0, at_s, not was_marked)
                self._bring(1, at_s, not was_marked)

    def next_edge_s(self, end: int) -> float | None:
        """Return when an end hears something next, as far as that is known."""
        sources = (0, 1) if self.is_shared else (1 - end,)
        known = [*self.heard[end][:1], *(at for each in sources for at in self._coming[each][:1])]
        return min(known, default=None)

    def busy_until_s(self, end: int) -> float:
        """Return until when the other end keys what it has begun to key, or 0."""
        coming = self._coming[1 - end]
        return coming[-1] if coming and (self._levels[1 - end] or self.heard[end]) else 0.0

    def forget(self, end: int) -> None:
        """Let an end begin to hear: what it did not take is gone."""
        with self.changed:
            self.pass_time(time.monotonic())
            self.heard[end].clear()

    def release(self, end: int) -> None:
        """Let go of the pin of an end: what it was going to key is not keyed, a mark ends."""
        with self.changed:
            now_s = time.monotonic()
            self.pass_time(now_s)
            self._coming[end] = [now_s] if self._levels[end] else []
            self.changed.notify_all()

    def _bring(self, end: int, at_s: float, rises: bool) -> None:
        if not self.heard[end]:
            self.rises[end] = rises
        self.heard[end].append(at_s)

    def _spoilt(self, end: int, edges_s: list[float]) -> list[float]:
        quality, chance, unit_s = self.quality[end], self._chance, self.unit_s
        spoilt = [at_s + chance.gauss(0.0, quality.jitter) * unit_s for at_s in edges_s]
        if quality.glitches:
            at_s = edges_s[0]
            while (at_s := at_s + chance.expovariate(quality.glitches) * unit_s) < edges_s[-1]:
                spoilt += (at_s, at_s + chance.uniform(SHORTEST_GLITCH, LONGEST_GLITCH) * unit_s)
                self.glitches += 1
        spoilt.sort()
        return spoilt


class LinePins:
    """The pins of one end; see :class:`ipfi_serial.transport.morse_pins.Pins`."""

    def __init__(self, line: MorseLine, end: int) -> None:
        """Begin to hear."""
        self._line = line
        self._end = end
        self._stopped = threading.Event()
        self._why = CLOSED
        line.forget(end)

    def key(self, edges_s: list[float]) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.key`."""
        with self._line.changed:  # release() takes back what was keyed before it, so not after it
            if self._stopped.is_set():
                raise OSError(self._why)
            self._line.key(self._end, edges_s)
        if self._stopped.wait(max(0.0, edges_s[-1] - time.monotonic())):
            raise OSError(self._why)

    def hear(self, timeout_s: float) -> Heard:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.hear`."""
        line, end = self._line, self._end
        until_s = time.monotonic() + timeout_s
        with line.changed:
            while True:
                if self._stopped.is_set():
                    raise OSError(self._why)
                now_s = time.monotonic()
                due_s = self._due_s(until_s)
                if due_s <= now_s:
                    break
                line.changed.wait(due_s - now_s)
            line.pass_time(now_s)
            heard = Heard(until_s=now_s, busy_until_s=line.busy_until_s(end))
            if line.heard[end]:
                heard.runs.append((line.heard[end], line.rises[end]))
                line.heard[end] = []
        return heard

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.close`."""
        self.break_off(CLOSED)

    def break_off(self, why: str) -> None:
        """Let the pins be gone."""
        if not self._stopped.is_set():
            self._why = why
            self._stopped.set()
            self._line.release(self._end)

    def _due_s(self, until_s: float) -> float:
        edge_s = self._line.next_edge_s(self._end)
        return until_s if edge_s is None else min(until_s, edge_s + self._patience_s)

    @property
    def _patience_s(self) -> float:
        """How long edges may wait: who listens before talking has to know at once."""
        return 0.0 if self._line.is_shared else BATCH_UNITS * self._line.unit_s
