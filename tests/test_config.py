"""A wrong limit fails where it was written, and says what is right."""

from __future__ import annotations

import re
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
        ("crc_profiles", 256),
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


@pytest.mark.parametrize(
    ("limit", "value", "kind"),
    [
        ("max_calls", 2.5, "a whole number, like 255"),
        ("max_message_bytes", 1e6, "a whole number"),
        ("max_calls", "3", "a whole number"),
        ("window_frames", True, "a whole number"),
        ("call_timeout_s", "1", "a number, like 10.0"),
        ("close_timeout_s", False, "a number"),
        ("takes_calls", "no", "True or False, like True"),
        ("can_call", 1, "True or False"),
    ],
)
def test_a_limit_of_another_kind_is_refused_where_it_was_written(
    limit: str, value: object, kind: str
) -> None:
    """And not with a struct.error when the handshake is built."""
    wrong: dict[str, Any] = {limit: value}
    with pytest.raises(ConfigError, match=re.escape(f"{limit}={value!r}: it is {kind}")):
        WireConfig(**wrong)


def test_a_time_may_be_a_whole_number_and_a_limit_what_stands_for_one() -> None:
    class Whole(int):
        pass

    assert WireConfig(call_timeout_s=3, max_calls=Whole(3)).max_calls == 3
