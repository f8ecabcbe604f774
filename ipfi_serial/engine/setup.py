"""Settings in, a wire out: what both shells do before the first byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal, get_args

from ipfi_serial.config import NO_LIMIT_ANNOUNCED, WireConfig
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.plain import PlainLink
from ipfi_serial.engine.wire import Wire
from ipfi_serial.errors import ConfigError
from ipfi_serial.link.parameters import (
    ALL_EXTENSIONS,
    HANDSHAKE_WIRE_BYTES,
    PROGRAM_START,
    Flag,
    Parameters,
)
from ipfi_serial.link.session import Link

Role = Literal["host", "device"]

UNANNOUNCED_BYTES: Final = 16 << 20  # docs/protocol.md 3.2, max_message
CREDIT_BYTES: Final = 1 << 20  # the link is always drained, so this only has to exceed a window
CONNECT_S: Final = 5.0
CONNECT_HANDSHAKES: Final = 6
SMALL_FRAME_BYTES: Final = 77
CALL_FRAMES: Final = 100


def build_wire(
    interface: Interface,
    config: WireConfig,
    *,
    framed: bool,
    role: Role,
    bytes_per_s: float | None,
    random_u32: Callable[[], int],
    boot_cause: int = PROGRAM_START,
) -> Wire:
    """Make one end of a wire.

    Args:
        interface: what it serves.
        config: its limits.
        framed: whether frames and link are needed.
        role: a host opens actively; a device waits and says so when it starts (HS-11).
        bytes_per_s: speed of the line, or None.
        random_u32: source of nonces and of the first session id.
        boot_cause: why this end has started, docs/protocol.md 3.2.
    """
    if not framed:
        return Wire(PlainLink(), interface, config)
    link = Link(
        _parameters(interface, config, role, boot_cause),
        active=role == "host",
        floor=random_u32() % 0xFFFF + 1,
        new_nonce=random_u32,
        bytes_per_s=bytes_per_s,
        lossy_queue_size=config.lossy_queue_size,
        text_line_bytes=config.text_line_bytes,
    )
    return Wire(link, interface, config)


def check_settings(
    interface: object,
    role: object,
    link: object,
    config: object,
    timeout_s: float | None = None,
) -> None:
    """Refuse what a type checker would refuse, before anything is opened.

    Args:
        interface: an Interface, or None.
        role: "host" or "device".
        link: "framed", "plain" or None.
        config: a WireConfig, or None.
        timeout_s: 0 or more, in seconds, or None.

    Raises:
        ConfigError: one of them is something else.
    """
    if interface is not None and not isinstance(interface, Interface):
        raise ConfigError(f"interface is {interface!r}; it is an ipfi_serial.Interface or None")
    if role not in get_args(Role):
        raise ConfigError(f"role is {role!r}; it is 'host' or 'device'")
    if link not in (None, "framed", "plain"):
        raise ConfigError(f"link is {link!r}; it is 'framed' or 'plain'")
    if config is not None and not isinstance(config, WireConfig):
        raise ConfigError(f"config is {config!r}; it is an ipfi_serial.WireConfig or None")
    is_number = isinstance(timeout_s, int | float)
    if timeout_s is not None and not (is_number and timeout_s >= 0):
        raise ConfigError(f"connect_timeout_s is {timeout_s!r}; it is 0 or more seconds, or None")


def adjusted(config: WireConfig | None, *, can_call: bool) -> WireConfig:
    """Return the configuration with what connect()'s own arguments say."""
    config = config if config is not None else WireConfig()
    return config if can_call else replace(config, can_call=False)


def with_chosen_crc(config: WireConfig, transport: object) -> WireConfig:
    """Return the configuration with what an endpoint string says of CRCs, as Morse's may."""
    profiles: int | None = getattr(transport, "crc_profiles", None)
    return config if profiles is None else replace(config, crc_profiles=profiles)


def default_connect_timeout_s(bytes_per_s: float | None) -> float:
    """Return how long a handshake may take: a constant and a multiple of its wire time."""
    wire_s = HANDSHAKE_WIRE_BYTES / bytes_per_s if bytes_per_s else 0.0
    return CONNECT_S + CONNECT_HANDSHAKES * wire_s


def default_call_timeout_s(config: WireConfig, bytes_per_s: float | None) -> float:
    """Return a call's deadline where the program gave none."""
    wire_s = SMALL_FRAME_BYTES / bytes_per_s if bytes_per_s else 0.0
    return config.call_timeout_s + CALL_FRAMES * wire_s


def _parameters(
    interface: Interface, config: WireConfig, role: Role, boot_cause: int
) -> Parameters:
    flags = Flag(0)
    if role == "host":
        flags |= Flag.HOST
    if not config.takes_calls:
        flags |= Flag.TAKES_NO_CALLS
    if not config.can_call:
        flags |= Flag.MAKES_NO_CALLS
    return Parameters(
        flags=int(flags),
        boot_cause=boot_cause,
        nonce=0,
        frame_payload=config.frame_payload_bytes,
        ring=config.ring_bytes,
        window=config.window_frames,
        crc_profiles=config.crc_profiles,
        extensions=ALL_EXTENSIONS,
        credit=CREDIT_BYTES,
        stream_credit=config.stream_buffer_bytes // 16,
        max_calls=config.max_calls if config.takes_calls else 0,
        max_partial=min(config.max_partial_calls, 255),
        max_message=_announced(config.max_message_bytes),
        schema=interface.schema,
    )


def _announced(max_message_bytes: int) -> int:
    """Return the limit in 256-byte units; from 16 MiB on there is none to announce."""
    if max_message_bytes >= UNANNOUNCED_BYTES:
        return NO_LIMIT_ANNOUNCED
    return min(max_message_bytes // 256, NO_LIMIT_ANNOUNCED - 1)
