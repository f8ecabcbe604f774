"""The models of docs/model hold, and each planted bug is found."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.model.__main__ import chosen
from tests.model.checks import CHECKS, EVERY_DAY
from tests.model.spin import (
    MODELS,
    ROOT,
    Check,
    Outcome,
    SpinError,
    missing_tools,
    read_outcome,
    run,
)

needs_spin = pytest.mark.skipif(
    bool(missing_tools()), reason="needs spin and a C compiler (Debian: apt install spin gcc)"
)
pytestmark = pytest.mark.timeout(900)  # the runs are short; a busy machine is no failure
SOURCES = sorted(MODELS.glob("*.pml"))
REQUIREMENT = re.compile(r"\b(?:HS|LINK)-\d+\b")


@pytest.fixture(scope="module")
def outcomes() -> dict[Check, Outcome]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(EVERY_DAY, pool.map(run, EVERY_DAY), strict=True))


@needs_spin
@pytest.mark.parametrize("check", [c for c in EVERY_DAY if not c.planted], ids=lambda c: c.name)
def test_no_state_within_the_bounds_breaks_a_promise(
    check: Check, outcomes: dict[Check, Outcome]
) -> None:
    outcome = outcomes[check]
    assert outcome.good, str(outcome)
    assert outcome.states > 10_000, "the bounds leave nothing to be found"


@needs_spin
@pytest.mark.parametrize("check", [c for c in EVERY_DAY if c.planted], ids=lambda c: c.planted)
def test_a_planted_bug_is_found(check: Check, outcomes: dict[Check, Outcome]) -> None:
    assert outcomes[check].good, str(outcomes[check])
    assert "assertion violated" in outcomes[check].error


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_requirements_that_a_model_names_exist(source: object) -> None:
    assert isinstance(source, type(ROOT))
    named = set(REQUIREMENT.findall(source.read_text(encoding="utf-8").partition("*/")[0]))
    protocol = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert len(named) >= 8
    assert {number for number in named if f"**{number}**" not in protocol} == set()


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: f"{c.model}-{c.name}")
def test_every_switch_of_a_check_is_one_that_its_model_knows(check: Check) -> None:
    source = (MODELS / f"{check.model}.pml").read_text(encoding="utf-8")
    for switch in (*check.switches, *filter(None, (check.planted,))):
        name = switch.partition("=")[0]
        assert re.search(rf"#(?:ifdef|ifndef|elif defined\()\s*{name}\b", source), name


def test_a_search_that_was_not_completed_is_not_good() -> None:
    said = "Warning: Search not completed\ndepth reached 9, errors: 0\n   12 states, stored\n"
    assert not read_outcome(Check("x", "window"), said, 0.0).good
    cut = "error: max search depth too small\ndepth reached 9, errors: 0\n   12 states, stored\n"
    assert not read_outcome(Check("x", "window"), cut, 0.0).good


def test_a_planted_bug_that_is_not_found_is_not_good() -> None:
    said = "depth reached 9, errors: 0\n   12 states, stored\n"
    assert read_outcome(Check("x", "window"), said, 0.0).good
    assert not read_outcome(Check("x", "window", (), "BUG"), said, 0.0).good


def test_a_verifier_that_says_nothing_is_an_error() -> None:
    with pytest.raises(SpinError, match="did not end"):
        read_outcome(Check("x", "window"), "Killed", 0.0)


@needs_spin
def test_a_switch_that_breaks_the_model_is_an_error() -> None:
    with pytest.raises(SpinError):
        run(Check("x", "window", ("WINDOW=nonsense",)))


def test_the_command_runs_what_is_asked_for() -> None:
    assert chosen("", deep=False) == list(EVERY_DAY)
    assert chosen("", deep=True) == list(CHECKS)
    assert [check.planted for check in chosen("ACK_BEYOND", deep=False)] == ["ACK_BEYOND"]
