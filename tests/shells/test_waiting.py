"""A device waits for its host: the first one, and the next one after a goodbye."""

from __future__ import annotations

import asyncio

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import (
    ConnectTimeoutError,
    DeviceResetError,
    NoSessionError,
    WireClosedError,
    connect,
)
from tests.shells.boards import PATIENCE_S, TICK, SyncBoard
from tests.shells.ends import Background, aio_test, fresh_name, wait_until

STUCK = 8


def test_a_device_waits_for_its_host_and_for_the_next_one() -> None:
    with connect("pty:", role="device") as device:
        waiting = Background(lambda: device.wait_established(PATIENCE_S))
        for count in (1, 2, 3):
            far = SyncBoard()
            with connect(device.endpoint, far.interface) as host:
                assert waiting.result() is None
                device.wait_established(0.0)
                assert device.established
                assert device.stats().sessions == count
                assert device.call("add", 40, 2) == 42
                held = device.start(STUCK)
                assert far.next_seen() == "stuck"
                ended = Background(lambda held=held: held.result(PATIENCE_S))  # type: ignore[misc]
                host.close()
                gone = ended.error()
                far.release.set()
            assert isinstance(gone, NoSessionError)
            assert gone.may_have_executed is True
            assert not device.closed
            with pytest.raises(NoSessionError, match="the host said goodbye") as caught:
                device.emit(TICK, 1)
            assert caught.value.may_have_executed is False
            waiting = Background(lambda: device.wait_established(PATIENCE_S))
        device.close()
        assert isinstance(waiting.error(), WireClosedError)


def test_a_device_without_a_host_says_so_and_not_that_it_is_closed() -> None:
    with connect(fresh_name(), role="device") as device:
        for use in (lambda: device.emit(TICK, 1), lambda: device.call(1)):
            with pytest.raises(NoSessionError, match=r"has not come yet: wait_established\(\)"):
                use()
        with pytest.raises(ConnectTimeoutError, match=r"no host came within 0\.0 s: nothing came"):
            device.wait_established(0.01)
        assert not device.closed


def test_who_waits_for_a_session_hears_that_the_wire_closed() -> None:
    device = connect(fresh_name(), role="device")
    waiting = Background(lambda: device.wait_established(PATIENCE_S))
    wait_until(lambda: bool(device._pump._sleepers) or device._pump._leader is not None)
    device.close()
    assert isinstance(waiting.error(), WireClosedError)
    with pytest.raises(WireClosedError):
        device.wait_established(PATIENCE_S)


def test_a_connect_that_waits_for_a_host_tells_that_none_came() -> None:
    with pytest.raises(ConnectTimeoutError, match=r"no host came within 0\.1 s: nothing came"):
        connect(fresh_name(), role="device", connect_timeout_s=0.1)


def test_a_host_waits_for_the_session_after_a_reset() -> None:
    with connect("sim:python") as wire:
        held = wire.start("sleep", 60_000)
        wire.call("reboot")
        with pytest.raises(DeviceResetError):
            held.result(PATIENCE_S)
        wire.wait_established(PATIENCE_S)
        assert wire.call("magic") == 42


@aio_test
async def test_an_asyncio_device_waits_for_its_host_and_for_the_next_one() -> None:
    async with aio.connect("pty:", role="device") as device:
        for count in (1, 2, 3):
            waiting = asyncio.create_task(device.wait_established(PATIENCE_S))
            far = SyncBoard()
            async with aio.connect(device.endpoint, far.interface) as host:
                await waiting
                await device.wait_established(0.0)
                assert device.stats().sessions == count
                assert await device.call("add", 40, 2) == 42
                held = await device.start(STUCK)
                assert await asyncio.to_thread(far.next_seen) == "stuck"
                far.release.set()
                await host.close()
            with pytest.raises(NoSessionError) as caught:
                await held.result(PATIENCE_S)
            assert caught.value.may_have_executed is True
            assert not device.closed
            with pytest.raises(NoSessionError, match="the host said goodbye"):
                await device.emit(TICK, 1)


@aio_test
async def test_an_asyncio_wait_for_a_host_ends_in_time_or_with_the_wire() -> None:
    device = await aio.connect(fresh_name(), role="device")
    with pytest.raises(NoSessionError, match="has not come yet"):
        await device.emit(TICK, 1)
    with pytest.raises(ConnectTimeoutError, match=r"no host came within 0\.0 s: nothing came"):
        await device.wait_established(0.01)
    waiting = asyncio.create_task(device.wait_established(PATIENCE_S))
    await asyncio.sleep(0)
    await device.close()
    with pytest.raises(WireClosedError):
        await waiting
    with pytest.raises(ConnectTimeoutError, match=r"no host came within 0\.1 s"):
        await aio.connect(fresh_name(), role="device", connect_timeout_s=0.1)
