"""IPFI over serial lines: procedures, callbacks and events, exactly once, over any wire."""

from typing import TYPE_CHECKING, Any

from ipfi_serial.codec.manifest import Entry, EntryKind
from ipfi_serial.codec.values import ValueCodecError, ValueEncodeError
from ipfi_serial.config import WireConfig
from ipfi_serial.engine import wire as _wire
from ipfi_serial.engine.context import CallContext, DeferredReply
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.stats import WireStats
from ipfi_serial.engine.subscriptions import EventArguments
from ipfi_serial.errors import (
    CallCancelledError,
    CallError,
    CallRefusedError,
    CallTimeoutError,
    ConfigError,
    ConnectTimeoutError,
    DeviceResetError,
    EchoingLineError,
    HandshakeRefusedError,
    IpfiError,
    LinkLostError,
    LinkMismatchError,
    LocalProtocolError,
    NoSessionError,
    PortBusyError,
    PortNotFoundError,
    RemoteCallError,
    RemoteProtocolError,
    TransportError,
    WireClosedError,
)
from ipfi_serial.sim import register as _register_sim
from ipfi_serial.sync import CallHandle, Connection, PartialCall, Stream, connect

if TYPE_CHECKING:
    from ipfi_serial.sync import Server, listen

_register_sim()

__version__ = "0.1.0"
# Whether this is the wheel of IPFI_COMPILE=1.  A pure module may be a .pyc, or have no file at all.
__compiled__ = str(getattr(_wire, "__file__", "")).endswith((".so", ".pyd"))

__all__ = [
    "CallCancelledError",
    "CallContext",
    "CallError",
    "CallHandle",
    "CallRefusedError",
    "CallTimeoutError",
    "ConfigError",
    "ConnectTimeoutError",
    "Connection",
    "DeferredReply",
    "DeviceResetError",
    "EchoingLineError",
    "Entry",
    "EntryKind",
    "EventArguments",
    "HandshakeRefusedError",
    "Interface",
    "IpfiError",
    "LinkLostError",
    "LinkMismatchError",
    "LocalProtocolError",
    "NoSessionError",
    "PartialCall",
    "PortBusyError",
    "PortNotFoundError",
    "RemoteCallError",
    "RemoteProtocolError",
    "Server",
    "Stream",
    "TransportError",
    "ValueCodecError",
    "ValueEncodeError",
    "WireClosedError",
    "WireConfig",
    "WireStats",
    "__compiled__",
    "__version__",
    "connect",
    "listen",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name not in ("Server", "listen"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ipfi_serial import sync  # not before it is needed: it loads sockets

    return getattr(sync, name)
