"""Every limit and time of a wire, with its unit, its default and the reason for the default.

Frozen; never read from the environment.  docs/protocol.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from ipfi_serial.errors import ConfigError

PROTOCOL_VERSION: Final = 1  # HELLO's version field, docs/protocol.md 3.2
UNLIMITED_RING: Final = 0xFFFF  # "ring" in HELLO: the OS buffers, nothing to overflow
NO_LIMIT_ANNOUNCED: Final = 0xFFFF  # "max_message" in HELLO, in 256-byte units

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "frame_payload_bytes": (16, 16384),
    "window_frames": (1, 16),
    "ring_bytes": (32, UNLIMITED_RING),
    "max_calls": (1, 255),
    "max_partial_calls": (1, 255),
    "max_message_bytes": (256, 1 << 40),
    "max_depth": (1, 512),
    "skip_limit_bytes": (0, 1 << 40),
    "stream_buffer_bytes": (256, (1 << 20) - 16),
    "event_queue_size": (1, 1 << 20),
    "lossy_queue_size": (1, 1 << 16),
    "text_line_bytes": (16, 1 << 20),
    "crc_profiles": (0, 0xFF),
    "call_timeout_s": (1e-3, 1e9),
    "close_timeout_s": (0, 3600),
}


@dataclass(frozen=True, slots=True)
class WireConfig:
    """Limits and times of one wire.

    Attributes:
        frame_payload_bytes: most stream bytes taken in one DATA frame.  4096: what a tty hands
            over at a time; a 1 KiB value costs 35 % less than in frames of 1024, and beyond it
            the cost per byte hardly falls; a slow or bad line gets smaller frames (LINK-16).
        window_frames: DATA frames that may be unacknowledged towards us; also our own limit.
            16 is what 8-bit sequence numbers with displacement below 128 allow (LINK-4, LINK-6).
        ring_bytes: wire bytes that may be unacknowledged towards us; 0xFFFF is no limit, right
            wherever the operating system buffers.
        crc_profiles: mask of FRAME-6 that we offer; CRC-16 is always in it.
        max_calls: calls served at once (CALL-6).  255: each has a worker of its own.
        max_partial_calls: of these, how many may still be receiving arguments.
        max_message_bytes: largest argument list or value that is taken.  16 MiB.
        max_depth: deepest nesting of a received value (VAL-4).
        skip_limit_bytes: a message above max_message_bytes but within this is skipped; beyond it
            the session ends (MSG-6).
        stream_buffer_bytes: unread bytes of one stream that the other end may send ahead.
        event_queue_size: events waiting for their handler; when full the oldest is dropped,
            counted and logged, since the link is never left undrained.
        lossy_queue_size: lossy events and log lines waiting to be sent; drop-oldest, counted.
        text_line_bytes: longest line of plain text between frames.
        call_timeout_s: default deadline of a call, to which 100 wire times of a small frame are
            added.  10 s: people notice; nothing waits for ever.
        close_timeout_s: how long closing waits for what was queued to leave.
        takes_calls: False refuses calls from the other end.
        can_call: False for a module-style wire that is called but never calls.
    """

    frame_payload_bytes: int = 4096
    window_frames: int = 16
    ring_bytes: int = UNLIMITED_RING
    crc_profiles: int = 0b11
    max_calls: int = 255
    max_partial_calls: int = 255
    max_message_bytes: int = 16 << 20
    max_depth: int = 64
    skip_limit_bytes: int = 64 << 20
    stream_buffer_bytes: int = 256 << 10
    event_queue_size: int = 10_000
    lossy_queue_size: int = 8
    text_line_bytes: int = 1024
    call_timeout_s: float = 10.0
    close_timeout_s: float = 2.0
    takes_calls: bool = True
    can_call: bool = True

    def __post_init__(self) -> None:
        """Check every range, so that a wrong limit fails where it was written."""
        for field in fields(self):
            limits = _RANGES.get(field.name)
            value = getattr(self, field.name)
            _check_kind(field.name, value, field.default)
            if limits and not limits[0] <= value <= limits[1]:
                raise ConfigError(
                    f"{field.name}={value!r} is out of range: {limits[0]} to {limits[1]}"
                )
        if not self.crc_profiles & 1:
            raise ConfigError("crc_profiles must offer CRC-16 (bit 0): the handshake uses it")


def _check_kind(name: str, value: object, default: object) -> None:
    """Refuse a value that is not of its default's kind; a float may be given as an int."""
    is_bool = isinstance(value, bool)
    if isinstance(default, bool):
        fits, kind = is_bool, "True or False"
    elif isinstance(default, float):
        fits, kind = isinstance(value, int | float) and not is_bool, "a number"
    else:
        fits, kind = hasattr(value, "__index__") and not is_bool, "a whole number"
    if not fits:
        raise ConfigError(f"{name}={value!r}: it is {kind}, like {default!r}")
