"""A board behind Debian's ser2net, by raw TCP and by RFC 2217: the line is framed and far away."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ipfi_serial import Connection, aio, connect
from ipfi_serial.errors import DeviceResetError, IpfiError, TransportError
from ipfi_serial.sim.firmware import find_compilers
from ipfi_serial.sim.process import BoardProcess
from tests.harness.ports import free_ports

pytestmark = [
    pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning"),  # pyserial
    pytest.mark.skipif(
        shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None,
        reason="ser2net is not installed (apt install ser2net)",
    ),
    pytest.mark.skipif(not find_compilers(), reason="no C compiler here (apt install gcc)"),
]
SER2NET = shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "ser2net"
START_TIMEOUT_S = 10.0
FOR_EVER_MS = 60_000
KINDS = ["raw TCP", "socket://", "RFC 2217"]
CONFIGURATION = """\
%YAML 1.1
---
connection: &raw
  accepter: tcp,127.0.0.1,{raw}
  connector: serialdev,{port},115200n81,local
  options:
    kickolduser: true
    mdns: false
connection: &rfc2217
  accepter: telnet(rfc2217),tcp,127.0.0.1,{rfc2217}
  connector: serialdev,{port},115200n81,local
  options:
    kickolduser: true
    mdns: false
"""


@dataclass
class FarSide:
    """A simulated board and the terminal server in front of it."""

    board: BoardProcess
    server: subprocess.Popen[bytes]
    raw: int
    rfc2217: int

    def endpoint(self, kind: str) -> str:
        """Where a host connects."""
        return {
            "raw TCP": f"tcp:127.0.0.1:{self.raw}?link=framed",
            "socket://": f"socket://127.0.0.1:{self.raw}",
            "RFC 2217": f"rfc2217://127.0.0.1:{self.rfc2217}",
        }[kind]

    def reset(self) -> None:
        """Pull the board's reset pin."""
        pid = self.board.pid
        assert pid is not None
        os.kill(pid, signal.SIGUSR1)


def wait_until_it_listens(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until_s = time.monotonic() + START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < until_s:
        listening = Path("/proc/net/tcp").read_text(encoding="ascii")
        if f"0100007F:{port:04X} 00000000:0000 0A" in listening:
            return
        time.sleep(0.02)
    raise AssertionError(f"ser2net does not listen on {port}: {log.read_text()}")


@pytest.fixture
def far_side(tmp_path: Path) -> Iterator[FarSide]:
    raw, rfc2217 = free_ports(2)
    port, log = tmp_path / "port", tmp_path / "log"
    configuration = tmp_path / "ser2net.yaml"
    with BoardProcess(link=str(port)) as board:
        configuration.write_text(CONFIGURATION.format(raw=raw, rfc2217=rfc2217, port=port))
        with log.open("wb") as said:
            server = subprocess.Popen(  # noqa: S603 - a program that we have found
                [SER2NET, "-n", "-d", "-c", str(configuration), "-P", str(tmp_path / "pid")],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        try:
            for number in (raw, rfc2217):
                wait_until_it_listens(server, number, log)
            yield FarSide(board, server, raw, rfc2217)
        finally:
            server.kill()
            server.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_calls_streams_and_long_answers_pass(far_side: FarSide, kind: str) -> None:
    with connect(far_side.endpoint(kind)) as wire:
        assert wire.call("add", 40, 2) == 42
        assert wire.call("blob", 20_000) == bytes(n % 251 for n in range(20_000))
        with wire.stream("sequence", 50) as items:
            assert list(items) == [f"item {number}" for number in range(50)]
        assert wire.framed


@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_value_passes(far_side: FarSide, kind: str) -> None:
    """Telnet's IAC, 0xFF, is doubled on the way and taken apart again."""
    data = bytes(range(256)) + b"\xff" * 300 + b"\x11\x13\x00\xff\xf0"
    with connect(far_side.endpoint(kind)) as wire:
        assert wire.call("reverse", data) == data[::-1]
        stats = wire.stats()
        assert (stats.crc_errors, stats.rejected) == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_of_the_far_board_is_a_reset(far_side: FarSide, kind: str) -> None:
    """HS-11, HS-12."""
    seen = threading.Event()
    with connect(far_side.endpoint(kind)) as wire:
        wire.on_reset(seen.set)
        slow = wire.start("sleep", FOR_EVER_MS, timeout_s=30.0)
        assert wire.flush(5.0)
        far_side.reset()
        with pytest.raises(DeviceResetError) as ended:
            slow.result()
        assert ended.value.cause == "reset pin"
        assert ended.value.may_have_executed is True
        assert seen.wait(10.0)
        assert wire.call("add", 40, 2) == 42
        assert wire.stats().resets == 1


@pytest.mark.parametrize("kind", KINDS)
def test_pulling_the_far_cable_ends_the_wire_and_a_new_one_works_when_it_is_back(
    far_side: FarSide, kind: str
) -> None:
    with connect(far_side.endpoint(kind)) as wire:
        slow = wire.start("sleep", FOR_EVER_MS, timeout_s=30.0)
        assert wire.flush(5.0)
        far_side.board.unplug()
        with pytest.raises(TransportError) as ended:
            slow.result()
        assert not isinstance(ended.value, TimeoutError)
        assert wire.closed
    far_side.board.restart()
    with again(far_side.endpoint(kind)) as wire:
        assert wire.call("add", 20, 22) == 42


def again(endpoint: str) -> Connection:
    """Connect as soon as the terminal server has let go of the old port."""
    until_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return connect(endpoint)
        except TransportError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_the_terminal_server_ends_the_wire(far_side: FarSide, kind: str) -> None:
    with connect(far_side.endpoint(kind)) as wire:
        assert wire.call("add", 40, 2) == 42
        far_side.server.kill()
        with pytest.raises(IpfiError) as ended:
            wire.call("sleep", FOR_EVER_MS, timeout_s=30.0)
        assert not isinstance(ended.value, TimeoutError)
        assert wire.closed


@pytest.mark.parametrize("kind", KINDS)
def test_asyncio_sees_calls_resets_and_the_cable_as_well(far_side: FarSide, kind: str) -> None:
    async def run() -> None:
        async with await aio.connect(far_side.endpoint(kind)) as wire:
            assert await wire.call("add", 40, 2) == 42
            slow = await wire.start("sleep", FOR_EVER_MS, timeout_s=30.0)
            assert await wire.flush(5.0)
            far_side.reset()
            with pytest.raises(DeviceResetError):
                await slow.result()
            assert await wire.call("add", 1, 2) == 3
            slow = await wire.start("sleep", FOR_EVER_MS, timeout_s=30.0)
            assert await wire.flush(5.0)
            far_side.board.unplug()
            with pytest.raises(TransportError):
                await slow.result()

    asyncio.run(run())
