"""The code sends, keeps, acknowledges and repeats as the window's model does, in random traces."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pytest

from tests.model.ends import DivergedError
from tests.model.spin import SpinError, missing_tools, simulate
from tests.model.window_replay import DEVICE, HOST, WindowReplay
from tests.model.window_step import WindowStep, read_window_steps

pytestmark = pytest.mark.skipif(
    bool(missing_tools()), reason="needs spin and a C compiler (Debian: apt install spin gcc)"
)
LIVELY = ("TRACE", "MOVES=40", "SETTLED=200")
EACH = 25  # traces of one test; nine tests
OFTEN = 15  # something has to happen in them
FEW = 120  # traces within which a planted bug has to show; the rarest is in one of twenty


@dataclass(frozen=True)
class Kind:
    """Two ends, and the model of them."""

    name: str
    window: int = 2
    credit: int = 2
    frames: int = 20
    in_order: bool = False
    sender: int = HOST
    core: bool = False

    def steps(self, seed: int, *planted: str) -> list[WindowStep]:
        """Return a trace; of a model with a bug, as far as it goes."""
        circle = ("CIRCLE=32", "DISPLACED=12", f"CAPACITY={self.window}")
        sizes = (f"WINDOW={self.window}", f"CREDIT={self.credit}", f"FRAMES={self.frames}")
        order = ("GO_BACK_N",) if self.in_order else ()
        switches = (*LIVELY, *circle, *sizes, *order, *planted)
        return read_window_steps(simulate("window", switches, seed, planted=bool(planted)))

    def replay(self) -> WindowReplay:
        """Return the two ends."""
        return WindowReplay(
            window=self.window,
            credit=self.credit,
            in_order=self.in_order,
            sender=self.sender,
            core=self.core,
        )


KEEPS = Kind("selective repeat", credit=3)  # more than the window
SENDS_TO_CORE = Kind("C receives", credit=15, frames=15, in_order=True, core=True)  # no end of it
KINDS = (
    KEEPS,
    Kind("the device sends", sender=DEVICE),
    Kind("go-back-N", credit=3, in_order=True),
    Kind("credit of one frame", credit=1),
    Kind("a window of four", window=4, credit=4),
    SENDS_TO_CORE,
    Kind("C sends", credit=3, sender=DEVICE, core=True),
    Kind("C goes back", sender=DEVICE, core=True, in_order=True),
    Kind("C sends four", window=4, credit=4, sender=DEVICE, core=True),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_code_takes_every_step_of_a_trace_as_the_model_does(kind: Kind) -> None:
    seen: Counter[str] = Counter()
    for seed in range(1, 1 + EACH):
        replay = kind.replay()
        try:
            replay.run(kind.steps(seed))
        except DivergedError as error:
            error.add_note(f"seed {seed}, {kind}")
            raise
        seen += replay.seen
    # the traces are worth replaying
    often = {"lost", "late", "twice", "bring", "time-out", "another again", "window full"}
    often |= {"carried", "old data", "old ack"}
    if kind.credit < kind.window:
        often -= {"window full", "another again"}  # there is never another one
    if kind is not SENDS_TO_CORE:
        often |= {"no credit", "ask", "asked soon"}
    assert {what: seen[what] for what in often if seen[what] < OFTEN} == {}
    assert seen["settled"] == EACH
    assert (seen["sack"] == 0) if kind.in_order else kind.credit == 1 or seen["sack"] >= 10


PLANTED = (
    ("WINDOW_PLUS_ONE", SENDS_TO_CORE),
    ("WINDOW_PLUS_ONE", KEEPS),
    ("IGNORES_CREDIT", Kind("credit of one frame", credit=1)),
    ("IGNORES_CREDIT", Kind("C sends", sender=DEVICE, core=True)),
    ("TAKES_ANY", KEEPS),
    ("TAKES_ANY", SENDS_TO_CORE),
    ("ACK_BEYOND", KEEPS),
    ("GO_BACK_N", KEEPS),
    ("GO_BACK_N", Kind("C sends four", window=4, credit=4, sender=DEVICE, core=True)),
)


def diverges(model: Kind, code: Kind, *planted: str) -> bool:
    """Return whether one of some traces of a model is not what the code does."""
    for seed in range(1, 1 + FEW):
        try:
            code.replay().run(model.steps(seed, *planted))
        except DivergedError:
            return True
    return False


@pytest.mark.parametrize(("bug", "kind"), PLANTED, ids=lambda p: getattr(p, "name", p))
def test_a_model_with_a_bug_is_not_what_the_code_does(bug: str, kind: Kind) -> None:
    assert diverges(kind, kind, bug)


@pytest.mark.parametrize(
    "kind",
    [KEEPS, replace(KEEPS, name="C sends", sender=DEVICE, core=True)],
    ids=lambda kind: kind.name,
)
def test_a_model_of_another_window_or_credit_is_not_what_the_code_does(kind: Kind) -> None:
    assert diverges(kind, replace(kind, window=3))
    assert diverges(kind, replace(kind, credit=4))


def test_a_trace_that_breaks_an_assertion_is_an_error_unless_a_bug_is_planted() -> None:
    assert KEEPS.steps(1, "TAKES_ANY")[-1].cause != "settled"
    with pytest.raises(SpinError):
        simulate("window", (*LIVELY, "TAKES_ANY"), 1)


def test_a_line_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody knows"):
        read_window_steps(["forget 1"])
