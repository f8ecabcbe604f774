"""What was sent before a socket is closed arrives, although input lay unread."""

from __future__ import annotations

import socket

from ipfi_serial.transport.sockets import transport_on

MUCH = bytes(range(256)) * 40


def test_a_close_with_unread_input_resets_nothing() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as peer,
    ):
        line, _ = server.accept()
        peer.sendall(b"nobody reads this")
        assert line.recv(1) == b"n"  # the rest has arrived too, and stays unread
        transport = transport_on(line, "test")
        assert transport.write(MUCH) == len(MUCH)
        transport.close()
        peer.settimeout(10)
        received = b""
        while data := peer.recv(65536):
            received += data
    assert received == MUCH
