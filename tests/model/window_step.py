"""Lines of a simulation of window.pml in, steps out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

CAUSES: Final = ("data", "ack", "take", "bring", "ask", "quiet", "settled")
FATES: Final = ("arrives", "lost", "late", "twice")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the model's sender stands.

    Attributes:
        first: its oldest unacknowledged frame.
        out: frames under way.
        credit: frames that it may send, from the beginning on; on a circle of 32.
        may_send: whether window and credit allow a new frame.
    """

    first: int
    out: int
    credit: int
    may_send: bool


@dataclass(slots=True)
class WindowStep:
    """One step of a simulation.

    Attributes:
        cause: one of CAUSES.
        kind: what is taken or brought: data or ack.
        number: of the DATA frame, or the number that an ACK waits for.
        sack: frames that the receiver keeps.
        grant: credit that an ACK brings.
        fate: what becomes of a frame that is sent: one of FATES.
        delivered: frames whose bytes the program gets.
        account: of the sender after it, if it is the sender's step.
    """

    cause: str
    kind: str = ""
    number: int = -1
    sack: int = 0
    grant: int = 0
    fate: str = ""
    delivered: list[int] = field(default_factory=list)
    account: Account | None = None


def read_window_steps(lines: Iterable[str]) -> list[WindowStep]:
    """Group the lines of a simulation into steps."""
    steps: list[WindowStep] = []
    for line in lines:
        what, *words = line.split()
        if what == "deliver":
            steps[-1].delivered.append(int(words[0]))
        elif what == "sender":
            first, out, credit, may_send = (int(word) for word in words)
            steps[-1].account = Account(first, out, credit, bool(may_send))
        else:
            steps.append(_begin(what, words))
    return steps


def _begin(cause: str, words: list[str]) -> WindowStep:
    """Begin a step."""
    if cause not in CAUSES:
        raise ValueError(f"a line of the model that nobody knows: {cause}")
    if cause == "data":
        return WindowStep(cause, number=int(words[0]), fate=words[1])
    if cause == "ack":
        number, sack, grant = (int(word) for word in words[:3])
        return WindowStep(cause, number=number, sack=sack, grant=grant, fate=words[3])
    if cause in ("take", "bring"):
        return WindowStep(cause, kind=words[0], number=int(words[1]))
    return WindowStep(cause)
