"""The steps of the demo: each asks the board something, and tells what was asked and what came."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from ipfi_serial import Connection, RemoteCallError

GREET: Final = 50  # the host's procedure that the board calls
TICK_PERIOD_MS: Final = 25
TICKS: Final = 20
TICK_PATIENCE_S: Final = 8.0
LAMP_PATIENCE_S: Final = 8.0
MANY: Final = 200
VALUES: Final = 200
BLOB_BYTES: Final = 20_000
CALLBACKS: Final = 5
_PATTERN: Final = bytes(range(251))


@dataclass(slots=True)
class Tally:
    """What was done, and what of it was lost.

    Attributes:
        calls: that were answered, an expected error included.
        stream_items: values of the stream.
        events: that came, in order.
        callbacks: calls that the board made.
        lost: of all of these, what did not come or came wrong.
    """

    calls: int = 0
    stream_items: int = 0
    events: int = 0
    callbacks: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the story.

    Attributes:
        asked: what was asked of the board.
        answered: what came back.
        ok: whether that was right, and all of it.
        missing: how much of it was not.
    """

    asked: str
    answered: str
    ok: bool = True
    missing: int = 0


def one_call(wire: Connection, tally: Tally) -> Told:
    """Ask one thing, wait for the answer."""
    answer = wire.call("add", 40, 2)
    tally.calls += 1
    return Told("add(40, 2)", str(answer), answer == 42)


def many_calls(wire: Connection, tally: Tally) -> Told:
    """Ask many things at once."""
    handles = [wire.start("add", k, k) for k in range(MANY)]
    right = sum(handle.result() == 2 * k for k, handle in enumerate(handles))
    tally.calls += MANY
    return _counted(f"add(k, k), {MANY} times at once", "right answers", right, MANY)


def stream(wire: Connection, tally: Tally) -> Told:
    """Read a stream of values."""
    with wire.stream("sequence", VALUES) as items:
        right = sum(item == f"item {k}" for k, item in enumerate(items))
    tally.stream_items += right
    return _counted(f"sequence({VALUES}), a stream", "values, in order", right, VALUES)


def events(wire: Connection, tally: Tally) -> Told:
    """Let the board emit events."""
    with wire.events("tick") as ticks:
        wire.call("start_ticks", TICK_PERIOD_MS)
        right = 0
        while right < TICKS:
            tick = ticks.get(TICK_PATIENCE_S)
            if tick is None or tick.args[0] != right:
                break
            right += 1
        wire.call("start_ticks", 0)
    tally.calls += 2
    tally.events += right
    return _counted(f"start_ticks({TICK_PERIOD_MS})", "events, in order", right, TICKS)


def callbacks(wire: Connection, tally: Tally) -> Told:
    """Let the board call us while we call it."""
    answers = [wire.call("callback", GREET, f"board {k}") for k in range(CALLBACKS)]
    tally.calls += CALLBACKS
    right = sum(answer == f"hello, board {k}" for k, answer in enumerate(answers))
    asked = f'callback({GREET}, "board k")'
    return _counted(asked, "times the board called us", right, CALLBACKS)


def raw(wire: Connection, tally: Tally) -> Told:
    """Send bytes, get bytes."""
    answer = wire.call("reverse", b"stressed")
    tally.calls += 1
    return Told('reverse(b"stressed"), raw', repr(answer).replace("'", '"'), answer == b"desserts")


def blob(wire: Connection, tally: Tally) -> Told:
    """Fetch more than the board's memory holds."""
    answer = wire.call("blob", BLOB_BYTES)
    tally.calls += 1
    pattern = (_PATTERN * (BLOB_BYTES // len(_PATTERN) + 1))[:BLOB_BYTES]
    ok = answer == pattern
    return Told(f"blob({BLOB_BYTES})", f"{len(answer):,} bytes, all right" if ok else "wrong", ok)


def lamp(wire: Connection, tally: Tally) -> Told:
    """Emit an event of our own, and see what it did."""
    wire.emit("led", True)
    until_s = time.monotonic() + LAMP_PATIENCE_S
    answer = False
    while answer is not True and time.monotonic() < until_s:
        answer = wire.call("led")  # a board with threads may answer before it handles the event
    tally.calls += 1
    return Told("event led(on), then led()", "the lamp is on" if answer else "off", answer is True)


def error(wire: Connection, tally: Tally) -> Told:
    """Ask what cannot be done: the answer is an error, not silence."""
    try:
        answer = wire.call("divide", 1, 0)
    except RemoteCallError as refusal:
        tally.calls += 1
        return Told("divide(1, 0)", f"an error: {refusal}")
    return Told("divide(1, 0)", f"{answer}, and no error", ok=False)


def _counted(asked: str, what: str, right: int, wanted: int) -> Told:
    ok = right == wanted
    answered = f"{right} {what}" if ok else f"only {right} of {wanted} {what}"
    return Told(asked, answered, ok, wanted - right)


Step: TypeAlias = Callable[[Connection, Tally], Told]
STEPS: Final[tuple[Step, ...]] = (
    one_call, many_calls, stream, events, callbacks, raw, blob, lamp, error,
)  # fmt: skip
