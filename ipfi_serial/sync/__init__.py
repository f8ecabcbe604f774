"""Ordinary, blocking code: connections, servers, call handles and streams."""

from ipfi_serial.sync.connection import Connection
from ipfi_serial.sync.handles import CallHandle, PartialCall, Stream
from ipfi_serial.sync.opening import connect
from ipfi_serial.sync.server import Server, listen

__all__ = ["CallHandle", "Connection", "PartialCall", "Server", "Stream", "connect", "listen"]
