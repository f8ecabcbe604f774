"""Pyserial's URLs, and the threads that serve lines without a descriptor."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import serial
import serial.rfc2217
from pytest_mock import MockerFixture
from serial.tools.list_ports_common import ListPortInfo

from ipfi_serial.errors import (
    ConfigError,
    PortNotFoundError,
    TransportError,
)
from ipfi_serial.transport import AsyncTransport, Transport, open_async_transport, open_transport
from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
from ipfi_serial.transport.descriptor import DescriptorTransport
from ipfi_serial.transport.threaded import (
    AsyncThreadedTransport,
    SocketSource,
    ThreadedTransport,
)
from tests.transport.lines import (
    PATIENCE_S,
    Background,
    Ear,
    fill,
    open_pty,
    opened,
    read_exactly,
    run,
)


def test_loop_gives_back_what_is_written() -> None:
    with opened("loop://") as line:
        assert isinstance(line, Transport)
        everything = bytes(range(256)) * 40
        assert line.write(everything) == len(everything)
        assert read_exactly(line, len(everything)) == everything
        assert line.bytes_per_s is None
        assert line.read(0) == b""


def test_loop_serves_the_event_loop_through_a_thread() -> None:
    async def test() -> None:
        line = await open_async_transport("loop://")
        assert isinstance(line, AsyncTransport)
        ear = Ear(line)
        line.write(b"around")
        assert await ear.take(6) == b"around"
        line.close()
        line.close()

    run(test())


def test_spy_passes_everything_through_and_notes_it(tmp_path: Path) -> None:
    with open_pty() as board:
        with opened(f"spy://{board.path}?file={tmp_path / 'log'}&baud=9600") as line:
            line.write(b"ping")
            assert Background(lambda: _read(board.fd, 4)).result() == b"ping"
            assert line.bytes_per_s == 960.0
        assert "ping" in (tmp_path / "log").read_text()


def _read(fd: int, size: int) -> bytes:
    with open(fd, "rb", closefd=False, buffering=0) as file:
        return file.read(size) or b""


def test_the_death_of_a_spied_port_is_a_typed_error() -> None:
    with open_pty() as board, opened(f"spy://{board.path}?file=/dev/null") as line:
        board.close()
        for _ in range(2):
            with pytest.raises(TransportError, match="unplugged"):
                line.read(PATIENCE_S)
        with pytest.raises(TransportError):
            line.write(b"x")


def test_alt_opens_another_implementation_of_pyserial() -> None:
    with open_pty() as board, opened(f"alt://{board.path}?class=VTIMESerial") as line:
        line.write(b"ping")
        assert _read(board.fd, 4) == b"ping"


def test_socket_is_a_framed_tcp_connection_that_loses_nothing_early() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = Background(lambda: _greet(server))
        with opened(f"socket://127.0.0.1:{server.getsockname()[1]}") as line:
            assert isinstance(line, DescriptorTransport)
            assert read_exactly(line, 5) == b"early"
            assert line.bytes_per_s is None
        greeter.result()


def _greet(server: socket.socket) -> None:
    peer, _ = server.accept()
    with peer:
        peer.sendall(b"early")
        peer.settimeout(PATIENCE_S)
        assert peer.recv(1) == b""


def test_hwgrep_opens_the_device_that_fits(mocker: MockerFixture) -> None:
    with open_pty() as board:
        found = mocker.patch("serial.tools.list_ports.grep")
        found.side_effect = lambda _: iter([ListPortInfo(board.path)])
        with opened("hwgrep://board") as line:
            assert isinstance(line, DescriptorTransport)

        async def test() -> None:
            line = await open_async_transport("hwgrep://board")
            assert isinstance(line, AsyncDescriptorTransport)
            line.close()

        run(test())
        found.side_effect = lambda _: iter([])
        with pytest.raises(PortNotFoundError):
            open_transport("hwgrep://board")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("socket://host", ConfigError),
        ("spy:///dev/ttyNONE", PortNotFoundError),
        ("alt:///dev/null?class=Nothing", TransportError),
        ("rfc2217://127.0.0.1:1", TransportError),
        ("loop://?logging=quiet", TransportError),
        ("hwgrep://x&n=z", TransportError),
    ],
)
def test_urls_that_cannot_be_opened_are_typed_errors(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        open_transport(url)


@contextmanager
def _rfc2217_server() -> Iterator[str]:
    """A terminal server whose port is a loop, so it sends back what it gets."""
    port = serial.serial_for_url("loop://", timeout=0.02)
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = Background(lambda: _serve_rfc2217(server, port))
        yield f"rfc2217://127.0.0.1:{server.getsockname()[1]}?baud=9600"
        serving.result()
    port.close()


def _serve_rfc2217(server: socket.socket, port: serial.Serial) -> None:
    server.settimeout(PATIENCE_S)
    peer, _ = server.accept()
    with peer:
        lock = threading.Lock()

        def send(data: bytes) -> None:
            with lock:
                peer.sendall(data)

        manager = serial.rfc2217.PortManager(cast(Any, port), cast(Any, _Connection(send)))
        peer.settimeout(0.02)
        while True:
            try:
                data = peer.recv(1024)
            except TimeoutError:
                data = None
            if data == b"":
                return
            if data:
                port.write(b"".join(manager.filter(data)))
            if port.in_waiting:
                send(b"".join(manager.escape(port.read(port.in_waiting))))


class _Connection:
    def __init__(self, write: object) -> None:
        self.write = write


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_rfc2217_reaches_a_terminal_server() -> None:
    with _rfc2217_server() as url, opened(url) as line:
        assert line.bytes_per_s == 960.0
        everything = bytes(range(256))
        line.write(everything)
        assert read_exactly(line, 256) == everything


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_rfc2217_opens_without_blocking_the_event_loop() -> None:
    async def test() -> None:
        with _rfc2217_server() as url:
            line = await open_async_transport(url)
            ear = Ear(line)
            line.write(b"around")
            assert await ear.take(6) == b"around"
            line.close()

    run(test())


@contextmanager
def _threaded() -> Iterator[tuple[ThreadedTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    with closing(ThreadedTransport(SocketSource(ours), "threaded")) as line, theirs:
        yield line, theirs


def test_a_threaded_line_keeps_the_contract_of_reads() -> None:
    with _threaded() as (line, theirs):
        assert line.read(0.01) == b""
        theirs.sendall(b"x" * 100_000)
        assert 0 < len(line.read(PATIENCE_S)) <= 65536
        assert line.read(PATIENCE_S)
        line.wake()
        while line.read(None):
            pass
        waiting = Background(lambda: line.read(None))
        line.wake()
        assert waiting.result() == b""


def test_a_threaded_line_takes_what_fits_and_tells_of_room() -> None:
    with _threaded() as (line, theirs):
        total = fill(line)
        waiting = Background(lambda: line.read(None))
        received = 0
        while received < total:
            received += len(theirs.recv(65536))
        assert waiting.result() == b""
        assert line.write(b"more") == 4
        assert theirs.recv(10) == b"more"


def test_a_threaded_line_sends_what_it_took_before_it_closes() -> None:
    with _threaded() as (line, theirs):
        line.write(b"last words")
        line.close()
        theirs.settimeout(PATIENCE_S)
        assert theirs.recv(100) == b"last words"
        assert theirs.recv(100) == b""
        with pytest.raises(TransportError, match="closed by this program"):
            line.read(None)
        with pytest.raises(TransportError, match="closed by this program"):
            line.write(b"x")


def test_a_threaded_line_that_closes_ends_a_waiting_read() -> None:
    with _threaded() as (line, _):
        waiting = Background(lambda: line.read(None))
        line.close()
        with pytest.raises(TransportError, match="closed by this program"):
            waiting.result()


def test_a_threaded_line_reads_to_the_end_and_then_tells_the_loss() -> None:
    with _threaded() as (line, theirs):
        theirs.sendall(b"last words")
        theirs.close()
        assert read_exactly(line, 10) == b"last words"
        for _ in range(2):
            with pytest.raises(TransportError, match="unplugged"):
                line.read(None)


def _send_some(line: socket.socket) -> int:
    """Send until it stays full for a while; return how much was sent."""
    sent = 0
    while select.select([], [line], [], 0.2)[1]:
        sent += line.send(b"x" * 65536)
    return sent


def test_a_threaded_line_stops_reading_while_nobody_takes_what_came() -> None:
    with _threaded() as (line, theirs):
        theirs.setblocking(False)
        sent = 0
        while sent < (taken := sent + _send_some(theirs)):
            sent = taken
            assert sent < 1 << 26, "it takes everything"
        assert len(read_exactly(line, sent)) == sent


def test_a_threaded_line_on_the_event_loop_tells_room_and_loss() -> None:
    async def test() -> None:
        ours, theirs = socket.socketpair()
        line = AsyncThreadedTransport(SocketSource(ours), "threaded")
        theirs.sendall(b"early")
        ear = Ear(line)
        assert await ear.take(5) == b"early"
        total = fill(line)
        received = 0
        while received < total:
            received += len(await asyncio.to_thread(theirs.recv, 65536))
        await ear.until(lambda: ear.rooms == 1)
        theirs.close()
        await ear.until(lambda: bool(ear.losses))
        with pytest.raises(TransportError):
            line.write(b"x")
        line.close()
        await asyncio.sleep(0)
        assert len(ear.losses) == 1

    run(test())


@pytest.fixture
def no_descriptors(mocker: MockerFixture) -> None:
    """Make the library believe that descriptors cannot be waited for, as on Windows."""
    for module in ("opening", "sockets"):
        mocker.patch(f"ipfi_serial.transport.{module}.HAS_DESCRIPTORS", new=False)


@pytest.mark.usefixtures("no_descriptors")
def test_without_descriptors_threads_serve_ports_and_sockets() -> None:
    with open_pty() as board, opened(board.path) as line:
        assert isinstance(line, ThreadedTransport)
        line.write(b"ping")
        assert _read(board.fd, 4) == b"ping"
    with opened("loopback:threads") as one, opened("loopback:threads") as other:
        assert isinstance(one, ThreadedTransport)
        one.write(b"ping")
        assert read_exactly(other, 4) == b"ping"
    open_transport("loopback:threads").close()


@pytest.mark.usefixtures("no_descriptors")
def test_without_descriptors_threads_serve_the_event_loop_too() -> None:
    async def test() -> None:
        with open_pty() as board:
            line = await open_async_transport(board.path)
            assert isinstance(line, AsyncThreadedTransport)
            ear = Ear(line)
            with open(board.fd, "wb", closefd=False) as file:
                file.write(b"pong")
            assert await ear.take(4) == b"pong"
            line.close()
        one = await open_async_transport("loopback:threads")
        with opened("loopback:threads") as other:
            one.write(b"ping")
            assert read_exactly(other, 4) == b"ping"
        one.close()

    run(test())


def test_a_socket_url_takes_no_settings_of_a_serial_port_in_its_string_either() -> None:
    """It is a TCP connection: they would be ignored."""
    with pytest.raises(ConfigError, match=r"baud and parity would set a serial port, and this is"):
        open_transport("socket://127.0.0.1:1?baud=9600&parity=E&bps=960")


def test_a_url_whose_opening_is_cancelled_is_closed_once_it_is_open(mocker: MockerFixture) -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Source:
        def close(self) -> None:
            closed.set()

    def open_slowly(*_: object) -> Source:
        begun.set()
        go_on.wait(PATIENCE_S)
        return Source()

    mocker.patch("ipfi_serial.transport.url.open_url", open_slowly)

    async def test() -> None:
        task = asyncio.create_task(open_async_transport("loop://"))
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not closed.is_set()
        go_on.set()

    run(test())
    assert closed.wait(PATIENCE_S)


def test_a_url_that_cannot_be_opened_any_more_when_it_was_cancelled_is_no_error(
    mocker: MockerFixture,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fail_slowly(*_: object) -> None:
        begun.set()
        go_on.wait(PATIENCE_S)
        raise TransportError("gone")

    mocker.patch("ipfi_serial.transport.url.open_url", fail_slowly)

    async def test() -> None:
        task = asyncio.create_task(open_async_transport("loop://"))
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(test())
