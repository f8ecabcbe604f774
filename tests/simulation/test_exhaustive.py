"""Every single fault in five short scenarios, and every pair of faults in two of them.

Whole wires, Python against Python and Python against C: whatever frame is lost, damaged or doubled,
the simulator's oracles hold, and calls work at the end.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Final

import pytest

from tests.harness.line import Copies, FrameHook, as_is, both, double, flip, lose
from tests.simulation.plan import (
    Behaviour,
    Call,
    EndPlan,
    Fault,
    FaultKind,
    LinePlan,
    Plan,
    Step,
)
from tests.simulation.world import Report, World

PAIRS: Final = ("py-py", "py-c")
FAULTS: Final = {"lose": lose, "flip": flip, "double": double}
WORK_AT_S: Final = 1.0  # when the handshake is over


def a_call(behaviour: Behaviour, values: int = -1) -> Call:
    """A call of the host."""
    return Call(
        at_s=WORK_AT_S,
        end=0,
        tag=1,
        behaviour=behaviour,
        size=90,
        answer=70,
        values=values,
        timeout_s=20.0,
        think_s=0.0,
        cancel_s=None,
        parts=1,
        part_s=0.0,
        reads_s=0.0,
    )


RESET: Final = Fault(WORK_AT_S + 0.01, FaultKind.REBOOT, 1, 0.0, 0, 0.0, 0)
SCENARIOS: Final[dict[str, tuple[Step, ...]]] = {
    "handshake": (),
    "call": (a_call(Behaviour.AT_ONCE),),
    "stream": (a_call(Behaviour.AT_ONCE, values=6),),
    "callback": (a_call(Behaviour.CALLS_BACK),),
    "reset": (a_call(Behaviour.AT_ONCE), RESET),
}


def plan_for(scenario: str) -> Plan:
    """Two modest ends on a good line."""
    host = EndPlan(host=True, payload=128, window=8, calls=8, message=1024, fifo=256)
    device = EndPlan(ring=256, offset_s=5.0, fifo=64, seed=2)
    line = LinePlan(11_520.0, 0.001, 0.0, None)
    return Plan(
        seed=0,
        ends=(host, device),
        lines=(line, line),
        crc32=True,
        work_s=1.2,
        unit_s=0.02,
        patience_s=20.0,
        steps=SCENARIOS[scenario],
    )


def carry_out(scenario: str, pair: str, hooks: tuple[FrameHook | None, FrameHook | None]) -> Report:
    """Run a scenario with faults at frames, counted from 1 in each direction."""
    world = World(plan_for(scenario), pair)
    for side, hook in enumerate(hooks):
        if hook is not None:
            watch = world.saboteurs[side].on_frame

            def on_frame(
                number: int, wire: bytes, hook: FrameHook = hook, watch: FrameHook = watch
            ) -> Copies:
                watch(number, wire)
                return hook(number, wire)

            world.lines[side].on_frame = on_frame
    return world.run()


@cache
def frames_of(scenario: str, pair: str) -> tuple[int, int]:
    """Return how many frames each end sends on a good line."""
    world = World(plan_for(scenario), pair)
    assert world.run().failure is None
    return world.lines[0].counters.frames, world.lines[1].counters.frames


def hook_of(fault: str, side: int, number: int) -> tuple[FrameHook | None, FrameHook | None]:
    hook = FAULTS[fault](number)
    return (hook, None) if side == 0 else (None, hook)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_single_fault_breaks_a_promise(scenario: str, pair: str) -> None:
    frames = frames_of(scenario, pair)
    assert min(frames) >= 4
    for fault, side in product(FAULTS, (0, 1)):
        for number in range(1, frames[side] + 2):
            report = carry_out(scenario, pair, hook_of(fault, side, number))
            assert report.failure is None, (scenario, pair, fault, side, number, report.failure)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("scenario", ["handshake", "reset"])
def test_no_pair_of_faults_breaks_a_promise(scenario: str, pair: str) -> None:
    frames = frames_of(scenario, pair)
    places = [(side, number) for side in (0, 1) for number in range(1, frames[side] + 1)]
    for index, first in enumerate(places):
        for second in places[index + 1 :]:
            for one, two in product(FAULTS, repeat=2):
                hooks = joined(hook_of(one, *first), hook_of(two, *second))
                report = carry_out(scenario, pair, hooks)
                case = (scenario, pair, one, first, two, second, report.failure)
                assert report.failure is None, case


def joined(
    first: tuple[FrameHook | None, FrameHook | None],
    second: tuple[FrameHook | None, FrameHook | None],
) -> tuple[FrameHook, FrameHook]:
    """Do what both say, in each direction."""
    there, back = (both(a or _pass, b or _pass) for a, b in zip(first, second, strict=True))
    return there, back


def _pass(number: int, wire: bytes) -> Copies:
    del number
    return as_is(wire)
