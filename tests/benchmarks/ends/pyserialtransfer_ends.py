"""pySerialTransfer over a pty: packets of at most 254 bytes, both ends polling."""

import fcntl
import os
import sys
import termios
import time

from measuring import arguments, check, obey
from pySerialTransfer import pySerialTransfer

STUCK_S = 5.0


def receive(line) -> None:
    """Wait for a packet, as its examples do: by asking again and again."""
    until_s = time.monotonic() + STUCK_S
    while not line.available():
        if line.status.value < 0 or time.monotonic() > until_s:
            raise SystemExit(f"no packet: status {line.status}")


def send(line, *numbers: int) -> None:
    """Send integers."""
    size = 0
    for number in numbers:
        size = line.tx_obj(number, size, val_type_override="i")
    line.send(size)


class FarSide:
    """A descriptor with what it wants of pyserial's port: the far side of a pty has no name."""

    is_open = True

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def in_waiting(self) -> int:
        """Return how many bytes wait."""
        return int.from_bytes(fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4)), sys.byteorder)

    def read(self, size: int = 1) -> bytes:
        """Read some."""
        return os.read(self._fd, size)

    def write(self, data) -> int:
        """Write all; a pty takes such short packets at once."""
        return os.write(self._fd, bytes(data))


role, where = arguments()
port = pySerialTransfer.SerialTransfer(
    where if role == "client" else "far side", restrict_ports=False
)
if role == "server":
    port.connection = FarSide(int(where))
port.open()
if role == "server":
    while True:
        while not port.available():
            pass
        send(port, port.rx_obj("i", 0) + port.rx_obj("i", 4))
else:

    def add(k: int) -> None:
        """Make one call."""
        send(port, k, 1)
        receive(port)
        check(port.rx_obj("i", 0), k + 1)

    obey({"add": add})
