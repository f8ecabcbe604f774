"""Ordinary, blocking code: connections, servers, call handles and streams."""

from typing import TYPE_CHECKING, Any

from ipfi_serial.sync.connection import Connection
from ipfi_serial.sync.handles import CallHandle, PartialCall
from ipfi_serial.sync.opening import connect
from ipfi_serial.sync.streams import Stream

if TYPE_CHECKING:
    from ipfi_serial.sync.server import Server, listen

__all__ = ["CallHandle", "Connection", "PartialCall", "Server", "Stream", "connect", "listen"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    """Import the server when it is asked for: a program that only calls has no use for it."""
    if name not in ("Server", "listen"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ipfi_serial.sync import server

    return getattr(server, name)
