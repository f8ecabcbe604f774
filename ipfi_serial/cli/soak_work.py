"""What a soak asks a board, at random, and whether the answers are right."""

from __future__ import annotations

import random
import string
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ipfi_serial import CallCancelledError, Connection, Entry, EntryKind, Interface
from ipfi_serial.cli.failures import UsageError
from ipfi_serial.codec.names import Value
from ipfi_serial.errors import CallError, DeviceResetError, IpfiError

GREET: Final = 50  # the host's procedure that the board calls back
DESCRIPTION: Final = 0xFFFF  # DESC-2
TICK_PERIOD_MS: Final = 50
LONGEST_TEXT: Final = 100  # a small board takes arguments of 256 bytes
LONGEST_BLOB: Final = 3000
MOST_VALUES: Final = 40
LONGEST_SLEEP_MS: Final = 20
CANCELLED_SLEEP_MS: Final = 2000  # longer than a cancellation takes
KEPT_TIMES: Final = 50_000  # of calls, for the percentiles: a fair sample of any number
_U32: Final = 1 << 32
_PATTERN: Final = bytes(range(251))

Job: TypeAlias = Callable[["Soaker", random.Random], None]


class WrongError(Exception):
    """The board answered, and not what is right."""


@dataclass(slots=True)
class Tally:
    """What was done, and what was wrong with it.  Changed under :attr:`lock`.

    Attributes:
        calls: that ended, in whichever way.
        stream_values: that came in order.
        events: that came in order.
        callbacks: calls that the board made.
        errors: calls that failed, other than by a reset.
        wrong: answers and events that were not right.
        cut_off: calls that a reset or the end of the line ended.
        first: the first thing that was wrong, for people.
        times_s: how long calls took whose answer needs no time: one round trip.
    """

    calls: int = 0
    stream_values: int = 0
    events: int = 0
    callbacks: int = 0
    errors: int = 0
    wrong: int = 0
    cut_off: int = 0
    first: str = ""
    times_s: list[float] = field(default_factory=list)
    timed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, text: str) -> None:
        """Keep what was wrong first."""
        self.first = self.first or text

    def take_time(self, seconds: float, chance: random.Random) -> None:
        """Take the time of one call into a sample in which each is equally likely."""
        with self.lock:
            self.timed += 1
            if len(self.times_s) < KEPT_TIMES:
                self.times_s.append(seconds)
            elif (place := chance.randrange(self.timed)) < KEPT_TIMES:
                self.times_s[place] = seconds

    def percentile_s(self, percent: int) -> float | None:
        """Return the time within which so many of a hundred calls were answered."""
        with self.lock:
            times = sorted(self.times_s)
        return times[min(len(times) - 1, len(times) * percent // 100)] if times else None


class Soaker:
    """Makes the calls of one run.

    Args:
        interface: what the board may call back; gets :data:`GREET`.
        tally: where the outcome is counted.

    Attributes:
        wire: the board, once :meth:`prepare` was called.
        calls: what the user wants to be called.
        description: what a board that is not the demonstration's said of itself.
    """

    wire: Connection

    def __init__(self, interface: Interface, tally: Tally) -> None:
        self.tally = tally
        self._jobs: list[Job] = []
        self.calls: list[tuple[str | int, Sequence[Value]]] = []
        self.description: list[bytes] = []
        self._expected_tick: int | None = None
        self._ticks = False
        interface.procedure(GREET)(self._greet)

    # --- what the board offers ---

    def prepare(self, wire: Connection, calls: list[tuple[str | int, Sequence[Value]]]) -> None:
        """Choose what to ask.

        Args:
            wire: the board.
            calls: what the user wants to be called; the demonstration's procedures if empty.

        Raises:
            UsageError: it offers nothing that could be asked.
        """
        self.wire = wire
        self.calls = list(calls)
        if calls:
            self._jobs = [_asked_for]
            return
        if not wire.framed:
            raise UsageError("a plain wire does not describe itself: say --call 'INDEX ARG...'")
        entries = wire.describe()
        self._jobs = [job for name, kind, index, job in _KNOWN if _has(entries, name, kind, index)]
        if not self._jobs:
            self.description = self.ask_description()
            self._jobs = [_description]
        if _has(entries, "start_ticks", EntryKind.UNARY, 9):
            self._watch_ticks()

    @property
    def knows_board(self) -> bool:
        """Whether the demonstration's procedures are asked."""
        return bool(self._jobs) and self._jobs[0] not in (_asked_for, _description)

    def ask_description(self) -> list[bytes]:
        """Return what the board says of itself, asked anew."""
        return list(self.wire.stream(DESCRIPTION, raw=True))

    # --- one caller ---

    def run(self, seed: int, stopped: threading.Event) -> None:
        """Call until told to stop, or until the wire has closed."""
        chance = random.Random(seed)  # noqa: S311 - the seed makes a run repeatable
        while not (stopped.is_set() or self.wire.closed):
            try:
                chance.choice(self._jobs)(self, chance)
            except WrongError as error:
                with self.tally.lock:
                    self.tally.wrong += 1
                    self.tally.note(str(error))
            except CallError as error:
                with self.tally.lock:
                    self.tally.errors += 1
                    self.tally.note(f"{type(error).__name__}: {error}")
            except IpfiError:
                with self.tally.lock:
                    self.tally.cut_off += 1
                stopped.wait(0.05)  # until the next session stands
            with self.tally.lock:
                self.tally.calls += 1

    def ask(self, what: str, expected: Value, procedure: str | int, *arguments: Value) -> None:
        """Call, and compare.

        Raises:
            WrongError: the answer is another one.
        """
        answer = self.wire.call(procedure, *arguments)
        check(what, answer, expected)

    # --- events and callbacks ---

    def _greet(self, name: str) -> str:
        with self.tally.lock:
            self.tally.callbacks += 1
        return f"hello, {name}"

    def _watch_ticks(self) -> None:
        self._ticks = True
        self.wire.on("tick", self._on_tick)
        self.wire.on_reset(self._on_reset)
        self.wire.call("start_ticks", TICK_PERIOD_MS)

    def _on_tick(self, count: int, _uptime_ms: int) -> None:
        with self.tally.lock:
            if self._expected_tick not in (None, count):
                self.tally.wrong += 1
                self.tally.note(f"tick {count} came where {self._expected_tick} was expected")
            self._expected_tick = (count + 1) % _U32
            self.tally.events += 1

    def _on_reset(self, _error: DeviceResetError) -> None:
        """Arm the new life of the board, which counts from 0."""
        self._expected_tick = None
        try:
            self.wire.call("start_ticks", TICK_PERIOD_MS)
        except IpfiError as error:
            with self.tally.lock:
                self.tally.note(f"after a reset: {error}")

    def finish(self) -> None:
        """Leave the board as quiet as it was."""
        if self._ticks and not self.wire.closed:
            try:
                self.wire.call("start_ticks", 0)
            except IpfiError as error:
                with self.tally.lock:
                    self.tally.errors += 1
                    self.tally.note(f"start_ticks(0): {error}")


def check(what: str, answer: Value, expected: Value) -> None:
    """Compare an answer with the right one.

    Raises:
        WrongError: they differ.
    """
    if answer != expected:
        raise WrongError(f"{what} was answered with {answer!r:.60}, not with {expected!r:.60}")


# --- the demonstration's procedures ---


def _magic(soaker: Soaker, chance: random.Random) -> None:
    began_s = time.monotonic()
    soaker.ask("magic()", 42, "magic")
    soaker.tally.take_time(time.monotonic() - began_s, chance)


def _add(soaker: Soaker, chance: random.Random) -> None:
    a, b = chance.randrange(_U32), chance.randrange(_U32)
    began_s = time.monotonic()
    soaker.ask(f"add({a}, {b})", (a + b) % _U32, "add", a, b)
    soaker.tally.take_time(time.monotonic() - began_s, chance)


def _echo(soaker: Soaker, chance: random.Random) -> None:
    text = _text(chance)
    soaker.ask("echo()", text, "echo", text)


def _reverse(soaker: Soaker, chance: random.Random) -> None:
    data = chance.randbytes(chance.randrange(LONGEST_TEXT))
    soaker.ask("reverse()", data[::-1], "reverse", data)


def _blob(soaker: Soaker, chance: random.Random) -> None:
    size = chance.randrange(LONGEST_BLOB)
    pattern = (_PATTERN * (size // len(_PATTERN) + 1))[:size]
    soaker.ask(f"blob({size})", pattern, "blob", size)


def _divide(soaker: Soaker, chance: random.Random) -> None:
    quotient, divisor = chance.randrange(1000), chance.randrange(1, 1000)
    soaker.ask("divide()", quotient, "divide", quotient * divisor, divisor)


def _sleep(soaker: Soaker, chance: random.Random) -> None:
    ms = chance.randrange(LONGEST_SLEEP_MS)
    soaker.ask(f"sleep({ms})", ms, "sleep", ms)


def _cancelled(soaker: Soaker, _chance: random.Random) -> None:
    handle = soaker.wire.start("sleep", CANCELLED_SLEEP_MS)
    handle.cancel()
    try:
        answer = handle.result()
    except CallCancelledError:
        return
    raise WrongError(f"a call that was cancelled was answered with {answer!r:.60}")


def _sequence(soaker: Soaker, chance: random.Random) -> None:
    count = chance.randrange(MOST_VALUES)
    with soaker.wire.stream("sequence", count) as values:
        answer = list(values)
    check(f"sequence({count})", answer, [f"item {number}" for number in range(count)])
    with soaker.tally.lock:
        soaker.tally.stream_values += count


def _callback(soaker: Soaker, chance: random.Random) -> None:
    text = _text(chance)
    soaker.ask("callback()", f"hello, {text}", "callback", GREET, text)


def _text(chance: random.Random) -> str:
    return "".join(chance.choices(string.printable, k=chance.randrange(LONGEST_TEXT)))


# name, kind and index of each: all three must be the demonstration's
_KNOWN: Final[tuple[tuple[str, EntryKind, int, Job], ...]] = (
    ("magic", EntryKind.UNARY, 0, _magic),
    ("add", EntryKind.UNARY, 1, _add),
    ("echo", EntryKind.UNARY, 2, _echo),
    ("sequence", EntryKind.STREAMING, 3, _sequence),
    ("reverse", EntryKind.RAW, 4, _reverse),
    ("blob", EntryKind.UNARY, 5, _blob),
    ("divide", EntryKind.UNARY, 6, _divide),
    ("sleep", EntryKind.UNARY, 7, _sleep),
    ("sleep", EntryKind.UNARY, 7, _cancelled),
    ("callback", EntryKind.UNARY, 8, _callback),
)


def _has(entries: list[Entry], name: str, kind: EntryKind, index: int) -> bool:
    return any((each.name, each.kind, each.index) == (name, kind, index) for each in entries)


# --- other boards ---


def _description(soaker: Soaker, chance: random.Random) -> None:
    began_s = time.monotonic()
    answer = soaker.ask_description()
    check("the description", answer, soaker.description)
    soaker.tally.take_time(time.monotonic() - began_s, chance)


def _asked_for(soaker: Soaker, chance: random.Random) -> None:
    procedure, arguments = chance.choice(soaker.calls)
    began_s = time.monotonic()
    soaker.wire.call(procedure, *arguments)
    soaker.tally.take_time(time.monotonic() - began_s, chance)
