"""Turns an endpoint into an open transport: finds the opener of its kind and calls it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Unpack

from ipfi_serial.errors import ConfigError
from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.descriptor import TTY_READ_SIZE_BYTES, DescriptorTransport
from ipfi_serial.transport.endpoint import Endpoint, parse_endpoint
from ipfi_serial.transport.ports import find_usb_port
from ipfi_serial.transport.stream import StandardStreams, connect_tcp, connect_unix
from ipfi_serial.transport.uart import SerialOptions, SerialSettings, is_pty, open_port
from ipfi_serial.transport.virtual import PtyTransport, join_loopback

DEFAULT_CONNECT_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """What an opener gets.

    Attributes:
        endpoint: what to open.
        serial: how, if it is a serial port.
        connect_timeout_s: how long a connect or an accept may take; None is for ever.
    """

    endpoint: Endpoint
    serial: SerialOptions
    connect_timeout_s: float | None


SyncOpener = Callable[[Request], Transport]
AsyncOpener = Callable[[Request], Awaitable[AsyncTransport]]


def open_transport(
    endpoint: str | Endpoint,
    *,
    connect_timeout_s: float | None = DEFAULT_CONNECT_TIMEOUT_S,
    **serial: Unpack[SerialSettings],
) -> Transport:
    """Open a line for blocking use.

    Args:
        endpoint: see docs/guide/transports.md.  Its options win over ``serial``.
        connect_timeout_s: limit for the connect of tcp and unix and for the one accept of
            tcp-listen and unix-listen, in seconds; None waits for ever.
        **serial: the fields of :class:`~ipfi_serial.transport.uart.SerialOptions`.

    Raises:
        ConfigError: the endpoint or a setting is wrong.
        PortNotFoundError: no such port.
        PortBusyError: it is in use.
        ConnectTimeoutError: nobody answered or came in time.
        TransportError: anything else that the system says, with advice.
    """
    request = _request(endpoint, connect_timeout_s, serial)
    return _sync_opener(request.endpoint)(request)


def _request(
    endpoint: str | Endpoint, connect_timeout_s: float | None, serial: SerialSettings
) -> Request:
    parsed = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
    options = SerialOptions(**serial).with_options(parsed)
    return Request(parsed, options, connect_timeout_s)


def _open_device(request: Request) -> Transport:
    path = device_path(request.endpoint)
    port = open_port(path, request.serial)
    return DescriptorTransport(
        port.fileno(),
        str(request.endpoint),
        line_speed(request, path),
        release=port.close,
        read_size_bytes=TTY_READ_SIZE_BYTES,
    )


def device_path(endpoint: Endpoint) -> str:
    """Return the path of the device that a device or usb endpoint means.

    Raises:
        PortNotFoundError: no USB port fits.
        TransportError: several do.
    """
    return find_usb_port(endpoint) if endpoint.kind == "usb" else endpoint.path


def line_speed(request: Request, path: str) -> float | None:
    """Return bytes per second of a device: what ``?bps=`` says, None for a pty, or its baud."""
    told = request.endpoint.bytes_per_s()
    return told if told or is_pty(path) else request.serial.bytes_per_s()


def _open_tcp(request: Request) -> Transport:
    return _on_socket(connect_tcp(request.endpoint, request.connect_timeout_s), request)


def _open_unix(request: Request) -> Transport:
    return _on_socket(connect_unix(request.endpoint, request.connect_timeout_s), request)


def _on_socket(line: socket.socket, request: Request) -> Transport:
    return DescriptorTransport(
        line.fileno(), str(request.endpoint), request.endpoint.bytes_per_s(), release=line.close
    )


def _open_stdio(request: Request) -> Transport:
    streams = StandardStreams()
    return DescriptorTransport(
        streams.read_fd,
        str(request.endpoint),
        request.endpoint.bytes_per_s(),
        write_fd=streams.write_fd,
        release=streams.close,
    )


def _open_pty(request: Request) -> Transport:
    endpoint = request.endpoint
    return PtyTransport(str(endpoint), endpoint.path, endpoint.bytes_per_s())


def _open_loopback(request: Request) -> Transport:
    line, leave = join_loopback(request.endpoint.name)
    return DescriptorTransport(
        line.fileno(), str(request.endpoint), request.endpoint.bytes_per_s(), release=leave
    )


_SYNC_OPENERS: Final[dict[str, SyncOpener]] = {
    "device": _open_device,
    "usb": _open_device,
    "tcp": _open_tcp,
    "unix": _open_unix,
    "stdio": _open_stdio,
    "pty": _open_pty,
    "loopback": _open_loopback,
}


def _sync_opener(endpoint: Endpoint) -> SyncOpener:
    try:
        return _SYNC_OPENERS[endpoint.kind]
    except KeyError:
        raise ConfigError(f"{endpoint}: {endpoint.kind}: cannot be opened here") from None
