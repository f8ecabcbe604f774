"""The cable between a host and an emulated UART."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipfi_hil.targets.bridge import Bridge
from ipfi_hil.targets.process import new_folder

PATIENCE_S = 10.0


class Cable:
    """A bridge with the device's end in our hands."""

    def __init__(self, folder: Path) -> None:
        self.device, theirs = socket.socketpair()
        self.device.settimeout(PATIENCE_S)
        self.path = folder / "port"
        self.bridge = Bridge(theirs, self.path, "&bps=11520")

    def open(self) -> socket.socket:
        """Open the port as a host would."""
        host = socket.socket(socket.AF_UNIX)
        host.settimeout(PATIENCE_S)
        try:
            host.connect(str(self.path))
        except OSError:
            host.close()
            raise
        return host

    def exchange(self, host: socket.socket) -> None:
        """One byte each way; whatever was sent before has then been dealt with."""
        host.sendall(b"?")
        assert self.device.recv(1) == b"?"
        self.device.sendall(b"!")
        assert host.recv(1) == b"!"


@pytest.fixture
def cable() -> Iterator[Cable]:
    folder = new_folder()
    cable = Cable(folder)
    yield cable
    cable.bridge.close()
    cable.device.close()
    shutil.rmtree(folder)


def test_bytes_pass_both_ways(cable: Cable) -> None:
    assert cable.bridge.endpoint == f"unix:{cable.path}?link=framed&bps=11520"
    with cable.open() as host:
        host.sendall(b"to the board")
        assert cable.device.recv(100) == b"to the board"
        cable.device.sendall(b"to the host")
        assert host.recv(100) == b"to the host"


def test_what_is_sent_while_nobody_listens_is_lost(cable: Cable) -> None:
    cable.device.sendall(b"nobody hears this")
    wait_until(lambda: cable.bridge.lost_bytes == 17)
    with cable.open() as host:
        cable.exchange(host)  # the first byte is "!", so nothing was kept


def test_a_port_can_be_opened_again_at_once(cable: Cable) -> None:
    for _ in range(20):
        with cable.open() as host:
            cable.exchange(host)


def test_unplugged_the_connection_breaks_and_there_is_nothing_to_open(cable: Cable) -> None:
    with cable.open() as host:
        cable.exchange(host)
        cable.bridge.unplug()
        assert host.recv(1) == b""
    assert not cable.path.exists()
    with pytest.raises(OSError, match=r"No such file|refused"):
        cable.open()
    cable.bridge.replug()
    with cable.open() as host:
        cable.exchange(host)


def test_a_host_that_does_not_read_does_not_stop_the_device(cable: Cable) -> None:
    with cable.open() as host:
        cable.exchange(host)
        for _ in range(60):
            cable.device.sendall(bytes(1 << 16))
        wait_until(lambda: cable.bridge.lost_bytes > 0)


def test_the_end_of_the_emulator_is_noticed(cable: Cable) -> None:
    cable.device.close()
    wait_until(lambda: cable.bridge.device_gone)


def wait_until(happened: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < until_s
        time.sleep(0.005)
