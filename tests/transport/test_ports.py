"""Listing ports, USB ids, and openers of higher layers."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from subprocess import PIPE

import pytest
from pytest_mock import MockerFixture
from serial.tools.list_ports_common import ListPortInfo

import ipfi_serial.transport
from ipfi_serial.errors import ConfigError, PortNotFoundError, TransportError
from ipfi_serial.transport import (
    PortInfo,
    list_ports,
    open_async_transport,
    open_transport,
    register_opener,
)
from ipfi_serial.transport.opening import Request
from ipfi_serial.transport.ports import find_holder
from tests.transport.lines import PATIENCE_S, open_pty, opened, run, start_python


def _port(device: str, serial_number: str = "A1", **more: str) -> ListPortInfo:
    port = ListPortInfo(device)
    port.vid, port.pid, port.serial_number = 0x2341, 0x43, serial_number
    port.description = "Board"
    for name, value in more.items():
        setattr(port, name, value)
    return port


@pytest.fixture
def ports(mocker: MockerFixture) -> list[ListPortInfo]:
    found: list[ListPortInfo] = []
    mocker.patch("serial.tools.list_ports.comports", return_value=found)
    return found


def test_ports_are_listed_in_order_with_what_usb_tells(ports: list[ListPortInfo]) -> None:
    ports += [
        _port("/dev/ttyUSB1", interface="CDC", location="1-1:1.0"),
        ListPortInfo("/dev/ttyS0"),
    ]
    assert list_ports() == [
        PortInfo("/dev/ttyS0"),
        PortInfo("/dev/ttyUSB1", "Board", 0x2341, 0x43, "A1", "1-1:1.0", "CDC"),
    ]
    assert [port.usb_endpoint() for port in list_ports()] == [None, "usb:2341:0043:A1"]


def test_a_usb_id_finds_its_port(ports: list[ListPortInfo]) -> None:
    with open_pty() as board:
        ports += [_port(board.path, "A1"), _port("/dev/ttyOTHER", "B2")]
        with opened("usb:2341:0043:A1") as line:
            assert line.endpoint == "usb:2341:0043:A1"


def test_a_usb_id_that_fits_several_ports_lists_them(ports: list[ListPortInfo]) -> None:
    ports += [_port("/dev/ttyACM0", "A1"), _port("/dev/ttyACM1", "B2", location="1-2")]
    with pytest.raises(TransportError, match=r"2 ports fit: .*ttyACM0 \(usb:2341:0043:A1\), .*1-2"):
        open_transport("usb:2341:43")


def test_a_usb_id_that_fits_none_lists_what_there_is(ports: list[ListPortInfo]) -> None:
    ports += [_port("/dev/ttyACM0", "A1")]
    for endpoint in ("usb:2341:0044", "usb:2341:0043:B2"):
        with pytest.raises(PortNotFoundError, match=r"ttyACM0 \(usb:2341:0043:A1\)"):
            open_transport(endpoint)


def test_interfaces_of_one_board_are_told_apart(ports: list[ListPortInfo]) -> None:
    with open_pty() as board:
        ports += [
            _port("/dev/ttyACM0", interface="Log", location="1-1:1.0"),
            _port(board.path, interface="RPC", location="1-1:1.2"),
        ]
        opened("usb:2341:0043?interface=RPC").__enter__().close()
        opened("usb:2341:0043?location=1-1:1.2").__enter__().close()


def test_a_port_that_another_program_merely_has_open_names_that_program() -> None:
    script = "import sys; file = open(sys.argv[1], 'rb', 0); print(flush=True); sys.stdin.read()"
    with open_pty() as board:
        path = board.path
        with start_python(script, path, stdin=PIPE, stdout=PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            os.close(board.other_fd)
            board.other_fd = -1
            assert (find_holder(path) or "").endswith(f"({child.pid})")
            child.communicate(timeout=PATIENCE_S)


def test_the_holder_of_a_port_is_found_by_its_open_descriptor() -> None:
    with open_pty() as board:
        assert find_holder(board.path) == f"this program ({os.getpid()})"
    assert find_holder("/does/not/exist") is None


def test_an_unlistable_machine_only_lacks_the_list(mocker: MockerFixture) -> None:
    mocker.patch("serial.tools.list_ports.comports", side_effect=OSError("no sysfs"))
    with pytest.raises(PortNotFoundError, match="none"):
        open_transport("/dev/ttyNONE")


def test_a_higher_layer_opens_the_simulated_board() -> None:
    def open_board(request: Request) -> ipfi_serial.transport.Transport:
        assert request.endpoint.name == "python"
        return open_transport("loopback:board", baud=request.serial.baud)

    async def open_board_async(_: Request) -> ipfi_serial.transport.AsyncTransport:
        return await open_async_transport("loopback:board")

    before = dict(ipfi_serial.transport.opening._SYNC_OPENERS)
    before_async = dict(ipfi_serial.transport.opening._ASYNC_OPENERS)
    try:
        register_opener("sim", open_board, open_board_async)
        with opened("sim:python") as line:
            assert line.endpoint == "loopback:board"

        async def test() -> None:
            (await open_async_transport("sim:python")).close()

        run(test())
    finally:
        for table, old in (
            (ipfi_serial.transport.opening._SYNC_OPENERS, before),
            (ipfi_serial.transport.opening._ASYNC_OPENERS, before_async),
        ):
            table.clear()
            table.update(old)  # type: ignore[arg-type]


def test_a_kind_without_an_opener_says_so(mocker: MockerFixture) -> None:
    mocker.patch.dict("ipfi_serial.transport.opening._SYNC_OPENERS", clear=True)
    with pytest.raises(ConfigError, match="register_opener"):
        open_transport("sim:")


def test_nothing_that_only_posix_has_is_imported_at_the_top_of_a_module() -> None:
    folder = Path(ipfi_serial.transport.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not {"fcntl", "termios", "pty", "tty", "grp"} & set(names), path
