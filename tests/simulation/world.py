"""One simulation: two ends, two lines, one clock, the work and the faults of a plan.

Steps from instant to instant until all has ended and nothing is due, and checks all the time.
"""

from __future__ import annotations

import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.harness.line import Line
from tests.harness.lockstep import Lockstep
from tests.simulation.core import CoreEnd
from tests.simulation.disasters import Disasters
from tests.simulation.end import Entry, SimulatedEnd
from tests.simulation.escapes import Escapes, Watch
from tests.simulation.faults import Saboteur
from tests.simulation.plan import Call, Emit, Fault, FaultKind, Plan, Step
from tests.simulation.programs import PROBES, Programs, is_over, plain_call
from tests.simulation.python_end import PythonEnd
from tests.simulation.ring import UNLIMITED, RingAccount
from tests.simulation.truth import Truth, WrongError

KINDS: Final[dict[str, type[PythonEnd] | type[CoreEnd]]] = {"py": PythonEnd, "c": CoreEnd}
MOST_STEPS: Final = 60_000  # instants; the busiest seed seen took a third of it


@dataclass(slots=True)
class Report:
    """What came of one seed.

    Attributes:
        seed: which.
        pair: which ends.
        failure: what was wrong, or None.
        operations: calls and events that were tried.
        faults: faults that happened.
        virtual_s: how long it took on its clock.
        escapes: damage that went unseen.
        digest: of everything that happened.
    """

    seed: int
    pair: str
    failure: str | None = None
    operations: int = 0
    faults: int = 0
    virtual_s: float = 0.0
    escapes: Escapes = field(default_factory=Escapes)
    digest: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    accepted: int = 0
    succeeded: int = 0
    trace: list[str] | None = None


class Clockwork(Lockstep[Entry]):
    """A lockstep that lets a watch see what is delivered."""

    world: World

    def settle(self) -> None:
        """Settle, and look at the whole now and then."""
        super().settle()
        if self.steps % 32 == 0:
            self.world.check()

    def _deliver(self, index: int) -> bool:
        data = self.lines[1 - index].read(self.now_s)
        world = self.world
        world.watches[1 - index].delivered(data)
        if world.trace is not None:
            world.note(f"end {index} gets {data.hex()}")
        if data:
            self.ends[index].receive_bytes(data, self.now_s)
        return True


class World:
    """A plan that is being carried out.

    Attributes:
        plan: it.
        truth: what was asked for and what came of it.
        trace: lines for a person, if they were asked for.
        ends: the living ends.
        lines: the line there and back.
        watches: what was sent on them, and what came.
        report: what came of it so far.
        data_frames: DATA frames sent, both directions together.
    """

    def __init__(self, plan: Plan, pair: str, *, trace: bool = False) -> None:
        self.plan = plan
        self.trace: list[str] | None = [] if trace else None
        self.truth = Truth()
        self.data_frames = 0
        self.report = Report(plan.seed, pair, trace=self.trace)
        self._kinds = [KINDS[name] for name in pair.split("-")]
        self._lives = [0, 0]
        self.lines = (self._line(0), self._line(1))
        confirms: dict[bytes, set[int]] = {}
        escapes = self.report.escapes
        self.watches = tuple(Watch(plan.crc32, escapes, confirms) for _ in range(2))
        self._rings = (self._ring(0), self._ring(1))
        self.ends: list[SimulatedEnd] = [self._start(0, 0.0), self._start(1, 0.0)]
        self.programs = Programs(self)
        self.disasters = Disasters(self)
        self.clock = Clockwork(
            self.ends[0], self.ends[1], self.lines, self.programs.on_entry, now_s=0.0
        )
        self.clock.world = self
        self.saboteurs = (Saboteur(self, 0, self.lines[0]), Saboteur(self, 1, self.lines[1]))
        for step in plan.steps:
            self.at(step.at_s, lambda step=step: self._do(step))  # type: ignore[misc]
        for side in (0, 1):
            self._plan_stalls(side)

    def _line(self, side: int) -> Line:
        how = self.plan.lines[side]
        return Line(
            seed=self.plan.seed,
            delay_s=how.delay_s,
            bytes_per_s=how.bytes_per_s,
            batch_s=how.batch_s,
            ring_bytes=how.ring,
        )

    def _ring(self, side: int) -> RingAccount | None:
        """Keep an account of the ring of the end that gets what ``side`` sends."""
        ring = self.plan.ends[1 - side].ring
        if ring == UNLIMITED:
            return None
        account = RingAccount(side, ring, 4 if self.plan.crc32 else 2)
        self.watches[1 - side].heard = account.heard
        return account

    def _start(self, index: int, now_s: float) -> SimulatedEnd:
        plan = self.plan
        line = (plan.lines[index].bytes_per_s, plan.crc32)
        return self._kinds[index](index, self._lives[index], plan.ends[index], line, now_s)

    def _plan_stalls(self, side: int) -> None:
        """Tell the line in time when nobody will take what arrives."""
        line, last_s = self.lines[side], 0.0
        for step in self.plan.steps:
            if isinstance(step, Fault) and step.kind is FaultKind.STALL and step.side == side:
                window = (step.at_s, step.at_s + step.span_s)
                self.at(last_s, lambda window=window: setattr(line, "stall", window))  # type: ignore[misc]
                last_s = window[1]

    # --- time ---

    @property
    def now_s(self) -> float:
        """The clock."""
        return self.clock.now_s

    def at(self, when_s: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self.clock.at(when_s, action)

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.now_s:12.6f}  {text}")

    def see(self, side: int, wire: bytes) -> None:
        """Take note of a frame that is handed over, as it is sent."""
        self.watches[side].sent(wire)
        self.report.digest = zlib.crc32(wire, self.report.digest)
        if self.trace is not None:
            self.note(f"end {side} sends {wire.hex()}")
        account = self._rings[side]
        if account is not None:
            account.sent(wire, self.now_s)

    # --- the whole ---

    def run(self) -> Report:
        """Carry the plan out."""
        report = self.report
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            report.failure = f"{type(error).__name__}: {error}"
            if not isinstance(error, AssertionError):
                place = traceback.extract_tb(error.__traceback__)[-1]
                report.failure += f" ({Path(place.filename).name}:{place.lineno})"
        report.faults += sum(saboteur.done for saboteur in self.saboteurs)
        report.virtual_s, report.steps = self.now_s, self.clock.steps
        report.succeeded = self.truth.succeeded
        report.endings = self.truth.endings
        report.digest = zlib.crc32(repr((self.now_s, report.succeeded)).encode(), report.digest)
        for end in self.ends:
            end.forget()
        return report

    def _run(self) -> None:
        plan = self.plan
        self.clock.run(lambda: False, for_s=plan.work_s)
        self.disasters.end()
        bound_s = self.patience_s() * 3 + plan.patience_s * 2 + 120.0
        self._until(self._all_ended, bound_s, "calls have not ended")
        self.programs.let_handlers_return()
        self._until(lambda: all(end.up for end in self.ends), bound_s, "there is no session")
        for index in (0, 1):
            self._probe(index)
        if not self.clock.run(for_s=bound_s):
            raise WrongError(f"it never falls silent: {self._states()}")
        self._check_end()

    def patience_s(self) -> float:
        """Return after what silence a session is lost for certain (LINK-13)."""
        longest = 0.0
        for end, line in zip(self.plan.ends, self.plan.lines, strict=True):
            if line.bytes_per_s is not None:
                longest = max(longest, (end.payload + 30) / line.bytes_per_s)
        return max(5.0, 60 * longest) * 1.1 + 1.0

    def _until(self, condition: Callable[[], bool], bound_s: float, else_: str) -> None:
        """Go on until something holds.

        An end without work does not notice that the other one is gone (docs/protocol.md 3.5), and a
        passive one waits for it: so each end makes a call now and then.
        """
        for _ in range(4):
            if self.clock.run(condition, for_s=bound_s / 4):
                return
            self.programs.poke(bound_s / 8)
        if not self.clock.run(condition, for_s=bound_s / 4):
            raise WrongError(f"after {bound_s:.0f} s {else_}: {self._states()}")

    def _all_ended(self) -> bool:
        return not any(self.programs.backlog) and not any(
            not is_over(operation) for operation in self.truth.operations.values()
        )

    def _states(self) -> str:
        open_ = [
            str(operation) for operation in self.truth.operations.values() if not is_over(operation)
        ]
        ends = [
            f"end {end.index} is {'up' if end.up else 'down'}, due {end.next_deadline_s()}, "
            f"left {end.leftovers()}"
            for end in self.ends
        ]
        return f"at {self.now_s:.3f}: {ends}, open: {open_}, backlog {self.programs.backlog}"

    def _probe(self, index: int) -> None:
        """Prove that calls work again; a session that was lost may still have to be noticed."""
        ended: str | None = None
        for attempt in range(4):
            end = self.ends[index]
            tag = PROBES + 8 * index + attempt
            step = plain_call(tag, index, self.now_s, self.plan.patience_s)
            operation = self.programs.begin(step)
            if operation.ended is None:
                bound_s = self.plan.patience_s * 1.1 + 1
                self._until(lambda: is_over(operation), bound_s, "a probe is open")  # noqa: B023
            ended = operation.ended
            if ended == "success":
                return
            self.clock.run(
                lambda: False, for_s=20 * self.plan.unit_s
            )  # handlers may have to return
            if not end.alive or not end.up:
                bound_s = self.patience_s() * 3 + 60
                self._until(lambda: all(e.up for e in self.ends), bound_s, "there is no session")
        raise WrongError(f"end {index} cannot call: {ended}; {self._states()}")

    def _check_end(self) -> None:
        """Check what must be true when all is quiet."""
        for end in self.ends:
            if not end.up:
                raise WrongError(f"end {end.index} is down at last")
            left = end.leftovers()
            if left:
                raise WrongError(f"end {end.index} has left: {', '.join(left)}")
        self.truth.all_came(self.ends[0], self.ends[1])
        self.truth.all_came(self.ends[1], self.ends[0])

    def check(self) -> None:
        """Check what must be true at every instant."""
        for end in self.ends:
            grown = end.bounded()
            if grown is not None:
                raise WrongError(f"end {end.index}: {grown}")
        if self.clock.steps > MOST_STEPS:
            raise WrongError(f"no end of it: {self._states()}")

    # --- what happens ---

    def _do(self, step: Step) -> None:
        if isinstance(step, Call):
            self.report.operations += 1
            self.programs.do_call(step)
        elif isinstance(step, Emit):
            self.report.operations += 1
            self.programs.emit(step)
        elif not self.disasters.over:
            self.disasters.happen(step)

    def forgive(self, side: int) -> None:
        """Let an end's account of the ring begin anew: it, or its port, takes up work again."""
        account = self._rings[side]
        if account is not None:
            account.blind_until_s = self.now_s + 0.1

    def restart(self, index: int, *, cut: bool) -> None:
        """Put a new life in an end's place; ``cut``: what its UART held is lost, too."""
        old = self.ends[index]
        self.truth.restarted(old)
        old.forget()
        self._lives[index] += 1
        account = self._rings[index]
        if account is not None:
            account.restart()
        if cut:
            self.lines[index].cut()
        if self.plan.constant_nonce:
            for saboteur in self.saboteurs:
                saboteur.forget_sessions()
        self.clock.awake[index] = self.clock.sends[index] = True
        self.ends[index] = self.clock.ends[index] = self._start(index, self.now_s)


def simulate(plan: Plan, pair: str, *, trace: bool = False) -> Report:
    """Carry a plan out."""
    return World(plan, pair, trace=trace).run()
