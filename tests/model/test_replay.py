"""The code does what the model does, step by step, in traces drawn at random."""

from __future__ import annotations

import pytest

from ipfi_serial.link.opening import READY_LIMIT
from tests.model.ends import DivergedError
from tests.model.replay import Replay, code_id
from tests.model.spin import SpinError, missing_tools, simulate
from tests.model.trace import Step, read_steps

pytestmark = pytest.mark.skipif(
    bool(missing_tools()), reason="needs spin and a C compiler (Debian: apt install spin gcc)"
)
LIVELY = ("TRACE", "MOVES=8", "MESSAGES=2", "SETTLED=200", f"READIES={READY_LIMIT}")
EACH = 25  # traces of one test; ten tests
KINDS = ("", "CONSTANT", "BOTH_ACTIVE", "PEERS", "HASTY")  # the last one: the device in C


def steps_of(kind: str, seed: int) -> list[Step]:
    return read_steps(simulate("handshake", (*LIVELY, *filter(None, (kind,))), seed))


def replay_of(kind: str) -> Replay:
    return Replay(both_active=kind == "BOTH_ACTIVE", peers=kind == "PEERS", core=kind == "HASTY")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "host and device")
@pytest.mark.parametrize("first", [1, 1001])
def test_the_code_takes_every_step_of_a_trace_as_the_model_does(kind: str, first: int) -> None:
    seen: set[str] = set()
    for seed in range(first, first + EACH):
        steps = steps_of(kind, seed)
        try:
            replay_of(kind).run(steps)
        except DivergedError as error:
            error.add_note(f"seed {seed}, {kind or 'host and device'}")
            raise
        seen |= {step.cause for step in steps}
        seen |= {step.state[0] for step in steps if step.state is not None}
        seen |= {sent.fate for step in steps for sent in step.sent}
    # the traces are worth replaying
    assert {"boot", "receive", "timer", "data", "patience", "ping", "bring", "settled"} <= seen
    assert {"CONNECTING", "UNCONFIRMED", "ESTABLISHED"} <= seen
    assert {"arrives", "lost", "late", "twice"} <= seen


@pytest.mark.parametrize("bug", ["NO_FLOOR", "FLOOR_OF_THE_ATTEMPT", "SAME_ID_TWICE"])
def test_a_model_with_a_bug_is_not_what_the_code_does(bug: str) -> None:
    for seed in range(1, 201):
        try:
            steps = read_steps(simulate("handshake", (*LIVELY, "BOTH_ACTIVE", bug), seed))
        except SpinError:
            continue  # the bug showed in the model itself
        try:
            replay_of("BOTH_ACTIVE").run(steps)
        except DivergedError:
            return
    pytest.fail("200 traces of a wrong model were replayed without a difference")


def test_a_trace_with_a_step_too_many_is_told_with_its_place() -> None:
    steps = steps_of("", 1)
    steps.insert(2, Step("timer", 1, ()))
    steps.insert(3, Step("timer", 1, ()))
    with pytest.raises(DivergedError, match="step"):
        Replay().run(steps)


def test_ids_of_the_small_circle_keep_their_order_on_the_large_one() -> None:
    assert [code_id(number) for number in (0, 1, 127, 250, 255)] == [0, 1, 127, 65530, 65535]
