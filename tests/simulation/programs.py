"""What the programs at both ends do: they call, serve, stream and emit, and tell the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.end import Ended, Entry, News, Served, SimulatedEnd, Went
from tests.simulation.plan import Behaviour, Call, Emit
from tests.simulation.truth import Operation, arguments_of, news_of

if TYPE_CHECKING:
    from tests.simulation.world import World

NESTED: Final = 1 << 24  # tags of calls that handlers make, above those of the plan
PROBES: Final = 1 << 25  # of the last calls
ROUNDING_S: Final = 0.003  # a clock of milliseconds, 5 % slow
POKES: Final = 1 << 26  # of calls that let an end notice that the other one is gone


class Programs:
    """The programs at both ends.

    Attributes:
        calls_over: whether handlers that never return may return now.
        backlog: calls that wait for a session, by end.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls_over = False
        self.backlog: tuple[list[Call], list[Call]] = ([], [])
        self._hanging: list[Served] = []
        self._nested = 0
        self._pokes = 0

    # --- what ends report ---

    def on_entry(self, index: int, entry: Entry, now_s: float) -> None:
        """Take what an end reports."""
        end = self._world.ends[index]
        if self._world.trace is not None:
            self._world.note(f"end {index} reports {describe(entry)}")
        if isinstance(entry, Served):
            self._serve(end, entry, now_s)
        elif isinstance(entry, Ended):
            if entry.last:
                self._ended(entry, now_s)
            else:
                self._value(end, entry, now_s)
        elif isinstance(entry, News):
            self._world.truth.came(end, entry.payload)
        else:
            self._went(end, entry, now_s)

    def _serve(self, end: SimulatedEnd, served: Served, now_s: float) -> None:
        order = self._world.truth.executed(end, served.procedure, served.arguments)
        if order.behaviour in (Behaviour.AT_ONCE, Behaviour.FAILS):
            if not end.serves_itself:
                end.resume(served)
            return
        operation = self._world.truth.operations[order.tag]
        if order.behaviour is Behaviour.LATER:
            self._world.at(now_s + operation.step.think_s, lambda: self._resume(served))
        elif order.behaviour is Behaviour.NEVER:
            if order.tag % 2 and not self.calls_over:
                self._hanging.append(served)
            else:
                patience_s = operation.step.timeout_s * 1.2 + operation.step.think_s
                self._world.at(now_s + patience_s, lambda: self._returns(served))
        else:
            self._nested += 1
            step = plain_call(
                NESTED + self._nested, end.index, now_s, self._world.plan.patience_s / 2
            )
            nested = self.begin(step, waiting=served)
            if nested.ended is not None:
                end.resume(served, fails=True)

    def _resume(self, served: Served, *, fails: bool = False) -> None:
        if served.end.alive:
            served.end.resume(served, fails=fails)

    def _returns(self, served: Served) -> None:
        if served.end.alive:
            served.end.returns(served)

    def _value(self, end: SimulatedEnd, entry: Ended, now_s: float) -> None:
        self._world.truth.value(entry)
        reads_s, operation = entry.operation.step.reads_s, entry.operation
        if reads_s is None or entry.value is None:
            return
        size = len(entry.value)
        if not reads_s:
            end.read(operation, size)
            return

        def read() -> None:
            if end.alive:
                end.read(operation, size)

        self._world.at(now_s + reads_s * operation.values, read)

    def _ended(self, entry: Ended, now_s: float) -> None:
        self._world.truth.ended(entry, now_s)
        served = entry.operation.waiting
        if served is not None:
            self._world.at(now_s, lambda: self._resume(served, fails=entry.error is not None))

    def _went(self, end: SimulatedEnd, entry: Went, now_s: float) -> None:
        if entry.up:
            end.session += 1
            end.emitted = 0
            backlog = self.backlog[end.index]
            for number, step in enumerate(backlog):
                self._world.at(
                    now_s + number * self._world.plan.unit_s / 3,
                    lambda step=step: self.do_call(step),  # type: ignore[misc]
                )
            backlog.clear()
        elif entry.final and not end.closed:
            self._world.disasters.reopen(end, self._world.plan.unit_s)

    # --- the work ---

    def do_call(self, step: Call) -> None:
        """Call now, or when there is a session; now and then although there is none."""
        if self._world.ends[step.end].up or step.tag % 8 == 0:
            self.begin(step)
        else:
            self.backlog[step.end].append(step)

    def begin(self, step: Call, waiting: Served | None = None) -> Operation:
        """Call now; ``waiting``: the handler that waits for the answer."""
        end = self._world.ends[step.end]
        operation = Operation(step, end, nested=waiting is not None)
        operation.waiting = waiting
        self._world.truth.asked(operation)
        if self._world.trace is not None:
            self._world.note(f"end {step.end} calls: {step}")
        if not end.begin(operation, self._world.now_s):
            operation.waiting = None
            self._world.truth.not_accepted(operation)
            return operation
        self._world.report.accepted += 1
        patience_s = step.timeout_s / end.plan.rate + self._world.disasters.standstill_s[step.end]
        operation.end_by_s = self._world.now_s + patience_s + ROUNDING_S
        if step.cancel_s is not None:
            self._world.at(self._world.now_s + step.cancel_s, lambda: self._cancel(operation))
        if not operation.complete:
            self._send_parts(operation)
        return operation

    def _cancel(self, operation: Operation) -> None:
        if operation.ended is None and operation.end.alive:
            operation.end.cancel(operation)

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
                    operation.end.add(operation, piece, last=last)

            self._world.at(self._world.now_s + number * step.part_s, send)

    def emit(self, step: Emit) -> None:
        """Emit an event, if there is a session."""
        end = self._world.ends[step.end]
        if not end.up:
            return
        payload = news_of(end, end.emitted, step.size, lossy=step.lossy)
        if end.emit(payload, self._world.now_s, lossy=step.lossy) and not step.lossy:
            end.emitted += 1

    # --- at last ---

    def let_handlers_return(self) -> None:
        """Let handlers return that never did."""
        self.calls_over = True
        for served in self._hanging:
            self._returns(served)

    def poke(self, timeout_s: float) -> None:
        """Make a call at each end that believes in a session: it notices if there is none."""
        for end in self._world.ends:
            if end.up:
                self._pokes += 1
                tag = POKES + self._pokes
                self.begin(plain_call(tag, end.index, self._world.now_s, timeout_s))


def is_over(operation: Operation) -> bool:
    return operation.ended is not None or not operation.end.alive


def plain_call(tag: int, end: int, at_s: float, timeout_s: float) -> Call:
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
