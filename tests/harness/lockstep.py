"""Two cores, two lines, one clock: steps them until something is true or nothing will ever happen.

Needs nothing of a core but the five verbs of docs/design.md.  Never sleeps.  A core that says it is
due and then does nothing is a :class:`BusyLoopError`; ends that wait for nothing are reported as
quiet, which the caller compares with the work that is left.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from tests.harness.line import Line

MOST_ROUNDS: Final = 20_000  # exchanges at one instant before it counts as a loop
MOST_IDLE_ROUNDS: Final = 2  # in a row, in which an end was due and nothing came of it

EventT_co = TypeVar("EventT_co", covariant=True)


class Core(Protocol[EventT_co]):
    """The five verbs."""

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the line brought."""

    def bytes_to_send(self, now_s: float, max_bytes: int = ...) -> bytes:
        """Hand over what may go on the line."""

    def next_event(self) -> EventT_co | None:
        """Hand over the oldest event."""

    def next_deadline_s(self) -> float | None:
        """Return when something is due."""

    def on_deadline(self, now_s: float) -> None:
        """Act on what is due."""


class BusyLoopError(AssertionError):
    """A core asks for the present moment again and again."""


EventT = TypeVar("EventT")
EventHook = Callable[[int, EventT, float], None]


class Lockstep(Generic[EventT]):
    """Two ends and the line between them.

    Attributes:
        ends: the two cores; replace one to reboot it.
        lines: ``lines[0]`` carries from end 0 to end 1, ``lines[1]`` back.
        now_s: the clock.
        sends: whether an end's transport takes bytes now; False is a blocked port.
        awake: whether an end's program runs; False is a process that was stopped.
        steps: instants visited so far.
    """

    def __init__(
        self,
        first: Core[EventT],
        second: Core[EventT],
        lines: tuple[Line, Line],
        on_event: EventHook[EventT],
        *,
        now_s: float = 100.0,
        pieces: Callable[[bytes], Sequence[bytes]] | None = None,
    ) -> None:
        self.ends: list[Core[EventT]] = [first, second]
        self.lines = lines
        self.now_s = now_s
        self.sends = [True, True]
        self.awake = [True, True]
        self.steps = 0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_set = 0
        self._touched = [True, True]
        self._due_s: list[float | None] = [None, None]
        self._on_event = on_event
        self._pieces = pieces

    def at(self, when_s: float, action: Callable[[], None]) -> None:
        """Do something at a time, before the ends do anything then; what is past comes at once."""
        self._timers_set += 1
        heapq.heappush(self._timers, (when_s, self._timers_set, action))

    # --- one instant ---

    def touch(self) -> None:
        """Say that something was done to the ends from outside: look at both again."""
        self._touched = [True, True]

    def settle(self) -> None:
        """Do all that can be done without time passing."""
        idle_rounds = 0
        for _ in range(MOST_ROUNDS):
            if self._run_timers():
                self.touch()
            moved = False
            for index in (0, 1):
                if self.awake[index]:
                    moved |= self._look_at(index)
            if moved:
                idle_rounds = 0
                continue
            late = self._late()
            if late is None:
                if not self._timers or self._timers[0][0] > self.now_s:
                    return
                continue
            idle_rounds += 1  # what was queued may have made something due, at most once
            if idle_rounds > MOST_IDLE_ROUNDS:
                due_s = self.ends[late].next_deadline_s()
                raise BusyLoopError(f"end {late} is due at {due_s} and did nothing at {self.now_s}")
        raise BusyLoopError(f"no end of bytes at {self.now_s}")

    def _look_at(self, index: int) -> bool:
        """Let an end do what it can, if anything concerns it; return whether anything moved."""
        end, due_s = self.ends[index], self._due_s[index]
        touched = self._touched[index]
        if due_s is not None and due_s <= self.now_s:
            end.on_deadline(self.now_s)
            touched = True
        moved = False
        arrival_s = self.lines[1 - index].next_arrival_s()
        if arrival_s is not None and arrival_s <= self.now_s:
            moved = touched = self._deliver(index)
        if not touched:
            return False
        while self._take_events(index) | self._send(index):
            moved = True
        self._touched[index] = False
        self._due_s[index] = end.next_deadline_s()
        return moved

    def _late(self) -> int | None:
        """Return an end that is due."""
        for index, due_s in enumerate(self._due_s):
            runs = self.sends[index] and self.awake[index]
            if runs and due_s is not None and due_s <= self.now_s:
                return index
        return None

    def _run_timers(self) -> bool:
        timers = self._timers
        if not timers or timers[0][0] > self.now_s:
            return False
        while timers and timers[0][0] <= self.now_s:
            heapq.heappop(timers)[2]()
        return True

    def _send(self, index: int) -> bool:
        if not self.sends[index]:
            return False
        data = self.ends[index].bytes_to_send(self.now_s)
        if data:
            self.lines[index].write(data, self.now_s)
        return bool(data)

    def _deliver(self, index: int) -> bool:
        data = self.lines[1 - index].read(self.now_s)
        for piece in (data,) if self._pieces is None or not data else self._pieces(data):
            if piece:
                self.ends[index].receive_bytes(piece, self.now_s)
        return True

    def _take_events(self, index: int) -> bool:
        moved = False
        while (event := self.ends[index].next_event()) is not None:
            self._on_event(index, event, self.now_s)
            moved = True
        return moved

    # --- time ---

    def next_s(self) -> float | None:
        """Return the next instant at which anything can happen, or None: it is quiet."""
        times = [self._timers[0][0]] if self._timers else []
        for index, due_s in enumerate(self._due_s):
            if not self.awake[index]:
                continue
            arrival_s = self.lines[1 - index].next_arrival_s()
            if arrival_s is not None:
                times.append(arrival_s)
            if self.sends[index] and due_s is not None:
                times.append(due_s)
        return min(times) if times else None

    def run(self, until: Callable[[], bool] | None = None, *, for_s: float = 60.0) -> bool:
        """Step until ``until()`` holds, or it is quiet, or ``for_s`` seconds passed.

        Returns:
            Whether ``until()`` holds; without it, whether it became quiet in time.
        """
        end_s = self.now_s + for_s
        self.touch()
        while True:
            self.steps += 1
            self.settle()
            if until is not None and until():
                return True
            next_s = self.next_s()
            if next_s is None or next_s > end_s:
                self.now_s = end_s if until is not None or next_s is not None else self.now_s
                return until is None and next_s is None
            self.now_s = max(next_s, self.now_s)
