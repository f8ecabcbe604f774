"""What was heard in, what to check next out.  Pure."""

from __future__ import annotations

from ipfi_serial.engine.stats import WireStats
from ipfi_serial.errors import (
    ConnectTimeoutError,
    IpfiError,
    LinkMismatchError,
    TransportError,
)


def connect_error(stats: WireStats, endpoint: str, waited_s: float) -> ConnectTimeoutError:
    """Return the error for a handshake that nobody answered in time."""
    return ConnectTimeoutError(
        f"{endpoint}: no IPFI handshake within {waited_s:.1f} s: {_heard(stats)}", waited_s
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


def _heard(stats: WireStats) -> str:
    good = stats.frames_received
    if good:
        return (
            f"{good} good frames came, but the handshake did not complete; the line may lose what "
            "this end sends: check its TX wire"
        )
    if stats.crc_errors + stats.rejected > stats.text_lines:
        return (
            f"{stats.noise_bytes} bytes came that are no frames: check the baud rate and that the "
            "other end speaks framed IPFI (for a plain one use link='plain')"
        )
    if stats.text_lines:
        return (
            f"{stats.text_lines} lines of text came, but no frame: the device is alive, but its "
            "firmware does not serve IPFI on this port"
        )
    if stats.bytes_received:
        return f"only {stats.bytes_received} bytes came: check the baud rate"
    return (
        "nothing came: check that the device is powered, that TX and RX are crossed, and that its "
        "firmware is running"
    )
