"""Lines that exist only in this machine: a pty that we make, and two ends that meet by name."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from ipfi_serial.errors import PortBusyError, TransportError
from ipfi_serial.transport.async_descriptor import AsyncDescriptorTransport
from ipfi_serial.transport.descriptor import TTY_READ_SIZE_BYTES, DescriptorTransport


class VirtualPort:
    """A pseudo-terminal of our own: other programs open :attr:`path` as if it were a serial port.

    It stays when they close it, as a socket in the wall would: one descriptor of the other side
    is kept open, so nothing ends when a program leaves, and what nobody reads waits there (about
    20 KB on Linux).

    Attributes:
        path: what others open.
        fd: our side of it.
    """

    def __init__(self, link: str = "") -> None:
        """Make a pty, and a symbolic link to it if ``link`` is not empty.

        Raises:
            PortBusyError: the link leads to a device that exists and is not our own.
            TransportError: there are no ptys here, or the link cannot be made.
        """
        try:
            import pty
            import tty
        except ImportError:
            raise TransportError("pty: needs a POSIX system; use tcp: or loopback:") from None
        self.fd, self._other_fd = pty.openpty()
        tty.setraw(self._other_fd)  # or what we write before anyone opens it is echoed to us
        self.path = os.ttyname(self._other_fd)
        self._link = Path(link) if link else None
        try:
            self._make_link()
        except BaseException:
            self._link = None
            self.close()
            raise

    def _make_link(self) -> None:
        if self._link is None:
            return
        try:
            if self._link.is_symlink():
                self._remove_if_stale(self._link)
            self._link.symlink_to(self.path)
        except TransportError:
            raise
        except FileExistsError:
            raise TransportError(
                f"pty: cannot make the link {self._link}: a file is in the way; take another name"
            ) from None
        except OSError as error:
            raise TransportError(
                f"pty: cannot make the link {self._link}: {error.strerror}; check that the folder "
                "exists and that you may write to it"
            ) from None

    def _remove_if_stale(self, link: Path) -> None:
        """Remove a link that a program left behind when it died.

        The system gives the number of a pty that has gone to the next one that is made: such a link
        leads to nothing, or to the pty that we have just made.
        """
        leads_to = os.path.realpath(link)
        if leads_to != self.path and Path(leads_to).exists():
            from ipfi_serial.transport.ports import find_pty_server  # for those who fail only

            holder = find_pty_server(leads_to)
            by = f", which {holder} serves" if holder else ""
            raise PortBusyError(
                str(link),
                holder,
                f"pty: the link {link} leads to {leads_to}{by}: end that program or take another "
                f"name; if it has nothing to do with yours, remove the link: rm {link}",
            )
        link.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the link, if it is still ours, and both descriptors."""
        if self._link is not None:
            with contextlib.suppress(OSError):
                if self._link.readlink() == Path(self.path):
                    self._link.unlink()
        os.close(self.fd)
        os.close(self._other_fd)


class PtyTransport(DescriptorTransport):
    """Our side of a virtual port.

    Attributes:
        path: what other programs open.
    """

    def __init__(self, endpoint: str, link: str = "", bytes_per_s: float | None = None) -> None:
        port = VirtualPort(link)
        self.path = port.path
        super().__init__(
            port.fd, endpoint, bytes_per_s, release=port.close, read_size_bytes=TTY_READ_SIZE_BYTES
        )


class AsyncPtyTransport(AsyncDescriptorTransport):
    """Our side of a virtual port, on the event loop.

    Attributes:
        path: what other programs open.
    """

    def __init__(self, endpoint: str, link: str = "", bytes_per_s: float | None = None) -> None:
        port = VirtualPort(link)
        self.path = port.path
        super().__init__(
            port.fd,
            endpoint,
            bytes_per_s,
            release=port.close,
            read_size_bytes=TTY_READ_SIZE_BYTES,
        )


class _Pair:
    """Two joined sockets, of which the second one waits to be taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.first, self.second = socket.socketpair()
        self.is_second_taken = False


_pairs_lock: Final = threading.Lock()
_pairs: Final[dict[str, _Pair]] = {}


def join_loopback(name: str) -> tuple[socket.socket, Callable[[], None]]:
    """Return one end of the loopback ``name``, and what closes it.

    The first end is usable at once; what it writes waits for the second one.  An end that closes
    breaks the pair, and the next one to come begins a new pair.

    Raises:
        PortBusyError: both ends are open.
    """
    with _pairs_lock:
        pair = _pairs.get(name)
        if pair is None:
            pair = _pairs[name] = _Pair(name)
            end = pair.first
        elif pair.is_second_taken:
            raise PortBusyError(f"loopback:{name}", "the two ends that are open in this program")
        else:
            pair.is_second_taken = True
            end = pair.second
    return end, partial(_leave_loopback, pair, end)


def _leave_loopback(pair: _Pair, end: socket.socket) -> None:
    with _pairs_lock:
        if _pairs.get(pair.name) is pair:
            del _pairs[pair.name]
        if not pair.is_second_taken:
            pair.second.close()
    end.close()
