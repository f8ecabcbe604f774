"""Everything that carries bytes: ports, sockets, pipes, and lines that exist only here."""

from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.endpoint import Endpoint, parse_endpoint
from ipfi_serial.transport.opening import open_transport
from ipfi_serial.transport.ports import PortInfo, list_ports
from ipfi_serial.transport.uart import SerialOptions

__all__ = [
    "AsyncTransport",
    "Endpoint",
    "PortInfo",
    "SerialOptions",
    "Transport",
    "list_ports",
    "open_transport",
    "parse_endpoint",
]
