"""Opens and configures a serial port with pyserial; on POSIX its descriptor is then used directly.

What it leaves alone: bytes that arrived before the port was opened (pyserial would throw them
away), and the DTR and RTS lines, unless they are asked for.  docs/guide/transports.md says what
the operating system does to them nevertheless.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import sys
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypedDict

from ipfi_serial.errors import ConfigError, PortBusyError, PortNotFoundError, TransportError
from ipfi_serial.transport.endpoint import SERIAL_OPTIONS, Endpoint, Kind

if TYPE_CHECKING:
    import serial
    from serial.rs485 import RS485Settings

_log: Final = logging.getLogger(__name__)
_YES_NO: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_PTY_MAJORS: Final = range(136, 144)  # Linux: UNIX98_PTY_SLAVE_MAJOR and the seven after it
_CLOSE_PATIENCE_S: Final = 0.1
_MOST_BAUD: Final = 100_000_000
# Neither a serial port nor what stands in for one: a program may try its port's settings on those.
_NOT_SERIAL: Final[tuple[Kind, ...]] = (
    "tcp", "tcp-listen", "unix", "unix-listen", "stdio", "morse",
)  # fmt: skip


class SerialSettings(TypedDict, total=False):
    """The keywords of :class:`SerialOptions`, for functions that pass them on."""

    baud: int
    bytesize: int
    parity: str
    stopbits: float
    exclusive: bool
    low_latency: bool
    dtr: bool | None
    rts: bool | None
    rtscts: bool
    xonxoff: bool
    rs485: RS485Settings | bool | None


@dataclass(frozen=True, slots=True)
class SerialOptions:
    """How a serial port is set.  In an endpoint: ``/dev/ttyUSB0?baud=9600&parity=E``.

    Attributes:
        baud: bits per second, 1 to 100,000,000; any number that the driver takes.
        bytesize: data bits of a character, 5 to 8.  Framed links need 8.
        parity: "N", "E", "O", "M" or "S".
        stopbits: 1, 1.5 or 2.
        exclusive: refuse a port that another program has locked, and lock it.
        low_latency: ask the driver to hand over bytes at once (Linux); ignored where it cannot.
        dtr: level of DTR from the opening on, or None to leave the line to the system.
        rts: level of RTS from the opening on, or None.
        rtscts: hardware flow control.
        xonxoff: software flow control.  Framed links do not survive it: 0x11 and 0x13 vanish.
        rs485: settings for a driver that switches the RS-485 direction, True for the usual ones.
    """

    baud: int = 115200
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1
    exclusive: bool = True
    low_latency: bool = True
    dtr: bool | None = None
    rts: bool | None = None
    rtscts: bool = False
    xonxoff: bool = False
    rs485: RS485Settings | bool | None = None

    def __post_init__(self) -> None:
        allowed: dict[str, tuple[object, ...]] = {
            "bytesize": (5, 6, 7, 8),
            "parity": ("N", "E", "O", "M", "S"),
            "stopbits": (1, 1.5, 2),
        }
        baud: object = self.baud  # an untyped program may give it as text
        if not isinstance(baud, int) or not 1 <= self.baud <= _MOST_BAUD:
            raise ConfigError(f"baud is {self.baud!r}; it must be a number, 1 to {_MOST_BAUD}")
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                names = ", ".join(map(str, values))
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it is one of {names}")

    def bytes_per_s(self) -> float:
        """Return how many characters the line carries in a second."""
        bits = 1 + self.bytesize + (self.parity != "N") + self.stopbits
        return self.baud / bits

    def with_options(self, endpoint: Endpoint) -> SerialOptions:
        """Return these settings, overruled by those in the endpoint string.

        Raises:
            ConfigError: a value there is not of its kind.
        """
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        for name, text in endpoint.options:
            if name in SERIAL_OPTIONS:
                values[name] = _convert(endpoint, name, text)
        return SerialOptions(**values)


def options_for(endpoint: Endpoint, settings: SerialSettings) -> SerialOptions:
    """Return how to set the port of an endpoint: by keywords, overruled by what its string says.

    Raises:
        TypeError: there is no such keyword; names the one that may have been meant.
        ConfigError: a value is out of range, or the endpoint has no serial port to be set.
    """
    options = serial_options(settings).with_options(endpoint)
    names = " and ".join(settings)
    if endpoint.path.startswith("socket://"):  # a TCP connection, spelt pyserial's way
        told = (name for name, _ in endpoint.options if name in SERIAL_OPTIONS)
        names = " and ".join((*settings, *told))
    elif endpoint.kind not in _NOT_SERIAL:
        names = ""
    if names:
        hint = "its speed is ?wpm=N" if endpoint.kind == "morse" else "leave that out"
        raise ConfigError(
            f"endpoint {endpoint.text!r}: {names} would set a serial port, and this is none; "
            f"{hint}, or check the endpoint"
        )
    return options


def serial_options(settings: SerialSettings) -> SerialOptions:
    """Return the options that keywords say.

    Raises:
        TypeError: there is no such keyword; names the one that may have been meant.
        ConfigError: a value is out of range.
    """
    for name in settings:
        if name not in SERIAL_OPTIONS:
            from ipfi_serial.transport.suggestions import nearest

            near = nearest(name, SERIAL_OPTIONS)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(SERIAL_OPTIONS)}"
            raise TypeError(f"there is no setting {name!r}; {hint}")
    return SerialOptions(**settings)


def _convert(endpoint: Endpoint, name: str, text: str) -> object:
    try:
        if name in ("baud", "bytesize"):
            return int(text)
        if name == "stopbits":
            return float(text)
        return text.upper() if name == "parity" else _YES_NO[text.lower()]
    except (KeyError, ValueError):
        example = {"baud": "9600", "bytesize": "8", "stopbits": "2"}.get(name, "1")
        raise ConfigError(f"endpoint {endpoint}: {name}={text!r}; use {name}={example}") from None


def _look_at(path: str) -> os.stat_result:
    return os.stat(path)  # noqa: PTH116 - pathlib brings urllib: 5 ms for who opens a port


def is_pty(path: str) -> bool:
    """Tell whether a device path is a pty, which has no speed worth counting."""
    if sys.platform == "linux":
        try:
            device = _look_at(path)
        except OSError:
            return False
        return stat.S_ISCHR(device.st_mode) and os.major(device.st_rdev) in _PTY_MAJORS
    return os.path.realpath(path).startswith("/dev/ttys")  # macOS and the BSDs


def open_port(path: str, options: SerialOptions) -> serial.Serial:
    """Open and configure a serial port; what it received before stays readable.

    Raises:
        PortNotFoundError: there is no such port.
        PortBusyError: another program has it.
        TransportError: it cannot be opened; the message says what to check.
    """
    import serial  # here: settings are checked for every kind of line, most are no ports

    port = configure(serial.Serial(), options)
    port.exclusive = True if options.exclusive else None
    port.port = path
    keep_what_was_received(port, options)
    try:
        port.open()
    except (serial.SerialException, OSError, ValueError) as error:
        raise explain(path, error) from None
    if options.low_latency and hasattr(port, "set_low_latency_mode"):
        try:
            port.set_low_latency_mode(True)
        except (ValueError, NotImplementedError, OSError) as error:
            _log.debug("%s: no low latency mode: %s", path, error)
    return port


def configure(port: serial.Serial, options: SerialOptions) -> serial.Serial:
    """Set a port that is not open yet, and return it."""
    port.baudrate = options.baud
    port.bytesize = options.bytesize
    port.parity = options.parity
    port.stopbits = options.stopbits
    port.rtscts = options.rtscts
    port.xonxoff = options.xonxoff
    if options.rs485:
        from serial.rs485 import RS485Settings

        port.rs485_mode = RS485Settings() if options.rs485 is True else options.rs485
    if options.dtr is not None:
        port.dtr = options.dtr
    if options.rts is not None:
        port.rts = options.rts
    return port


def close_port(port: serial.Serial) -> None:
    """Close a port without hanging.

    The kernel lets a closing program wait up to 30 s for output that flow control holds back; so
    what has not left after 0.1 s is discarded then.  Without flow control output leaves by itself.
    """
    if port.is_open and (port.rtscts or port.xonxoff):
        with contextlib.suppress(Exception):  # unplugged: nothing is held back any more
            end_s = time.monotonic() + _CLOSE_PATIENCE_S
            while port.out_waiting and time.monotonic() < end_s:
                time.sleep(_CLOSE_PATIENCE_S / 10)
            if port.out_waiting:
                port.reset_output_buffer()
    port.close()


def keep_what_was_received(port: serial.Serial, options: SerialOptions) -> None:
    """Switch off what pyserial does while it opens, on this one port object.

    It flushes the input (pyserial issue 410) and sets DTR and RTS; the system has raised both
    by then.  There is no public switch for either.
    """
    steps = ["_reset_input_buffer"]
    if options.dtr is None:
        steps.append("_update_dtr_state")
    if options.rts is None:
        steps.append("_update_rts_state")
    for step in steps:
        setattr(port, step, _do_nothing)


def _do_nothing() -> None:
    return None


def explain(path: str, error: Exception) -> TransportError:
    """Turn what pyserial raised at opening into one of our errors, with advice."""
    from ipfi_serial.transport.ports import find_holder, port_names  # for those who fail only

    number = getattr(error, "errno", None)
    text = str(error)
    if _is_socket(path):
        return TransportError(f"{path} is a unix socket, not a serial port: use 'unix:{path}'")
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or "FileNotFoundError" in text:
        return PortNotFoundError(path, port_names())
    if number in (errno.EBUSY, errno.EAGAIN):
        return PortBusyError(path, find_holder(path))
    if number in (errno.EACCES, errno.EPERM):
        return TransportError(f"{path}: permission denied; {_permission_advice(path)}")
    if "PermissionError" in text:  # Windows says this of a port that is open elsewhere
        return PortBusyError(path)
    if "Inappropriate ioctl" in text or number == errno.EISDIR:
        names = ", ".join(port_names()) or "none"
        return TransportError(f"{path} is not a serial port; ports that exist: {names}")
    return TransportError(f"{path} cannot be opened: {text}; {_opening_advice(path, error)}")


def _opening_advice(path: str, error: Exception) -> str:
    if path.startswith("rfc2217:"):
        return "check host and port, and that the terminal server speaks RFC 2217 there"
    if not isinstance(error, OSError):  # pyserial could make nothing of it
        return "check the spelling, and the settings"
    return "check the settings and the cable"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(_look_at(path).st_mode)
    except (OSError, ValueError):  # ValueError: a zero in it
        return False


def _permission_advice(path: str) -> str:
    """Name the group that may open the device."""
    try:
        import grp

        group = grp.getgrgid(_look_at(path).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        group = "dialout"
    if group == "root":
        return "only root may open it"
    return f"add yourself to the group: sudo usermod -aG {group} $USER, then log in again"
