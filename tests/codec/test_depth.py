"""Depth and extent of MessagePack values, against a decoder that recurses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.codec.depth import nests_deeper_than, value_ends

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.sampled_from([200, 300]).map(lambda size: b"x" * size),
    st.sampled_from([200, 300]).map(lambda size: "y" * size),
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=18), st.dictionaries(st.integers(0, 99), inner, max_size=18)
    ),
    max_leaves=25,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(item) for item in value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@settings(deadline=None, max_examples=300)
@given(values=st.lists(VALUES, max_size=4))
def test_depth_is_that_of_the_decoded_values(values: list[Any]) -> None:
    data = b"".join(map(msgspec.msgpack.encode, values))
    deepest = max(map(depth, values), default=0)
    assert not nests_deeper_than(data, deepest)
    if deepest:
        assert nests_deeper_than(data, deepest - 1)


@settings(deadline=None)
@given(values=st.lists(VALUES, max_size=5), limit=st.integers(0, 6))
def test_values_end_where_they_were_joined(values: list[Any], limit: int) -> None:
    encoded = [msgspec.msgpack.encode(value) for value in values]
    ends = [sum(map(len, encoded[: i + 1])) for i in range(len(encoded))]
    assert value_ends(b"".join(encoded), limit) == ends[:limit]


@settings(deadline=None)
@given(value=VALUES, cut=st.integers(1, 1 << 20))
def test_a_value_that_is_cut_off_has_no_end(value: Any, cut: int) -> None:
    data = msgspec.msgpack.encode(value)
    assert value_ends(data[: -1 - cut % len(data)] if len(data) > 1 else b"\xd9", 1) in (None, [])


@settings(deadline=None, max_examples=300)
@given(data=st.binary(max_size=200), limit=st.integers(0, 40))
def test_any_bytes_are_measured_and_a_deeper_limit_never_refuses_more(
    data: bytes, limit: int
) -> None:
    value_ends(data, 1000)
    if nests_deeper_than(data, limit + 1):
        assert nests_deeper_than(data, limit)


@pytest.mark.parametrize("code", range(0xC7, 0xCA))
def test_extensions_are_skipped_by_their_length(code: int) -> None:
    length = (3).to_bytes(1 << (code - 0xC7), "big")
    data = bytes([code]) + length + b"\x05" + b"\x91\x91\x91" + b"\x01"
    assert value_ends(data, 2) == [len(data) - 1, len(data)]
    assert not nests_deeper_than(data, 0)


@pytest.mark.parametrize("code", range(0xD4, 0xD9))
def test_fixed_extensions_are_skipped_by_their_size(code: int) -> None:
    size = 1 << (code - 0xD4)
    data = bytes([code, 5]) + b"\x91" * size + b"\x01"
    assert value_ends(data, 2) == [size + 2, size + 3]
    assert not nests_deeper_than(data, 0)


@pytest.mark.parametrize(
    "header", [b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"]
)
def test_an_announced_count_costs_nothing(header: bytes) -> None:
    assert value_ends(header, 5) is None
    assert not nests_deeper_than(header + b"\x01" * 100, 1)


@pytest.mark.parametrize("nest", [b"\x91", b"\x81\x01", b"\xdc\x00\x01", b"\xdf\0\0\0\x01\x01"])
def test_many_levels_are_refused_without_recursion(nest: bytes) -> None:
    data = nest * 200_000 + b"\x01"
    assert nests_deeper_than(data, 64)
    assert value_ends(data, 1) == [len(data)]


@pytest.mark.parametrize("value", [b"\x91" * 70_000, "y" * 70_000])
def test_a_long_value_is_skipped_by_its_length(value: bytes | str) -> None:
    data = msgspec.msgpack.encode(value)
    assert value_ends(data * 2, 2) == [len(data), 2 * len(data)]
    assert not nests_deeper_than(data * 2, 0)


@pytest.mark.parametrize(
    "before", [b"\xdc\xc4\xff", b"\xdd\xc6\0\x10\0", b"\xcb\n\xc6\0\x10\0\xff\xff\xff"]
)
def test_numbers_that_look_like_headers_hide_nothing_behind_them(before: bytes) -> None:
    assert nests_deeper_than(before + b"\x91" * 200 + b"\x01", 64)


def test_the_limit_itself_is_allowed() -> None:
    for nest in (b"\x91", b"\xdc\x00\x01"):
        assert not nests_deeper_than(nest * 64 + b"\x01", 64)
        assert nests_deeper_than(nest * 65 + b"\x01", 64)
        assert nests_deeper_than(nest * 64 + b"\x90", 64)


def test_many_containers_beside_each_other_are_not_deep() -> None:
    record = msgspec.msgpack.encode({"name": "x" * 40, "tags": [[1], [2]]})
    assert not nests_deeper_than(record * 1000, 3)
    assert nests_deeper_than(record * 1000, 2)


def test_a_number_that_is_cut_off_has_no_depth() -> None:
    assert not nests_deeper_than(b"\x91\xcb\x91\x91\x91", 2)


def test_an_empty_container_ends_the_ones_around_it() -> None:
    data = b"\x92\x91\x90\x92\x01\x90" * 40
    assert not nests_deeper_than(data, 3)
    assert nests_deeper_than(data, 2)
    assert value_ends(data, 1) == [6]
