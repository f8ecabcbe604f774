"""Serial ports, on ptys."""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from pathlib import Path
from subprocess import PIPE

import pytest
import serial
from pytest_mock import MockerFixture
from serial.rs485 import RS485Settings

from ipfi_serial.errors import (
    ConfigError,
    PortBusyError,
    PortNotFoundError,
    TransportError,
)
from ipfi_serial.transport import PortInfo, SerialOptions, open_transport, parse_endpoint
from ipfi_serial.transport.uart import close_port, configure, explain, is_pty, open_port
from tests.transport.lines import PATIENCE_S, open_pty, opened, read_exactly, start_python


def test_bytes_that_came_before_the_opening_are_kept() -> None:
    with open_pty() as board:
        os.write(board.fd, b"boot\x00banner")
        with opened(board.path) as host:
            assert read_exactly(host, 11) == b"boot\x00banner"


def test_all_256_values_pass_both_ways() -> None:
    everything = bytes(range(256))
    with open_pty() as board, opened(board.path) as host:
        host.write(everything)
        assert os.read(board.fd, 1000) == everything
        os.write(board.fd, everything)
        assert read_exactly(host, 256) == everything


def test_the_port_is_set_as_asked() -> None:
    with open_pty() as board:
        port = open_port(board.path, SerialOptions(baud=9600, stopbits=2, rtscts=True))
        flags = termios.tcgetattr(port.fileno())
        port.close()
    assert flags[4] == flags[5] == termios.B9600
    assert flags[2] & termios.CSTOPB
    assert flags[2] & termios.CRTSCTS
    assert not flags[3] & (termios.ECHO | termios.ICANON)


def test_options_in_the_endpoint_overrule_the_keywords() -> None:
    endpoint = parse_endpoint(
        "/dev/x?baud=9600&parity=e&stopbits=1.5&bytesize=7&dtr=0&rts=yes&exclusive=no&rs485=1"
    )
    options = SerialOptions(baud=1200, xonxoff=True).with_options(endpoint)
    assert options == SerialOptions(
        baud=9600, parity="E", stopbits=1.5, bytesize=7, dtr=False, rts=True, exclusive=False,
        rs485=True, xonxoff=True,
    )  # fmt: skip
    assert options.bytes_per_s() == 9600 / 10.5


@pytest.mark.parametrize(
    "wrong", ["baud=fast", "dtr=2", "bytesize=9", "parity=X", "stopbits=3", "baud=0", "rtscts="]
)
def test_wrong_options_are_refused_before_anything_is_opened(wrong: str) -> None:
    with pytest.raises(ConfigError):
        open_transport(f"/dev/does-not-exist?{wrong}")


def test_a_speed_is_counted_in_characters() -> None:
    assert SerialOptions(baud=115200).bytes_per_s() == 11520.0
    assert SerialOptions(baud=9600, parity="E", stopbits=2, bytesize=7).bytes_per_s() == 9600 / 11


def test_a_pty_has_no_speed_unless_told_and_a_real_device_has_its_baud() -> None:
    with open_pty() as board:
        assert is_pty(board.path)
        with opened(board.path, baud=9600) as host:
            assert host.bytes_per_s is None
        with opened(f"{board.path}?bps=500") as host:
            assert host.bytes_per_s == 500.0
    assert not is_pty("/dev/null")
    assert not is_pty("/does/not/exist")


def test_a_device_that_is_no_pty_has_the_speed_of_its_baud(mocker: MockerFixture) -> None:
    mocker.patch("ipfi_serial.transport.uart.is_pty", return_value=False)
    with open_pty() as board, opened(board.path, baud=9600) as host:
        assert host.bytes_per_s == 960.0


def test_a_port_that_does_not_exist_is_answered_with_those_that_do(mocker: MockerFixture) -> None:
    ports = [PortInfo("/dev/ttyACM0"), PortInfo("/dev/ttyUSB3")]
    mocker.patch("ipfi_serial.transport.ports.list_ports", return_value=ports)
    with pytest.raises(PortNotFoundError, match="ttyACM0, /dev/ttyUSB3") as caught:
        open_transport("/dev/ttyNONE")
    assert caught.value.port == "/dev/ttyNONE"
    assert caught.value.available == ("/dev/ttyACM0", "/dev/ttyUSB3")


def test_a_port_that_this_program_has_open_names_it_as_the_holder() -> None:
    with open_pty() as board, opened(board.path):
        with pytest.raises(PortBusyError) as caught:
            open_transport(board.path)
        assert caught.value.holder == f"this program ({os.getpid()})"
        with opened(f"{board.path}?exclusive=0"):
            pass


_HOLDER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_port_that_another_program_has_open_names_that_program() -> None:
    with open_pty() as board, start_python(_HOLDER, board.path, stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(PortBusyError, match="in use by") as caught:
            open_transport(board.path)
        assert caught.value.holder is not None
        assert caught.value.holder.endswith(f"({holder.pid})")
        holder.communicate(timeout=PATIENCE_S)


def test_the_lock_is_gone_after_close() -> None:
    with open_pty() as board:
        for _ in range(3):
            open_transport(board.path).close()
        fd = os.open(board.path, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)


def test_a_file_that_is_no_port_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransportError, match="not a serial port"):
        open_transport(str(tmp_path / "file"))
    with pytest.raises(TransportError, match="not a serial port"):
        open_transport(str(tmp_path))


def test_a_port_without_permission_names_the_group_to_join(tmp_path: Path) -> None:
    device = tmp_path / "ttyS0"
    device.write_text("")
    error = explain(str(device), PermissionError(errno.EACCES, "Permission denied"))
    assert "permission denied" in str(error)
    error = explain("/does/not/exist", PermissionError(errno.EACCES, "Permission denied"))
    assert "usermod -aG dialout" in str(error)


def test_the_texts_of_windows_are_understood() -> None:
    missing = serial.SerialException("could not open port 'COM9': FileNotFoundError(2, 'x')")
    busy = serial.SerialException("could not open port 'COM9': PermissionError(13, 'denied')")
    assert isinstance(explain("COM9", missing), PortNotFoundError)
    assert isinstance(explain("COM9", busy), PortBusyError)
    assert "cannot be opened: odd" in str(explain("COM9", serial.SerialException("odd")))


def test_dtr_and_rts_are_touched_only_if_asked(mocker: MockerFixture) -> None:
    calls: list[int] = []
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, argument: bytes) -> object:
        calls.append(request)
        return real(fd, request, argument)

    lines = {termios.TIOCMBIS, termios.TIOCMBIC, termios.TIOCMSET}
    mocker.patch("serial.serialposix.fcntl.ioctl", ioctl)
    with open_pty() as board:
        open_transport(board.path).close()
        assert not lines & set(calls)
        open_transport(board.path, dtr=False).close()  # a pty refuses, which is no error
        assert termios.TIOCMBIC in calls


def test_rs485_settings_are_passed_on() -> None:
    own = RS485Settings(delay_before_tx=0.001)
    assert configure(serial.Serial(), SerialOptions(rs485=own)).rs485_mode is own
    usual = configure(serial.Serial(), SerialOptions(rs485=True, dtr=False, rts=True))
    assert isinstance(usual.rs485_mode, RS485Settings)
    assert (usual.dtr, usual.rts) == (False, True)
    assert configure(serial.Serial(), SerialOptions()).rs485_mode is None


def test_low_latency_is_asked_for_and_its_lack_is_no_error(mocker: MockerFixture) -> None:
    asked = mocker.patch("serial.Serial.set_low_latency_mode", side_effect=ValueError("no"))
    with open_pty() as board:
        open_transport(board.path).close()
        asked.assert_called_once_with(True)
        open_transport(board.path, low_latency=False).close()
        asked.assert_called_once()


@pytest.mark.parametrize(("held_back", "flow_control"), [(5, True), (0, True), (5, False)])
def test_output_that_flow_control_holds_back_does_not_hold_up_the_close(
    mocker: MockerFixture, held_back: int, flow_control: bool
) -> None:
    port = mocker.Mock(is_open=True, rtscts=flow_control, xonxoff=False, out_waiting=held_back)
    close_port(port)
    assert port.reset_output_buffer.called == (flow_control and held_back > 0)
    port.close.assert_called_once_with()


def test_a_port_with_flow_control_that_was_unplugged_closes() -> None:
    with open_pty() as board, opened(board.path, rtscts=True, xonxoff=True) as line:
        board.close()
        with pytest.raises(TransportError):
            line.read(PATIENCE_S)
