"""What a dying, silent, wrong or restarted line does to the blocking shell."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from ipfi_serial import (
    CallTimeoutError,
    Connection,
    ConnectTimeoutError,
    DeviceResetError,
    EchoingLineError,
    HandshakeRefusedError,
    Interface,
    IpfiError,
    LinkMismatchError,
    RemoteCallError,
    TransportError,
    WireClosedError,
    WireConfig,
    connect,
    listen,
)
from ipfi_serial.link.handshake import Handshake
from ipfi_serial.pump.carrier import FULL_LOOK_S
from ipfi_serial.transport import open_transport
from tests.harness.builds import about_to_replace_parts, replaces_parts
from tests.shells.boards import PATIENCE_S, TICK, SyncBoard
from tests.shells.ends import SOON_S, Background, Ends, fresh_name, joined, wait_until
from tests.shells.lines import PoweredBoard, ScriptedLine


def everything_that_waits(ends: Ends) -> list[Background]:
    """Begin all that can wait for the other end, one thread each."""
    held = ends.host.start(8, timeout_s=PATIENCE_S * 2)
    assert ends.far.next_seen() == "stuck"
    unanswered = ends.host.stream(8)
    waiting = [
        Background(held.result),
        Background(held.result),
        Background(lambda: ends.host.call(8, timeout_s=PATIENCE_S * 2)),
        Background(lambda: next(unanswered)),
        Background(lambda: ends.host.wait_event(TICK, timeout_s=PATIENCE_S * 2)),
    ]
    wait_until(lambda: len(ends.host._pump._sleepers) >= 4)
    return waiting


def all_end_soon(waiting: list[Background], kind: type[IpfiError]) -> list[BaseException]:
    """Check that each ended with an error of this kind."""
    began_s = time.monotonic()
    errors = [each.error() for each in waiting]
    assert time.monotonic() - began_s < SOON_S + 4  # generous: the machine may be busy
    assert [type(e) for e in errors if not isinstance(e, kind)] == []
    return errors


def die_by_read(ends: Ends) -> None:
    """Let the pump's reading thread find out."""
    ends.device._pump._transport.close()


def die_by_write(ends: Ends) -> None:
    """Let a thread that sends find out."""

    def fail(_: bytes) -> int:
        raise OSError(5, "Input/output error")

    vars(ends.host._pump._transport)["write"] = fail
    with pytest.raises(TransportError):
        ends.host.call(1, 1, 1)


@pytest.mark.parametrize("kind", ["loopback", "pty", "tcp"])
@pytest.mark.parametrize("die", [die_by_read, die_by_write])
def test_everything_that_waits_ends_when_the_line_dies(
    kind: str, die: Callable[[Ends], None]
) -> None:
    if die is die_by_write:
        about_to_replace_parts()
    with joined(kind) as ends:
        seen = ends.near.seen
        ends.host.on_close(seen.put)
        waiting = everything_that_waits(ends)
        die(ends)
        errors = all_end_soon(waiting, IpfiError)
        assert [e.may_have_executed for e in errors[:4]] == [True] * 4  # type: ignore[attr-defined]
        assert isinstance(ends.near.next_seen(), IpfiError)
        assert ends.host.closed
        with pytest.raises(IpfiError) as caught:
            ends.host.call(1, 1, 1)
        assert caught.value.may_have_executed is False
        assert list(ends.host.events(TICK)) == []
        ends.far.release.set()


def test_everything_that_waits_ends_when_this_end_closes() -> None:
    with joined() as ends:
        waiting = everything_that_waits(ends)
        ends.host.close()
        all_end_soon(waiting, WireClosedError)


def test_everything_that_waits_ends_when_the_other_end_closes() -> None:
    with joined() as ends:
        waiting = everything_that_waits(ends)
        ends.device.close()
        all_end_soon(waiting, WireClosedError)


def test_a_reset_tcp_peer_ends_the_calls_with_a_transport_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = connect(f"tcp:127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        call = Background(lambda: wire.call(1, timeout_s=PATIENCE_S * 2))
        assert peer.recv(100)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        error = call.error()
        assert isinstance(error, TransportError)
        assert error.may_have_executed is True
        wire.close()


def test_an_unplugged_board_ends_the_calls() -> None:
    """The master of a pty is closed: the port's file returns an input/output error."""
    board, port = pty.openpty()
    tty.setraw(port)
    far = SyncBoard()
    device = connect(_OnDescriptor(board), far.interface, role="device")
    wire = connect(os.ttyname(port), connect_timeout_s=PATIENCE_S)
    os.close(port)
    call = Background(lambda: wire.call(8, timeout_s=PATIENCE_S * 2))
    assert far.next_seen() == "stuck"
    device.abandon()
    error = call.error()
    assert isinstance(error, IpfiError)
    assert error.may_have_executed is True
    far.release.set()
    wire.close()


def _OnDescriptor(descriptor: int) -> Any:  # noqa: N802 - reads as the class it makes
    from ipfi_serial.transport.descriptor import DescriptorTransport

    return DescriptorTransport(descriptor, "board")


@pytest.mark.parametrize("broken", [OSError("gone"), TransportError("gone"), ValueError("a bug")])
def test_whatever_a_transport_of_the_users_raises_ends_the_wire(broken: Exception) -> None:
    line = ScriptedLine()
    wire = connect(line, link="plain")
    call = Background(lambda: wire.call(1, timeout_s=PATIENCE_S * 2))
    wait_until(lambda: bool(line.written))
    line.bring(broken)
    assert isinstance(call.error(), TransportError)
    assert wire.closed
    wire.close()
    wire = connect(second := ScriptedLine(), link="plain")
    second.fails_at_write = broken
    with pytest.raises(TransportError):
        wire.call(1)
    assert wire.closed
    wire.close()


@replaces_parts
def test_a_fault_of_the_wire_itself_ends_it_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with joined() as ends:
        call = ends.host.start(8)

        def broken(*_: Any) -> None:
            raise AssertionError("a bug")

        vars(ends.host._wire)["receive_bytes"] = broken
        ends.far.release.set()
        with pytest.raises(TransportError):
            call.result(PATIENCE_S)
        assert ends.host.closed
    assert "the wire failed" in caplog.text


@replaces_parts
def test_a_full_line_with_overdue_sending_is_not_polled_at_full_speed() -> None:
    name = fresh_name()
    with connect(name, role="device"), connect(f"{name}?bps=9600") as host:
        transport = host._pump._transport
        read, reads = transport.read, 0

        def counting(timeout_s: float | None) -> bytes:
            nonlocal reads
            reads += 1
            return read(timeout_s)

        vars(transport).update(read=counting, write=lambda _: 0)
        host.start(2, "x" * 5000)
        began_s = time.monotonic()
        threading.Event().wait(0.2)
        assert reads <= 5 + (time.monotonic() - began_s) / FULL_LOOK_S
        host.abandon()


# --- closing ---


@pytest.mark.parametrize("kind", ["loopback", "tcp"])
def test_closing_does_not_wait_for_a_peer_that_does_not_read(kind: str) -> None:
    config = WireConfig(close_timeout_s=0.1)
    if kind == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as server:
            wire = connect(f"tcp:127.0.0.1:{server.getsockname()[1]}", config=config)
            handle = wire.start(2, "x" * 12_000_000)
            wire.close()
            assert handle.done
            assert wire.closed
    else:
        about_to_replace_parts()
        with joined(config=config) as ends:
            go = threading.Event()

            def deaf(_: Any) -> None:
                go.wait(PATIENCE_S)

            vars(ends.device._pump)["_deliver"] = deaf
            first, handle = ends.host.start(1, 1, 1), ends.host.start(2, "x" * 1_000_000)
            assert not first.done
            ends.host.close()
            assert handle.done
            go.set()


def test_close_may_be_called_twice_and_by_two_threads_at_once() -> None:
    for _ in range(20):
        with joined() as ends:
            together = threading.Barrier(3)

            def close(wire: Connection, together: threading.Barrier = together) -> None:
                together.wait(PATIENCE_S)
                wire.close()

            closing = [
                Background(partial(close, wire)) for wire in (ends.host, ends.host, ends.device)
            ]
            for each in closing:
                each.result()
            ends.host.close()
            assert ends.host.closed
            assert ends.device.closed


def test_a_handler_may_close_its_wire() -> None:
    with joined() as ends:
        seen = ends.far.seen

        @ends.far.interface.procedure(60)
        def hang_up() -> None:
            ends.device.close()
            seen.put("closed")

        with pytest.raises(WireClosedError) as caught:
            ends.host.call(60)
        assert caught.value.may_have_executed is True
        assert ends.far.next_seen() == "closed"


def test_an_event_handler_and_every_callback_may_close_the_wire() -> None:
    with joined() as ends:
        seen = ends.near.seen

        def hang_up(count: int) -> None:
            ends.host.close()
            seen.put(count)

        ends.host.on(TICK, hang_up)
        ends.host.on_close(ends.host.close)
        ends.host.on_close(lambda: seen.put("closed"))
        ends.device.emit(TICK, 1)
        assert [ends.near.next_seen() for _ in range(2)] == [1, "closed"]


def test_closing_while_a_handler_runs_tells_the_handler_and_does_not_wait_for_it() -> None:
    with joined() as ends:
        held, stuck = ends.host.start(6), ends.host.start(8)
        assert {ends.far.next_seen(), ends.far.next_seen()} == {"holding", "stuck"}
        ends.device.close()
        assert ends.far.next_seen() == "cancelled"
        for handle in (held, stuck):
            with pytest.raises(IpfiError):
                handle.result(PATIENCE_S)
        ends.far.release.set()


def test_a_device_that_nobody_ever_called_closes_and_ends_its_readers() -> None:
    device = connect(fresh_name(), SyncBoard().interface, role="device")
    assert not device.wait_opened(0.01)
    reading = Background(lambda: list(device.events(TICK)))
    waiting = Background(lambda: device.wait_event(TICK, timeout_s=PATIENCE_S * 2))
    wait_until(lambda: len(device._notifications.subscriptions.all_queues) == 2)
    seen: list[Any] = []
    device.on_close(seen.append)
    device.close()
    assert device.closed
    assert reading.result() == []
    assert isinstance(waiting.error(), WireClosedError)
    wait_until(lambda: len(seen) == 1)


def test_closing_sends_what_was_queued() -> None:
    with joined("tcp") as ends:
        for number in range(500):
            ends.host.emit(33, bool(number % 2))
        ends.host.close()
        for number in range(500):
            assert ends.far.next_seen() == ("led", bool(number % 2))


def test_many_connections_in_a_row_leave_nothing() -> None:
    for _ in range(30):
        with joined() as ends:
            assert ends.host.call(1, 1, 1) == 2


# --- connecting ---


@pytest.fixture
def quiet_port() -> Iterator[tuple[int, str]]:
    """A pty: the descriptor plays the board, the path is what is opened."""
    board, port = pty.openpty()
    tty.setraw(port)
    yield board, os.ttyname(port)
    os.close(board)
    os.close(port)


def talk(board: int, data: bytes, stop: threading.Event) -> None:
    """Say the same again and again, and read what comes."""
    os.set_blocking(board, False)
    while not stop.wait(0.01):
        with contextlib.suppress(BlockingIOError):
            os.write(board, data)
            os.read(board, 4096)


@pytest.mark.parametrize(
    "data,advice",
    [
        (b"", "nothing came: check that a program has opened the other end"),
        (b"\x00\x91\x88\xf3\x17" * 20, "no frames: check that the other end speaks framed IPFI"),
        (b"boot: hello, I am a text-only board\r\n", "the device is alive"),
    ],
    ids=["silence", "garbage", "text"],
)
def test_a_connect_that_fails_says_what_was_heard_and_what_to_check(
    quiet_port: tuple[int, str], data: bytes, advice: str
) -> None:
    board, path = quiet_port
    stop = threading.Event()
    talking = Background(partial(talk, board, data, stop)) if data else None
    with pytest.raises(ConnectTimeoutError, match=advice) as caught:
        connect(path, connect_timeout_s=0.4)
    assert isinstance(caught.value, TimeoutError)
    stop.set()
    if talking is not None:
        talking.result()


def test_an_echoing_line_is_named(quiet_port: tuple[int, str]) -> None:
    board, path = quiet_port
    stop = threading.Event()

    def echo() -> None:
        os.set_blocking(board, False)
        while not stop.wait(0.001):
            with contextlib.suppress(BlockingIOError):
                os.write(board, os.read(board, 4096))

    echoing = Background(echo)
    with pytest.raises(EchoingLineError, match="TX and RX"):
        connect(path, connect_timeout_s=PATIENCE_S)
    stop.set()
    echoing.result()


def test_a_framed_end_at_a_plain_one_gives_advice_and_the_plain_one_names_it() -> None:
    failures = (ConnectTimeoutError, TransportError, LinkMismatchError)
    with listen("tcp:127.0.0.1:0", Interface()) as server, pytest.raises(failures):
        connect(server.address, link="framed", connect_timeout_s=1.0)
    with listen("tcp:127.0.0.1:0", Interface(), link="framed") as server:
        wire = connect(server.address)
        call = Background(lambda: wire.call(1, timeout_s=PATIENCE_S))
        assert isinstance(call.error(), LinkMismatchError | TransportError)
        wire.close()


@replaces_parts
def test_another_protocol_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh_name()
    device = connect(name, role="device")
    made = Handshake.__init__

    def newer(self: Handshake, own: Any, *rest: Any) -> None:
        made(self, type(own)(**{**_fields(own), "version": own.version + 1}), *rest)

    monkeypatch.setattr(Handshake, "__init__", newer)
    with pytest.raises(HandshakeRefusedError) as caught:
        connect(name, connect_timeout_s=PATIENCE_S)
    assert caught.value.reason == "version"
    device.close()


def _fields(own: Any) -> dict[str, Any]:
    return {name: getattr(own, name) for name in type(own).__dataclass_fields__}


def test_a_line_that_dies_while_connecting_is_its_error() -> None:
    name = fresh_name()
    line = open_transport(name)
    connecting = Background(lambda: connect(name, connect_timeout_s=PATIENCE_S * 2))
    assert line.read(PATIENCE_S)
    line.close()
    assert isinstance(connecting.error(), TransportError)


def test_closing_the_transport_while_connecting_ends_the_connect() -> None:
    line = ScriptedLine()
    connecting = Background(lambda: connect(line, connect_timeout_s=PATIENCE_S * 2))
    wait_until(line.reading.is_set)
    line.close()
    assert isinstance(connecting.error(), TransportError)


def test_no_thread_for_the_pump_leaves_no_open_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    line = ScriptedLine()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError, match="thread"):
            connect(line, link="plain")
    assert line.closed


# --- a restart of the other end ---


def test_a_restarted_device_ends_calls_and_the_next_call_works() -> None:
    far, near = SyncBoard(), SyncBoard()
    port = open_transport("pty:")
    path = port.path  # type: ignore[attr-defined]
    board = PoweredBoard(port)
    device = connect(board, far.interface, role="device")
    host = connect(path, near.interface, connect_timeout_s=PATIENCE_S)
    host.on_reset(near.seen.put)
    host.on("tick", lambda count: near.seen.put(("tick", count)))
    call = Background(lambda: host.call(8, timeout_s=PATIENCE_S * 2))
    assert far.next_seen() == "stuck"
    board.cut_power()
    device.close()
    second = connect(PoweredBoard(port), far.interface, role="device")
    error = call.error()
    assert isinstance(error, DeviceResetError)
    assert error.may_have_executed is True
    assert isinstance(near.next_seen(), DeviceResetError)
    assert host.call("add", 1, 2) == 3
    second.emit(TICK, 5)
    assert near.next_seen() == ("tick", 5)
    assert host.stats().resets == 1
    far.release.set()
    host.close()
    second.close()
    port.close()


def test_a_wire_that_cannot_be_called_refuses_calls() -> None:
    with joined(config=WireConfig(takes_calls=False), host_config=WireConfig()) as ends:
        with pytest.raises((RemoteCallError, IpfiError)) as caught:
            ends.host.call(1, 1, 1, timeout_s=1.0)
        assert not isinstance(caught.value, CallTimeoutError)
