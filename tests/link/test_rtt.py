"""The round-trip estimate (LINK-9)."""

from __future__ import annotations

import pytest

from ipfi_serial.link.rtt import BACKED_OFF_S, FIRST_RTO_S, RttEstimator

FLOOR_S = 0.02 + 0.01  # the other end's ACK delay (LINK-8) and the granularity


def test_before_the_first_sample_the_time_out_is_250_ms_plus_wire_time() -> None:
    """LINK-9."""
    rtt = RttEstimator()
    assert rtt.smoothed_s is None
    assert rtt.rto_s(0.1) == pytest.approx(FIRST_RTO_S + 0.1)


def test_the_first_sample_sets_the_mean_and_half_of_it_as_variance() -> None:
    """LINK-9: RFC 6298, 2.2."""
    rtt = RttEstimator()
    rtt.sample(0.2)
    assert rtt.smoothed_s == pytest.approx(0.2)
    assert rtt.rto_s(0.0) == pytest.approx(0.2 + 4 * 0.1)


def test_later_samples_move_the_variance_first_and_then_the_mean() -> None:
    """LINK-9: RFC 6298, 2.3."""
    rtt = RttEstimator()
    rtt.sample(0.2)
    rtt.sample(0.28)
    variance_s = 0.75 * 0.1 + 0.25 * 0.08
    assert rtt.smoothed_s == pytest.approx(0.875 * 0.2 + 0.125 * 0.28)
    assert rtt.rto_s(0.0) == pytest.approx(0.21 + 4 * variance_s)


def test_steady_samples_end_at_the_granularity_and_short_ones_at_the_floor() -> None:
    """LINK-9."""
    rtt = RttEstimator()
    for _ in range(200):
        rtt.sample(0.1)
    assert rtt.rto_s(0.0) == pytest.approx(0.11)
    for _ in range(200):
        rtt.sample(0.0)
    assert rtt.rto_s(0.0) == FLOOR_S
    assert rtt.rto_s(1.5) == pytest.approx(FLOOR_S + 1.5)


def test_the_time_out_doubles_at_most_three_times_and_not_above_500_ms() -> None:
    """LINK-9: the wire time is not doubled."""
    rtt = RttEstimator()
    for _ in range(200):
        rtt.sample(0.0)
    seen = []
    for _ in range(5):
        seen.append(round(rtt.rto_s(1.0) - 1.0, 6))
        rtt.expired()
    assert seen == [FLOOR_S, 2 * FLOOR_S, 4 * FLOOR_S, 8 * FLOOR_S, 8 * FLOOR_S]
    rtt.progressed()
    assert rtt.rto_s(0.0) == FLOOR_S
    fresh = RttEstimator()
    for _ in range(3):
        fresh.expired()
    assert fresh.rto_s(0.0) == BACKED_OFF_S


def test_a_round_trip_above_500_ms_keeps_its_time_out_when_it_doubles() -> None:
    """LINK-9: else every frame of a slow line would be sent twice."""
    rtt = RttEstimator()
    for _ in range(200):
        rtt.sample(0.8)
    rtt.expired()
    assert rtt.rto_s(0.0) == pytest.approx(0.81)


def test_on_a_slow_line_the_time_out_stays_above_the_other_ends_ack_delay() -> None:
    """LINK-8, LINK-9: two small frames; twice that before there is a sample."""
    rtt = RttEstimator(5.0)
    assert rtt.rto_s(1.0) == pytest.approx(11.0)
    for _ in range(200):
        rtt.sample(0.0)
    assert rtt.rto_s(1.0) == pytest.approx(6.01)
