"""listen() and accept() in both shells."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path
from typing import Any

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import (
    CallTimeoutError,
    ConfigError,
    Connection,
    ConnectTimeoutError,
    PortBusyError,
    WireClosedError,
    connect,
    listen,
)
from ipfi_serial.sync import server as server_module
from tests.harness.ports import free_ports
from tests.shells.boards import PATIENCE_S, AioBoard, SyncBoard
from tests.shells.ends import Background, aio_test, await_until, wait_until


@pytest.mark.parametrize("link", ["plain", "framed"])
def test_a_server_serves_everybody_until_it_is_closed(link: Any) -> None:
    board = SyncBoard()
    with listen("tcp:127.0.0.1:0", board.interface, link=link) as server:
        hosts = [connect(server.address, link=link) for _ in range(5)]
        assert [host.call(1, number, 1) for number, host in enumerate(hosts)] == [1, 2, 3, 4, 5]
        accepted = [server.accept(PATIENCE_S) for _ in range(5)]
        assert set(server.wires) == set(accepted)
        hosts[0].close()
        wait_until(lambda: len(server.wires) == 4)
        assert hosts[1].call(1, 1, 1) == 2
    assert server.wires == []
    for host in hosts:
        if host is not hosts[0]:
            wait_until(lambda h=host: h.closed)  # type: ignore[misc]
        host.close()


def test_accept_waits_in_turn_and_ends_with_the_server() -> None:
    server = listen("tcp:127.0.0.1:0")
    with pytest.raises(ConnectTimeoutError, match=f"nobody connected to {server.address} in"):
        server.accept(0.01)
    waiting = Background(server.accept)
    host = connect(server.address)
    assert waiting.result() in server.wires
    waiting = Background(server.accept)
    server.close()
    server.close()
    assert isinstance(waiting.error(), WireClosedError)
    with pytest.raises(WireClosedError, match=f"{server.address}: closed by this program"):
        server.accept(PATIENCE_S)
    host.close()


def test_a_server_keeps_nothing_of_connections_that_have_gone() -> None:
    with listen("tcp:127.0.0.1:0", SyncBoard().interface) as server:
        for _ in range(20):
            with connect(server.address) as host:
                assert host.call(1, 1, 1) == 2
        wait_until(lambda: server.wires == [] and not server._fresh)


def test_a_peer_that_leaves_at_once_is_forgotten() -> None:
    with listen("tcp:127.0.0.1:0", SyncBoard().interface) as server:
        for _ in range(10):
            host, port = server.address.split(":")[1:]
            socket.create_connection((host, int(port))).close()
        with connect(server.address) as wire:
            assert wire.call(1, 1, 1) == 2
        wait_until(lambda: server.wires == [])


def test_a_handler_may_close_the_server() -> None:
    board = SyncBoard()
    with listen("tcp:127.0.0.1:0", board.interface) as server:

        @board.interface.procedure(60)
        def shut() -> None:
            server.close()
            board.seen.put("shut")

        with connect(server.address) as host:
            assert host.call(1, 1, 1) == 2
            with pytest.raises(WireClosedError):
                host.call(60)
            assert board.next_seen() == "shut"


def test_a_unix_server_and_a_module_that_does_not_call(tmp_path: Path) -> None:
    board = SyncBoard()
    with listen(f"unix:{tmp_path / 'board'}", board.interface, can_call=False) as server:
        with connect(server.address) as host:
            assert host.call(1, 1, 1) == 2
            with pytest.raises(Exception, match="can_call"):
                server.accept(PATIENCE_S).call(1, 1, 1)
        with pytest.raises(PortBusyError):
            listen(server.address)
    with pytest.raises(ConfigError):
        listen("pty:")


def test_a_server_goes_on_when_the_system_has_no_descriptor_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "RETRY_S", 0.001)
    with listen("tcp:127.0.0.1:0", SyncBoard().interface) as server:
        bound = server._listener._bound
        accept, failures = bound.accept, [OSError(errno.EMFILE, "Too many open files")] * 3

        def failing() -> Any:
            if failures:
                raise failures.pop()
            return accept()

        vars(bound)["accept"] = failing
        with connect(server.address) as host:
            assert host.call(1, 1, 1) == 2
        del vars(bound)["accept"]
    assert "Too many open files" in caplog.text


def test_a_connection_that_cannot_be_made_is_closed_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listen("tcp:127.0.0.1:0", SyncBoard().interface) as server:
        failures = [RuntimeError("can't start new thread")]
        made = Connection

        def failing(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return made(*arguments)

        monkeypatch.setattr(server_module, "Connection", failing)
        with connect(server.address) as host:
            wait_until(lambda: host.closed)
        with connect(server.address) as host:
            assert host.call(1, 1, 1) == 2


def test_one_interface_serves_many_wires_and_each_handler_knows_its_own() -> None:
    board = SyncBoard()
    with listen("tcp:127.0.0.1:0", board.interface) as server:
        near = [SyncBoard() for _ in range(3)]
        for number, each in enumerate(near):
            each.interface.procedure(70)(lambda _, n=number: n)
        hosts = [connect(server.address, each.interface) for each in near]
        assert [host.call(20, 70, None) for host in hosts] == [0, 1, 2]
        with pytest.raises(CallTimeoutError):
            hosts[0].call(5, "no errors on a plain wire", timeout_s=0.05)
        for host in hosts:
            host.close()


def test_tcp_listen_accepts_one_peer_and_stops() -> None:
    (port,) = free_ports(1)  # and no ephemeral one: who connects to those may meet itself
    opening = Background(
        lambda: connect(f"tcp-listen:127.0.0.1:{port}", SyncBoard().interface, role="device")
    )
    address = f"tcp:127.0.0.1:{port}"
    hosts: list[Any] = []

    def connected() -> bool:
        try:
            hosts.append(connect(address))
        except OSError:
            return False
        return True

    wait_until(connected)
    device = opening.result()
    assert hosts[0].call(1, 1, 1) == 2
    with pytest.raises(OSError, match="refused"):
        connect(address)
    hosts[0].close()
    device.close()


@pytest.mark.parametrize("link", ["plain", "framed"])
@aio_test
async def test_an_asyncio_server_serves_everybody_until_it_is_closed(link: Any) -> None:
    board = AioBoard()
    async with aio.listen("tcp:127.0.0.1:0", board.interface, link=link) as server:
        hosts = [await aio.connect(server.address, link=link) for _ in range(5)]
        answers = await asyncio.gather(*(h.call(1, n, 1) for n, h in enumerate(hosts)))
        assert answers == [1, 2, 3, 4, 5]
        accepted = [await server.accept(PATIENCE_S) for _ in range(5)]
        assert set(server.wires) == set(accepted)
        await hosts[0].close()
        await await_until(lambda: len(server.wires) == 4)
    assert server.wires == []
    await server.close()
    for host in hosts:
        await await_until(lambda h=host: h.closed)  # type: ignore[misc]
        await host.close()


@aio_test
async def test_asyncio_accept_waits_and_ends_with_the_server() -> None:
    server = await aio.listen("tcp:127.0.0.1:0")
    with pytest.raises(ConnectTimeoutError, match=f"nobody connected to {server.address} in"):
        await server.accept(0.01)
    waiting = [asyncio.create_task(server.accept()) for _ in range(3)]
    async with aio.connect(server.address):
        done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == server.wires
        await server.close()
        outcomes = await asyncio.gather(*rest, return_exceptions=True)
        assert [type(each) for each in outcomes] == [WireClosedError] * 2
    with pytest.raises(WireClosedError, match=f"{server.address}: closed by this program"):
        await server.accept(PATIENCE_S)


@aio_test
async def test_an_asyncio_server_keeps_nothing_of_connections_that_have_gone() -> None:
    async with aio.listen("tcp:127.0.0.1:0", AioBoard().interface) as server:
        for _ in range(20):
            async with aio.connect(server.address) as host:
                assert await host.call(1, 1, 1) == 2
        await await_until(lambda: server.wires == [] and not server._fresh)


@aio_test
async def test_an_asyncio_server_goes_on_after_what_the_system_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ipfi_serial.aio import server as aio_server_module

    monkeypatch.setattr(aio_server_module, "RETRY_S", 0.001)
    made = aio.Connection
    failures = [RuntimeError("no more"), None]

    def failing(*arguments: Any) -> Any:
        if failures and (failure := failures.pop(0)) is not None:
            raise failure
        return made(*arguments)

    monkeypatch.setattr(aio_server_module, "Connection", failing)
    async with aio.listen("tcp:127.0.0.1:0", AioBoard().interface) as server:
        accept = server._listener.accept
        refused = [OSError(errno.EMFILE, "Too many open files")]

        async def refusing(timeout_s: float | None = None) -> Any:
            transport = await accept(timeout_s)
            if refused:
                transport.close()
                raise refused.pop()
            return transport

        vars(server._listener)["accept"] = refusing
        for works in (False, False, False, True):
            async with aio.connect(server.address) as host:
                if works:
                    assert await host.call(1, 1, 1) == 2
                else:
                    await await_until(lambda h=host: h.closed or server.wires != [])  # type: ignore[misc]
    assert "Too many open files" in caplog.text
    assert "a connection failed" in caplog.text


@aio_test
async def test_an_asyncio_server_that_is_cancelled_while_it_closes_closes_its_wires() -> None:
    async with aio.listen("tcp:127.0.0.1:0", AioBoard().interface) as server:
        host = await aio.connect(server.address)
        wire = await server.accept(PATIENCE_S)
        closing = asyncio.create_task(server.close())
        for _ in range(3):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert server.wires == []
        await server.close()
        assert wire.closed
        await host.close()
