"""A slow chip and a fast host, in the chip's own time.

`python -m tests.targets.full_rate` does it for a minute.
"""

from __future__ import annotations

import pytest

from tests.targets import full_rate
from tests.targets.chips import available

SECONDS = 5.0
FULL_RATE_BYTES_PER_S = 4000  # of 11520: a ring of 64 bytes has room for one frame at a time


@pytest.fixture(autouse=True)
def simavr() -> None:
    available("simavr-atmega328p")


def test_nothing_is_lost_at_full_rate_when_the_line_is_looked_at_every_4_ms() -> None:
    outcome = full_rate.run(SECONDS)
    assert outcome.wrong == 0
    assert outcome.calls > SECONDS * 10
    assert outcome.bytes_per_s > FULL_RATE_BYTES_PER_S
    assert outcome.counters.overruns == outcome.uart_overruns == 0
    assert outcome.counters.noise == outcome.counters.retransmissions == outcome.repeated == 0


def test_overflows_of_stalls_of_85_ms_are_counted_and_repaired() -> None:
    outcome = full_rate.run(SECONDS, deaf_ms=85)
    assert outcome.wrong == 0
    assert outcome.calls > SECONDS * 10
    assert outcome.uart_overruns > 0
    assert outcome.counters.overruns > 0
    assert outcome.repeated > 0
    assert outcome.counters.sessions == 1


def test_two_runs_are_the_same_to_the_byte() -> None:
    one, other = full_rate.run(1.0, seed=3), full_rate.run(1.0, seed=3)
    assert (one.calls, one.bytes_per_s) == (other.calls, other.bytes_per_s)
    assert vars(one.counters) == vars(other.counters)
