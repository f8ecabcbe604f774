"""A peer without manners: whatever it says, and whenever, its ring is respected (LINK-14)."""

from __future__ import annotations

import random

import pytest

from tests.simulation.storm import ENDS, Storm, main

FRESH_SEEDS = 150  # for each end: two seconds


@pytest.mark.parametrize("end", ENDS)
def test_no_more_than_the_ring_goes_out_whatever_the_other_end_does(end: str) -> None:
    start = random.SystemRandom().randrange(1 << 40)
    assert main(["--seeds", str(FRESH_SEEDS), "--start", str(start), "--end", end]) == 0


@pytest.mark.parametrize("seed", [8228, 8881, 9911, 12144])
def test_seeds_that_failed_once_pass(seed: int) -> None:
    """A stall's interval ran while a repetition waited for the line (LINK-15)."""
    Storm(seed, "py").run()


def test_most_sessions_of_the_dice_are_long_and_full() -> None:
    """Else all of this would test nothing."""
    said = 0
    for seed in range(40):
        trace: list[str] = []
        Storm(seed, "py").run(trace)
        said += sum(" < " in line for line in trace)
    assert said > 40 * 20
