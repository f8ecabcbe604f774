"""Opens a line by its endpoint string and makes the handshake."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack

from ipfi_serial.aio.connection import Connection
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.advice import loss_error
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.setup import (
    Role,
    adjusted,
    build_wire,
    check_settings,
    default_connect_timeout_s,
    with_chosen_crc,
)
from ipfi_serial.errors import TransportError
from ipfi_serial.transport import AsyncTransport, Endpoint, open_async_transport, parse_endpoint
from ipfi_serial.transport.base import check_transport
from ipfi_serial.transport.endpoint import Link as LinkKind
from ipfi_serial.transport.opening import DEFAULT_CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from ipfi_serial.transport.uart import SerialSettings


class Closable(Protocol):
    """What can be closed."""

    async def close(self) -> None:
        """Release it."""


Opened = TypeVar("Opened", bound=Closable)


class Opening(Generic[Opened]):
    """Something that is being opened: await it, or use it in an ``async with`` block."""

    def __init__(self, open_it: Callable[[], Coroutine[Any, Any, Opened]]) -> None:
        self._open_it = open_it
        self._opened: Opened | None = None

    def __await__(self) -> Generator[Any, None, Opened]:
        return self._open_it().__await__()

    async def __aenter__(self) -> Opened:
        self._opened = await self._open_it()
        return self._opened

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


def connect(
    endpoint: str | os.PathLike[str] | Endpoint | AsyncTransport,
    interface: Interface | None = None,
    *,
    connect_timeout_s: float | None = None,
    link: LinkKind | None = None,
    role: Role = "host",
    can_call: bool = True,
    config: WireConfig | None = None,
    **serial: Unpack[SerialSettings],
) -> Opening[Connection]:
    """Open a line and make the handshake; await it, or use it in an ``async with`` block.

    Args and errors are those of :func:`ipfi_serial.connect`.
    """

    async def open_it() -> Connection:
        check_settings(interface, role, link, config, connect_timeout_s)
        config_ = adjusted(config, can_call=can_call)
        transport, kind = await _open(endpoint, connect_timeout_s, serial)
        config_ = with_chosen_crc(config_, transport)
        return await _join(
            transport,
            interface if interface is not None else Interface(),
            config_,
            framed=(link or kind) == "framed",
            kind=kind,
            role=role,
            connect_timeout_s=connect_timeout_s,
        )

    return Opening(open_it)


async def _join(
    transport: AsyncTransport,
    interface: Interface,
    config: WireConfig,
    *,
    framed: bool,
    kind: LinkKind,
    role: Role,
    connect_timeout_s: float | None,
) -> Connection:
    """Make a connection on an open transport and wait for its session."""
    wire = build_wire(
        interface,
        config,
        framed=framed,
        role=role,
        bytes_per_s=transport.bytes_per_s,
        random_u32=lambda: secrets.randbits(32),
    )
    try:
        connection = Connection(transport, wire, interface, config)
    except BaseException:
        transport.close()
        raise
    if role == "device" and connect_timeout_s is None:
        return connection
    if connect_timeout_s is None:
        connect_timeout_s = default_connect_timeout_s(transport.bytes_per_s)
    try:
        await _wait_for_session(connection, kind, connect_timeout_s)
    except BaseException:
        connection.abandon()
        raise
    return connection


async def _wait_for_session(connection: Connection, kind: LinkKind, timeout_s: float) -> None:
    try:
        opened = await connection.wait_opened(timeout_s)
    except TransportError as error:
        usually_plain = kind == "plain" and connection.framed
        raise loss_error(error, connection.stats(), usually_plain=usually_plain) from None
    if not opened:
        raise connection.no_session(connection.stats(), timeout_s)


async def _open(
    endpoint: str | os.PathLike[str] | Endpoint | AsyncTransport,
    connect_timeout_s: float | None,
    serial: SerialSettings,
) -> tuple[AsyncTransport, LinkKind]:
    if isinstance(endpoint, os.PathLike):
        endpoint = os.fspath(endpoint)
    if not isinstance(endpoint, str | Endpoint):
        check_transport(endpoint, "start", serial)
        return endpoint, "framed"
    parsed = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
    limit_s = DEFAULT_CONNECT_TIMEOUT_S if connect_timeout_s is None else connect_timeout_s
    transport = await open_async_transport(parsed, connect_timeout_s=limit_s, **serial)
    return transport, parsed.link
