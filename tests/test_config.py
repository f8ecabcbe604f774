"""A wrong limit fails where it was written, and says what is right."""

from __future__ import annotations

from typing import Any

import pytest

from ipfi_serial import ConfigError, WireConfig


def test_the_defaults_are_within_their_own_ranges() -> None:
    assert WireConfig().window_frames == 16


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("frame_payload_bytes", 15),
        ("frame_payload_bytes", 16385),
        ("window_frames", 17),
        ("ring_bytes", 31),
        ("max_calls", 0),
        ("max_message_bytes", 255),
        ("call_timeout_s", 0),
        ("close_timeout_s", -1),
    ],
)
def test_a_limit_out_of_its_range_is_refused_with_the_range(limit: str, value: float) -> None:
    wrong: dict[str, Any] = {limit: value}
    with pytest.raises(ConfigError, match=rf"{limit}={value}.*out of range: \d"):
        WireConfig(**wrong)


def test_crc16_cannot_be_left_out_because_the_handshake_uses_it() -> None:
    with pytest.raises(ConfigError, match="CRC-16"):
        WireConfig(crc_profiles=0b10)
