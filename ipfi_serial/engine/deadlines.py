"""When calls time out: of one that begins, and of all, the soonest first.  Pure.

docs/protocol.md, CALL-10.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final

from ipfi_serial.engine.calls import OutgoingCall, OutgoingState
from ipfi_serial.engine.directory import Target
from ipfi_serial.engine.failures import too_late
from ipfi_serial.errors import ConfigError

LIVE: Final = (OutgoingState.WAITING, OutgoingState.OPEN)
FOREVER_S: Final = float("inf")
SLACK: Final = 64  # entries of ended calls that may wait to be swept


def deadline_of(target: Target, timeout_s: float, now_s: float) -> float:
    """Return when a call of ``target`` times out that is made now.

    Raises:
        ConfigError: ``timeout_s`` is no number of seconds.
        CallTimeoutError: there is no time left; nothing is to be sent.
    """
    if timeout_s != timeout_s:
        raise ConfigError("timeout_s is nan; it is a number of seconds, or None")
    try:
        deadline_s = now_s + timeout_s
    except TypeError:
        raise ConfigError(f"timeout_s is {timeout_s!r}; it takes seconds, or None") from None
    if timeout_s <= 0:
        raise too_late(target.label, timeout_s)
    return deadline_s


class Deadlines:
    """The deadlines of calls that have not ended."""

    __slots__ = ("_heap", "_ticket")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, OutgoingCall]] = []
        self._ticket = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, call: OutgoingCall, live: int) -> None:
        """Watch a call, unless it may last for ever; ``live`` calls have not ended.

        Forgets calls that have ended: the oldest ones at once, those between others when they are
        most of what is kept.
        """
        heap = self._heap
        while heap and heap[0][2].state not in LIVE:
            heappop(heap)
        if len(heap) > SLACK + 2 * live:
            heap = self._heap = [entry for entry in heap if entry[2].state in LIVE]
            heapify(heap)
        if call.deadline_s < FOREVER_S:
            self._ticket += 1
            heappush(heap, (call.deadline_s, self._ticket, call))

    @property
    def next_s(self) -> float | None:
        """When the next call times out, at the latest."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_s: float) -> OutgoingCall | None:
        """Hand over one call whose time is up; None if there is none."""
        while self._heap and self._heap[0][0] <= now_s:
            call = heappop(self._heap)[2]
            if call.state in LIVE:
                return call
        return None

    def clear(self) -> None:
        """Forget everything: the session ended."""
        self._heap.clear()
