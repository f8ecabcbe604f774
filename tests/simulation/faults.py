"""What the line does to frames when the plan says so; one direction."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Final

from tests.harness.line import CLEAN, Copies, Line, as_is, evenly
from tests.simulation.plan import Fault, FaultKind

if TYPE_CHECKING:
    from tests.simulation.world import World

HELLO: Final = 0x81
READY: Final = 0x84
DATA: Final = 0x85
MOST_DISPLACED: Final = 100  # DATA frames of both directions; LINK-4 allows fewer than 128
MOST_LATE_S: Final = 60.0
OF_FRAMES: Final = frozenset(
    {
        FaultKind.FLIP,
        FaultKind.DROP,
        FaultKind.INSERT,
        FaultKind.DOUBLE_BYTE,
        FaultKind.LOSE,
        FaultKind.DOUBLE,
        FaultKind.LATE,
        FaultKind.LATE_COPY,
        FaultKind.REBOOT_AT_FRAME,
    }
)


def type_of(wire: bytes) -> int:
    """Return the type of a whole frame off the wire, 0 if it is none."""
    start = 0
    while start < len(wire) and wire[start] == 0:
        start += 1
    return wire[start + 1] if start + 1 < len(wire) else 0


class Held:
    """A frame that waits in a network buffer."""

    __slots__ = ("gone", "until_data", "until_frame", "wire")

    def __init__(self, wire: bytes, until_frame: int, until_data: int) -> None:
        self.wire = wire
        self.until_frame = until_frame
        self.until_data = until_data
        self.gone = False


class Saboteur:
    """Does to one direction of the line what was planned.

    Attributes:
        done: faults that happened.
        hellos: HELLO frames of earlier.
    """

    def __init__(self, world: World, side: int, line: Line) -> None:
        self._world = world
        self._side = side
        self._line = line
        self._armed: deque[list[int | Fault]] = deque()
        self._held: list[Held] = []
        self._buffer: tuple[float, float, random.Random] | None = None  # until when, how bad
        self._frames = 0
        self.done = 0
        self.hellos: list[bytes] = []
        line.on_frame = self.on_frame

    def arm(self, fault: Fault) -> None:
        """Let something happen to a frame that is still to come."""
        count = min(fault.count, 3)
        self._armed.append([count, fault])

    def disarm(self, keep: int) -> None:
        """Harm nothing any more but the next few frames, and let go what was held.

        Args:
            keep: how many frames may still be harmed, since too few came while there was time.
        """
        kept = [entry for entry in self._armed if entry[1].kind is not FaultKind.REBOOT_AT_FRAME]  # type: ignore[union-attr]
        self._armed = deque([0, fault] for _, fault in kept[:keep])
        self._line.noise = CLEAN
        self._buffer = None
        for held in self._held:
            self._let_go(held)

    def on_frame(self, number: int, wire: bytes) -> Copies:
        """Decide what becomes of a frame."""
        self._frames = number
        world = self._world
        world.see(self._side, wire)
        kind = type_of(wire)
        if kind == HELLO:
            self.hellos.append(wire)
        world.data_frames += kind == DATA
        armed = self._armed
        copies = as_is(wire)
        if self._buffer is not None:
            copies = self._buffered(wire, *self._buffer)
        elif armed:
            first = armed[0]
            if first[0]:
                first[0] -= 1  # type: ignore[operator]
            else:
                armed.popleft()
                copies = self._harm(first[1], wire)  # type: ignore[arg-type]
        for held in self._held:
            if held.until_frame <= number or held.until_data <= world.data_frames:
                held.gone = True
                copies.append((0.0, held.wire))
        if self._held:
            self._held = [held for held in self._held if not held.gone]
        return copies

    def _harm(self, fault: Fault, wire: bytes) -> Copies:
        self.done += 1
        world = self._world
        if world.trace is not None:
            world.note(f"fault: {fault.kind.value} in direction {self._side}: {wire.hex()}")
        kind = fault.kind
        rng = random.Random(fault.seed)  # noqa: S311 - repeatable by intention
        place = rng.randrange(len(wire))
        if kind is FaultKind.FLIP:
            harmed = wire[place] ^ 1 << rng.randrange(8)
            return as_is(wire[:place] + bytes((harmed,)) + wire[place + 1 :])
        if kind is FaultKind.DROP:
            return as_is(wire[:place] + wire[place + 1 :])
        if kind is FaultKind.INSERT:
            return as_is(wire[:place] + bytes((rng.randrange(256),)) + wire[place:])
        if kind is FaultKind.DOUBLE_BYTE:
            return as_is(wire[: place + 1] + wire[place:])
        if kind is FaultKind.LOSE:
            return []
        if kind is FaultKind.DOUBLE:
            return as_is(wire) * 2
        if kind is FaultKind.REBOOT_AT_FRAME:
            world.disasters.reboot_soon(fault)
            return as_is(wire)
        self._hold(min(fault.span_s, MOST_LATE_S), max(1, fault.count), wire)
        return as_is(wire) if kind is FaultKind.LATE_COPY else []

    # --- the network buffer ---

    def buffer(self, fault: Fault) -> None:
        """Lose, hold or copy frames for a while."""
        rng = random.Random(fault.seed)  # noqa: S311 - repeatable by intention
        self._buffer = (self._world.now_s + fault.span_s, fault.amount, rng)

    def _buffered(self, wire: bytes, until_s: float, harm: float, rng: random.Random) -> Copies:
        draw = rng.random() / harm if harm else 1.0
        if self._world.now_s > until_s:
            self._buffer = None
        elif draw < 1.0:
            self.done += 1
            if draw > 0.3:
                late_s = rng.random() ** 2 * 20 * self._world.plan.unit_s
                self._hold(late_s, rng.randrange(1, 60), wire)
            return as_is(wire) if draw > 0.6 else []
        return as_is(wire)

    def _hold(self, late_s: float, frames: int, wire: bytes) -> None:
        until_data = self._world.data_frames + MOST_DISPLACED
        held = Held(wire, self._frames + frames, until_data)
        self._held.append(held)
        self._world.at(self._world.now_s + late_s, lambda: self._let_go(held))

    def _let_go(self, held: Held) -> None:
        """The time is over, although not so many frames have passed."""
        if not held.gone:
            held.gone = True
            self._line.inject(held.wire, self._world.now_s)

    def forget_sessions(self) -> None:
        """Drop all but HELLO and HELLO_ACK of an earlier life: see the package's doc string."""
        for held in self._held:
            if type_of(held.wire) >= READY:
                held.gone = True
        self._line.drop(lambda wire: type_of(wire) >= READY)

    # --- the line ---

    def bring(self, fault: Fault) -> None:
        """Bring bytes that nobody sent."""
        rng = random.Random(fault.seed)  # noqa: S311 - repeatable by intention
        now_s = self._world.now_s
        if fault.kind is FaultKind.NOISE:
            self._line.inject(rng.randbytes(1 + rng.randrange(60)), now_s)
        elif fault.kind is FaultKind.TEXT:
            self._line.inject(rng.choice((b"boot: ok\n", b"x", b"half a line", b"\0\0\0")), now_s)
        elif self.hellos:
            self._line.inject(b"\0" + rng.choice(self.hellos), now_s)
        else:
            return
        self.done += 1

    def burst(self, fault: Fault) -> None:
        """Harm bytes for a while."""
        self.done += 1
        line = self._line
        line.noise = evenly(fault.amount)
        line._rng.seed(fault.seed)
        line._to_damage = -1

        def over() -> None:
            line.noise = CLEAN

        self._world.at(self._world.now_s + fault.span_s, over)
