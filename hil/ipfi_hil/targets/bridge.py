"""A cable between a host and an emulated UART that can be pulled out and put back.

The host connects to a unix socket, the device is another socket.  As with a USB adapter: while
nobody has the port open, or it is unplugged, what the device sends is lost, and the device never
waits for the host.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import threading
from pathlib import Path
from typing import Final

from ipfi_hil.target import TargetError

READ_BYTES: Final = 65536
HOST_BACKLOG_BYTES: Final = 1 << 20  # unread by the host; an operating system keeps 4 KiB to 1 MiB
DEVICE_BACKLOG_BYTES: Final = 4096  # unread by the device; then the host's writes wait
ANSWER_TIMEOUT_S: Final = 10.0


class Bridge:
    """A cable with a thread of its own.

    Attributes:
        endpoint: what a host gives to :func:`ipfi_serial.connect`.
        lost_bytes: sent by the device while nobody listened, or more than a host left unread.
        device_gone: the device's end has closed: the emulator has ended.
    """

    def __init__(self, device: socket.socket, path: Path, options: str = "") -> None:
        """Plug the cable in.

        Args:
            device: its end, which the bridge then owns.
            path: of the host's unix socket.
            options: further options of the endpoint, ``&bps=11520``.

        Raises:
            OSError: the socket cannot be made.
        """
        self.endpoint = f"unix:{path}?link=framed{options}"
        self.lost_bytes = 0
        self.device_gone = False
        self._path = path
        self._device = device
        self._device.setblocking(False)
        self._listener: socket.socket | None = None
        self._host: socket.socket | None = None
        self._to_host = bytearray()
        self._to_device = bytearray()
        self._wishes: queue.SimpleQueue[tuple[str, threading.Event]] = queue.SimpleQueue()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._plug()
        self._thread = threading.Thread(target=self._run, name="ipfi cable", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Let the port vanish: the host's connection breaks, and there is nothing to open."""
        self._ask("unplug")

    def replug(self) -> None:
        """Bring the port back under the same path."""
        self._ask("replug")

    def close(self) -> None:
        """Remove the cable.  Idempotent."""
        if self._thread.is_alive():
            self._ask("close")
            self._thread.join(ANSWER_TIMEOUT_S)

    def _ask(self, wish: str) -> None:
        done = threading.Event()
        self._wishes.put((wish, done))
        with contextlib.suppress(OSError):
            self._waker.send(b"!")
        if not done.wait(ANSWER_TIMEOUT_S) and self._thread.is_alive():
            raise TargetError(f"the cable does not {wish} within {ANSWER_TIMEOUT_S:.0f} s")

    # ---- the thread ----

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            running = True
            while running:
                self._watch(selector)
                ready = {key.fd: events for key, events in selector.select()}
                self._serve(ready)
                running = self._grant_wishes(ready)
        self._waker.close()
        self._woken.close()

    def _watch(self, selector: selectors.DefaultSelector) -> None:
        """Watch exactly what can go on."""
        wanted: dict[socket.socket, int] = {self._woken: selectors.EVENT_READ}
        if self._host is None:
            if self._listener is not None:
                wanted[self._listener] = selectors.EVENT_READ
        else:
            room = len(self._to_device) < DEVICE_BACKLOG_BYTES
            wanted[self._host] = (selectors.EVENT_READ if room else 0) | (
                selectors.EVENT_WRITE if self._to_host else 0
            )
        if not self.device_gone:
            wanted[self._device] = selectors.EVENT_READ | (
                selectors.EVENT_WRITE if self._to_device else 0
            )
        for key in list(selector.get_map().values()):
            selector.unregister(key.fileobj)
        for line, events in wanted.items():
            if events:
                selector.register(line, events)

    def _serve(self, ready: dict[int, int]) -> None:
        if self._listener is not None and self._listener.fileno() in ready:
            self._accept()
        host = self._host
        if host is not None and (events := ready.get(host.fileno(), 0)):
            if events & selectors.EVENT_WRITE:
                self._write_host(host)
            if events & selectors.EVENT_READ:
                self._read_host(host)
        if not self.device_gone and (events := ready.get(self._device.fileno(), 0)):
            if events & selectors.EVENT_READ:
                self._read_device()
            if events & selectors.EVENT_WRITE and self._to_device:
                self._write_device()

    def _grant_wishes(self, ready: dict[int, int]) -> bool:
        if self._woken.fileno() not in ready:
            return True
        self._woken.recv(64)
        while not self._wishes.empty():
            wish, done = self._wishes.get()
            if wish == "replug":
                self._plug()
            else:
                self._unplug()
            if wish == "close":
                self._device.close()
                done.set()
                return False
            done.set()
        return True

    def _plug(self) -> None:
        if self._listener is None:
            self._path.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(self._path))
            self._listener.listen(1)
            self._listener.setblocking(False)

    def _unplug(self) -> None:
        self._hang_up()
        if self._listener is not None:
            self._path.unlink(missing_ok=True)
            self._listener.close()
            self._listener = None

    def _hang_up(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None
        self.lost_bytes += len(self._to_host)
        self._to_host.clear()

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101 - for the type checker: it was readable
        with contextlib.suppress(OSError):  # who called has hung up already
            self._host, _ = self._listener.accept()
            self._host.setblocking(False)

    def _read_host(self, host: socket.socket) -> None:
        try:
            data = host.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        self._to_device += data
        self._write_device()

    def _write_host(self, host: socket.socket) -> None:
        try:
            del self._to_host[: host.send(self._to_host)]
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()

    def _read_device(self) -> None:
        try:
            data = self._device.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.device_gone = not data
        if self._host is None or len(self._to_host) > HOST_BACKLOG_BYTES:
            self.lost_bytes += len(data)
            return
        self._to_host += data
        self._write_host(self._host)

    def _write_device(self) -> None:
        if self.device_gone or not self._to_device:
            return
        try:
            del self._to_device[: self._device.send(self._to_device)]
        except BlockingIOError:
            return
        except OSError:
            self.device_gone = True
