"""Opens what carries a plain stream: TCP, unix sockets, and this program's standard streams."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

from ipfi_serial.errors import ConfigError, ConnectTimeoutError, PortNotFoundError, TransportError
from ipfi_serial.transport.endpoint import Endpoint

_REFUSED: Final = "nobody listens there: start the other program first, and check host and port"
_UNIX: Final = ("unix", "unix-listen")


def connect_tcp(endpoint: Endpoint, timeout_s: float | None) -> socket.socket:
    """Connect to ``tcp:HOST:PORT``; every small write leaves at once (TCP_NODELAY).

    Raises:
        ConfigError: the port is 0.
        ConnectTimeoutError: no answer within ``timeout_s``.
        TransportError: refused, unreachable, or no such host.
    """
    check_port(endpoint)
    try:
        line = socket.create_connection((endpoint.host, endpoint.port), timeout_s)
    except OSError as error:
        raise explain_connect(endpoint, error, timeout_s) from None
    prepare_tcp(line)
    return line


def check_port(endpoint: Endpoint) -> None:
    """Refuse port 0.

    Raises:
        ConfigError: the port is 0, which only a listener can use.
    """
    if endpoint.port == 0:
        raise ConfigError(f"{endpoint}: port 0 is for listening; name the port to connect to")


def prepare_tcp(line: socket.socket) -> None:
    """Set what every TCP line of ours has."""
    line.setblocking(False)
    with contextlib.suppress(OSError):  # already reset by the other end: the first read says so
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def connect_tcp_async(endpoint: Endpoint, timeout_s: float | None) -> socket.socket:
    """Do what :func:`connect_tcp` does on the running event loop; raises the same."""
    import asyncio  # not before it is needed: it takes 40 ms

    check_port(endpoint)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            line = await _connect_first([(each[0], each[4]) for each in found])
    except OSError as error:
        raise explain_connect(endpoint, error, timeout_s) from None
    prepare_tcp(line)
    return line


async def _connect_first(found: list[tuple[int, tuple[Any, ...]]]) -> socket.socket:
    """Connect to the first address that answers, or raise what the last one said."""
    failure = OSError("no address")
    for family, address in found:
        try:
            return await connect_async(socket.socket(family), address)
        except OSError as error:
            failure = error
    raise failure


async def connect_async(line: socket.socket, address: tuple[Any, ...] | str) -> socket.socket:
    """Connect a new socket on the running event loop; it is closed if that fails.

    Raises:
        OSError: what the system says.
    """
    import asyncio  # not before it is needed: it takes 40 ms

    line.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(line, address)
    except BaseException:
        line.close()
        raise
    return line


async def connect_unix_async(endpoint: Endpoint, timeout_s: float | None) -> socket.socket:
    """Do what :func:`connect_unix` does on the running event loop; raises the same."""
    import asyncio  # not before it is needed: it takes 40 ms

    try:
        async with asyncio.timeout(timeout_s):
            return await connect_async(make_unix_socket(endpoint), endpoint.path)
    except TransportError:
        raise
    except OSError as error:
        raise explain_connect(endpoint, error, timeout_s) from None


def connect_unix(endpoint: Endpoint, timeout_s: float | None) -> socket.socket:
    """Connect to ``unix:PATH``.

    Raises:
        PortNotFoundError: there is no such path.
        TransportError: nobody listens there.
    """
    line = make_unix_socket(endpoint)
    try:
        line.settimeout(timeout_s)
        line.connect(endpoint.path)
    except OSError as error:
        line.close()
        raise explain_connect(endpoint, error, timeout_s) from None
    line.setblocking(False)
    return line


def make_unix_socket(endpoint: Endpoint) -> socket.socket:
    """Return a new unix stream socket.

    Raises:
        TransportError: this system has none.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise TransportError(f"{endpoint}: this system has no unix sockets; use tcp:")
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def explain_connect(
    endpoint: Endpoint, error: OSError, timeout_s: float | None
) -> TransportError | ConnectTimeoutError:
    """Turn a failed connect into one of our errors, with advice."""
    if endpoint.kind in _UNIX:
        return _explain_unix(endpoint, error, timeout_s)
    if isinstance(error, TimeoutError) or error.errno in (errno.ETIMEDOUT, errno.EAGAIN):
        return ConnectTimeoutError(
            f"{endpoint}: no answer within {timeout_s} s; check address and firewall",
            timeout_s or 0.0,
        )
    if isinstance(error, ConnectionRefusedError):
        return TransportError(f"{endpoint}: connection refused: {_REFUSED}")
    what = error.strerror or str(error)
    if isinstance(error, socket.gaierror):
        return TransportError(
            f"{endpoint}: no address for host {endpoint.host!r}: {what}; check the name"
        )
    return TransportError(f"{endpoint}: cannot connect: {what}; check host and port")


def _explain_unix(
    endpoint: Endpoint, error: OSError, timeout_s: float | None
) -> TransportError | ConnectTimeoutError:
    what = error.strerror or str(error)
    if isinstance(error, TimeoutError) or error.errno == errno.EAGAIN:
        return ConnectTimeoutError(
            f"{endpoint}: the program that listens took nobody within {timeout_s} s; look whether "
            "it hangs",
            timeout_s or 0.0,
        )
    if isinstance(error, FileNotFoundError):
        return PortNotFoundError(
            endpoint.path,
            message=f"{endpoint}: there is no such socket: start the other program first, and "
            "check the path",
        )
    if isinstance(error, ConnectionRefusedError) and Path(endpoint.path).is_socket():
        check = "nobody listens on it (any more): start the other program first"
    elif isinstance(error, ConnectionRefusedError):
        check = "it is no socket"
    elif isinstance(error, PermissionError):
        check = "you need the right to write to the socket"
    else:
        check = "check the path"
    return TransportError(f"{endpoint}: cannot connect: {what}; {check}")


class StandardStreams:
    """This program's standard input and output, taken over as a line.

    While it is open, descriptor 1 leads to standard error and descriptor 0 to nothing, so that a
    ``print`` in a handler cannot damage the stream, and an ``input()`` cannot eat from it.
    :meth:`close` puts all back, the blocking mode included, which other processes may share.

    Attributes:
        read_fd: the real standard input.
        write_fd: the real standard output.
    """

    def __init__(self) -> None:
        """Take the streams over.

        Raises:
            TransportError: this program has no standard streams, or not on POSIX.
        """
        if os.name != "posix":
            raise TransportError("stdio: needs a POSIX system; use tcp:")
        with contextlib.ExitStack() as undo:
            try:
                os.fstat(0)
                os.fstat(1)  # if one is missing, dup() would take its place
                self.read_fd = _duplicate(0, undo)
                self.write_fd = _duplicate(1, undo)
                _flush_prints()  # what was printed before belongs to the real standard output
                _redirect(undo, target=0, source=os.open(os.devnull, os.O_RDONLY))
                _redirect(undo, target=1, source=os.dup(2))
            except OSError as error:
                raise TransportError(f"stdio: no standard streams to use: {error}") from None
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Give the streams back.  Idempotent."""
        _flush_prints()  # what was printed meanwhile belongs to standard error
        self._undo.close()


def _flush_prints() -> None:
    """Write out what Python still holds of earlier prints."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def _duplicate(fd: int, undo: contextlib.ExitStack) -> int:
    """Return a private non-blocking descriptor of a standard stream."""
    # A terminal is opened anew: its blocking mode is then ours alone.
    own = os.open(os.ttyname(fd), os.O_RDWR | os.O_NOCTTY) if os.isatty(fd) else os.dup(fd)
    undo.callback(os.close, own)
    undo.callback(os.set_blocking, own, os.get_blocking(own))
    os.set_blocking(own, False)
    return own


def _redirect(undo: contextlib.ExitStack, *, target: int, source: int) -> None:
    """Let ``target`` lead to where ``source`` does, until undone; closes ``source``."""
    saved = os.dup(target)
    undo.callback(_put_back, saved, target)
    os.dup2(source, target)
    os.close(source)


def _put_back(saved: int, target: int) -> None:
    os.dup2(saved, target)
    os.close(saved)
