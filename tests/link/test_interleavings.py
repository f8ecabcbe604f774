"""HS-1 to HS-8 in every order of events, up to a depth."""

from __future__ import annotations

import pytest

from tests.harness.builds import replaces_parts
from tests.link.interleavings import PAIRS, Budget, explore, standing


@replaces_parts
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("kinds", [("lose",), ("double",), ("late",)])
def test_a_first_handshake_ends_in_one_session(pair: str, kinds: tuple[str, ...]) -> None:
    """HS-3 to HS-8."""
    assert explore(PAIRS[pair](), Budget((1, 1), (0, 0), 2, kinds)) > 10


@replaces_parts
@pytest.mark.parametrize("pair", PAIRS)
def test_attempts_of_both_ends_that_cross_end_in_one_session(pair: str) -> None:
    """HS-8: each lost its session by itself, and had answered a HELLO before its own attempt."""
    assert explore(standing(PAIRS[pair]()), Budget((1, 1), (1, 1), 2)) > 100
