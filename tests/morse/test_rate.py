"""Speed follows losses: MORSE-15."""

from __future__ import annotations

import pytest

from ipfi_serial.morse.rate import (
    CLEAN_BYTES,
    FOLLOW_BYTES,
    MOST_CLEAN_BYTES,
    MOST_STEPS,
    RateControl,
)

FRAME_BYTES = 64


def lose(rate: RateControl, frames: int) -> None:
    for _ in range(frames):
        rate.note(1, 1, FRAME_BYTES)


def test_a_line_that_loses_three_of_eight_frames_is_keyed_more_slowly() -> None:
    rate = RateControl(0.001)
    rate.note(4, 2, 4 * FRAME_BYTES)
    assert rate.step == 0
    rate.note(1, 1, FRAME_BYTES)
    assert rate.step == 1
    assert rate.unit_s == pytest.approx(0.001 * 2**0.5)


def test_single_losses_far_apart_change_nothing() -> None:
    rate = RateControl(0.001)
    for _ in range(100):
        rate.note(4, 1, 4 * FRAME_BYTES)
        rate.note(4, 0, 4 * FRAME_BYTES)
    assert rate.step == 0


def test_it_goes_down_to_a_quarter_and_no_further() -> None:
    rate = RateControl(0.001)
    lose(rate, 100)
    assert rate.step == MOST_STEPS
    assert rate.unit_s == pytest.approx(0.004)


def test_a_clean_line_is_keyed_faster_again_up_to_the_speed_asked_for() -> None:
    rate = RateControl(0.001)
    lose(rate, 6)
    assert rate.step == 2
    rate.note(16, 0, CLEAN_BYTES)
    assert rate.step == 1
    rate.note(16, 0, CLEAN_BYTES)
    rate.note(16, 0, CLEAN_BYTES)
    assert rate.step == 0


def test_a_try_that_fails_makes_the_next_one_come_later_and_one_that_succeeds_soon_again() -> None:
    rate = RateControl(0.001)
    tries = []
    for _ in range(8):
        lose(rate, 3)  # too fast, again
        sent = 0
        while rate.step:
            rate.note(1, 0, FRAME_BYTES)
            sent += FRAME_BYTES
        tries.append(sent)
    assert tries[:3] == [CLEAN_BYTES, 2 * CLEAN_BYTES, 4 * CLEAN_BYTES]
    assert tries[-1] == MOST_CLEAN_BYTES
    rate.note(1, 0, MOST_CLEAN_BYTES)
    lose(rate, 3)
    rate.note(16, 0, CLEAN_BYTES)
    assert rate.step == 0


def test_an_end_slows_down_when_the_other_one_does() -> None:
    rate = RateControl(0.001)
    rate.hear(0.002)
    assert rate.step == 2
    rate.hear(0.002)
    assert rate.step == 2


def test_it_follows_the_other_end_up_again_when_its_own_frames_pass() -> None:
    rate = RateControl(0.001)
    rate.hear(0.0028)
    assert rate.step == 3
    rate.hear(0.001)
    assert rate.step == 3
    rate.note(10, 0, FOLLOW_BYTES)
    rate.hear(0.002)
    assert rate.step == 2


def test_it_stays_within_one_step_of_the_other_end() -> None:
    rate = RateControl(0.001)
    rate.hear(0.004)
    for _ in range(100):
        rate.note(16, 0, CLEAN_BYTES)
        rate.hear(0.004)
    assert rate.step == MOST_STEPS - 1


@pytest.mark.parametrize("clock", [0.7, 1.0, 1.3])
def test_a_clock_that_is_30_percent_off_is_no_slower_speed(clock: float) -> None:
    rate = RateControl(0.001)
    rate.hear(0.001 * clock)
    assert rate.step == 0
