"""Fresh seeds, seeds that failed once, and that a seed decides everything."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.plan import Emit, Fault, plan_of
from tests.simulation.runner import PAIRS, run_many, run_some, summary, tell_failure
from tests.simulation.world import simulate

FRESH_SEEDS: Final = 80  # for each pair: a quarter of a minute in all
FAILED: Final = Path(__file__).parent / "failed_seeds.txt"


def failed_seeds() -> list[tuple[str, int]]:
    lines = FAILED.read_text().splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return [(pair, int(seed)) for pair, seed, *_ in words]


@pytest.mark.parametrize("pair", PAIRS)
def test_fresh_seeds_lose_double_reorder_and_hang_nothing(pair: str) -> None:
    start = random.SystemRandom().randrange(1 << 40)
    totals, elapsed_s = run_many(start, FRESH_SEEDS, (pair,), 1)
    print("\n".join(summary(totals, elapsed_s)))  # noqa: T201 - shown if it fails
    again = [f"python -m tests.simulation --pair {p} --replay {s}" for p, s, _ in totals.failures]
    assert not totals.failures, f"{totals.failures}\n{again}"
    assert totals.seeds == FRESH_SEEDS
    assert totals.succeeded > 10 * FRESH_SEEDS


def test_seeds_that_failed_once_pass() -> None:
    totals = run_some(failed_seeds())
    assert not totals.failures, totals.failures


def test_what_failed_is_kept_until_somebody_takes_it_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log that a later run wrote over has cost a failing seed once."""
    kept = tmp_path / "build" / "failures.txt"
    tell_failure("--pair py-c --replay 1: lost", kept)
    tell_failure("--pair c-c --replay 2: hung", kept)
    assert [line[17:] for line in kept.read_text().splitlines()] == [
        "--pair py-c --replay 1: lost",
        "--pair c-c --replay 2: hung",
    ]
    assert capsys.readouterr().out.splitlines()[1] == "FAILED --pair c-c --replay 2: hung"


def test_every_plan_has_fifty_operations_and_twenty_faults() -> None:
    for seed in range(300):
        steps = plan_of(seed).steps
        faults = sum(isinstance(step, Fault) for step in steps)
        assert len(steps) - faults >= 50
        assert faults >= 20
        assert any(isinstance(step, Emit) for step in steps)


@pytest.mark.parametrize("pair", ["py-c", "py-py"])
def test_a_seed_runs_the_same_in_every_process(pair: str) -> None:
    """The trace of all frames and reports, whatever the hash seed is."""
    outputs = []
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation", "--pair", pair]
        done = subprocess.run(  # noqa: S603 - our own program
            [*command, "--replay", "8", "--trace"],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].splitlines()[-1] == "PASS"
    assert len(outputs[0].splitlines()) > 300


@pytest.mark.parametrize("pair", PAIRS)
def test_a_seed_runs_the_same_after_others(pair: str) -> None:
    """Nothing of one simulation is left for the next one: not in the C core's memory, either."""
    first = simulate(plan_of(3), pair)
    for seed in range(100, 105):
        simulate(plan_of(seed), pair)
    again = simulate(plan_of(3), pair)
    assert (again.digest, again.virtual_s) == (first.digest, first.virtual_s)


def test_another_seed_is_another_story() -> None:
    assert simulate(plan_of(1), "py-py").digest != simulate(plan_of(2), "py-py").digest
