"""Every order of events around a handshake, up to a depth: two links, a line, a few faults.

Breadth-first over the states of both ends and of the frames between them.  Each end's clock is its
own: a timer may fire before, after or between any arrivals.

``python -m tests.link.interleavings`` searches deeper than the tests do, for some minutes.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from operator import methodcaller
from typing import Final

from ipfi_serial.errors import RemoteProtocolError
from ipfi_serial.framing.cobs import decode
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.session import Link
from tests.harness.links import parameters

MOST_ON_THE_LINE: Final = 3  # frames in one direction; what would be more is not followed


class Numbers:
    """Nonces, one after the other."""

    def __init__(self, *numbers: int) -> None:
        self._left = list(numbers)

    def __call__(self) -> int:
        """Return the next one."""
        return self._left.pop(0)


@dataclass(frozen=True)
class Budget:
    """How often things may still happen.

    Attributes:
        timers: for each end, how often its timer may fire.
        losses: for each end, how often it may lose its session by itself (MSG-6).
        faults: how many frames may suffer one of ``kinds``.
        kinds: of "lose", "double" and "late", which lets the next frame go first.
    """

    timers: tuple[int, int] = (2, 2)
    losses: tuple[int, int] = (0, 0)
    faults: int = 0
    kinds: tuple[str, ...] = ("lose",)


def one_less(counts: tuple[int, int], end: int) -> tuple[int, int]:
    """Return the counts with one less for one end."""
    return (counts[0] - (end == 0), counts[1] - (end == 1))


class World:
    """Two links and the frames between them.

    Attributes:
        ends: the links.
        line: for each end, the wire bytes of the frames that it sent and that have not arrived.
    """

    def __init__(self, roles: tuple[int, int], *, device_waits: bool, ranks: str) -> None:
        numbers = {
            "host": (range(900, 940), range(100, 140)),
            "mixed": ([500, 400, 600, 300, 700, *range(20)], [450, 550, 350, 650, *range(50, 70)]),
        }[ranks]
        self.ends = [
            Link(
                parameters(flags=role),
                active=end == 0 or not device_waits,
                floor=(10, 20)[end],
                new_nonce=Numbers(*numbers[end]),
                bytes_per_s=None,
            )
            for end, role in enumerate(roles)
        ]
        self.line: list[list[bytes]] = [[], []]
        self._now_s = [0.0, 0.0]
        for end, link in enumerate(self.ends):
            link.open(0.0)
            self._let_speak(end)

    def _let_speak(self, end: int) -> None:
        link, now_s = self.ends[end], self._now_s[end]
        due_s = link.next_deadline_s()
        if due_s is not None and due_s <= now_s:
            link.on_deadline(now_s)
        while wire := link.bytes_to_send(now_s, 1):  # one frame
            self.line[end].append(wire)
        while link.next_event() is not None:
            pass

    # --- what may happen ---

    def timer(self, end: int) -> None:
        """Let an end's time pass until something is due."""
        due_s = self.ends[end].next_deadline_s()
        assert due_s is not None
        self._now_s[end] = max(self._now_s[end], due_s)
        self._let_speak(end)

    def lose_session(self, end: int) -> None:
        """Let an end find its stream corrupted."""
        self.ends[end].abort(RemoteProtocolError("corrupted"), self._now_s[end])
        self._let_speak(end)

    def arrive(self, end: int, place: int = 0) -> None:
        """Let a frame of an end arrive."""
        wire = self.line[end].pop(place)
        self.ends[1 - end].receive_bytes(wire, self._now_s[1 - end])
        self._let_speak(1 - end)

    def suffer(self, kind: str, end: int) -> None:
        """Let the first frame of an end be lost, come twice, or come after the next."""
        if kind == "lose":
            self.line[end].pop(0)
        elif kind == "double":
            self.line[end].insert(0, self.line[end][0])
            self.arrive(end)
        else:
            self.arrive(end, 1)

    # --- what is true ---

    def key(self) -> Hashable:
        """Return all that decides what can happen from here; clocks do not."""
        known: list[Hashable] = []
        for link in self.ends:
            opening, handshake, live = link._opening, link._handshake, link._live
            pending, candidate = handshake.pending, opening.candidate
            known += [
                (opening.state, opening.ready_ping, opening._ready_count, opening.due_s is None),
                (handshake.hello, pending and pending.confirm, candidate and candidate.confirm),
                live and (live.agreement.confirm, live.agreement.initiated, live.peer_spoke),
            ]
        return tuple(known), tuple(self.line[0]), tuple(self.line[1])

    def together(self) -> bool:
        """Whether both ends stand in one session."""
        first, second = (link.agreement for link in self.ends)
        return first is not None and second is not None and first.confirm == second.confirm

    def apart(self) -> bool:
        """Whether both ends stand, in different sessions, and no frame will tell them."""
        standing = all(link.established for link in self.ends)
        return standing and not self.together() and not (self.line[0] or self.line[1])

    def settle(self) -> bool:
        """Tell whether both ends come together once nothing is lost any more and both have work."""
        for _ in range(100):
            while self.line[0] or self.line[1]:
                self.arrive(0 if self.line[0] else 1)
            if self.together():
                return True
            for end, link in enumerate(self.ends):
                link.push(b"work", self._now_s[end])
            due = [(link.next_deadline_s(), end) for end, link in enumerate(self.ends)]
            times = [(due_s - self._now_s[end], end) for due_s, end in due if due_s is not None]
            self.timer(min(times)[1])
        return False

    def describe(self) -> str:
        """Return what a person wants to know."""
        said = []
        for end, link in enumerate(self.ends):
            pieces = b"".join(self.line[end]).split(b"\0")
            session = link.agreement.session if link.agreement else None
            names = [FrameType(decode(piece)[0]).name for piece in pieces if piece]
            said.append(f"{link.state.name} in {session}, on the line: {names}")
        return "; ".join(said)


def next_worlds(blob: bytes, budget: Budget) -> Iterator[tuple[str, World, Budget]]:
    """Let each thing happen that may happen next, each to a world of its own."""

    def branch(happen: Callable[[World], None]) -> World:
        world: World = pickle.loads(blob)
        happen(world)
        return world

    world: World = pickle.loads(blob)
    for end in (0, 1):
        link, line = world.ends[end], world.line[end]
        if budget.timers[end] and link.next_deadline_s() is not None:
            left = replace(budget, timers=one_less(budget.timers, end))
            yield f"timer {end}", branch(methodcaller("timer", end)), left
        if budget.losses[end] and link.established:
            left = replace(budget, losses=one_less(budget.losses, end))
            yield f"session lost {end}", branch(methodcaller("lose_session", end)), left
        if line:
            yield f"arrive {end}", branch(methodcaller("arrive", end)), budget
        for kind in budget.kinds if line and budget.faults else ():
            if kind != "late" or len(line) > 1:
                left = replace(budget, faults=budget.faults - 1)
                yield f"{kind} {end}", branch(methodcaller("suffer", kind, end)), left


def explore(start: World, budget: Budget, *, settle_every: int = 100) -> int:
    """Visit every state that can be reached; return how many there are.

    Args:
        start: the first one.
        budget: what may happen on the way.
        settle_every: every how many states it is tried whether both ends come together from there.
    """
    first = (start.key(), budget)
    came_from: dict[Hashable, tuple[Hashable, str] | None] = {first: None}
    waiting = deque([(pickle.dumps(start), budget, first)])
    while waiting:
        blob, left, place = waiting.popleft()
        for action, world, rest in next_worlds(blob, left):
            here = (world.key(), rest)
            if here in came_from or max(map(len, world.line)) > MOST_ON_THE_LINE:
                continue
            came_from[here] = (place, action)
            kept = pickle.dumps(world)
            waiting.append((kept, rest, here))
            assert not world.apart(), f"{path(came_from, here)}: {world.describe()}"
            if len(came_from) % settle_every == 0:
                assert world.settle(), f"{path(came_from, here)}: {world.describe()}"
    return len(came_from)


def path(came_from: dict[Hashable, tuple[Hashable, str] | None], here: Hashable) -> list[str]:
    """Return what happened on the way to a state."""
    actions = []
    while (step := came_from[here]) is not None:
        here, action = step
        actions.append(action)
    return actions[::-1]


def standing(world: World) -> World:
    """Let both ends begin a session over a good line."""
    assert world.settle()
    return world


PAIRS: Final[dict[str, Callable[[], World]]] = {
    "host and waiting device": lambda: World((1, 0), device_waits=True, ranks="host"),
    "host and device, both active": lambda: World((1, 0), device_waits=False, ranks="host"),
    "two of one role": lambda: World((1, 1), device_waits=False, ranks="mixed"),
}

if __name__ == "__main__":
    for name, pair in PAIRS.items():
        for faults in (("lose",), ("lose", "double"), ("lose", "late")):
            count = explore(pair(), Budget((3, 3), (0, 0), 3, faults))
            print(f"{name}, {faults}: {count} states from the beginning")  # noqa: T201
            count = explore(standing(pair()), Budget((2, 2), (1, 1), 2, faults))
            print(f"{name}, {faults}: {count} states after a session")  # noqa: T201
