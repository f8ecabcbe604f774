"""Turns an endpoint into an open transport: finds the opener of its kind and calls it.

An opener imports what only it needs when it is called: who opens a port loads no sockets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, Unpack

from ipfi_serial.errors import ConfigError
from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.descriptor import (
    HAS_DESCRIPTORS,
    TTY_READ_SIZE_BYTES,
    DescriptorTransport,
)
from ipfi_serial.transport.endpoint import Endpoint, Kind, parse_endpoint

if TYPE_CHECKING:
    import serial

    from ipfi_serial.transport.uart import SerialOptions, SerialSettings

DEFAULT_CONNECT_TIMEOUT_S: Final = 10.0


class Request(NamedTuple):
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
        **serial: the fields of :class:`~ipfi_serial.transport.uart.SerialOptions`; refused for
            tcp, unix, stdio and morse.

    Raises:
        ConfigError: the endpoint or a setting is wrong.
        PortNotFoundError: no such port.
        PortBusyError: it is in use.
        ConnectTimeoutError: nobody answered or came in time.
        TransportError: anything else that the system says, with advice.
    """
    request = _request(endpoint, connect_timeout_s, serial)
    return _opener(_SYNC_OPENERS, request.endpoint)(request)


def _request(
    endpoint: str | Endpoint, connect_timeout_s: float | None, serial: SerialSettings
) -> Request:
    from ipfi_serial.transport.uart import options_for  # for who opens something

    parsed = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
    return Request(parsed, options_for(parsed, serial), connect_timeout_s)


async def open_async_transport(
    endpoint: str | Endpoint,
    *,
    connect_timeout_s: float | None = DEFAULT_CONNECT_TIMEOUT_S,
    **serial: Unpack[SerialSettings],
) -> AsyncTransport:
    """Open a line for the running event loop; arguments and errors of :func:`open_transport`."""
    request = _request(endpoint, connect_timeout_s, serial)
    opener = _opener(_ASYNC_OPENERS, request.endpoint)
    return await opener(request)


def register_opener(kind: Kind, sync_opener: SyncOpener, async_opener: AsyncOpener) -> None:
    """Let a higher layer open one kind of endpoint; ``sim`` has no opener of its own here.

    Args:
        kind: of :class:`~ipfi_serial.transport.endpoint.Endpoint`.
        sync_opener: called by :func:`open_transport`.
        async_opener: called and awaited by :func:`open_async_transport`.
    """
    _SYNC_OPENERS[kind] = sync_opener
    _ASYNC_OPENERS[kind] = async_opener


_Opener = TypeVar("_Opener")


def _opener(openers: dict[Kind, _Opener], endpoint: Endpoint) -> _Opener:
    try:
        return openers[endpoint.kind]
    except KeyError:
        raise ConfigError(
            f"{endpoint}: nothing here opens {endpoint.kind!r}; see register_opener"
        ) from None


def _open_device(request: Request) -> Transport:
    from ipfi_serial.transport.uart import close_port

    port, speed = _open_port(request)
    name = str(request.endpoint)
    if not HAS_DESCRIPTORS:
        from ipfi_serial.transport.threaded import POLL_S, PySerialSource, ThreadedTransport

        port.timeout = POLL_S
        return ThreadedTransport(PySerialSource(port), name, speed)
    return DescriptorTransport(
        port.fileno(),
        name,
        speed,
        release=partial(close_port, port),
        read_size_bytes=TTY_READ_SIZE_BYTES,
    )


async def _open_device_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
    from ipfi_serial.transport.uart import close_port

    port, speed = _open_port(request)
    name = str(request.endpoint)
    if not HAS_DESCRIPTORS:
        from ipfi_serial.transport.threaded import (
            POLL_S,
            AsyncThreadedTransport,
            PySerialSource,
        )

        port.timeout = POLL_S
        return AsyncThreadedTransport(PySerialSource(port), name, speed)
    return AsyncDescriptorTransport(
        port.fileno(),
        name,
        speed,
        release=partial(close_port, port),
        read_size_bytes=TTY_READ_SIZE_BYTES,
    )


def _open_port(request: Request) -> tuple[serial.Serial, float | None]:
    """Open the device that a device or usb endpoint means; its speed is None for a pty."""
    from ipfi_serial.transport.uart import is_pty, open_port

    endpoint, path = request.endpoint, request.endpoint.path
    if endpoint.kind == "usb":
        from ipfi_serial.transport.ports import find_usb_port

        path = find_usb_port(endpoint)
    port = open_port(path, request.serial)
    told = endpoint.bytes_per_s()
    return port, told if told or is_pty(path) else request.serial.bytes_per_s()


def _open_url(request: Request) -> Transport:
    from ipfi_serial.transport.threaded import ThreadedTransport
    from ipfi_serial.transport.url import open_url, resolve_url, url_speed

    endpoint = resolve_url(request.endpoint)
    if endpoint.kind != "url":
        return _opener(_SYNC_OPENERS, endpoint)(request._replace(endpoint=endpoint))
    source = open_url(endpoint, request.serial)
    return ThreadedTransport(source, str(endpoint), url_speed(endpoint, request.serial))


async def _open_url_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.threaded import AsyncThreadedTransport
    from ipfi_serial.transport.url import open_url_async, resolve_url, url_speed

    endpoint = resolve_url(request.endpoint)
    if endpoint.kind != "url":
        return await _opener(_ASYNC_OPENERS, endpoint)(request._replace(endpoint=endpoint))
    source = await open_url_async(endpoint, request.serial)
    return AsyncThreadedTransport(source, str(endpoint), url_speed(endpoint, request.serial))


def _open_tcp(request: Request) -> Transport:
    from ipfi_serial.transport.sockets import transport_on
    from ipfi_serial.transport.stream import connect_tcp

    endpoint = request.endpoint
    line = connect_tcp(endpoint, request.connect_timeout_s)
    return transport_on(line, str(endpoint), endpoint.bytes_per_s())


async def _open_tcp_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.sockets import async_transport_on
    from ipfi_serial.transport.stream import connect_tcp_async

    endpoint = request.endpoint
    line = await connect_tcp_async(endpoint, request.connect_timeout_s)
    return async_transport_on(line, str(endpoint), endpoint.bytes_per_s())


def _open_unix(request: Request) -> Transport:
    from ipfi_serial.transport.sockets import transport_on
    from ipfi_serial.transport.stream import connect_unix

    endpoint = request.endpoint
    line = connect_unix(endpoint, request.connect_timeout_s)
    return transport_on(line, str(endpoint), endpoint.bytes_per_s())


async def _open_unix_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.sockets import async_transport_on
    from ipfi_serial.transport.stream import connect_unix_async

    endpoint = request.endpoint
    line = await connect_unix_async(endpoint, request.connect_timeout_s)
    return async_transport_on(line, str(endpoint), endpoint.bytes_per_s())


def _accept_one(request: Request) -> Transport:
    from ipfi_serial.transport.listener import Listener

    with Listener(request.endpoint) as listener:
        return listener.accept(request.connect_timeout_s)


async def _accept_one_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.listener import AsyncListener

    with AsyncListener(request.endpoint) as listener:
        return await listener.accept(request.connect_timeout_s)


def _open_stdio(request: Request) -> Transport:
    from ipfi_serial.transport.stream import StandardStreams

    streams = StandardStreams()
    return DescriptorTransport(
        streams.read_fd,
        str(request.endpoint),
        request.endpoint.bytes_per_s(),
        write_fd=streams.write_fd,
        release=streams.close,
    )


async def _open_stdio_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
    from ipfi_serial.transport.stream import StandardStreams

    streams = StandardStreams()
    return AsyncDescriptorTransport(
        streams.read_fd,
        str(request.endpoint),
        request.endpoint.bytes_per_s(),
        write_fd=streams.write_fd,
        release=streams.close,
    )


def _open_pty(request: Request) -> Transport:
    from ipfi_serial.transport.virtual import PtyTransport

    endpoint = request.endpoint
    return PtyTransport(str(endpoint), endpoint.path, endpoint.bytes_per_s())


async def _open_pty_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.virtual import AsyncPtyTransport

    endpoint = request.endpoint
    return AsyncPtyTransport(str(endpoint), endpoint.path, endpoint.bytes_per_s())


def _open_loopback(request: Request) -> Transport:
    from ipfi_serial.transport.sockets import transport_on
    from ipfi_serial.transport.virtual import join_loopback

    line, leave = join_loopback(request.endpoint.name)
    return transport_on(line, str(request.endpoint), request.endpoint.bytes_per_s(), leave)


async def _open_loopback_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.sockets import async_transport_on
    from ipfi_serial.transport.virtual import join_loopback

    line, leave = join_loopback(request.endpoint.name)
    return async_transport_on(line, str(request.endpoint), request.endpoint.bytes_per_s(), leave)


def _open_morse(request: Request) -> Transport:
    from ipfi_serial.transport.morse import open_morse  # who opens no Morse loads none of it

    endpoint = request.endpoint
    return open_morse(str(endpoint), endpoint.name, dict(endpoint.options))


async def _open_morse_async(request: Request) -> AsyncTransport:
    from ipfi_serial.transport.morse import open_morse_async

    endpoint = request.endpoint
    return open_morse_async(str(endpoint), endpoint.name, dict(endpoint.options))


_SYNC_OPENERS: Final[dict[Kind, SyncOpener]] = {
    "device": _open_device,
    "usb": _open_device,
    "url": _open_url,
    "tcp": _open_tcp,
    "tcp-listen": _accept_one,
    "unix": _open_unix,
    "unix-listen": _accept_one,
    "stdio": _open_stdio,
    "pty": _open_pty,
    "loopback": _open_loopback,
    "morse": _open_morse,
}
_ASYNC_OPENERS: Final[dict[Kind, AsyncOpener]] = {
    "device": _open_device_async,
    "usb": _open_device_async,
    "url": _open_url_async,
    "tcp": _open_tcp_async,
    "tcp-listen": _accept_one_async,
    "unix": _open_unix_async,
    "unix-listen": _accept_one_async,
    "stdio": _open_stdio_async,
    "pty": _open_pty_async,
    "loopback": _open_loopback_async,
    "morse": _open_morse_async,
}
