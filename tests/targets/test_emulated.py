"""Every emulated chip, as a test of somebody's firmware would use it."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipfi_hil.target import Target, TargetError
from ipfi_hil.targets.unicorn import SLIP_S
from ipfi_serial import Connection, Interface, connect
from ipfi_serial.errors import DeviceResetError, IpfiError, TransportError
from tests.targets.chips import EMULATED, Counters, available

PATIENCE_S = 20.0
RAM_LIMIT_BYTES = {"qemu-microbit": 2048, "simavr-atmega328p": 1536}  # with the stack


@pytest.fixture(scope="module", params=EMULATED)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Target, str]]:
    target = available(str(request.param))
    try:
        yield target, target.start()
    finally:
        target.stop()


@pytest.fixture
def target(running: tuple[Target, str]) -> Target:
    return running[0]


@pytest.fixture
def wire(running: tuple[Target, str]) -> Iterator[Connection]:
    host = Interface()

    @host.procedure(50)
    def shout(text: str) -> str:
        return text.upper()

    with connect(running[1], host, connect_timeout_s=PATIENCE_S) as connection:
        yield connection


def test_calls_streams_callbacks_and_uploads_are_served(wire: Connection) -> None:
    assert wire.call("add", 40, 2) == 42
    assert list(wire.stream("sequence", 12)) == [f"item {number}" for number in range(12)]
    assert wire.call("callback", 50, "quiet") == "QUIET"
    assert wire.call("divide", -7, 2) == -3
    assert wire.call("reverse", b"stressed") == b"desserts"
    assert wire.call("checksum", bytes(range(200))) == wire.call("checksum", bytes(range(200)))


def test_a_blob_larger_than_its_ram_comes_whole(wire: Connection) -> None:
    size = 3000
    blob = wire.call("blob", size, timeout_s=PATIENCE_S)
    assert blob == bytes(number % 251 for number in range(size))


def test_events_go_both_ways(wire: Connection) -> None:
    ticks: queue.Queue[int] = queue.Queue()
    wire.on("tick", lambda count, _uptime_ms: ticks.put(count))
    wire.call("start_ticks", 20)
    seen = [ticks.get(timeout=PATIENCE_S) for _ in range(3)]
    wire.call("start_ticks", 0)
    assert seen == sorted(set(seen))
    wire.emit("led", True)
    assert wire.call("led") is True


def test_its_milliseconds_are_not_shorter_than_ours(wire: Connection) -> None:
    # Not longer either, but that would be a test of this machine.  A chip that fell behind the wall
    # clock may make up for SLIP_S of it.
    begin_s = time.monotonic()
    assert wire.call("sleep", 500, timeout_s=PATIENCE_S) == 500
    assert time.monotonic() - begin_s > 0.45 - SLIP_S


def test_a_reboot_and_a_reset_are_seen_as_such(target: Target, wire: Connection) -> None:
    resets: queue.Queue[DeviceResetError] = queue.Queue()
    wire.on_reset(resets.put)
    wire.emit("led", True)
    assert wire.call("led") is True
    wire.call("reboot")
    assert "software" in str(resets.get(timeout=PATIENCE_S))
    assert wire.call("led") is False  # its memory is new
    target.reset()
    assert "reset pin" in str(resets.get(timeout=PATIENCE_S))
    assert wire.call("add", 1, 2) == 3


def test_a_cable_that_is_pulled_out_is_an_error_and_comes_back(target: Target) -> None:
    endpoint = target.replug()  # it is plugged in already
    with connect(endpoint, connect_timeout_s=PATIENCE_S) as wire:
        assert wire.call("add", 1, 2) == 3
        target.unplug()
        with pytest.raises(IpfiError):
            wire.call("add", 1, 2, timeout_s=PATIENCE_S)
    with pytest.raises(TransportError):
        connect(endpoint)
    with connect(target.replug(), connect_timeout_s=PATIENCE_S) as wire:
        assert wire.call("add", 2, 2) == 4


def test_hosts_come_and_go_at_once(running: tuple[Target, str]) -> None:
    for number in range(5):
        with connect(running[1], connect_timeout_s=PATIENCE_S) as wire:
            assert wire.call("add", number, 1) == number + 1


def test_ram_and_stack_keep_to_their_budget(target: Target, wire: Connection) -> None:
    wire.call("sleep", 1)
    counters = Counters(wire.call("counters"))
    footprint = target.footprint()
    assert footprint is not None
    assert footprint.ram is not None
    assert abs(counters.static_bytes - footprint.ram) <= 16  # alignment
    assert 100 < counters.stack_bytes < 1024
    limit = RAM_LIMIT_BYTES.get(target.name)
    assert limit is None or counters.static_bytes + counters.stack_bytes <= limit


def test_after_stop_nothing_is_left_and_start_begins_afresh() -> None:
    target = available("qemu-microbit")
    endpoint = target.start()
    socket_path = Path(endpoint.removeprefix("unix:").partition("?")[0])
    assert socket_path.exists()
    target.stop()
    target.stop()
    assert not socket_path.parent.exists()
    with pytest.raises(TargetError, match="switched off"):
        target.reset()
    try:
        with connect(target.start(), connect_timeout_s=PATIENCE_S) as wire:
            assert wire.call("add", 1, 1) == 2
    finally:
        target.stop()
