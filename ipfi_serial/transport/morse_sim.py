"""A simulated line: two ends that meet by name, in one process or in two.

An end tells the other one when its edges are going to be, before they are.  So they are exact to
the microsecond whatever the scheduler does, and the line takes as long as a real one.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import tempfile
import threading
import time
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Final

from ipfi_serial.errors import PortBusyError, TransportError
from ipfi_serial.transport.morse_pins import CLOSED, Heard

_HEAD: Final = struct.Struct("<I?")  # number of the packet, whether its first edge rises
_TIME: Final = struct.Struct("<d")
_PACKET_EDGES: Final = 1024
_MOST_PACKET_BYTES: Final = 16384
_LOOK_S: Final = 0.005  # edges are handed over in batches of so much time


class SimulatedPins:
    """One end of a simulated line; it fulfils :class:`~ipfi_serial.transport.morse_pins.Pins`."""

    def __init__(self, name: str) -> None:
        """Take the first end of the line that is free.

        Raises:
            PortBusyError: both ends are taken.
            TransportError: this system has no unix datagram sockets.
        """
        self._socket, self._own, self._other = _take_end(name)
        self._socket.setblocking(False)
        self._coming: list[float] = []
        self._coming_rises = True
        self._expected = 0
        self._sent = 0
        self._missing = False
        self._stopped = threading.Event()

    def key(self, edges_s: list[float]) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.key`."""
        for start in range(0, len(edges_s), _PACKET_EDGES):
            part = edges_s[start : start + _PACKET_EDGES]
            packet = _HEAD.pack(self._sent & 0xFFFFFFFF, start % 2 == 0)
            packet += struct.pack(f"<{len(part)}d", *part)
            self._sent += 1
            with contextlib.suppress(OSError):  # nobody there, or it does not listen: dark line
                self._socket.sendto(packet, str(self._other))
        if self._stopped.wait(max(0.0, edges_s[-1] - time.monotonic())):
            raise OSError(CLOSED)

    def hear(self, timeout_s: float) -> Heard:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.hear`."""
        if self._stopped.is_set():
            raise OSError(CLOSED)
        now_s = time.monotonic()
        if self._coming:
            timeout_s = min(timeout_s, max(self._coming[0] - now_s, _LOOK_S))
        select.select([self._socket], [], [], max(0.0, timeout_s))
        now_s = time.monotonic()
        self._drain()
        heard = Heard(until_s=now_s, lost=self._missing)
        self._missing = False
        count = bisect_right(self._coming, now_s)
        if count:
            heard.busy_until_s = self._coming[-1]  # a real line would be sensed at once
            heard.runs.append((self._coming[:count], self._coming_rises))
            del self._coming[:count]
            self._coming_rises ^= count % 2 == 1
        return heard

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.close`."""
        if not self._stopped.is_set():
            self._stopped.set()
            with contextlib.suppress(OSError):
                self._own.unlink()
            self._socket.close()

    def _drain(self) -> None:
        """Take every packet that has come."""
        while True:
            try:
                packet = self._socket.recv(_MOST_PACKET_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            self._take(packet)

    def _take(self, packet: bytes) -> None:
        size = len(packet) - _HEAD.size
        if size < 0 or size % _TIME.size:
            return  # not of this library
        number, rises = _HEAD.unpack_from(packet)
        edges_s = struct.unpack_from(f"<{size // _TIME.size}d", packet, _HEAD.size)
        if number == 0 and edges_s:  # the other end was opened anew
            self._cut(edges_s[0])
        else:
            self._missing |= number != self._expected
        self._expected = number + 1 & 0xFFFFFFFF
        if not self._coming:
            self._coming_rises = rises
        self._coming += edges_s

    def _cut(self, begin_s: float) -> None:
        """Take back what an earlier life of the other end was going to key, and end its mark."""
        count = bisect_left(self._coming, begin_s)
        is_marked = self._coming_rises == (count % 2 == 1)
        del self._coming[max(0, count - is_marked) :]


def _take_end(name: str) -> tuple[socket.socket, Path, Path]:
    """Bind one end; return its socket, its path and the path of the other end."""
    if not hasattr(socket, "AF_UNIX"):
        raise TransportError(f"morse:sim:{name}: this system has no unix sockets")
    folder = Path(tempfile.gettempdir()) / f"ipfi-morse-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    ends = folder / f"{name}.a", folder / f"{name}.b"
    for own, other in (ends, ends[::-1]):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            _remove_dead(own)
            line.bind(str(own))
        except OSError:
            line.close()
            continue
        return line, own, other
    raise PortBusyError(f"morse:sim:{name}", "two other ends")


def _remove_dead(path: Path) -> None:
    """Remove what a program that died has left."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with contextlib.closing(probe):
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            return  # there is none
