"""What is handed to the transport, and when more is due (LINK-18, FRAME-2)."""

from __future__ import annotations

import pytest

from tests.harness.line import Line
from tests.harness.links import BAUD_2M, BAUD_300, BAUD_115200, Pair, new_link, parameters
from tests.link._frames import Puppet, ack


@pytest.mark.parametrize("bytes_per_s", [3.0, BAUD_300, 960.0, BAUD_115200, BAUD_2M, 1e6])
def test_the_moment_at_which_more_is_due_is_a_moment_at_which_more_leaves(
    bytes_per_s: float,
) -> None:
    """LINK-18: whatever the rounding, on_deadline time and pace agree (lockstep finds the loop)."""
    for start_s in (0.0, 100.1, 3.3e6):
        lines = (Line(bytes_per_s=bytes_per_s), Line(bytes_per_s=bytes_per_s))
        pair = Pair(
            new_link(bytes_per_s=bytes_per_s),
            new_link(parameters(flags=0), active=False, bytes_per_s=bytes_per_s),
            lines,
            to_send=(bytes(1500), bytes(700)),
            now_s=start_s,
        )
        assert pair.run(pair.delivered, for_s=40_000.0), pair.describe()


@pytest.mark.parametrize("payload", [64, 1024])
@pytest.mark.parametrize("bytes_per_s", [BAUD_300, BAUD_115200, BAUD_2M])
def test_the_transport_never_holds_more_than_two_frames_or_20_ms(
    bytes_per_s: float, payload: int
) -> None:
    """LINK-18."""
    lines = (Line(bytes_per_s=bytes_per_s), Line(bytes_per_s=bytes_per_s))
    own = parameters(flags=0, frame_payload=payload)
    pair = Pair(
        new_link(bytes_per_s=bytes_per_s),
        new_link(own, active=False, bytes_per_s=bytes_per_s),
        lines,
        to_send=(bytes(6000), bytes(6000)),
    )
    assert pair.run(pair.delivered, for_s=10_000.0), pair.describe()
    frame_s = (min(payload, max(64, 0.05 * bytes_per_s)) + 13) / bytes_per_s
    for line in lines:  # one frame begun before the bound is finished behind it
        assert line.counters.queue_peak_s <= max(0.02, 2 * frame_s) + frame_s


def test_a_lone_zero_goes_before_a_frame_on_an_idle_line_and_before_a_repetition() -> None:
    """FRAME-2: and not between frames that leave without a pause."""
    puppet = Puppet(new_link())
    puppet.accept(session=5)
    puppet.link.push(bytes(64 * 16), puppet.now_s)
    wire = puppet.link.bytes_to_send(puppet.now_s)
    assert wire[0] == 0
    assert wire[1:].count(b"\0\0") == 0
    assert wire.endswith(b"\0")
    puppet.say(ack(5, 0, sack=0b100))
    again = puppet.link.bytes_to_send(puppet.now_s)
    assert again.startswith(b"\0")
    assert again.count(b"\0\0") == 2, "three frames again, the first one behind a pause as well"
