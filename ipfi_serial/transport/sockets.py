"""Makes a transport of a connected socket, in the way that this system allows."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.descriptor import HAS_DESCRIPTORS, DescriptorTransport
from ipfi_serial.transport.threaded import AsyncThreadedTransport, SocketSource, ThreadedTransport


def transport_on(
    line: socket.socket,
    endpoint: str,
    bytes_per_s: float | None = None,
    release: Callable[[], None] | None = None,
) -> Transport:
    """Return a blocking transport that owns ``line``; ``release`` closes it if given."""
    if not HAS_DESCRIPTORS:
        return ThreadedTransport(SocketSource(line, release), endpoint, bytes_per_s)
    return DescriptorTransport(line.fileno(), endpoint, bytes_per_s, release=release or line.close)


def async_transport_on(
    line: socket.socket,
    endpoint: str,
    bytes_per_s: float | None = None,
    release: Callable[[], None] | None = None,
) -> AsyncTransport:
    """Return an asyncio transport that owns ``line``; ``release`` closes it if given."""
    if not HAS_DESCRIPTORS:
        return AsyncThreadedTransport(SocketSource(line, release), endpoint, bytes_per_s)
    return AsyncDescriptorTransport(
        line.fileno(), endpoint, bytes_per_s, release=release or line.close
    )
