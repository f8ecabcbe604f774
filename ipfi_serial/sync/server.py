"""Serves one interface to everybody who connects."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import deque
from types import TracebackType
from typing import Final, Self

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.setup import Role, adjusted, build_wire, check_settings
from ipfi_serial.errors import WireClosedError
from ipfi_serial.sync.connection import Connection
from ipfi_serial.sync.waits import wait_interruptibly
from ipfi_serial.transport import Listener, Transport
from ipfi_serial.transport.endpoint import Link as LinkKind
from ipfi_serial.transport.endpoint import parse_endpoint
from ipfi_serial.transport.listener import closed_listener, nobody_came

log = logging.getLogger("ipfi_serial")

CLOSE_S: Final = 5.0  # how long closing waits for the thread that accepts
RETRY_S: Final = 0.2  # after the system refused a connection that was there


class Server:
    """Accepts connections until it is closed.

    Attributes:
        address: what others connect to, with the real port: "tcp:127.0.0.1:40001".
        interface: what every connection serves.
    """

    def __init__(
        self,
        listener: Listener,
        interface: Interface,
        config: WireConfig,
        link: LinkKind,
        role: Role,
    ) -> None:
        self.address = listener.address
        self.interface = interface
        self._listener = listener
        self._config = config
        self._framed = link == "framed"
        self._role: Role = role
        self._changed = threading.Condition()
        self._wires: list[Connection] = []
        self._fresh: deque[Connection] = deque()
        self._closed = False
        self._thread = threading.Thread(
            target=self._accept_all, name=f"ipfi {self.address}", daemon=True
        )
        self._thread.start()

    @property
    def wires(self) -> list[Connection]:
        """The connections that are open now."""
        with self._changed:
            return list(self._wires)

    def accept(self, timeout_s: float | None = None) -> Connection:
        """Return the next open connection that this method has not returned yet.

        Raises:
            ConnectTimeoutError: nobody came within ``timeout_s`` seconds; None waits for ever.
            WireClosedError: the server was closed.
        """
        with self._changed:
            wait_interruptibly(
                lambda some_s: self._changed.wait_for(lambda: self._fresh or self._closed, some_s),
                timeout_s,
            )
            if self._fresh:
                return self._fresh.popleft()
        if self._closed:
            raise closed_listener(self.address)
        raise nobody_came(self.address, timeout_s)

    def close(self) -> None:
        """Stop listening and close every connection.  Idempotent."""
        with self._changed:
            self._closed = True
            wires, self._wires = self._wires, []
            self._fresh.clear()
            self._changed.notify_all()
        self._listener.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_S)
        for wire in wires:
            wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept_all(self) -> None:
        while not self._closed:
            try:
                transport = self._listener.accept(None)
            except WireClosedError as error:
                if not self._closed:
                    log.warning("%s: no more connections: %s", self.address, error)
                return
            except OSError as error:  # no descriptor is free, mostly: that passes
                log.warning("%s: a connection was not accepted: %s", self.address, error)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, RETRY_S)
                continue
            try:
                self._serve(transport)
            except Exception:  # no thread is free, mostly
                log.exception("%s: a connection failed", self.address)
                transport.close()

    def _serve(self, transport: Transport) -> None:
        wire = build_wire(
            self.interface,
            self._config,
            framed=self._framed,
            role=self._role,
            bytes_per_s=transport.bytes_per_s,
            random_u32=lambda: secrets.randbits(32),
        )
        with self._changed:  # it may be called at once: nobody sees it served and not listed
            connection = Connection(transport, wire, self.interface, self._config)
            if not self._closed:
                self._wires.append(connection)
                self._fresh.append(connection)
                self._changed.notify_all()
                connection.on_close(lambda: self._forget(connection))
                return
        connection.close()

    def _forget(self, connection: Connection) -> None:
        """Drop a connection that has closed, and release its port and threads."""
        with self._changed:
            for wires in (self._wires, self._fresh):
                if connection in wires:
                    wires.remove(connection)
        connection.close()


def listen(
    endpoint: str,
    interface: Interface | None = None,
    *,
    link: LinkKind | None = None,
    role: Role = "device",
    can_call: bool = True,
    config: WireConfig | None = None,
) -> Server:
    """Serve an interface to everybody who connects.

    Args:
        endpoint: "tcp:127.0.0.1:0" (port 0: the system chooses) or "unix:/path"; without a host it
            listens on this machine only.
        interface: what every connection serves; nothing if None.
        link: "framed" or "plain" (the default for these endpoints).
        role: of this end on framed connections.
        can_call: False for wires that are called but never call.
        config: limits and times.

    Raises:
        ConfigError: the endpoint cannot be listened on.
        PortBusyError: the address is in use.
        TransportError: anything else that the system says.
    """
    check_settings(interface, role, link, config)
    interface = interface if interface is not None else Interface()
    kind = link or parse_endpoint(endpoint).link
    return Server(Listener(endpoint), interface, adjusted(config, can_call=can_call), kind, role)
