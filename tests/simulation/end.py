"""What both kinds of simulated ends have in common: a clock of their own, and what they report."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.simulation.plan import EndPlan
from tests.simulation.truth import Operation

LATE_ENOUGH_S = 1e-9  # a timer never fires early, whatever rounding does


class Served:
    """A call that a handler has.

    Attributes:
        end: whose handler.
        procedure: which procedure.
        handle: how the end knows it.
        arguments: what came.
        produced: values handed over so far.
    """

    __slots__ = ("arguments", "end", "handle", "procedure", "produced")

    def __init__(self, end: SimulatedEnd, procedure: int, handle: Any, arguments: bytes) -> None:
        self.end = end
        self.procedure = procedure
        self.handle = handle
        self.arguments = arguments
        self.produced = 0


@dataclass(frozen=True, slots=True)
class News:
    """An event came."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """A call of ours ended, or brought a value if not ``last``.

    Attributes:
        operation: which one.
        value: its value, if it brought one.
        error: why it failed, or None.
        may: what the error says about having executed.
        last: whether it ended.
    """

    operation: Operation
    value: bytes | None
    error: str | None
    may: bool | None
    last: bool


@dataclass(frozen=True, slots=True)
class Went:
    """A session opened (``up``) or ended; ``final``: this end will not look for another one."""

    up: bool
    final: bool


Entry = Served | News | Ended | Went


class SimulatedEnd:
    """One life of one end.

    Attributes:
        index: which end.
        life: how often it was started before.
        plan: what it is like.
        bytes_per_s: speed of the line.
        alive: whether it is still there.
        session: sessions that it has seen.
        emitted: reliable events emitted in this session.
        served: calls whose handlers have not returned.
    """

    serves_itself: ClassVar[bool] = False

    def __init__(self, index: int, life: int, plan: EndPlan, bytes_per_s: float | None) -> None:
        self.index = index
        self.life = life
        self.plan = plan
        self.bytes_per_s = bytes_per_s
        self.alive = True
        self.closed = False
        self.session = 0
        self.emitted = 0
        self.random = random.Random(plan.seed + life)  # noqa: S311 - repeatable by intention
        self._rate = plan.rate
        self._offset_s = plan.offset_s
        self._entries: deque[Entry] = deque()
        self._now_s = 0.0

    def forget(self) -> None:
        """Be gone."""
        self.alive = False

    def local_s(self, now_s: float) -> float:
        """Return what this end's clock says."""
        self._now_s = now_s
        return self._offset_s + now_s * self._rate

    def global_s(self, local_s: float) -> float:
        """Return when this end's clock will have passed a time."""
        return (local_s - self._offset_s) / self._rate + LATE_ENOUGH_S

    # --- the five verbs ---

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the line brought."""
        raise NotImplementedError

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:
        """Hand over what may go on the line."""
        raise NotImplementedError

    def next_event(self) -> Entry | None:
        """Hand over the oldest report."""
        raise NotImplementedError

    def next_deadline_s(self) -> float | None:
        """Return when something is due."""
        raise NotImplementedError

    def on_deadline(self, now_s: float) -> None:
        """Act on what is due."""
        raise NotImplementedError

    # --- what a program does ---

    @property
    def up(self) -> bool:
        """Whether a session stands."""
        raise NotImplementedError

    def begin(self, operation: Operation, now_s: float) -> bool:
        """Call; return whether it was accepted: else it certainly does not execute."""
        raise NotImplementedError

    def add(self, operation: Operation, part: bytes, *, last: bool) -> None:
        """Send more arguments."""
        raise NotImplementedError

    def cancel(self, operation: Operation) -> None:
        """Give a call up."""
        raise NotImplementedError

    def read(self, operation: Operation, size: int) -> None:
        """Take a value of a stream: there is room for more."""

    def emit(self, payload: bytes, now_s: float, *, lossy: bool) -> bool:
        """Emit an event; return whether it was accepted."""
        raise NotImplementedError

    def resume(self, served: Served, *, fails: bool = False) -> None:
        """Let a handler do what it was told."""
        raise NotImplementedError

    def returns(self, served: Served) -> None:
        """Let a handler return that never answered."""

    def close(self, now_s: float) -> None:
        """Close, as a program does."""
        raise NotImplementedError

    def bounded(self) -> str | None:
        """Name what has grown above its limit."""
        return None

    def leftovers(self) -> list[str]:
        """Name what should be empty and is not."""
        raise NotImplementedError
