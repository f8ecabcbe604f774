"""Tests of the thermostat's firmware: ``pytest --ipfi-board thermostat.toml``."""

import pytest

from ipfi_serial import RemoteCallError
from ipfi_serial.transport import LineFaults


def test_it_warns_once_when_it_is_too_warm(ipfi_board):
    ipfi_board.call("set_limit", 30)
    with ipfi_board.events("too_warm") as warnings:
        for celsius in (29, 31, 35, 30, 40):
            ipfi_board.call("simulate", celsius)
        assert [warnings.get(5.0), warnings.get(5.0)] == [(31,), (40,)]


def test_a_limit_beyond_the_sensor_is_an_error(ipfi_board):
    with pytest.raises(RemoteCallError, match="the sensor ends there"):
        ipfi_board.call("set_limit", 200)


def test_a_reset_forgets_the_limit(ipfi_board, ipfi_target):
    ipfi_board.call("set_limit", 30)
    ipfi_target.reset(ipfi_board)
    assert ipfi_board.call("get_limit") == 60


def test_it_works_on_a_line_that_loses_every_fifth_frame(ipfi_board, ipfi_link_faults):
    ipfi_link_faults.set(LineFaults(frame_loss=0.2))
    for celsius in range(20):
        ipfi_board.call("simulate", celsius)
        assert ipfi_board.call("temperature") == celsius
