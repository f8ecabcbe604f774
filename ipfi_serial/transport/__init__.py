"""Everything that carries bytes: ports, sockets, pipes, and lines that exist only here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ipfi_serial.transport.base import AsyncTransport, Transport
from ipfi_serial.transport.endpoint import Endpoint, parse_endpoint
from ipfi_serial.transport.opening import open_async_transport, open_transport, register_opener

if TYPE_CHECKING:
    from ipfi_serial.transport.impaired import (
        AsyncImpairedTransport,
        FaultCounts,
        FaultyLine,
        ImpairedTransport,
        LineFaults,
    )
    from ipfi_serial.transport.listener import AsyncListener, Listener
    from ipfi_serial.transport.ports import PortInfo, list_ports
    from ipfi_serial.transport.uart import SerialOptions

# Where the names are that few programs ask for: imported when they are.
_LATER: Final = {
    "AsyncImpairedTransport": "impaired",
    "AsyncListener": "listener",
    "FaultCounts": "impaired",
    "FaultyLine": "impaired",
    "ImpairedTransport": "impaired",
    "LineFaults": "impaired",
    "Listener": "listener",
    "PortInfo": "ports",
    "SerialOptions": "uart",
    "list_ports": "ports",
}

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


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of those above
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
