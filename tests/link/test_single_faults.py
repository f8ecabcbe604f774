"""Every single fault, and every pair of them, in short scenarios (docs/design.md, section 6)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Final

import pytest

from tests.harness.line import FrameHook, Line, both, double, flip, late, lose
from tests.harness.links import Pair, device_parameters, new_link, nonces, parameters

HELLO_BACK: Final = b"\xa5" * 30
FAULTS: Final[dict[str, Callable[..., FrameHook]]] = {
    "lose": lose,
    "flip": flip,
    "double": double,
    "late": lambda *numbers: late(0.03, *numbers),
    "very late": lambda *numbers: late(0.7, *numbers),
}
ENDS: Final = ("big", "small", "both active", "constant nonces")


def new_pair(kind: str, hooks: tuple[FrameHook | None, FrameHook | None]) -> Pair:
    """Return two ends that exchange a few frames each way as soon as they can."""
    constant = kind == "constant nonces"
    device = device_parameters() if kind == "small" else parameters(flags=0)
    return Pair(
        new_link(floor=40_000, new_nonce=(lambda: 3) if constant else nonces(1)),
        new_link(
            device,
            active=kind == "both active",
            floor=0,
            new_nonce=(lambda: 2) if constant else nonces(2),
        ),
        (Line(on_frame=hooks[0]), Line(on_frame=hooks[1])),
        to_send=(bytes(range(200)), HELLO_BACK),
    )


def frames_of(kind: str) -> tuple[int, int]:
    """Return how many frames each end sends if nothing goes wrong."""
    pair = new_pair(kind, (None, None))
    assert pair.run(pair.delivered)
    pair.run(for_s=5.0)
    return pair.lines[0].counters.frames, pair.lines[1].counters.frames


def prove(pair: Pair, case: object) -> None:
    """Run it to its end: delivered exactly once, in one session at last, then silent."""
    assert pair.run(pair.delivered, for_s=30.0), f"{case}\n{pair.describe()}"
    pair.check()
    assert pair.run(for_s=30.0), f"{case} never falls silent\n{pair.describe()}"
    assert pair.delivered(), f"{case}\n{pair.describe()}"
    pair.check()


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_single_fault_loses_doubles_or_hangs_anything(kind: str, fault: str) -> None:
    """HS-1, HS-5, HS-6, LINK-9, LINK-11: frame k of either direction, for every k and some more."""
    there, back = frames_of(kind)
    assert there >= 5
    assert back >= 4
    for number in range(1, there + 3):
        prove(new_pair(kind, (FAULTS[fault](number), None)), (kind, fault, "there", number))
    for number in range(1, back + 3):
        prove(new_pair(kind, (None, FAULTS[fault](number))), (kind, fault, "back", number))


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize(
    ("first", "second"), list(product(["lose", "double", "very late"], repeat=2))
)
def test_no_two_faults_of_the_handshake_lose_double_or_hang_anything(
    kind: str, first: str, second: str
) -> None:
    """HS-1 to HS-8: every pair of the first frames, in the same direction and in both."""
    for a, b in product(range(1, 5), repeat=2):
        one, two = FAULTS[first](a), FAULTS[second](b)
        case = (kind, first, a, second, b)
        prove(new_pair(kind, (one, two)), (case, "each"))
        prove(new_pair(kind, (both(one, two), None)), (case, "there"))
        prove(new_pair(kind, (None, both(one, two))), (case, "back"))


@pytest.mark.parametrize("kind", ENDS)
def test_losing_the_first_frames_of_both_ends_only_takes_time(kind: str) -> None:
    """HS-1, HS-6: any number of them."""
    for a, b in product(range(9), repeat=2):
        lost = (lose(*range(1, a + 1)), lose(*range(1, b + 1)))
        prove(new_pair(kind, lost), (kind, a, b))


@pytest.mark.parametrize("size", [1, 64, 65, 500])
@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_a_line_that_loses_every_nth_frame_in_step_is_not_followed_in_step(
    period: int, size: int
) -> None:
    """LINK-10: DATA and PING in turn must not fall into the beat of the losses."""
    for phase, kind in product(range(period), ["big", "small"]):
        pair = new_pair(kind, (None, None))
        pair.connect()
        pair.run(for_s=5.0)
        first = pair.lines[0].counters.frames + 1 + phase
        pair.lines[0].on_frame = lose(*range(first, 4000, period))
        pair.push(0, bytes(size))
        case = (kind, period, phase, size)
        assert pair.run(pair.delivered, for_s=20.0), f"{case}\n{pair.describe()}"
        pair.check()
