"""A line whose speed changes while the session lives (LINK-9, LINK-13, LINK-18)."""

from __future__ import annotations

import pytest

from tests.harness.line import Line
from tests.harness.links import Pair, new_link, parameters
from tests.link._frames import Puppet

FULL = 960.0  # bytes a second
QUARTER = FULL / 4


def established(bytes_per_s: float) -> Puppet:
    puppet = Puppet(new_link(bytes_per_s=bytes_per_s))
    puppet.accept(session=5)
    return puppet


def repetition_after_s(puppet: Puppet) -> float:
    """Send a frame that nobody acknowledges; return when it is sent again."""
    puppet.wait(5.0)  # what the handshake said has left
    puppet.hear()
    start_s = puppet.now_s
    puppet.link.push(bytes(40), start_s)
    (sent,) = puppet.hear()
    while sent not in puppet.wait_until_due():
        assert puppet.now_s < start_s + 60
    return puppet.now_s - start_s


def lost_after_s(puppet: Puppet) -> float:
    """Send a frame that nobody ever answers; return when the session is given up."""
    start_s = puppet.now_s
    puppet.link.push(bytes(40), start_s)
    while puppet.link.established:
        puppet.wait_until_due()
        assert puppet.now_s < start_s + 10_000
    return puppet.now_s - start_s


def test_a_frame_on_a_line_that_slowed_down_is_waited_for_as_long_as_it_takes() -> None:
    """LINK-9: until it has left, and then as long again for what is outstanding."""
    slowed, steady = established(FULL), established(FULL)
    slowed.link.set_speed(QUARTER)
    longer_s = repetition_after_s(slowed) - repetition_after_s(steady)
    assert longer_s > 2 * 40 * (1 / QUARTER - 1 / FULL)


def test_a_session_that_begins_later_has_the_new_speed() -> None:
    """LINK-9."""
    slowed = Puppet(new_link(bytes_per_s=FULL))
    slowed.link.set_speed(QUARTER)
    slowed.accept(session=5)
    assert repetition_after_s(slowed) == pytest.approx(repetition_after_s(established(QUARTER)))


def test_silence_is_borne_for_as_many_frames_as_before() -> None:
    """LINK-13."""
    slowed, steady = established(FULL), established(FULL)
    slowed.link.set_speed(FULL / 100)
    lost_s = [lost_after_s(puppet) for puppet in (slowed, steady)]
    assert lost_s[0] > 4 * lost_s[1]


def test_a_line_that_speeds_up_is_waited_for_less() -> None:
    """LINK-9."""
    faster, steady = established(QUARTER), established(QUARTER)
    faster.link.set_speed(FULL)
    assert repetition_after_s(faster) < repetition_after_s(steady)


@pytest.mark.parametrize("with_session", [False, True])
def test_what_is_handed_over_ahead_follows_the_speed(with_session: bool) -> None:
    """LINK-18: the transport never holds more than two frames and the one begun before."""
    lines = (Line(bytes_per_s=FULL), Line(bytes_per_s=FULL))
    own = [
        new_link(bytes_per_s=FULL),
        new_link(parameters(flags=0), active=False, bytes_per_s=FULL),
    ]
    pair = Pair(own[0], own[1], lines, to_send=(bytes(3000), b""))
    if with_session:
        assert pair.run(lambda: own[0].established and own[1].established, for_s=60.0)
    for link, line in zip(own, lines, strict=True):
        line.bytes_per_s = QUARTER
        link.set_speed(QUARTER)
    assert pair.run(pair.delivered, for_s=1000.0), pair.describe()
    assert lines[0].counters.queue_peak_s <= 3 * (64 + 13) / QUARTER
    assert own[0].counters.retransmissions == 0
