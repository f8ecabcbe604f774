"""Byte stuffing: the C extension against the byte-at-a-time specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfi_serial.framing.cobs import (
    ACCELERATED,
    ByteUnstuffer,
    DecodeError,
    decode,
    encode,
    max_stuffed_bytes,
    stuff,
    unstuffed_size,
)

RUNS = st.lists(st.sampled_from([1, 2, 200, 253, 254, 255, 508, 509]), max_size=4)
LONG = RUNS.map(lambda runs: b"\0".join(bytes([7]) * run for run in runs))
CONTENT = st.one_of(st.binary(max_size=600), LONG)
STUFFED = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"\xff")),
    CONTENT.map(stuff),
    LONG.map(lambda raw: stuff(raw)[:-1]),
)


def unstuff(stuffed: bytes, max_bytes: int = 1 << 16) -> ByteUnstuffer:
    unstuffer = ByteUnstuffer(max_bytes)
    for byte in stuffed:
        unstuffer.push(byte)
    return unstuffer


@given(content=CONTENT)
def test_stuffing_is_the_specifications_and_free_of_zeros(content: bytes) -> None:
    stuffed = encode(content)
    assert stuffed == stuff(content)
    assert 0 not in stuffed
    assert len(stuffed) <= max_stuffed_bytes(len(content))


@given(content=CONTENT)
def test_what_was_stuffed_comes_back(content: bytes) -> None:
    assert decode(encode(content)) == content
    unstuffer = unstuff(encode(content))
    assert unstuffer.whole
    assert bytes(unstuffer.content) == content


@given(stuffed=STUFFED)
def test_both_unstuff_alike_or_find_the_last_block_cut_off(stuffed: bytes) -> None:
    unstuffer = unstuff(stuffed)
    assert unstuffed_size(stuffed) == len(unstuffer.content)
    if unstuffer.whole:
        assert decode(stuffed) == unstuffer.content
    else:
        with pytest.raises(DecodeError):
            decode(stuffed)


@given(stuffed=STUFFED, max_bytes=st.integers(1, 600))
def test_content_stops_at_the_bound_and_says_so(stuffed: bytes, max_bytes: int) -> None:
    unstuffer = unstuff(stuffed, max_bytes)
    size = unstuffed_size(stuffed)
    assert len(unstuffer.content) == min(size, max_bytes)
    assert unstuffer.overflowed == (size > max_bytes)


@given(stuffed=STUFFED)
def test_more_stuffed_bytes_than_the_bound_allows_are_always_more_content(stuffed: bytes) -> None:
    for max_bytes in range(1, len(stuffed)):
        if len(stuffed) > max_stuffed_bytes(max_bytes):
            assert unstuffed_size(stuffed) > max_bytes


def test_a_full_last_block_may_be_followed_by_an_empty_one() -> None:
    content = b"\x07" * 254
    stuffed = stuff(content) + b"\x01"
    assert decode(stuffed) == unstuff(stuffed).content == content
    assert len(stuffed) == max_stuffed_bytes(254)


def test_the_c_extension_is_in_use() -> None:
    if not ACCELERATED:
        pytest.skip("cobs was installed without its C extension: no C compiler at that time")
    assert "_ext" in encode.__module__
