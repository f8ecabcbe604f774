"""Opens a line by its endpoint string and makes the handshake."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Unpack

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
from ipfi_serial.sync.connection import Connection
from ipfi_serial.transport import Endpoint, Transport, open_transport, parse_endpoint
from ipfi_serial.transport.base import check_transport
from ipfi_serial.transport.endpoint import Link as LinkKind
from ipfi_serial.transport.opening import DEFAULT_CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from ipfi_serial.transport.uart import SerialSettings


def connect(
    endpoint: str | os.PathLike[str] | Endpoint | Transport,
    interface: Interface | None = None,
    *,
    connect_timeout_s: float | None = None,
    link: LinkKind | None = None,
    role: Role = "host",
    can_call: bool = True,
    config: WireConfig | None = None,
    **serial: Unpack[SerialSettings],
) -> Connection:
    """Open a line, make the handshake, and return the connection.

    Args:
        endpoint: "/dev/ttyACM0", "sim:" ... (docs/guide/endpoints.md), or an open transport.
        interface: what this end serves; nothing if None.
        connect_timeout_s: limit for opening and for the handshake, in seconds; if None 5 s and 6
            wire times of a handshake for a host; a device then does not wait.
        link: "framed" or "plain", against the endpoint's default.
        role: "host" opens actively; "device" waits for a host (see Connection.wait_established).
        can_call: False for a module-style wire that is called but never calls.
        config: limits and times.
        **serial: settings of a serial port: baud (115200 by default), exclusive, low_latency,
            dtr, rts, rtscts, xonxoff, rs485, bytesize, parity, stopbits; refused without one.

    Raises:
        ConfigError: the endpoint or a setting is wrong.
        PortNotFoundError: no such port; names those that exist.
        PortBusyError: somebody else has it; names them if that can be found out.
        ConnectTimeoutError: nobody answered; says what was heard, and what to check.
        HandshakeRefusedError: the other end does not want this session.
        EchoingLineError: the line sends back what we send.
        LinkMismatchError: the other end is plain and this one framed, or the other way round.
    """
    check_settings(interface, role, link, config, connect_timeout_s)
    interface = interface if interface is not None else Interface()
    transport, kind = _open(endpoint, connect_timeout_s, serial)
    config = with_chosen_crc(adjusted(config, can_call=can_call), transport)
    wire = build_wire(
        interface,
        config,
        framed=(link or kind) == "framed",
        role=role,
        bytes_per_s=transport.bytes_per_s,
        random_u32=lambda: int.from_bytes(os.urandom(4), "little"),
    )
    try:
        connection = Connection(transport, wire, interface, config)
    except BaseException:  # no thread to be had, or an interrupt
        transport.close()
        raise
    if role == "device" and connect_timeout_s is None:
        return connection
    if connect_timeout_s is None:
        connect_timeout_s = default_connect_timeout_s(transport.bytes_per_s)
    try:
        _wait_for_session(connection, kind, connect_timeout_s)
    except BaseException:
        connection.abandon()
        raise
    return connection


def _wait_for_session(connection: Connection, kind: LinkKind, timeout_s: float) -> None:
    try:
        opened = connection.wait_opened(timeout_s)
    except TransportError as error:
        usually_plain = kind == "plain" and connection.framed
        raise loss_error(error, connection.stats(), usually_plain=usually_plain) from None
    if not opened:
        raise connection.no_session(connection.stats(), timeout_s)


def _open(
    endpoint: str | os.PathLike[str] | Endpoint | Transport,
    connect_timeout_s: float | None,
    serial: SerialSettings,
) -> tuple[Transport, LinkKind]:
    if isinstance(endpoint, os.PathLike):
        endpoint = os.fspath(endpoint)
    if not isinstance(endpoint, str | Endpoint):
        check_transport(endpoint, "read", serial)
        return endpoint, "framed"
    parsed = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
    limit_s = DEFAULT_CONNECT_TIMEOUT_S if connect_timeout_s is None else connect_timeout_s
    transport = open_transport(parsed, connect_timeout_s=limit_s, **serial)
    return transport, parsed.link
