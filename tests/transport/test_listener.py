"""Listeners, and the endpoints that accept one peer."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path
from types import FrameType

import pytest

from ipfi_serial.errors import (
    ConfigError,
    ConnectTimeoutError,
    PortBusyError,
    TransportError,
    WireClosedError,
)
from ipfi_serial.transport import Listener, open_transport
from ipfi_serial.transport.listener import tcp_name
from tests.transport.lines import (
    PATIENCE_S,
    Background,
    count_descriptors,
    opened,
    wait_until,
)


def _listener(folder: Path, kind: str) -> Listener:
    return Listener("tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{folder / 's'}")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_listener_accepts_peer_after_peer(kind: str, tmp_path: Path) -> None:
    before = count_descriptors()
    with _listener(tmp_path, kind) as listener:
        for _ in range(2):
            with opened(listener.address) as client:
                server = listener.accept(PATIENCE_S)
                client.write(b"ping")
                assert server.read(PATIENCE_S) == b"ping"
                server.write(b"pong")
                assert client.read(PATIENCE_S) == b"pong"
                assert server.endpoint.startswith(f"{kind}:")
                server.close()
    assert count_descriptors() == before


def test_an_accept_ends_when_its_time_is_up() -> None:
    with Listener("tcp-listen:0") as listener:
        with pytest.raises(ConnectTimeoutError, match="nobody connected to tcp:127"):
            listener.accept(0.01)
        with pytest.raises(ConnectTimeoutError):
            listener.accept(0)


def test_closing_a_listener_ends_an_accept_that_waits_in_another_thread() -> None:
    listener = Listener("tcp-listen:0")
    accepting = Background(listener.accept)
    listener.close()
    listener.close()
    with pytest.raises(WireClosedError, match="closed by this program"):
        accepting.result()
    with pytest.raises(WireClosedError, match="closed by this program"):
        listener.accept()


def test_closing_a_listener_in_a_signal_handler_ends_the_accept() -> None:
    listener = Listener("tcp-listen:0")

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        listener.close()

    before = signal.signal(signal.SIGUSR1, on_signal)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(WireClosedError, match="closed by this program"):
            listener.accept(PATIENCE_S)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_listener_binds_to_this_machine_alone_unless_told_otherwise() -> None:
    with Listener("tcp-listen:0") as here, Listener("tcp-listen:0.0.0.0:0") as everywhere:
        assert here.address.startswith("tcp:127.0.0.1:")
        assert everywhere.address.startswith("tcp:0.0.0.0:")


def test_a_port_in_use_is_busy() -> None:
    with Listener("tcp-listen:0") as listener, pytest.raises(PortBusyError):
        Listener(listener.address)


def test_an_address_of_another_machine_and_a_kind_that_cannot_listen_are_refused() -> None:
    with pytest.raises(TransportError, match="cannot listen there"):
        Listener("tcp:192.0.2.1:5000")
    with pytest.raises(ConfigError, match="nobody to accept"):
        Listener("pty:")


def test_the_unix_path_goes_with_the_listener(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Listener(f"unix:{path}"):
        assert path.is_socket()
    assert not path.exists()


def test_a_stale_unix_path_is_replaced_and_a_living_one_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Listener(f"unix:{path}") as listener:
        with pytest.raises(PortBusyError):
            Listener(f"unix-listen:{path}")
        with opened(listener.address):
            listener.accept(PATIENCE_S).close()  # the probe of the second listener
            listener.accept(PATIENCE_S).close()
    assert not path.exists()


def test_a_file_in_the_way_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("mine")
    with pytest.raises(TransportError, match="no socket is in the way"):
        Listener(f"unix:{path}")
    assert path.read_text() == "mine"
    with pytest.raises(TransportError, match="cannot listen there"):
        Listener(f"unix:{tmp_path / 'no' / 'folder'}")


def test_a_path_that_another_server_took_over_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Listener(f"unix:{path}"):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.is_socket()


def test_a_listening_endpoint_accepts_one_peer_and_then_stops(tmp_path: Path) -> None:
    path = tmp_path / "s"
    opening = Background(lambda: open_transport(f"unix-listen:{path}"))
    with socket.socket(socket.AF_UNIX) as probe:
        wait_until(lambda: path.is_socket() and not probe.connect_ex(str(path)))
        server = opening.result()
        probe.sendall(b"x")
        assert server.read(PATIENCE_S) == b"x"
        assert not path.exists()
        server.close()


def test_a_listening_endpoint_to_which_nobody_comes_ends_in_time() -> None:
    before = count_descriptors()
    with pytest.raises(ConnectTimeoutError, match="nobody connected"):
        open_transport("tcp-listen:0", connect_timeout_s=0.01)
    assert count_descriptors() == before


def test_addresses_are_named_as_endpoints() -> None:
    assert tcp_name(("::1", 5, 0, 0)) == "tcp:[::1]:5"
    assert tcp_name(("1.2.3.4", 5)) == "tcp:1.2.3.4:5"
