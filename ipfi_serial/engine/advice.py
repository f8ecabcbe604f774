"""What was heard in, what to check next out.  Pure."""

from __future__ import annotations

from typing import Final, Literal

from ipfi_serial.engine.stats import WireStats
from ipfi_serial.errors import (
    ConnectTimeoutError,
    IpfiError,
    LinkMismatchError,
    TransportError,
)

LineSort = Literal["serial", "network", "local"]

_MANY_BYTES: Final = 2000  # no frame of a handshake and no line of text is as long
_NETWORK: Final = ("tcp", "unix", "socket:")  # beginnings of endpoints
_LOCAL: Final = ("pty:", "loopback:", "stdio:", "sim:", "loop:")
_NOTHING: Final[dict[LineSort, str]] = {
    "serial": "check that the device is powered, that TX and RX are crossed, and that its firmware "
    "is running",
    "network": "check that what listens there speaks framed IPFI; behind a terminal server also "
    "its baud rate and its cable",
    "local": "check that a program has opened the other end of this line, and that it speaks "
    "framed IPFI",
}
_NO_HOST: Final[dict[LineSort, str]] = {
    "serial": "check that the host's program is running, and that TX and RX are crossed",
    "network": "check that the host's program is running and speaks framed IPFI",
    "local": "check that the host's program is running and opens the other end of this line",
}


def line_sort(endpoint: str, bytes_per_s: float | None) -> LineSort:
    """Tell what can be wrong with a line: cables, a network, or only the other program.

    Args:
        endpoint: what was opened.
        bytes_per_s: its speed, or None if it has none worth counting.
    """
    if endpoint.startswith(_NETWORK):
        return "network"
    if bytes_per_s is None or endpoint.startswith(_LOCAL):
        return "local"
    return "serial"


def connect_error(
    stats: WireStats, endpoint: str, waited_s: float, sort: LineSort = "serial"
) -> ConnectTimeoutError:
    """Return the error for a session that did not begin in time."""
    what = "no host came" if _waits_for_host(stats) else "no IPFI handshake"
    return ConnectTimeoutError(
        f"{endpoint}: {what} within {waited_s:.1f} s: {_heard(stats, sort)}", waited_s
    )


def loss_error(error: IpfiError, stats: WireStats, *, usually_plain: bool) -> IpfiError:
    """Return the error for a line that was lost before a session stood.

    Args:
        error: how it was lost.
        stats: what was heard before.
        usually_plain: whether this framed wire is over something that is plain by default: a plain
            end there takes the zero before our HELLO for a goodbye, and hangs up.
    """
    if usually_plain and type(error) is TransportError and stats.frames_received == 0:
        return LinkMismatchError("framed")
    return error


def _waits_for_host(stats: WireStats) -> bool:
    return stats.state == "LISTENING"


def _heard(stats: WireStats, sort: LineSort) -> str:
    good = stats.frames_received
    if stats.sessions:
        return "there was a session before, and nobody has begun another one since"
    if good:
        tx = ": check its TX wire" if sort == "serial" else ""
        return (
            f"{good} good frames came, but the handshake did not complete; the line may lose what "
            f"this end sends{tx}"
        )
    baud = "the baud rate and " if sort == "serial" else ""
    if stats.crc_errors + stats.rejected > stats.text_lines:
        return (
            f"{stats.noise_bytes} bytes came that are no frames: check {baud}that the "
            "other end speaks framed IPFI (for a plain one use link='plain')"
        )
    if stats.stale_frames:
        tx = ", check its TX wire" if sort == "serial" else ""
        return (
            f"{stats.stale_frames} frames of another session came: the line may lose what this end "
            f"sends{tx}; or another program talks on it"
        )
    if stats.text_lines:
        return (
            f"{stats.text_lines} lines of text came, but no frame: the device is alive, but its "
            "firmware does not serve IPFI on this port"
        )
    if stats.bytes_received > _MANY_BYTES:
        rx = "that RX is not held low or left open, the baud rate, and " if baud else ""
        return (
            f"{stats.bytes_received} bytes came, and neither a frame nor text was among them: "
            f"check {rx}that the other end speaks framed IPFI"
        )
    if stats.bytes_received:
        what = "the baud rate" if baud else "that the other end speaks framed IPFI"
        return f"only {stats.bytes_received} bytes came: check {what}"
    return f"nothing came: {(_NO_HOST if _waits_for_host(stats) else _NOTHING)[sort]}"
