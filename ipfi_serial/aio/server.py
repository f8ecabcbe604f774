"""Serves one interface to everybody who connects."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from types import TracebackType
from typing import Final, Self

from ipfi_serial.aio.connection import Connection
from ipfi_serial.aio.opening import Opening
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.setup import Role, adjusted, build_wire, check_settings
from ipfi_serial.errors import WireClosedError
from ipfi_serial.transport import AsyncListener, AsyncTransport, parse_endpoint
from ipfi_serial.transport.endpoint import Link as LinkKind
from ipfi_serial.transport.listener import closed_listener, nobody_came

log = logging.getLogger("ipfi_serial")

RETRY_S: Final = 0.2  # after the system refused a connection that was there


class Server:
    """Accepts connections until it is closed.

    Attributes:
        address: what others connect to, with the real port: "tcp:127.0.0.1:40001".
        interface: what every connection serves.
        wires: the connections that are open now.
    """

    def __init__(
        self,
        listener: AsyncListener,
        interface: Interface,
        config: WireConfig,
        link: LinkKind,
        role: Role,
    ) -> None:
        self.address = listener.address
        self.interface = interface
        self.wires: list[Connection] = []
        self._listener = listener
        self._config = config
        self._framed = link == "framed"
        self._role: Role = role
        self._fresh: deque[Connection] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._task = asyncio.get_running_loop().create_task(self._accept_all())

    async def accept(self, timeout_s: float | None = None) -> Connection:
        """Return the next open connection that this method has not returned yet.

        Raises:
            ConnectTimeoutError: nobody came within ``timeout_s`` seconds; None waits for ever.
            WireClosedError: the server was closed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self._fresh and not self._closed:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise nobody_came(self.address, timeout_s) from None
        if self._closed:
            raise closed_listener(self.address)
        return self._fresh.popleft()

    async def close(self) -> None:
        """Stop listening and close every connection.  Idempotent."""
        self._closed = True
        self._changed.set()
        self._listener.close()
        wires = self.wires
        try:
            await asyncio.wait((self._task,))
            wires = list(self.wires)  # each leaves the list when it has closed
            await asyncio.gather(*(wire.close() for wire in wires))
        finally:
            for wire in list(wires):
                wire.abandon()
            self._fresh.clear()
            self.wires.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _accept_all(self) -> None:
        while not self._closed:
            try:
                transport = await self._listener.accept(None)
            except WireClosedError as error:
                if not self._closed:
                    log.warning("%s: no more connections: %s", self.address, error)
                return
            except OSError as error:  # no descriptor is free, mostly: that passes
                log.warning("%s: a connection was not accepted: %s", self.address, error)
                await asyncio.sleep(RETRY_S)
                continue
            try:
                self._serve(transport)
            except Exception:
                log.exception("%s: a connection failed", self.address)
                transport.close()

    def _serve(self, transport: AsyncTransport) -> None:
        wire = build_wire(
            self.interface,
            self._config,
            framed=self._framed,
            role=self._role,
            bytes_per_s=transport.bytes_per_s,
            random_u32=lambda: secrets.randbits(32),
        )
        connection = Connection(transport, wire, self.interface, self._config)
        self.wires.append(connection)
        self._fresh.append(connection)
        self._changed.set()

        async def forget() -> None:
            """Drop a connection that has closed, and release its port."""
            if connection in self.wires:
                self.wires.remove(connection)
            if connection in self._fresh:
                self._fresh.remove(connection)
            await connection.close()

        connection.on_close(forget)


def listen(
    endpoint: str,
    interface: Interface | None = None,
    *,
    link: LinkKind | None = None,
    role: Role = "device",
    can_call: bool = True,
    config: WireConfig | None = None,
) -> Opening[Server]:
    """Serve an interface to everybody; await it, or use it in an ``async with`` block.

    Args and errors are those of :func:`ipfi_serial.listen`.
    """

    async def open_it() -> Server:
        check_settings(interface, role, link, config)
        kind = link or parse_endpoint(endpoint).link
        served = interface if interface is not None else Interface()
        settings = adjusted(config, can_call=can_call)
        return Server(AsyncListener(endpoint), served, settings, kind, role)

    return Opening(open_it)
