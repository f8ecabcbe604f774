"""Everything that carries bytes: ports, sockets, pipes, and lines that exist only here."""

from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.endpoint import Endpoint, parse_endpoint
from ipfi_serial.transport.impaired import (
    AsyncImpairedTransport,
    FaultCounts,
    FaultyLine,
    ImpairedTransport,
    LineFaults,
)
from ipfi_serial.transport.listener import AsyncListener, Listener
from ipfi_serial.transport.opening import open_async_transport, open_transport, register_opener
from ipfi_serial.transport.ports import PortInfo, list_ports
from ipfi_serial.transport.uart import SerialOptions

__all__ = [
    "AsyncImpairedTransport",
    "AsyncListener",
    "AsyncTransport",
    "Endpoint",
    "FaultCounts",
    "FaultyLine",
    "ImpairedTransport",
    "LineFaults",
    "Listener",
    "PortInfo",
    "SerialOptions",
    "Transport",
    "list_ports",
    "open_async_transport",
    "open_transport",
    "parse_endpoint",
    "register_opener",
]
