"""Asyncio transports: one suite over every kind of line, then what is special to each."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import PIPE

import pytest
from pytest_mock import MockerFixture

from ipfi_serial.errors import (
    ConfigError,
    ConnectTimeoutError,
    PortBusyError,
    PortNotFoundError,
    TransportError,
    WireClosedError,
)
from ipfi_serial.transport import AsyncListener, AsyncTransport, open_async_transport
from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
from ipfi_serial.transport.virtual import AsyncPtyTransport
from tests.transport.lines import (
    PATIENCE_S,
    Ear,
    Pty,
    count_descriptors,
    fill,
    open_pty,
    opened,
    read_exactly,
    run,
    start_python,
)


class Far:
    """The far end of a line: a descriptor that blocks."""

    def __init__(self, fd: int, close: Callable[[], None]) -> None:
        self.fd = fd
        self.close = close

    async def receive(self, size: int) -> bytes:
        """Wait for ``size`` bytes, outside the event loop."""
        data = b""
        while len(data) < size:
            data += await asyncio.to_thread(os.read, self.fd, 65536)
        return data

    def send(self, data: bytes) -> None:
        """Send all of it."""
        assert os.write(self.fd, data) == len(data)


Line = tuple[AsyncTransport, Far]
GONE = r"the other end closed|the virtual port was unplugged"
OpenLine = Callable[[Path], Awaitable[Line]]


async def _device(_: Path) -> Line:
    board = Pty()
    transport = await open_async_transport(board.path)
    return transport, Far(board.fd, board.close)


async def _tcp(_: Path) -> Line:
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = await open_async_transport(f"tcp:127.0.0.1:{server.getsockname()[1]}")
        peer, _address = server.accept()
    return transport, Far(peer.fileno(), peer.close)


async def _unix(folder: Path) -> Line:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        transport = await open_async_transport(f"unix:{folder / 's'}")
        peer, _address = server.accept()
    return transport, Far(peer.fileno(), peer.close)


async def _listen(folder: Path) -> Line:
    opening = asyncio.create_task(open_async_transport(f"unix-listen:{folder / 's'}"))
    peer = socket.socket(socket.AF_UNIX)
    while peer.connect_ex(str(folder / "s")):
        await asyncio.sleep(0)
    return await opening, Far(peer.fileno(), peer.close)


OPENERS = [_device, _tcp, _unix, _listen]
every_line = pytest.mark.parametrize("open_line", OPENERS)


@every_line
def test_bytes_go_both_ways(open_line: OpenLine, tmp_path: Path) -> None:
    async def test() -> None:
        transport, far = await open_line(tmp_path)
        assert isinstance(transport, AsyncTransport)
        assert transport.bytes_per_s is None
        ear = Ear(transport)
        everything = bytes(range(256))
        assert transport.write(everything) == 256
        assert await far.receive(256) == everything
        far.send(everything)
        assert await ear.take(256) == everything
        transport.close()
        far.close()
        assert not ear.losses

    run(test())


@every_line
def test_bytes_from_before_the_start_are_kept(open_line: OpenLine, tmp_path: Path) -> None:
    async def test() -> None:
        transport, far = await open_line(tmp_path)
        far.send(b"early")
        assert transport.write(b"me too") == 6
        assert await far.receive(6) == b"me too"
        assert await Ear(transport).take(5) == b"early"
        transport.close()
        far.close()

    run(test())


@every_line
def test_a_full_line_takes_nothing_until_it_tells_of_room(
    open_line: OpenLine, tmp_path: Path
) -> None:
    async def test() -> None:
        transport, far = await open_line(tmp_path)
        ear = Ear(transport)
        total = fill(transport)
        assert transport.write(b"x") == 0
        assert ear.rooms == 0
        assert await far.receive(total) == b"x" * total
        await ear.until(lambda: ear.rooms == 1)
        assert transport.write(b"more") == 4
        assert await far.receive(4) == b"more"
        transport.close()
        far.close()

    run(test())


@every_line
def test_the_end_of_the_other_side_is_told_once_and_later_writes_raise(
    open_line: OpenLine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        transport, far = await open_line(tmp_path)
        ear = Ear(transport)
        far.close()
        await ear.until(lambda: bool(ear.losses))
        with pytest.raises(TransportError, match=GONE):
            transport.write(b"x")
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(ear.losses) == 1
        assert isinstance(ear.losses[0], TransportError)
        transport.close()

    with caplog.at_level(logging.WARNING):
        run(test())
    assert not [
        each for each in caplog.records if each.name == "asyncio" and "took" not in each.msg
    ]


@every_line
def test_a_write_that_finds_the_line_dead_raises_and_the_loss_is_told_once(
    open_line: OpenLine, tmp_path: Path
) -> None:
    async def test() -> None:
        transport, far = await open_line(tmp_path)
        ear = Ear(transport)
        far.close()
        with contextlib.suppress(TransportError):
            transport.write(b"x")  # a TCP socket notices at the second write only
        with pytest.raises(TransportError):
            transport.write(b"x")
        await ear.until(lambda: bool(ear.losses))
        await asyncio.sleep(0)
        assert len(ear.losses) == 1
        transport.close()

    run(test())


@every_line
def test_a_line_that_died_before_the_start_tells_it_at_the_start(
    open_line: OpenLine, tmp_path: Path
) -> None:
    async def test() -> None:
        transport, far = await open_line(tmp_path)
        far.close()
        with contextlib.suppress(TransportError):
            transport.write(b"x")
        with pytest.raises(TransportError):
            transport.write(b"x")
        ear = Ear(transport)
        await ear.until(lambda: bool(ear.losses))
        transport.close()

    run(test())


@every_line
def test_a_line_that_was_filled_before_the_start_tells_of_room_after_it(
    open_line: OpenLine, tmp_path: Path
) -> None:
    async def test() -> None:
        transport, far = await open_line(tmp_path)
        total = fill(transport)
        ear = Ear(transport)
        assert await far.receive(total) == b"x" * total
        await ear.until(lambda: ear.rooms == 1)
        transport.close()
        far.close()

    run(test())


@every_line
def test_close_frees_everything_at_once_and_tells_nothing(
    open_line: OpenLine, tmp_path: Path
) -> None:
    async def test() -> None:
        before = count_descriptors()
        transport, far = await open_line(tmp_path)
        ear = Ear(transport)
        fill(transport)
        far.send(b"unread")
        transport.close()
        transport.close()
        far.close()
        assert count_descriptors() == before
        with pytest.raises(TransportError, match="closed by this program"):
            transport.write(b"x")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not ear.losses
        assert not ear.data

    run(test())


@every_line
def test_a_line_that_was_never_started_closes_too(open_line: OpenLine, tmp_path: Path) -> None:
    async def test() -> None:
        before = count_descriptors()
        transport, far = await open_line(tmp_path)
        transport.close()
        far.close()
        assert count_descriptors() == before

    run(test())


def _forget(held: list[Line]) -> None:
    held.clear()
    gc.collect()


@pytest.mark.parametrize("open_line", [_device, _tcp])
def test_a_line_that_is_forgotten_is_warned_of(open_line: OpenLine, tmp_path: Path) -> None:
    async def test() -> None:
        held = [await open_line(tmp_path)]
        far = held[0][1]
        with pytest.warns(ResourceWarning, match="was not closed"):
            _forget(held)
        far.close()

    run(test())


def test_a_port_can_be_opened_again_right_after_close() -> None:
    async def test() -> None:
        with open_pty() as board:
            for _ in range(3):
                transport = await open_async_transport(board.path)
                Ear(transport)
                with pytest.raises(PortBusyError):
                    await open_async_transport(board.path)
                transport.close()

    run(test())


def test_a_burst_on_a_serial_port_is_one_write(mocker: MockerFixture) -> None:
    async def test() -> None:
        with open_pty() as board:
            transport = await open_async_transport(board.path)
            assert isinstance(transport, AsyncDescriptorTransport)
            Ear(transport)
            writes = mocker.spy(os, "write")
            assert transport.write(b"x" * 3000) == 3000
            assert [len(each.args[1]) for each in writes.call_args_list] == [3000]
            transport.close()

    run(test())


def test_a_device_that_is_missing_is_the_same_error_as_in_blocking_use() -> None:
    async def test() -> None:
        with pytest.raises(PortNotFoundError):
            await open_async_transport("/dev/ttyNONE")
        with pytest.raises(ConfigError):
            await open_async_transport("/dev/ttyS0?parity=Z")

    run(test())


def test_a_pty_of_our_own_meets_a_blocking_host() -> None:
    async def test() -> None:
        board = await open_async_transport("pty:")
        assert isinstance(board, AsyncPtyTransport)
        ear = Ear(board)
        with opened(board.path) as host:
            host.write(b"ping")
            assert await ear.take(4) == b"ping"
            board.write(b"pong")
            assert read_exactly(host, 4) == b"pong"
        port = os.open(board.path, os.O_RDWR | os.O_NOCTTY)
        board.close()
        with pytest.raises(OSError, match="Input/output error"):  # its name may be another's now
            os.write(port, b"x")
        os.close(port)

    run(test())


def test_an_asyncio_loopback_end_meets_a_blocking_one() -> None:
    async def test() -> None:
        with opened("loopback:mixed") as blocking:
            mine = await open_async_transport("loopback:mixed")
            ear = Ear(mine)
            blocking.write(b"ping")
            assert await ear.take(4) == b"ping"
            mine.write(b"pong")
            assert read_exactly(blocking, 4) == b"pong"
            with pytest.raises(PortBusyError):
                await open_async_transport("loopback:mixed")
            mine.close()
            with pytest.raises(TransportError):
                blocking.read(PATIENCE_S)

    run(test())


def test_a_connect_is_refused_or_ends_in_time_with_advice(tmp_path: Path) -> None:
    async def test() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(TransportError, match="refused: nobody listens"):
                await open_async_transport(f"tcp:127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ConfigError, match="port 0"):
            await open_async_transport("tcp:127.0.0.1:0")
        with pytest.raises(TransportError, match="no address"):
            await open_async_transport("tcp:no.such.host.invalid:1")
        with pytest.raises(PortNotFoundError):
            await open_async_transport(f"unix:{tmp_path / 'nothing'}")
        with pytest.raises(ConnectTimeoutError, match="nobody connected"):
            await open_async_transport("tcp-listen:0", connect_timeout_s=0.02)

    run(test())


def test_a_connect_that_nobody_answers_ends_in_time() -> None:
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            with pytest.raises(ConnectTimeoutError, match="no answer within"):
                await open_async_transport(
                    f"tcp:127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=0.05
                )
            for filler in fillers:
                filler.close()

    run(test())


def _listener(folder: Path, kind: str) -> AsyncListener:
    return AsyncListener("tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{folder / 's'}")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_asyncio_listener_accepts_peer_after_peer(kind: str, tmp_path: Path) -> None:
    async def test() -> None:
        with _listener(tmp_path, kind) as listener:
            for _ in range(2):
                client = await open_async_transport(listener.address)
                server = await listener.accept(PATIENCE_S)
                ear = Ear(server)
                client.write(b"hello")
                assert await ear.take(5) == b"hello"
                assert server.endpoint.startswith(f"{kind}:")
                client.close()
                server.close()
            with pytest.raises(ConnectTimeoutError):
                await listener.accept(0.01)
        with pytest.raises(WireClosedError, match="closed by this program"):
            await listener.accept()
        listener.close()

    run(test())


def test_closing_an_asyncio_listener_ends_a_waiting_accept() -> None:
    async def test() -> None:
        listener = AsyncListener("tcp-listen:0")
        accepting = asyncio.create_task(listener.accept())
        await asyncio.sleep(0)
        listener.close()
        with pytest.raises(WireClosedError, match="closed by this program"):
            await accepting

    run(test())


def test_cancelling_an_accept_leaves_the_listener_usable() -> None:
    async def test() -> None:
        with AsyncListener("tcp-listen:0") as listener:
            accepting = asyncio.create_task(listener.accept())
            await asyncio.sleep(0)
            accepting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await accepting
            client = await open_async_transport(listener.address)
            (await listener.accept(PATIENCE_S)).close()
            client.close()

    run(test())


_ECHO = """
import asyncio
import contextlib
import gc
from ipfi_serial.transport import open_async_transport

async def main():
    line = await open_async_transport("stdio:")
    over = asyncio.Event()
    line.start(lambda data: line.write(data.upper()), lambda: None, lambda error: over.set())
    print("a print in a handler")
    await over.wait()
    line.close()

asyncio.run(main())
print("back to normal")
"""


@pytest.mark.parametrize("source", ["pipe", "file"])
def test_stdio_serves_pipes_and_files_on_the_event_loop(source: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"hello ")
    with (tmp_path / "in").open("rb") as file:
        stdin = PIPE if source == "pipe" else file
        with start_python(_ECHO, stdin=stdin, stdout=PIPE, stderr=PIPE) as child:
            stdout, stderr = child.communicate(b"hello " if source == "pipe" else None, PATIENCE_S)
    assert stderr == b"a print in a handler\n"
    assert stdout == b"HELLO back to normal\n"
