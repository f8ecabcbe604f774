"""What was asked for, what was executed, what was reported: and whether that fits together.

Kept outside of the code under test.  The oracles of a simulation are here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.simulation.plan import Behaviour, Call

if TYPE_CHECKING:
    from tests.simulation.end import Ended, SimulatedEnd

WORK: Final = 1  # procedures and the event of both ends; end.c has the same numbers
FLOW: Final = 2
NEWS: Final = 40

_ORDER: Final = struct.Struct("<IBHH")
_NEWS: Final = struct.Struct("<BHHIBxx")


class WrongError(AssertionError):
    """The code under test broke a promise."""


class Order(NamedTuple):
    """What the arguments of a call tell its handler."""

    tag: int
    behaviour: Behaviour
    size: int
    values: int


class Operation:
    """A call, as the truth knows it.

    Attributes:
        step: what was asked for.
        end: who asked.
        end_by_s: when it must have ended.
        nested: whether a handler asked.
        complete: whether all of its arguments were handed over.
        handle: how the end knows it.
        executed: how often it was.
        values: values that came so far.
        ended: how it was reported to have ended, or None.
        may: what that said about having executed.
        waiting: handlers that wait for its end.
    """

    __slots__ = (
        "complete",
        "end",
        "end_by_s",
        "ended",
        "executed",
        "handle",
        "may",
        "nested",
        "step",
        "values",
        "waiting",
    )

    def __init__(self, step: Call, end: SimulatedEnd, *, nested: bool = False) -> None:
        self.step = step
        self.end = end
        self.end_by_s = float("inf")
        self.nested = nested
        self.complete = False
        self.handle: Any = None
        self.executed = 0
        self.values = 0
        self.ended: str | None = None
        self.may: bool | None = None
        self.waiting: Any = None

    def __str__(self) -> str:
        return f"call {self.step.tag} of end {self.end.index} (life {self.end.life})"


_PADDING: Final = bytes((31 * i) & 0xFF for i in range(256)) * 64
_SHIFTS: Final = [bytes((i + n) & 0xFF for i in range(256)) for n in range(256)]


def arguments_of(step: Call) -> bytes:
    """Return the arguments that a step's call has."""
    head = _ORDER.pack(step.tag, step.behaviour, step.answer, max(0, step.values))
    return head + _PADDING[9 : step.size].translate(_SHIFTS[step.tag & 0xFF])


def order_of(arguments: bytes) -> Order:
    """Return what the arguments tell the handler."""
    tag, behaviour, size, values = _ORDER.unpack_from(arguments)
    return Order(tag, Behaviour(behaviour), size, values)


def value_of(tag: int, count: int, size: int) -> bytes:
    """Return the answer to a call, or value ``count`` of its stream."""
    head = tag.to_bytes(4, "little") + (count & 0xFFFF).to_bytes(2, "little")
    return (head + _PADDING[6:size].translate(_SHIFTS[(tag + count) & 0xFF]))[:size]


def news_of(end: SimulatedEnd, number: int, size: int, *, lossy: bool) -> bytes:
    """Return the payload of an event."""
    head = _NEWS.pack(end.index, end.life, end.session & 0xFFFF, number, lossy)
    return head + _PADDING[12:size].translate(_SHIFTS[number & 0xFF])


class Truth:
    """Everything that was asked for in one simulation.

    Attributes:
        operations: calls by tag.
        refused: calls that were not accepted.
        news: reliable events that came.
    """

    def __init__(self) -> None:
        self.operations: dict[int, Operation] = {}
        self.succeeded = 0
        self.endings: dict[str, int] = {}
        self.refused = 0
        self.news = 0
        self._last: dict[int, tuple[int, int, int]] = {}  # by receiving end: life, session, number

    # --- calls ---

    def asked(self, operation: Operation) -> None:
        """Note a call that is about to be made."""
        self.operations[operation.step.tag] = operation

    def not_accepted(self, operation: Operation) -> None:
        """Note that it was refused on the spot."""
        self.refused += 1
        operation.ended, operation.may = "not accepted", False
        if operation.executed:
            raise WrongError(f"{operation} was executed and not accepted")

    def executed(self, end: SimulatedEnd, procedure: int, arguments: bytes) -> Order:
        """Check an execution."""
        if len(arguments) < _ORDER.size:
            raise WrongError(f"end {end.index} executed a call with {len(arguments)} bytes")
        tag = int.from_bytes(arguments[:4], "little")
        operation = self.operations.get(tag)
        if operation is None:
            raise WrongError(f"end {end.index} executed call {tag}, which nobody made")
        if operation.end.index == end.index:
            raise WrongError(f"{operation} was executed by its own end")
        if arguments != arguments_of(operation.step) or procedure != _procedure(operation.step):
            raise WrongError(f"{operation} was executed with other arguments: {arguments.hex()}")
        operation.executed += 1
        if operation.executed > 1:
            raise WrongError(f"{operation} was executed {operation.executed} times")
        if not operation.complete:
            raise WrongError(f"{operation} was executed before its arguments were complete")
        if operation.ended is not None and operation.may is False:
            raise WrongError(f"{operation} was executed after {operation.ended}: not executed")
        return order_of(arguments)

    def value(self, report: Ended) -> None:
        """Check a value of a stream."""
        operation = report.operation
        step = operation.step
        if operation.ended is not None:
            raise WrongError(f"{operation} brought a value after {operation.ended}")
        if report.value != value_of(step.tag, operation.values, step.answer):
            raise WrongError(f"{operation} brought a wrong value {operation.values}")
        if not operation.executed:
            raise WrongError(f"{operation} brought a value and was not executed")
        operation.values += 1

    def ended(self, report: Ended, now_s: float = 0.0) -> None:
        """Check how a call ended, and when."""
        operation = report.operation
        step = operation.step
        if now_s > operation.end_by_s:
            raise WrongError(f"{operation} ended {now_s - operation.end_by_s:.3f} s too late")
        if operation.ended is not None:
            raise WrongError(f"{operation} ended twice: {operation.ended}, {report.error}")
        operation.ended, operation.may = report.error or "success", report.may
        self.endings[operation.ended] = self.endings.get(operation.ended, 0) + 1
        if report.error is not None:
            if report.may is None:
                raise WrongError(f"{operation}: {report.error} does not say whether it executed")
            if not report.may and operation.executed:
                raise WrongError(f"{operation} was executed, but {report.error} denies it")
            return
        self.succeeded += 1
        if operation.executed != 1:
            raise WrongError(f"{operation} succeeded and was executed {operation.executed} times")
        if step.behaviour in (Behaviour.FAILS, Behaviour.NEVER):
            raise WrongError(f"{operation} succeeded, but its handler did not")
        if step.values >= 0:
            if operation.values != step.values or report.value is not None:
                raise WrongError(f"{operation} ended after {operation.values} values")
        elif report.value != value_of(step.tag, 0, step.answer):
            raise WrongError(f"{operation} brought a wrong answer")

    # --- events ---

    def came(self, end: SimulatedEnd, payload: bytes) -> None:
        """Check an event: whole, in order, without a gap within a session."""
        if len(payload) < _NEWS.size:
            raise WrongError(f"an event of {len(payload)} bytes came to end {end.index}")
        index, life, session, number, lossy = _NEWS.unpack_from(payload)
        padding = _PADDING[12 : len(payload)].translate(_SHIFTS[number & 0xFF])
        if index != 1 - end.index or payload[12:] != padding:
            raise WrongError(f"an event came to end {end.index} damaged: {payload.hex()}")
        if lossy:
            return
        self.news += 1
        last = self._last.get(end.index)
        self._last[end.index] = (life, session, number)
        if last is not None and last[:2] == (life, session):
            expected = last[2] + 1
        elif last is not None and last[:2] > (life, session):
            raise WrongError(f"an event of session {session} came to end {end.index} after a later")
        else:
            expected = 0
        if number != expected:
            raise WrongError(f"event {number} came to end {end.index} in place of {expected}")

    def restarted(self, end: SimulatedEnd) -> None:
        """Note that an end that received events is gone."""
        self._last.pop(end.index, None)

    def all_came(self, source: SimulatedEnd, target: SimulatedEnd) -> None:
        """Check at the end that no event of the standing session is missing."""
        last = self._last.get(target.index, (-1, -1, -1))
        came = last[2] + 1 if last[:2] == (source.life, source.session & 0xFFFF) else 0
        if came != source.emitted:
            raise WrongError(
                f"end {source.index} emitted {source.emitted} events in its last session, "
                f"{came} came"
            )


def _procedure(step: Call) -> int:
    return FLOW if step.values >= 0 else WORK
