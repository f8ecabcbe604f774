"""One simulation: two ends, two lines, one clock, the work and the faults of a plan.

Steps from instant to instant until all has ended and nothing is due any more, and checks all the time.
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
from tests.simulation.end import Ended, Entry, News, Served, SimulatedEnd, Went
from tests.simulation.escapes import Escapes, Watch
from tests.simulation.faults import OF_FRAMES, Saboteur
from tests.simulation.plan import Behaviour, Call, Emit, Fault, FaultKind, Plan, Step
from tests.simulation.python_end import PythonEnd
from tests.simulation.ring import UNLIMITED, RingAccount
from tests.simulation.truth import Operation, Truth, WrongError, arguments_of, news_of

KINDS: Final[dict[str, type[SimulatedEnd]]] = {"py": PythonEnd, "c": CoreEnd}
NESTED: Final = 1 << 24  # tags of calls that handlers make, above those of the plan
PROBES: Final = 1 << 25  # and of the last calls
POKES: Final = 1 << 26  # and of calls that let an end notice that the other one is gone
PATIENCE_S: Final = 5.0  # LINK-13; with 60 frame times of the largest frame
MOST_STEPS: Final = 60_000


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
        self.watches = tuple(Watch(plan.crc32, self.report.escapes) for _ in range(2))
        self._rings = (self._ring(0), self._ring(1))
        self.ends: list[SimulatedEnd] = [self._start(0, 0.0), self._start(1, 0.0)]
        self.clock = Clockwork(self.ends[0], self.ends[1], self.lines, self._on_entry, now_s=0.0)
        self.clock.world = self
        self.saboteurs = (Saboteur(self, 0, self.lines[0]), Saboteur(self, 1, self.lines[1]))
        self._backlog: tuple[list[Call], list[Call]] = ([], [])
        self._hanging: list[Served] = []
        self._nested = 0
        self._pokes = 0
        self._faults_over = self._calls_over = False
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
        is_core = self._kinds[side] is CoreEnd  # answers each PING, whatever the ring holds
        account = RingAccount(side, ring, 4 if self.plan.crc32 else 2, lenient=is_core)
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
        self._end_faults()
        bound_s = self.patience_s() * 3 + plan.patience_s * 2 + 120.0
        self._until(self._all_ended, bound_s, "calls have not ended")
        self._calls_over = True
        for served in self._hanging:
            if served.end.alive:
                served.end.returns(served)
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
            for end in self.ends:
                if end.up:
                    self._pokes += 1
                    self._begin(
                        _plain_call(POKES + self._pokes, end.index, self.now_s, bound_s / 8)
                    )
        if not self.clock.run(condition, for_s=bound_s / 4):
            raise WrongError(f"after {bound_s:.0f} s {else_}: {self._states()}")

    def _all_ended(self) -> bool:
        return not any(self._backlog) and not any(
            not _is_over(operation) for operation in self.truth.operations.values()
        )

    def _states(self) -> str:
        open_ = [
            str(operation)
            for operation in self.truth.operations.values()
            if not _is_over(operation)
        ]
        ends = [
            f"end {end.index} is {'up' if end.up else 'down'}, due {end.next_deadline_s()}, "
            f"left {end.leftovers()}"
            for end in self.ends
        ]
        return f"at {self.now_s:.3f}: {ends}, open: {open_}, backlog {self._backlog}"

    def _probe(self, index: int) -> None:
        """Prove that calls work again; a session that was lost may still have to be noticed."""
        for attempt in range(4):
            end = self.ends[index]
            tag = PROBES + 8 * index + attempt
            step = _plain_call(tag, index, self.now_s, self.plan.patience_s)
            operation = self._begin(step)
            if operation.ended is None:
                bound_s = self.plan.patience_s * 1.1 + 1
                self._until(lambda: _is_over(operation), bound_s, "a probe is open")  # noqa: B023
            if operation.ended == "success":
                return
            self.clock.run(
                lambda: False, for_s=20 * self.plan.unit_s
            )  # handlers may have to return
            if not end.up or not end.alive:
                bound_s = self.patience_s() * 3 + 60
                self._until(lambda: all(e.up for e in self.ends), bound_s, "there is no session")
        raise WrongError(f"end {index} cannot call: {operation.ended}; {self._states()}")

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

    # --- what ends report ---

    def _on_entry(self, index: int, entry: Entry, now_s: float) -> None:
        end = self.ends[index]
        if self.trace is not None:
            self.note(f"end {index} reports {describe(entry)}")
        if isinstance(entry, Served):
            self._serve(end, entry, now_s)
        elif isinstance(entry, Ended):
            if entry.last:
                self._ended(entry, now_s)
            else:
                self._value(end, entry, now_s)
        elif isinstance(entry, News):
            self.truth.came(end, entry.payload)
        else:
            self._went(end, entry, now_s)

    def _serve(self, end: SimulatedEnd, served: Served, now_s: float) -> None:
        order = self.truth.executed(end, served.procedure, served.arguments)
        if order.behaviour in (Behaviour.AT_ONCE, Behaviour.FAILS):
            if not end.serves_itself:
                end.resume(served, now_s)
            return
        operation = self.truth.operations[order.tag]
        if order.behaviour is Behaviour.LATER:
            self.at(now_s + operation.step.think_s, lambda: self._resume(served))
        elif order.behaviour is Behaviour.NEVER:
            if order.tag % 2 and not self._calls_over:
                self._hanging.append(served)
            else:
                patience_s = operation.step.timeout_s * 1.2 + operation.step.think_s
                self.at(now_s + patience_s, lambda: self._returns(served))
        else:
            self._nested += 1
            step = _plain_call(NESTED + self._nested, end.index, now_s, self.plan.patience_s / 2)
            nested = self._begin(step, waiting=served)
            if nested.ended is not None:
                end.resume(served, now_s, fails=True)

    def _resume(self, served: Served, *, fails: bool = False) -> None:
        if served.end.alive:
            served.end.resume(served, self.now_s, fails=fails)

    def _returns(self, served: Served) -> None:
        if served.end.alive:
            served.end.returns(served)

    def _value(self, end: SimulatedEnd, entry: Ended, now_s: float) -> None:
        self.truth.value(entry)
        reads_s, operation = entry.operation.step.reads_s, entry.operation
        if reads_s is None or entry.value is None:
            return
        size = len(entry.value)
        if not reads_s:
            end.read(operation, size, now_s)
            return

        def read() -> None:
            if end.alive:
                end.read(operation, size, self.now_s)

        self.at(now_s + reads_s * operation.values, read)

    def _ended(self, entry: Ended, now_s: float) -> None:
        self.truth.ended(entry)
        served = entry.operation.waiting
        if served is not None:
            self.at(now_s, lambda: self._resume(served, fails=entry.error is not None))

    def _went(self, end: SimulatedEnd, entry: Went, now_s: float) -> None:
        if entry.up:
            end.session += 1
            end.emitted = 0
            backlog = self._backlog[end.index]
            for number, step in enumerate(backlog):
                self.at(
                    now_s + number * self.plan.unit_s / 3,
                    lambda step=step: self._do_call(step),  # type: ignore[misc]
                )
            backlog.clear()
        elif entry.final and not end.closed:
            self._reopen(end, self.plan.unit_s)

    # --- the work ---

    def _do(self, step: Step) -> None:
        if isinstance(step, Call):
            self.report.operations += 1
            self._do_call(step)
        elif isinstance(step, Emit):
            self.report.operations += 1
            self._emit(step)
        elif not self._faults_over:
            self._fault(step)

    def _do_call(self, step: Call) -> None:
        if self.ends[step.end].up or step.tag % 8 == 0:
            self._begin(step)
        else:
            self._backlog[step.end].append(step)

    def _begin(self, step: Call, waiting: Served | None = None) -> Operation:
        end = self.ends[step.end]
        operation = Operation(step, end, nested=waiting is not None)
        operation.waiting = waiting
        self.truth.asked(operation)
        if self.trace is not None:
            self.note(f"end {step.end} calls: {step}")
        if not end.begin(operation, self.now_s):
            operation.waiting = None
            self.truth.not_accepted(operation)
            return operation
        self.report.accepted += 1
        if step.cancel_s is not None:
            self.at(self.now_s + step.cancel_s, lambda: self._cancel(operation))
        if not operation.complete:
            self._send_parts(operation)
        return operation

    def _cancel(self, operation: Operation) -> None:
        if operation.ended is None and operation.end.alive:
            operation.end.cancel(operation, self.now_s)

    def _send_parts(self, operation: Operation) -> None:
        """Send the second half of the arguments in one part or two, or half of it only."""
        step = operation.step
        arguments = arguments_of(step)
        half = arguments[len(arguments) // 2 :]
        middle = len(half) // 2 if step.parts != 2 else 0
        pieces = [(half[:middle], False)] if middle else []
        if step.parts:
            pieces.append((half[middle:], True))
        for number, (piece, last) in enumerate(pieces, 1):

            def send(piece: bytes = piece, last: bool = last) -> None:
                if operation.ended is None and operation.end.alive:
                    operation.end.add(operation, piece, self.now_s, last=last)

            self.at(self.now_s + number * step.part_s, send)

    def _emit(self, step: Emit) -> None:
        end = self.ends[step.end]
        if not end.up:
            return
        payload = news_of(end, end.emitted, step.size, lossy=step.lossy)
        if end.emit(payload, self.now_s, lossy=step.lossy) and not step.lossy:
            end.emitted += 1

    # --- the faults ---

    def _fault(self, fault: Fault) -> None:
        kind, side = fault.kind, fault.side
        if kind in OF_FRAMES:
            self.saboteurs[side].arm(fault)
            return
        if self.trace is not None:
            self.note(f"fault: {kind.value}: {fault}")
        if kind in (FaultKind.NOISE, FaultKind.TEXT, FaultKind.OLD_HELLO):
            self.saboteurs[side].bring(fault)
            return
        if kind is FaultKind.BURST:
            self.saboteurs[side].burst(fault)
            return
        self.report.faults += 1
        if kind in (FaultKind.DEAD, FaultKind.DEAD_BOTH):
            for line in self.lines if kind is FaultKind.DEAD_BOTH else (self.lines[side],):
                self._for_a_while(fault, lambda on, line=line: setattr(line, "dead", on))  # type: ignore[misc]
        elif kind is FaultKind.FREEZE:
            self._for_a_while(fault, lambda on: self._set(self.clock.awake, side, not on))
        elif kind is FaultKind.BLOCK:
            self._for_a_while(fault, lambda on: self._set(self.clock.sends, side, not on))
        elif kind is FaultKind.CLOSE:
            self._close(self.ends[side], fault)
        elif kind is not FaultKind.STALL:
            self._reboot_as(fault)

    def _for_a_while(self, fault: Fault, switch: Callable[[bool], None]) -> None:
        switch(True)
        self.at(self.now_s + fault.span_s, lambda: switch(False))

    def _set(self, switches: list[bool], side: int, value: bool) -> None:
        switches[side] = value

    def _reboot_as(self, fault: Fault) -> None:
        cut = fault.amount < 0.5
        for side in (0, 1) if fault.kind is FaultKind.REBOOT_BOTH else (fault.side,):
            self._reboot(side, cut=cut)
        if fault.kind is FaultKind.REBOOT_TWICE:
            again_s = self.now_s + (0.001 if fault.count < 2 else fault.span_s / 8)
            self.at(again_s, lambda: self._reboot(fault.side, cut=cut))

    def reboot_soon(self, fault: Fault) -> None:
        """Reboot an end as soon as what it does now is done."""
        side = fault.side if fault.amount < 0.5 else 1 - fault.side
        self.at(self.now_s, lambda: self._reboot(side, cut=fault.count % 2 == 0))

    def _reboot(self, index: int, *, cut: bool) -> None:
        if self.trace is not None:
            self.note(f"end {index} reboots{', its UART too' if cut else ''}")
        old = self.ends[index]
        self.truth.restarted(old)
        old.forget()
        self._lives[index] += 1
        if cut:
            self.lines[index].cut()
        if self.plan.constant_nonce:
            for saboteur in self.saboteurs:
                saboteur.forget_ready()
        self.clock.awake[index] = self.clock.sends[index] = True
        new = self._start(index, self.now_s)
        self.ends[index] = new
        self.clock.ends[index] = new

    def _close(self, end: SimulatedEnd, fault: Fault) -> None:
        end.closed = True
        end.close(self.now_s)
        if fault.count == 0:
            end.close(self.now_s)  # closing twice is harmless
        self._reopen(end, fault.span_s)

    def _reopen(self, end: SimulatedEnd, later_s: float) -> None:
        """Let a program that closed, or was told that nothing will come, start again."""

        def again() -> None:
            if end.alive:
                self._reboot(end.index, cut=False)

        self.at(self.now_s + later_s, again)

    def _end_faults(self) -> None:
        self._faults_over = True
        self.note("no more faults")
        for side in (0, 1):
            self.saboteurs[side].disarm()
            self.lines[side].dead = False
            self.clock.awake[side] = self.clock.sends[side] = True
        for end in self.ends:
            if end.closed:
                self._reopen(end, self.plan.unit_s)


def _is_over(operation: Operation) -> bool:
    return operation.ended is not None or not operation.end.alive


def _plain_call(tag: int, end: int, at_s: float, timeout_s: float) -> Call:
    """A call as a handler makes one."""
    return Call(
        at_s, end, tag, Behaviour.AT_ONCE, 20 + tag % 7, 10, -1, timeout_s, 0.0, None, 1, 0.0, 0.0
    )


def describe(entry: Entry) -> str:
    """Return what a person wants to know of a report."""
    if isinstance(entry, Served):
        return f"a call of procedure {entry.procedure}: {entry.arguments[:9].hex()}"
    if isinstance(entry, Ended):
        what = "ended" if entry.last else "brought a value"
        value = entry.value[:12].hex() if entry.value is not None else None
        return f"{entry.operation} {what}: {value} {entry.error} {entry.may}"
    if isinstance(entry, News):
        return f"an event: {entry.payload[:12].hex()}"
    return f"a session {'opened' if entry.up else 'ended'}{', for good' if entry.final else ''}"


def simulate(plan: Plan, pair: str, *, trace: bool = False) -> Report:
    """Carry a plan out."""
    return World(plan, pair, trace=trace).run()
