"""What was heard in, what to check next out.  Pure."""

from __future__ import annotations

from ipfi_serial.engine.stats import WireStats
from ipfi_serial.errors import ConnectTimeoutError


def connect_error(stats: WireStats, endpoint: str, waited_s: float) -> ConnectTimeoutError:
    """Return the error for a handshake that nobody answered in time."""
    return ConnectTimeoutError(
        f"{endpoint}: no IPFI handshake within {waited_s:.1f} s: {_heard(stats)}", waited_s
    )


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
