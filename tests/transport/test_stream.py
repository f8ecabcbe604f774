"""TCP, unix sockets and standard streams."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from subprocess import PIPE

import pytest

from ipfi_serial.errors import (
    ConfigError,
    ConnectTimeoutError,
    PortNotFoundError,
    TransportError,
)
from ipfi_serial.transport import open_transport
from tests.transport.lines import PATIENCE_S, opened, start_python


def test_tcp_connects_and_sends_small_writes_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with opened(f"tcp:127.0.0.1:{port}") as line:
            peer, _ = server.accept()
            with peer:
                line.write(b"a")
                assert peer.recv(10) == b"a"
                peer.sendall(b"b")
                assert line.read(PATIENCE_S) == b"b"
                assert line.bytes_per_s is None


def test_tcp_over_ipv6_connects() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server, opened(f"tcp:[::1]:{server.getsockname()[1]}") as line:
        peer, _ = server.accept()
        with peer:
            line.write(b"a")
            assert peer.recv(10) == b"a"


def test_a_refused_connection_says_what_to_check() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TransportError, match="refused: nobody listens there"):
            open_transport(f"tcp:127.0.0.1:{unused.getsockname()[1]}")


def test_a_connection_that_nobody_answers_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        with pytest.raises(ConnectTimeoutError, match=r"no answer within 0\.05 s"):
            open_transport(f"tcp:127.0.0.1:{address[1]}", connect_timeout_s=0.05)
        for filler in fillers:
            filler.close()


def test_port_0_and_unknown_hosts_are_refused() -> None:
    with pytest.raises(ConfigError, match="port 0 is for listening"):
        open_transport("tcp:127.0.0.1:0")
    with pytest.raises(TransportError, match="no address for host"):
        open_transport("tcp:no.such.host.invalid:1")


def test_unix_sockets_connect(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with opened(f"unix:{path}") as line:
            peer, _ = server.accept()
            with peer:
                line.write(b"a")
                assert peer.recv(10) == b"a"
    with pytest.raises(TransportError, match="refused"):
        open_transport(f"unix:{path}")
    with pytest.raises(PortNotFoundError):
        open_transport(f"unix:{tmp_path / 'nothing'}")


def test_a_reset_connection_is_a_typed_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with opened(f"tcp:127.0.0.1:{port}") as line:
            peer, _ = server.accept()
            line.write(b"unread")
            peer.close()
            with pytest.raises(TransportError, match="other end closed"):
                line.read(PATIENCE_S)


_ECHO = """
import os, sys
from ipfi_serial.transport import open_transport
flags = [os.get_blocking(0), os.get_blocking(1)]
with open_transport("stdio:") as line:
    print("a print in a handler")
    sys.stdout.flush()
    os.write(1, b"and one below python")
    assert sys.stdin.read() == ""
    data = line.read(10)
    assert line.write(data.upper()) == len(data)
    try:
        line.read(10)
    except OSError:
        pass
assert flags == [os.get_blocking(0), os.get_blocking(1)]
print("back to normal")
"""


def test_stdio_carries_only_the_line_while_prints_go_to_standard_error() -> None:
    with start_python(_ECHO, stdin=PIPE, stdout=PIPE, stderr=PIPE) as child:
        stdout, stderr = child.communicate(b"hello ", PATIENCE_S)
    assert stderr == b"a print in a handler\nand one below python"
    assert stdout == b"HELLO back to normal\n"


def test_stdio_reads_a_file_to_its_end_and_writes_into_one(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"from a file ")
    with (
        source.open("rb") as stdin,
        target.open("wb") as stdout,
        start_python(_ECHO, stdin=stdin, stdout=stdout, stderr=PIPE) as child,
    ):
        assert b"Error" not in child.communicate(timeout=PATIENCE_S)[1]
    assert target.read_bytes() == b"FROM A FILE back to normal\n"


_NO_STREAMS = """
import os
from ipfi_serial.transport import open_transport
os.close(1)
try:
    open_transport("stdio:")
except OSError as error:
    os.write(2, str(error).encode())
os.write(2, os.read(0, 10))
"""


def test_stdio_without_standard_streams_is_refused_and_changes_nothing() -> None:
    with start_python(_NO_STREAMS, stdin=PIPE, stderr=PIPE) as child:
        _, stderr = child.communicate(b" intact", PATIENCE_S)
    assert b"no standard streams" in stderr
    assert stderr.endswith(b" intact")


_ON_A_TERMINAL = """
import os
from ipfi_serial.transport import open_transport
line = open_transport("stdio:")
line.write(b"%d" % os.get_blocking(2))
line.close()
"""


def test_stdio_on_a_terminal_leaves_the_terminals_blocking_mode_alone() -> None:
    ours, theirs = os.openpty()
    with start_python(_ON_A_TERMINAL, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        assert child.wait(PATIENCE_S) == 0
        assert os.read(ours, 1000) == b"1"
    os.close(theirs)
    os.close(ours)
