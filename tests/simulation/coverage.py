"""Which transitions of the state table were taken, in Python and in C, over a whole run."""

from __future__ import annotations

from typing import Final

from ipfi_serial.link import opening
from ipfi_serial.link.states import TRANSITIONS, LinkInput, LinkState
from tests.simulation import core

Transition = tuple[LinkState, LinkInput]


class Recorder(dict[Transition, LinkState]):
    """The table of transitions, which notes every look at it."""

    def __init__(self) -> None:
        super().__init__(TRANSITIONS)
        self.taken: set[Transition] = set()

    def __getitem__(self, transition: Transition) -> LinkState:
        self.taken.add(transition)
        return super().__getitem__(transition)


RECORDER: Final = Recorder()


def record() -> None:
    """Let the Python link use the table that records; the C link's records always."""
    setattr(opening, "TRANSITIONS", RECORDER)  # noqa: B010 - it is Final elsewhere


def taken(pairs: tuple[str, ...]) -> dict[str, set[str]]:
    """Return the names of the transitions taken in this process so far, by language."""
    found: dict[str, set[str]] = {}
    if any("py" in pair for pair in pairs):
        found["py"] = {name_of(t) for t in RECORDER.taken}
    if any("c" in pair for pair in pairs):
        found["c"] = {name_of(t) for t in core.transitions() if t in TRANSITIONS}
    return found


def name_of(transition: Transition) -> str:
    """Return a transition's name."""
    return f"{transition[0].name}+{transition[1].name}"


ALL: Final = frozenset(name_of(transition) for transition in TRANSITIONS)
