"""Faults on the real path, a few times each.  More often: python -m tests.realpath."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ipfi_serial.errors import CallTimeoutError, DeviceResetError
from ipfi_serial.transport import LineFaults
from tests.firmware import build
from tests.realpath import faults
from tests.realpath.crowd import crowd
from tests.realpath.hosts import MARK
from tests.realpath.ledger import Ledger
from tests.realpath.plug import Plug, build_witness

REPEATS = {"unplug": 12, "reboot": 12, "freeze": 4, "full": 2}  # 25 s in all
WIRES = 50
TOLD_S = 5.0  # promised is one second; the machine may be busy


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_witness(tmp_path_factory.mktemp("witness"))


@pytest.mark.parametrize("shell", faults.SHELLS)
@pytest.mark.parametrize("name", faults.FAULTS)
def test_every_caller_is_told_the_truth_and_nothing_is_left(
    name: str, shell: str, board: Path
) -> None:
    report = faults.FAULTS[name](board, shell, REPEATS[name], seed=1)
    assert report.wrong == []
    assert report.repeats == REPEATS[name]
    assert report.calls > REPEATS[name]
    if name == "unplug":
        assert report.errors["TransportError"] >= REPEATS[name]
        assert report.slowest_s < TOLD_S
    elif name == "reboot":
        assert report.errors["DeviceResetError"] >= REPEATS[name]


def test_fifty_wires_on_one_interface_serve_and_call_at_once() -> None:
    build.any_compiler()
    report = crowd(WIRES)
    assert report.wrong == []
    assert report.calls == WIRES * 40


# --- the checks themselves can fail ---


def test_the_board_notes_an_execution_before_it_can_be_killed(board: Path) -> None:
    with faults.new_host("sync") as host:
        plug = Plug(board, 1)
        try:
            plug.start()
            host.open(plug.path, LineFaults())
            for number in (5, 6, 6):
                assert host.call(MARK, number) == number + 1
            plug.kill()
            assert plug.executions() == Counter({5: 1, 6: 2})
            host.close()
        finally:
            plug.close()


def test_a_lie_is_found() -> None:
    ledger = Ledger()
    numbers = [ledger.begin() for _ in range(7)]
    reset = DeviceResetError("watchdog")
    ledger.end(numbers[0], None)  # executed twice
    ledger.end(numbers[1], None)  # never executed
    ledger.end(numbers[2], reset.for_call(may_have_executed=False))  # but it was
    ledger.end(numbers[3], reset)  # does not say
    ledger.end(numbers[4], CallTimeoutError("late", may_have_executed=True))  # true either way
    ledger.end(numbers[5], None)  # true
    executed = Counter({numbers[0]: 2, numbers[2]: 1, numbers[4]: 1, numbers[5]: 1, 99: 1})
    lies = ledger.lies(executed)
    assert len(lies) == 6  # those four, the stranger 99, and number 6, which never ended
    ledger.end(numbers[5], None)
    assert any("ended twice" in each for each in ledger.lies(executed))
