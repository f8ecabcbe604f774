"""The table of procedures that both ends of an interoperability test offer, in Python.

Its counterpart is ``reference_peer/src/procedures.rs``; the scripts there call this one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

from ipfi_serial import CallContext, Interface


class Index(IntEnum):
    """The procedures' indices."""

    MAGIC = 0
    ADD = 1
    ECHO = 2
    SEQUENCE = 3
    REVERSE = 4
    BLOB = 5
    DIVIDE = 6
    SLEEP = 7
    CALL_BACK = 8
    NOTHING = 9
    HALVE = 10
    SHIFT = 11
    TURN = 12
    NEXT_COLOUR = 13
    EVERYTHING = 14
    SPLIT_VALUES = 15
    EMPTY_STREAM = 16
    NEST = 17
    RELAY_SEQUENCE = 18
    NOTE = 19
    NOTES = 20
    ENDS_OF_INPUT = 21
    SEND_END_OF_INPUT = 22
    SEND_TERMINATION = 23
    NUMBERS = 24
    LENGTH = 25
    WIDE = 40_000  # an index of two bytes
    UNKNOWN = 99  # offered by nobody


@dataclass
class Reading:
    """A record: a positional array on the wire."""

    sensor: str
    at: int
    value: float
    tags: list[str]
    note: str | None


class Colour(Enum):
    """A Rust enum without data: the variant's name."""

    RED = "Red"
    GREEN = "Green"
    BLUE = "Blue"


Shape = str | dict[str, Any]  # a Rust enum with data: "Empty", {"Circle": 1.5}, {"Line": [1, 2]}


@dataclass
class Everything:
    """One field of every type that the wire carries."""

    small: int
    big: int
    negative: int
    single: float
    double: float
    truth: bool
    letter: str
    text: str
    nothing: None
    absent: int | None
    present: int | None
    numbers: list[int]
    pair: tuple[int, str]
    mapping: dict[str, int]
    binary: bytes
    integers: list[int]
    colour: Colour
    shape: Shape
    inner: Reading


@dataclass
class State:
    """What the handlers have seen."""

    notes: list[str] = field(default_factory=list)
    ends_of_input: int = 0
    script_done: threading.Event = field(default_factory=threading.Event)
    asked_to_leave: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    def count_end_of_input(self) -> None:
        """Take note of one EndOfInput of the other side."""
        self.ends_of_input += 1


def pattern(size: int) -> bytes:
    """Byte i is i modulo 251: a prime, so that no power of two hides a shifted block."""
    return bytes(index % 251 for index in range(size))


def make_interface(state: State) -> Interface:
    """Build the whole table."""
    interface = Interface()
    interface.declare(Index.MAGIC, "magic")
    interface.declare(Index.ADD, "add")
    interface.declare(Index.REVERSE, "reverse", raw=True)
    _add_plain(interface, state)
    _add_values(interface)
    _add_streams(interface)
    _add_nested(interface)
    _add_deferred(interface, state)
    _add_signals(interface, state)
    return interface


def _add_plain(interface: Interface, state: State) -> None:
    @interface.procedure(Index.MAGIC)
    def magic() -> int:
        return 42

    @interface.procedure(Index.ADD)
    def add(a: int, b: int) -> int:
        return (a + b) % (1 << 32)

    @interface.procedure(Index.ECHO)
    def echo(text: str) -> str:
        return text

    @interface.procedure(Index.NOTHING)
    def nothing() -> None:
        return None

    @interface.procedure(Index.WIDE)
    def wide() -> str:
        return "wide"

    @interface.raw_procedure(Index.REVERSE)
    def reverse(data: bytes) -> bytes:
        return data[::-1]

    @interface.procedure(Index.NOTE)
    def note(text: str) -> None:
        state.notes.append(text)
        if text == "the script is done":
            state.script_done.set()

    @interface.procedure(Index.NOTES)
    def notes() -> list[str]:
        return state.notes


def _add_values(interface: Interface) -> None:
    @interface.procedure(Index.BLOB)
    def blob(size: int) -> bytes:
        return pattern(size)

    @interface.procedure(Index.NUMBERS)
    def numbers(size: int) -> list[int]:
        return list(pattern(size))

    @interface.procedure(Index.LENGTH)
    def length(data: bytes) -> int:
        return len(data)

    @interface.procedure(Index.DIVIDE)
    def divide(a: int, b: int) -> dict[str, int | str]:
        if b == 0:
            return {"Err": "division by zero"}
        quotient = abs(a) // abs(b)
        return {"Ok": quotient if (a < 0) == (b < 0) else -quotient}

    @interface.procedure(Index.HALVE)
    def halve(value: int | None) -> int | None:
        return None if value is None else value // 2

    @interface.procedure(Index.SHIFT)
    def shift(reading: Reading, by: float) -> Reading:
        return Reading(reading.sensor, reading.at, reading.value + by, reading.tags, "shifted")

    @interface.procedure(Index.TURN)
    def turn(shape: Shape) -> Shape:
        match shape:
            case {"Line": [start, end]}:
                return {"Line": [end, start]}
            case {"Rectangle": [width, height]}:
                return {"Rectangle": [height, width]}
            case _:
                return shape

    @interface.procedure(Index.NEXT_COLOUR)
    def next_colour(colour: Colour) -> Colour:
        following = {Colour.RED: Colour.GREEN, Colour.GREEN: Colour.BLUE, Colour.BLUE: Colour.RED}
        return following[colour]

    @interface.procedure(Index.EVERYTHING)
    def everything(value: Everything) -> Everything:
        return value


def _add_streams(interface: Interface) -> None:
    @interface.procedure(Index.SEQUENCE)
    def sequence(count: int) -> Iterator[str]:
        for number in range(count):
            yield f"item {number}"

    @interface.procedure(Index.SPLIT_VALUES)
    def split_values() -> Iterator[str]:
        yield from ("first", "second", "third")

    @interface.procedure(Index.EMPTY_STREAM)
    def empty_stream() -> Iterator[str]:
        yield from ()

    @interface.procedure(Index.RELAY_SEQUENCE)
    def relay_sequence(count: int, context: CallContext) -> Iterator[str]:
        with context.wire.stream(Index.SEQUENCE, count) as items:
            for item in items:
                yield f"relayed {item}"


def _add_nested(interface: Interface) -> None:
    @interface.procedure(Index.CALL_BACK)
    def call_back(procedure: int, text: str, context: CallContext) -> Any:
        return context.wire.call(procedure, text)

    @interface.procedure(Index.NEST)
    def nest(depth: int, context: CallContext) -> int:
        if depth == 0:
            return 0
        below: int = context.wire.call(Index.NEST, depth - 1)
        return below + 1


def _add_deferred(interface: Interface, state: State) -> None:
    @interface.procedure(Index.SLEEP)
    def sleep(ms: int, context: CallContext) -> None:
        answer = context.defer()

        def answer_later() -> None:
            state.closed.wait(ms / 1000)
            answer.reply(ms)

        threading.Thread(target=answer_later, daemon=True).start()


def _add_signals(interface: Interface, state: State) -> None:
    @interface.procedure(Index.ENDS_OF_INPUT)
    def ends_of_input() -> int:
        return state.ends_of_input

    @interface.procedure(Index.SEND_END_OF_INPUT)
    def send_end_of_input(context: CallContext) -> None:
        context.wire.end_of_input()

    @interface.procedure(Index.SEND_TERMINATION)
    def send_termination() -> None:
        state.asked_to_leave.set()
