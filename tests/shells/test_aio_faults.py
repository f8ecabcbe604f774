"""What a dying, silent, wrong or restarted line does to the asyncio shell."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import struct
import time
import tty
from typing import Any

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import (
    ConnectTimeoutError,
    DeviceResetError,
    IpfiError,
    LinkMismatchError,
    TransportError,
    WireClosedError,
    WireConfig,
    connect,
)
from ipfi_serial.aio.pump import FULL_LOOK_S
from ipfi_serial.transport import open_transport
from tests.harness.builds import about_to_replace_parts, replaces_parts
from tests.shells.boards import PATIENCE_S, TICK, AioBoard, SyncBoard
from tests.shells.ends import (
    SOON_S,
    AioEnds,
    aio_test,
    ajoined,
    await_until,
    count_descriptors,
    fresh_name,
)
from tests.shells.lines import PoweredBoard, ScriptedAioLine


async def everything_that_waits(ends: AioEnds) -> list[asyncio.Task[Any]]:
    """Begin all that can wait for the other end, one task each."""
    held = await ends.host.start(25, timeout_s=PATIENCE_S * 2)
    assert await ends.far.anext_seen() == "holding"
    unanswered = await ends.host.stream(25)
    doing: list[Any] = [
        held.result(),
        held.result(timeout_s=PATIENCE_S * 2),
        ends.host.call(25, timeout_s=PATIENCE_S * 2),
        anext(unanswered),
        ends.host.wait_event(TICK, timeout_s=PATIENCE_S * 2),
    ]
    waiting = [asyncio.ensure_future(each) for each in doing]
    await await_until(lambda: bool(ends.host._notifications.subscriptions.all_queues))
    return waiting


async def all_end_soon(waiting: list[asyncio.Task[Any]]) -> list[BaseException]:
    """Check that each ended with an error of ours."""
    began_s = time.monotonic()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert time.monotonic() - began_s < SOON_S + 4  # generous: the machine may be busy
    assert [e for e in errors if not isinstance(e, IpfiError)] == []
    return errors


@pytest.mark.parametrize("kind", ["loopback", "pty", "tcp"])
@pytest.mark.parametrize("by_write", [False, True])
@aio_test
async def test_everything_that_waits_ends_when_the_line_dies(kind: str, *, by_write: bool) -> None:
    if by_write:
        about_to_replace_parts()
    async with ajoined(kind) as ends:
        ends.host.on_close(ends.near.seen.put)
        waiting = await everything_that_waits(ends)
        if by_write:

            def fail(_: bytes) -> int:
                raise OSError(5, "Input/output error")

            vars(ends.host._pump._transport)["write"] = fail
            with pytest.raises(TransportError):
                await ends.host.call(1, 1, 1)
        else:
            ends.device._pump._transport.close()
        errors = await all_end_soon(waiting)
        assert [e.may_have_executed for e in errors[:4]] == [True] * 4  # type: ignore[attr-defined]
        assert isinstance(await ends.near.anext_seen(), IpfiError)
        assert ends.host.closed
        with pytest.raises(IpfiError) as caught:
            await ends.host.call(1, 1, 1)
        assert caught.value.may_have_executed is False


@pytest.mark.parametrize("far", [False, True])
@aio_test
async def test_everything_that_waits_ends_when_an_end_closes(*, far: bool) -> None:
    async with ajoined() as ends:
        waiting = await everything_that_waits(ends)
        await (ends.device if far else ends.host).close()
        errors = await all_end_soon(waiting)
        assert {type(e) for e in errors} == {WireClosedError}
        assert await ends.far.anext_seen() == "holding"
        cancelled = [await ends.far.anext_seen() for _ in range(4)]
        assert cancelled.count("cancelled") == 3


@aio_test
async def test_a_reset_tcp_peer_and_an_unplugged_board_end_the_calls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = await aio.connect(f"tcp:127.0.0.1:{server.getsockname()[1]}")
        peer, _ = await asyncio.to_thread(server.accept)
        call = await wire.start(1, timeout_s=PATIENCE_S * 2)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with pytest.raises(TransportError) as caught:
            await call.result()
        assert caught.value.may_have_executed is True
        await wire.close()
    board, port = pty.openpty()
    tty.setraw(port)
    wire = await aio.connect(os.ttyname(port), link="plain")
    os.close(port)
    call = await wire.start(1, timeout_s=PATIENCE_S * 2)
    os.close(board)
    with pytest.raises(TransportError):
        await call.result()
    await wire.close()


@pytest.mark.parametrize("broken", [OSError("gone"), TransportError("gone"), ValueError("a bug")])
@aio_test
async def test_whatever_a_transport_of_the_users_raises_ends_the_wire(broken: Exception) -> None:
    line = ScriptedAioLine()
    wire = await aio.connect(line, link="plain")
    call = await wire.start(1)
    line.on_lost(broken)
    line.on_lost(broken)
    with pytest.raises(TransportError):
        await call.result()
    assert wire.closed
    await wire.close()
    line.on_lost(broken)
    line.on_bytes(b"late")
    line.on_room()
    line = ScriptedAioLine()
    wire = await aio.connect(line, link="plain")
    line.fails_at_write = broken
    with pytest.raises(TransportError):
        await wire.call(1)
    await wire.close()
    assert line.closed


@replaces_parts
@aio_test
async def test_a_fault_of_the_wire_or_of_a_delivery_is_logged_and_ends_what_it_must(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = ScriptedAioLine()
    wire = await aio.connect(line, link="plain")

    def broken(*_: Any) -> None:
        raise AssertionError("a bug")

    call = await wire.start(1)
    vars(wire._notifications)["event"] = broken
    wire.interface.event(TICK)(lambda: None)
    line.on_bytes(b"\x01\xc0\x20\x00\x00")
    assert not call.done
    vars(wire._wire)["receive_bytes"] = broken
    line.on_bytes(b"x")
    with pytest.raises(TransportError):
        await call.result()
    await wire.close()
    assert "the wire failed" in caplog.text
    assert "lost EventReceived" in caplog.text


@replaces_parts
@aio_test
async def test_a_fault_of_the_wire_while_nothing_comes_ends_it_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = await aio.connect(ScriptedAioLine(), link="plain")

    def broken(*_: Any) -> None:
        raise AssertionError("a bug")

    vars(wire._wire)["on_deadline"] = broken
    with pytest.raises(TransportError, match="a bug"):
        await wire.call(1, timeout_s=0.01)
    await wire.close()
    assert "the wire failed" in caplog.text


# --- sending ---


@aio_test
async def test_what_the_line_does_not_take_is_sent_when_it_has_room() -> None:
    line = ScriptedAioLine()
    wire = await aio.connect(line, link="plain")
    line.room = 3
    await wire.start(1)
    await wire.start(2)
    await asyncio.sleep(0)
    assert bytes(line.written) == b"\x01\xc0\x01"
    line.room = None
    line.on_room()
    assert bytes(line.written) == b"\x01\xc0\x01\x00\x00\x01\xc0\x02\x00\x00"
    await wire.close()


@replaces_parts
@aio_test
async def test_a_full_line_with_overdue_sending_is_not_polled_at_full_speed() -> None:
    name = fresh_name()
    async with aio.connect(name, role="device"), aio.connect(f"{name}?bps=9600") as host:
        vars(host._pump._transport)["write"] = lambda _: 0
        await host.start(2, "x" * 5000)
        fired = 0
        on_timer = host._pump._on_timer

        def counting() -> None:
            nonlocal fired
            fired += 1
            on_timer()

        vars(host._pump)["_on_timer"] = counting
        began_s = time.monotonic()
        await asyncio.sleep(0.2)
        assert fired <= 5 + (time.monotonic() - began_s) / FULL_LOOK_S
        host.abandon()


@aio_test
async def test_closing_a_plain_wire_does_not_wait_when_everything_has_left() -> None:
    config = WireConfig(close_timeout_s=PATIENCE_S * 10)
    async with ajoined("tcp", config=config) as ends:
        for number in range(3):
            await ends.host.emit(33, bool(number))
        async with asyncio.timeout(PATIENCE_S):
            await ends.host.close()
        for number in range(3):
            assert await ends.far.anext_seen() == ("led", bool(number))


# --- closing ---


@aio_test
async def test_closing_does_not_wait_for_a_peer_that_does_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = await aio.connect(
            f"tcp:127.0.0.1:{server.getsockname()[1]}", config=WireConfig(close_timeout_s=0.1)
        )
        handle = await wire.start(2, "x" * 12_000_000)
        await wire.close()
        assert handle.done


@aio_test
async def test_close_may_be_called_again_at_once_and_from_everywhere() -> None:
    async with ajoined() as ends:
        await asyncio.gather(ends.host.close(), ends.host.close(), ends.device.close())
        await ends.host.close()
    async with ajoined() as ends:
        seen = ends.far.seen

        @ends.far.interface.procedure(60)
        async def hang_up() -> None:
            await ends.device.close()
            seen.put("closed")

        with pytest.raises(WireClosedError):
            await ends.host.call(60)
        assert await ends.far.anext_seen() == "closed"
    async with ajoined() as ends:
        seen = ends.near.seen

        async def leave() -> None:
            await ends.host.close()
            seen.put("left")

        await ends.host.on(TICK, leave)
        ends.host.on_close(leave)
        await ends.device.emit(TICK)
        assert [await ends.near.anext_seen() for _ in range(2)] == ["left", "left"]


@aio_test
async def test_a_close_that_is_cancelled_has_released_the_line() -> None:
    for steps in range(6):
        async with ajoined() as ends:
            await ends.host.start(25)
            descriptors = count_descriptors()
            closing = asyncio.create_task(ends.host.close())
            for _ in range(steps):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            if steps:
                assert ends.host.closed
                assert count_descriptors() < descriptors


@aio_test
async def test_a_callback_that_never_ends_does_not_keep_close_from_returning() -> None:
    async with ajoined(config=WireConfig(close_timeout_s=0.05)) as ends:

        async def never() -> None:
            await asyncio.get_running_loop().create_future()

        ends.host.on_close(never)
        ends.host.on_close(lambda: None)
        await ends.host.close()


@aio_test
async def test_handlers_are_cancelled_and_have_ended_when_close_returns() -> None:
    async with ajoined() as ends:
        await ends.host.start(25)
        await ends.host.start(26)
        await ends.host.start(6)
        for _ in range(3):
            await ends.far.anext_seen()
        await ends.device.close()
        assert ends.device._serving._tasks == set()


@aio_test
async def test_many_connections_in_a_row_leave_nothing() -> None:
    before = count_descriptors()
    for _ in range(30):
        async with ajoined() as ends:
            assert await ends.host.call(1, 1, 1) == 2
    assert count_descriptors() <= before


# --- connecting ---


@aio_test
async def test_a_connect_that_fails_says_what_to_check() -> None:
    board, port = pty.openpty()
    tty.setraw(port)
    with pytest.raises(ConnectTimeoutError, match="nothing came"):
        await aio.connect(os.ttyname(port), connect_timeout_s=0.3)
    os.close(board)
    os.close(port)
    async with aio.listen("tcp:127.0.0.1:0", link="framed") as server:
        wire = await aio.connect(server.address)
        with pytest.raises((LinkMismatchError, TransportError)):
            await wire.call(1, timeout_s=PATIENCE_S)
        await wire.close()


@pytest.mark.parametrize("steps", range(8))
@aio_test
async def test_a_connect_that_is_cancelled_leaves_nothing(steps: int) -> None:
    before = count_descriptors()
    for endpoint in (fresh_name(), "pty:"):
        connecting = asyncio.ensure_future(aio.connect(endpoint, connect_timeout_s=PATIENCE_S))
        for _ in range(steps):
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert count_descriptors() <= before


@aio_test
async def test_a_line_that_dies_while_connecting_is_its_error() -> None:
    name = fresh_name()
    line = open_transport(name)
    connecting = asyncio.ensure_future(aio.connect(name, connect_timeout_s=PATIENCE_S * 2))
    await asyncio.to_thread(line.read, PATIENCE_S)
    line.close()
    with pytest.raises(TransportError):
        await connecting
    broken = ScriptedAioLine()

    def start(*_: Any) -> None:
        raise OSError("cannot start")

    vars(broken)["start"] = start
    with pytest.raises(OSError, match="cannot start"):
        await aio.connect(broken)
    assert broken.closed


@aio_test
async def test_a_device_returns_before_a_host_came_and_closes_without_one() -> None:
    async with aio.connect(fresh_name(), role="device") as device:
        assert not device.established
        assert not await device.wait_opened(0.01)
        waiting = asyncio.create_task(device.wait_event(TICK, timeout_s=PATIENCE_S * 2))
        await await_until(lambda: bool(device._notifications.subscriptions.all_queues))
    with pytest.raises(WireClosedError):
        await waiting
    assert device.closed


# --- a restart of the other end ---


@aio_test
async def test_a_restarted_device_ends_calls_and_the_next_call_works() -> None:
    """The board is a blocking end: its line can be taken over by the next one."""
    far, near = SyncBoard(), AioBoard()
    port = open_transport("pty:")
    board = PoweredBoard(port)
    device = connect(board, far.interface, role="device")
    path = port.path  # type: ignore[attr-defined]
    host = await aio.connect(path, near.interface, connect_timeout_s=PATIENCE_S)
    host.on_reset(near.seen.put)
    await host.on("tick", near.seen.put)
    call = await host.start(8, timeout_s=PATIENCE_S * 2)
    await await_until(lambda: not far.seen.empty())
    board.cut_power()
    device.close()
    second = connect(PoweredBoard(port), far.interface, role="device")
    with pytest.raises(DeviceResetError) as caught:
        await call.result()
    assert caught.value.may_have_executed is True
    assert isinstance(await near.anext_seen(), DeviceResetError)
    assert await host.call("add", 1, 2) == 3
    second.emit(TICK, 5)
    assert await near.anext_seen() == 5
    far.release.set()
    await host.close()
    second.abandon()
    port.close()
