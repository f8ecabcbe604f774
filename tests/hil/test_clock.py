"""Targets whose time is computed: it stands still when held, and passes when told to."""

from __future__ import annotations

import pytest

from ipfi_hil.target import find_target
from ipfi_serial.sim.firmware import cache_directory

pytest_plugins = "pytester"
CACHE = cache_directory().parent
VIRTUAL = ("simavr-atmega328p", "unicorn")
HELD = """
import time

def test_held_time_stands_still(ipfi_board, ipfi_clock):
    ipfi_board.call("magic")
    ipfi_clock.hold()
    before = ipfi_clock.now_s
    call = ipfi_board.start("sleep", 300)
    time.sleep(0.1)
    assert ipfi_clock.now_s == before
    assert not call.ready
    ipfi_clock.advance(0.2)
    assert 0.19 < ipfi_clock.now_s - before < 0.25
    ipfi_clock.release()
    assert call.result() == 300
    assert ipfi_clock.now_s - before > 0.29

def test_the_next_test_finds_time_running(ipfi_board, ipfi_clock):
    assert ipfi_board.call("sleep", 20) == 20
"""


@pytest.mark.parametrize("name", VIRTUAL)
def test_time_can_be_held_and_let_pass(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    if (reason := find_target(name).why_unavailable()) is not None:
        pytest.skip(reason)
    pytester.makepyfile(HELD)
    result = pytester.runpytest_subprocess("-q", "--ipfi-target", name, timeout=60)
    result.assert_outcomes(passed=2)
