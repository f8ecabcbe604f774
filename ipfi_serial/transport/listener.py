"""Listens for peers on TCP and unix sockets; every accepted one becomes a transport.

Binds to this machine alone unless the endpoint names another address.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ipfi_serial.errors import (
    ConfigError,
    ConnectTimeoutError,
    PortBusyError,
    TransportError,
    WireClosedError,
)
from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.endpoint import Endpoint, parse_endpoint
from ipfi_serial.transport.sockets import async_transport_on, transport_on
from ipfi_serial.transport.stream import make_unix_socket, prepare_tcp

if TYPE_CHECKING:
    import asyncio

_log: Final = logging.getLogger(__name__)
_KINDS: Final = ("tcp", "tcp-listen", "unix", "unix-listen")
_BACKLOG: Final = 16


class BoundSocket:
    """A listening socket.

    Attributes:
        endpoint: what was asked for.
        address: the endpoint that peers connect to, with the real port.
        socket: non-blocking.
    """

    def __init__(self, endpoint: str | Endpoint) -> None:
        """Bind and listen.

        Raises:
            ConfigError: the endpoint is of a kind that cannot listen.
            PortBusyError: the port or the path is in use.
            TransportError: the system refuses the address.
        """
        self.endpoint = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
        if self.endpoint.kind not in _KINDS:
            raise _no_listener(self.endpoint)
        self._path: Path | None = None
        self._inode = (0, 0)
        self._is_unix = self.endpoint.kind.startswith("unix")
        try:
            self.socket = self._bind_unix() if self._is_unix else self._bind_tcp()
        except OSError as error:
            raise self._explain(error) from None
        self.socket.setblocking(False)
        self.address = f"unix:{self.endpoint.path}" if self._is_unix else self._tcp_address()
        _log.info("listening on %s", self.address)

    def _bind_tcp(self) -> socket.socket:
        host, port = self.endpoint.host, self.endpoint.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)

    def _tcp_address(self) -> str:
        return tcp_name(self.socket.getsockname())

    def _bind_unix(self) -> socket.socket:
        path = Path(self.endpoint.path)
        listening = make_unix_socket(self.endpoint)
        try:
            if path.is_socket():
                self._remove_if_dead(path)
            listening.bind(str(path))
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
        status = path.stat()
        self._path, self._inode = path, (status.st_dev, status.st_ino)
        return listening

    def _remove_if_dead(self, path: Path) -> None:
        """Remove the socket file of a server that died; a living one is left alone."""
        with make_unix_socket(self.endpoint) as probe:
            probe.setblocking(False)
            if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
                raise self._busy()
        path.unlink(missing_ok=True)

    def _explain(self, error: OSError) -> TransportError:
        if isinstance(error, TransportError):
            return error
        if error.errno == errno.EADDRINUSE:
            if self._is_unix and not stat.S_ISSOCK(Path(self.endpoint.path).lstat().st_mode):
                return TransportError(f"{self.endpoint}: a file that is no socket is in the way")
            return self._busy()
        what = error.strerror or str(error)
        if self._is_unix:
            check = "check that the folder exists and that you may write to it"
        elif error.errno == errno.EACCES:
            check = "ports below 1024 are the system's: take a higher one"
        else:
            check = "check the address"
        return TransportError(f"{self.endpoint}: cannot listen there: {what}; {check}")

    def _busy(self) -> PortBusyError:
        if not self._is_unix:
            return PortBusyError(str(self.endpoint))
        return PortBusyError(
            str(self.endpoint),
            message=f"{self.endpoint}: another program listens on this socket (lsof names it); "
            "stop it first, or take another path",
        )

    def name_of(self, peer: object) -> str:
        """Return the endpoint of an accepted peer, for people."""
        return self.address if self._is_unix else tcp_name(peer)

    def accept(self) -> tuple[socket.socket, str] | None:
        """Return the next peer and its name, or None if nobody waits."""
        try:
            line, peer = self.socket.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return None
        return self.prepare(line), self.name_of(peer)

    def prepare(self, line: socket.socket) -> socket.socket:
        """Set up an accepted socket."""
        if self._is_unix:
            line.setblocking(False)
        else:
            prepare_tcp(line)
        return line

    def close(self) -> None:
        """Stop listening and remove the unix path if it is still ours.  Idempotent."""
        self.socket.close()
        path, self._path = self._path, None
        if path is not None:
            with contextlib.suppress(OSError):
                status = path.lstat()
                if (status.st_dev, status.st_ino) == self._inode:
                    path.unlink()


def _no_listener(endpoint: Endpoint) -> ConfigError:
    role = "" if endpoint.kind in ("sim", "stdio") else ", ..., role='device'"
    return ConfigError(
        f"{str(endpoint)!r} has one other end and nobody to accept: use "
        f"connect({str(endpoint)!r}{role}), or listen on tcp:HOST:PORT or unix:PATH"
    )


def tcp_name(address: object) -> str:
    """Return "tcp:HOST:PORT" of a socket address, IPv6 in brackets."""
    if isinstance(address, tuple) and len(address) >= 2:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"tcp:{host}:{address[1]}"
    return "tcp:"


class Listener:
    """Accepts peers, for blocking use.  Any thread may close it.

    Attributes:
        address: what peers connect to: "tcp:127.0.0.1:40123", "unix:/run/board.sock".
        endpoint: what was asked for; its ``link`` goes for every peer.
    """

    def __init__(self, endpoint: str | Endpoint) -> None:
        """Listen on ``tcp:HOST:PORT`` (port 0: the system chooses) or ``unix:PATH``.

        Raises:
            ConfigError: the endpoint is of a kind that cannot listen.
            PortBusyError: the port or the path is in use.
            TransportError: the system refuses the address.
        """
        self._bound = BoundSocket(endpoint)
        self.address = self._bound.address
        self.endpoint = self._bound.endpoint
        self._closed = False
        self._is_accepting = False
        self._lock = threading.RLock()  # re-entrant: a signal handler may close
        self._ear, self._mouth = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bound.socket, selectors.EVENT_READ)
        self._selector.register(self._ear, selectors.EVENT_READ)

    def accept(self, timeout_s: float | None = None) -> Transport:
        """Wait for the next peer; None waits for ever.

        Raises:
            ConnectTimeoutError: nobody came in time.
            WireClosedError: the listener was closed.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._lock:
            self._is_accepting = True
            try:
                while not self._closed:
                    accepted = self._bound.accept()
                    if accepted is not None:
                        return transport_on(*accepted, self.endpoint.bytes_per_s())
                    left_s = None if deadline_s is None else deadline_s - time.monotonic()
                    if left_s is not None and left_s <= 0:
                        raise nobody_came(self.address, timeout_s)
                    self._selector.select(left_s)
            finally:
                self._is_accepting = False
                if self._closed:
                    self._release()
        raise closed_listener(self.address)

    def close(self) -> None:
        """Stop listening; a waiting accept ends.  Peers that were accepted stay.  Idempotent."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):  # accept() has seen it at once, and left
            self._mouth.send(b"!")
        with self._lock:
            if not self._is_accepting:  # else this is a signal handler inside of accept()
                self._release()

    def _release(self) -> None:
        self._selector.close()
        self._ear.close()
        self._mouth.close()
        self._bound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncListener:
    """Accepts peers on an event loop.

    Attributes:
        address: what peers connect to.
        endpoint: what was asked for; its ``link`` goes for every peer.
    """

    def __init__(self, endpoint: str | Endpoint) -> None:
        """Listen; see :class:`Listener`."""
        import asyncio  # not before it is needed: it takes 40 ms

        self._bound = BoundSocket(endpoint)
        self.address = self._bound.address
        self.endpoint = self._bound.endpoint
        self._closed = asyncio.Event()

    async def accept(self, timeout_s: float | None = None) -> AsyncTransport:
        """Wait for the next peer; None waits for ever.

        Raises:
            ConnectTimeoutError: nobody came in time.
            WireClosedError: the listener was closed.
        """
        import asyncio  # not before it is needed: it takes 40 ms

        if self._closed.is_set():
            raise closed_listener(self.address)
        loop = asyncio.get_running_loop()
        accepting = asyncio.ensure_future(loop.sock_accept(self._bound.socket))
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait(
                {accepting, closing}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            _close_accepted(accepting)
            raise
        finally:
            accepting.cancel()
            closing.cancel()
        if self._closed.is_set():
            _close_accepted(accepting)
            raise closed_listener(self.address)
        if accepting.done():
            line, peer = accepting.result()
            name = self._bound.name_of(peer)
            return async_transport_on(self._bound.prepare(line), name, self.endpoint.bytes_per_s())
        raise nobody_came(self.address, timeout_s)

    def close(self) -> None:
        """Stop listening; a waiting accept ends.  Peers that were accepted stay.  Idempotent."""
        import asyncio  # not before it is needed: it takes 40 ms

        if self._closed.is_set():
            return
        self._closed.set()
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(self._bound.socket)
        self._bound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _close_accepted(accepting: asyncio.Future[tuple[socket.socket, Any]]) -> None:
    """Close a peer that came at the moment when nobody wanted it any more."""
    if accepting.done() and not accepting.cancelled() and accepting.exception() is None:
        accepting.result()[0].close()


def nobody_came(address: str, timeout_s: float | None) -> ConnectTimeoutError:
    """Return the error for an accept whose time is up."""
    return ConnectTimeoutError(f"nobody connected to {address} in {timeout_s} s", timeout_s or 0.0)


def closed_listener(address: str) -> WireClosedError:
    """Return the error for an accept on a closed listener."""
    return WireClosedError(f"{address}: closed by this program: nobody is accepted any more")
