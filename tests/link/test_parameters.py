"""Handshake frames to fields and back, ranges, session ids on their circle (section 3.2, HS-2)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfi_serial.link.parameters import (
    HANDSHAKE_WIRE_BYTES,
    HELLO_ACK_SIZE,
    HELLO_SIZE,
    Flag,
    Parameters,
    decode_hello_ack,
    decode_refuse,
    encode_hello,
    encode_hello_ack,
    encode_refuse,
    hello_floor,
    next_id,
    serial_max,
)
from tests.harness.links import parameters

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
ANY = st.builds(
    Parameters,
    flags=U8,
    boot_cause=U8,
    nonce=U32,
    frame_payload=U16,
    ring=U16,
    window=U8,
    crc_profiles=U8,
    extensions=U16,
    credit=U32,
    stream_credit=U16,
    max_calls=U8,
    max_partial=U8,
    max_message=U16,
    schema=U32,
    version=U8,
)


def test_the_sizes_are_those_of_the_document() -> None:
    """Section 3.2, HS-1: 32 and 41 bytes of content; 36 on the wire for HELLO."""
    assert HELLO_SIZE == 32
    assert HELLO_ACK_SIZE == 41
    assert HANDSHAKE_WIRE_BYTES == 32 + 41 + 10


def test_every_field_is_where_the_document_says() -> None:
    """Section 3.2."""
    told = Parameters(
        flags=0x01,
        boot_cause=0x02,
        nonce=0x06050403,
        frame_payload=0x0807,
        ring=0x0A09,
        window=0x0B,
        crc_profiles=0x0C,
        extensions=0x0E0D,
        credit=0x1211100F,
        stream_credit=0x1413,
        max_calls=0x15,
        max_partial=0x16,
        max_message=0x1817,
        schema=0x1C1B1A19,
        version=0x00,
    )
    assert told.encode() == bytes(range(29))
    assert encode_hello(told, 0x1E1D) == b"\x81" + bytes(range(29)) + b"\x1d\x1e"


@given(told=ANY, floor=U16)
def test_what_is_encoded_is_decoded(told: Parameters, floor: int) -> None:
    """Section 3.2."""
    hello = encode_hello(told, floor)
    assert Parameters.decode(hello) == told
    assert hello_floor(hello) == floor


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("frame_payload", [16, 16384], [0, 15, 16385, 65535]),
        ("ring", [32, 0xFFFF], [0, 31]),
        ("window", [1, 16], [0, 17, 255]),
        ("crc_profiles", [1, 3, 0x81], [0, 2, 0x80]),
        ("max_message", [1, 0xFFFF], [0]),
    ],
)
def test_ranges_are_checked(field: str, good: list[int], bad: list[int]) -> None:
    """HS-10."""
    assert all(replace(parameters(), **{field: value}).valid for value in good)
    assert not any(replace(parameters(), **{field: value}).valid for value in bad)


def test_limits_are_announced_in_units() -> None:
    """Section 3.2."""
    assert parameters(max_message=3).max_message_bytes == 768
    assert parameters(max_message=0xFFFF).max_message_bytes is None
    assert parameters(stream_credit=5).stream_credit_bytes == 80


def test_a_host_outranks_a_device_and_a_larger_nonce_a_smaller_one() -> None:
    """HS-8."""
    assert parameters(flags=Flag.HOST, nonce=0).rank > parameters(flags=0, nonce=9).rank
    assert parameters(flags=0, nonce=2).rank > parameters(flags=Flag.IN_ORDER_ONLY, nonce=1).rank


@given(hello_from=ANY, told=ANY, floor=U16, session=U16, profile=U8)
def test_a_hello_ack_confirms_the_hello_that_it_answers_and_no_other(
    hello_from: Parameters, told: Parameters, floor: int, session: int, profile: int
) -> None:
    """HS-3, HS-4."""
    hello = encode_hello(hello_from, floor)
    content = encode_hello_ack(hello, told, session, profile)
    found = decode_hello_ack(content, hello)
    assert found is not None
    assert (found.parameters, found.session, found.profile) == (told, session, profile)
    assert found.echo == hello_from.nonce
    assert decode_hello_ack(content, encode_hello(hello_from, floor ^ 1)) is None
    assert decode_hello_ack(content[:-1], hello) is None
    assert decode_hello_ack(content + b"\0", hello) is None


@given(place=st.integers(1, HELLO_ACK_SIZE - 1), bit=st.integers(0, 7))
def test_a_hello_ack_with_any_bit_wrong_confirms_nothing(place: int, bit: int) -> None:
    """HS-4: even if its CRC-16 happens to hold."""
    hello = encode_hello(parameters(), 1)
    content = bytearray(encode_hello_ack(hello, parameters(flags=0), 5, 1))
    content[place] ^= 1 << bit
    assert decode_hello_ack(bytes(content), hello) is None


def test_a_refusal_says_the_version_the_reason_and_the_nonce() -> None:
    """HS-10."""
    assert decode_refuse(encode_refuse(2, 0x12345678)) == (1, 2, 0x12345678)
    assert decode_refuse(encode_refuse(2, 5)[:-1]) is None
    assert decode_refuse(encode_refuse(2, 5) + b"\0") is None


def test_the_later_id_is_the_one_ahead_on_the_circle() -> None:
    """HS-2."""
    assert serial_max(1, 2) == 2
    assert serial_max(2, 1) == 2
    assert serial_max(0xFFFF, 1) == 1
    assert serial_max(0x8000, 0xFFFF) == 0xFFFF
    assert serial_max(7, 7) == 7


def test_on_the_antipode_both_ends_pick_the_larger() -> None:
    """HS-2."""
    assert serial_max(1, 0x8001) == 0x8001
    assert serial_max(0x8001, 1) == 0x8001


@given(a=U16, b=U16)
def test_both_ends_pick_the_same_id(a: int, b: int) -> None:
    """HS-2: or a crossing of two HELLOs would make two sessions."""
    assert serial_max(a, b) == serial_max(b, a)


def test_zero_is_no_session() -> None:
    """HS-2."""
    assert next_id(0xFFFF) == 1
    assert next_id(1) == 2
