"""Makes a transport of a connected socket, in the way that this system allows."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from functools import partial

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
    return DescriptorTransport(
        line.fileno(), endpoint, bytes_per_s, release=release or partial(hang_up, line)
    )


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
        line.fileno(), endpoint, bytes_per_s, release=release or partial(hang_up, line)
    )


def hang_up(line: socket.socket) -> None:
    """Close a socket so that what was sent before still arrives.

    A socket that is closed with unread input resets the connection, and the system then drops what
    it has not delivered: so read what is there first.
    """
    with contextlib.suppress(OSError):  # gone already, or nothing (more) to read
        line.shutdown(socket.SHUT_WR)
        line.setblocking(False)
        while line.recv(65536):
            pass
    line.close()
