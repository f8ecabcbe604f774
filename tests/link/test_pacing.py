"""What is handed to the transport, and when more is due (LINK-18, FRAME-2)."""

from __future__ import annotations

import pytest

from tests.harness.line import Line
from tests.harness.links import BAUD_2M, BAUD_300, BAUD_115200, Pair, new_link, parameters


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


@pytest.mark.parametrize("bytes_per_s", [BAUD_300, BAUD_115200, BAUD_2M])
def test_the_transport_never_holds_more_than_two_frames_or_20_ms(bytes_per_s: float) -> None:
    """LINK-18."""
    lines = (Line(bytes_per_s=bytes_per_s), Line(bytes_per_s=bytes_per_s))
    pair = Pair(
        new_link(bytes_per_s=bytes_per_s),
        new_link(parameters(flags=0), active=False, bytes_per_s=bytes_per_s),
        lines,
        to_send=(bytes(6000), bytes(6000)),
    )
    assert pair.run(pair.delivered, for_s=10_000.0), pair.describe()
    frame_s = (max(64, 0.05 * bytes_per_s) + 13) / bytes_per_s
    for line in lines:  # one frame begun before the bound is finished behind it
        assert line.counters.queue_peak_s <= max(0.02, 2 * frame_s) + frame_s
