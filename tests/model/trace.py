"""Lines of a simulation in, steps out: what happened to whom, and what it said in return."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

CAUSES = ("boot", "receive", "timer", "data", "patience", "ping", "bring", "quiet", "settled")


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame that an end sends in a step.

    Attributes:
        kind: its name, as in docs/protocol.md 3.1.
        numbers: the model's three fields.
        fate: arrives, lost, late or twice.
    """

    kind: str
    numbers: tuple[int, int, int]
    fate: str


@dataclass(slots=True)
class Step:
    """One step of a simulation.

    Attributes:
        cause: one of CAUSES.
        end: whose step; the way of a late frame.
        words: the rest of its line.
        nonces: drawn in it.
        sent: frames sent in it.
        delivered: (life of the sender, number) of stream data given to the program.
        opens: whether a session opened in it.
        state: (state, session or candidate, pending) of the end after it.
    """

    cause: str
    end: int
    words: tuple[str, ...]
    nonces: list[int] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    delivered: list[tuple[int, int]] = field(default_factory=list)
    opens: bool = False
    state: tuple[str, int, int] | None = None


def read_steps(lines: Iterable[str]) -> list[Step]:
    """Group the lines of a simulation into steps."""
    steps: list[Step] = []
    for line in lines:
        cause, *words = line.split()
        if cause in CAUSES:
            end = int(words[0]) if words else -1
            steps.append(Step(cause, end, tuple(words[1:])))
        else:
            _add(steps[-1], cause, words)
    return steps


def _add(step: Step, what: str, words: list[str]) -> None:
    """Note a consequence."""
    assert int(words[0]) == step.end, f"{what} of another end than {step.cause}"
    if what == "nonce":
        step.nonces.append(int(words[1]))
    elif what == "send":
        a, b, c = (int(word) for word in words[2:5])
        step.sent.append(Sent(words[1], (a, b, c), words[5]))
    elif what == "deliver":
        step.delivered.append((int(words[1]), int(words[2])))
    elif what == "open":
        step.opens = True
    elif what == "state":
        step.state = (words[1], int(words[2]), int(words[3]))
    else:
        raise ValueError(f"a line of the model that nobody knows: {what}")
