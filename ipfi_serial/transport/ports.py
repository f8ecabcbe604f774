"""Which serial ports exist, which of them a USB id means, and who holds one.  Opens none."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ipfi_serial.errors import PortNotFoundError, TransportError
from ipfi_serial.transport.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class PortInfo:
    """One serial port of this machine.

    Attributes:
        path: what to open: "/dev/ttyACM0", "COM3".
        description: for people; "" if the system has none.
        vid: USB vendor id, or None for a port that is not USB.
        pid: USB product id, or None.
        serial_number: of the USB device, or None.
        location: USB bus and socket, "1-1.4:1.0", or None.
        interface: name of the USB interface, or None.
    """

    path: str
    description: str = ""
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    location: str | None = None
    interface: str | None = None

    def usb_endpoint(self) -> str | None:
        """Return the ``usb:`` endpoint that finds this port again, or None."""
        if self.vid is None or self.pid is None:
            return None
        serial_number = f":{self.serial_number}" if self.serial_number else ""
        return f"usb:{self.vid:04x}:{self.pid:04x}{serial_number}"


def list_ports() -> list[PortInfo]:
    """Return the serial ports of this machine, sorted by path."""
    from serial.tools import list_ports as pyserial_list_ports  # not before it is needed

    found = [
        PortInfo(
            path=port.device,
            description="" if port.description in (None, "n/a") else port.description,
            vid=port.vid,
            pid=port.pid,
            serial_number=port.serial_number,
            location=port.location,
            interface=port.interface,
        )
        for port in pyserial_list_ports.comports()
    ]
    return sorted(found, key=lambda port: port.path)


def port_names() -> tuple[str, ...]:
    """Return the paths of :func:`list_ports`; empty where they cannot be listed."""
    with contextlib.suppress(Exception):
        return tuple(port.path for port in list_ports())
    return ()


def find_usb_port(endpoint: Endpoint) -> str:
    """Return the path of the one port that a ``usb:`` endpoint means.

    Raises:
        PortNotFoundError: none fits; the error lists those that exist.
        TransportError: several fit; the error lists them.
    """
    ports = list_ports()
    fitting = [port for port in ports if _fits(port, endpoint)]
    if not fitting:
        raise PortNotFoundError(endpoint.text, tuple(_label(port) for port in ports))
    if len(fitting) > 1:
        raise TransportError(
            f"{endpoint}: {len(fitting)} ports fit: {', '.join(map(_label, fitting))}; "
            "add the serial number (usb:VID:PID:SERIAL), ?location= or ?interface="
        )
    return fitting[0].path


def _fits(port: PortInfo, endpoint: Endpoint) -> bool:
    interface, location = endpoint.option("interface"), endpoint.option("location")
    return (
        (port.vid, port.pid) == (endpoint.vid, endpoint.pid)
        and endpoint.serial_number in (None, port.serial_number)
        and (interface is None or interface in (port.interface or ""))
        and (location is None or location == port.location)
    )


def _label(port: PortInfo) -> str:
    usb = port.usb_endpoint()
    at = f" at {port.location}" if port.location else ""
    return f"{port.path} ({usb}{at})" if usb else port.path


def find_holder(path: str) -> str | None:
    """Return "name (pid)" of the process that has a device open, as far as /proc tells.

    A process that holds a lock on it comes before one that merely has it open.
    """
    try:
        device = Path(path).stat()
    except OSError:
        return None
    pid = _locking_pid(device) or _opening_pid(device)
    return None if pid is None else _name_of(pid)


def find_pty_server(path: str) -> str | None:
    """Return "name (pid)" of the process that made the pty ``/dev/pts/N``, as far as /proc tells.

    Linux notes N with each descriptor of the other side: ``tty-index: N``.
    """
    wanted = f"tty-index:\t{path.rpartition('/')[2]}\n"
    for folder in Path("/proc").glob("[0-9]*/fdinfo"):
        with contextlib.suppress(OSError):
            for facts in folder.iterdir():
                with contextlib.suppress(OSError):
                    if wanted in facts.read_text():
                        return _name_of(int(folder.parent.name))
    return None


def _name_of(pid: int) -> str:
    if pid == os.getpid():
        return f"this program ({pid})"
    try:
        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} ({pid})"
    except OSError:
        return f"process {pid}"


def _locking_pid(device: os.stat_result) -> int | None:
    """Look the device up in /proc/locks: ``1: FLOCK ADVISORY WRITE 4711 00:16:3 0 EOF``."""
    wanted = f"{os.major(device.st_dev):02x}:{os.minor(device.st_dev):02x}:{device.st_ino}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        found = re.search(r" FLOCK +\S+ +\S+ +(\d+) (\S+) ", line)
        if found and found[2] == wanted and int(found[1]) > 0:
            return int(found[1])
    return None


def _opening_pid(device: os.stat_result) -> int | None:
    """Look for a descriptor of the device in every process that we may look into."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            for descriptor in folder.iterdir():
                with contextlib.suppress(OSError):
                    if os.path.samestat(descriptor.stat(), device):
                        return int(folder.parent.name)
    return None
