"""Values to MessagePack and back, as the reference implementation writes them."""

from __future__ import annotations

import collections
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.codec.message import MessageDecoder
from ipfi_serial.codec.values import (
    ValueCodecError,
    ValueEncodeError,
    decode_value,
    encode_arguments,
    encode_value,
)
from ipfi_serial.errors import LocalProtocolError
from tests.codec._shapes import (
    Color,
    Key,
    KeyOfDict,
    Mixed,
    Nested,
    Node,
    Opaque,
    Packet,
    Point,
    Rich,
)

FILE = Path(__file__).parents[1] / "vectors" / "ipfibuf.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text().splitlines()]
ARGUMENTS = [row for row in ROWS if "rust_type" in row and row["kind"] != "args"]
JOINED = {row["name"]: row for row in ROWS if row["kind"] == "args"}
INTEGERS = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "usize"}
FLOATS = {"pi": math.pi, "max": 1.7976931348623157e308, "min_positive": 2.0**-126}


def python_value(row: dict[str, Any]) -> Any:
    """What a person would write in Python for a row's value."""
    value = row["value"]
    if row["rust_type"] in INTEGERS:
        return int(value)
    if row["rust_type"] == "u128":
        return int(value).to_bytes(16, "big")
    if row["rust_type"] in ("f32", "f64"):
        return FLOATS.get(value) or float(value)
    if row["name"] == "arg/btreemap/16":
        return {number: number for number in range(16)}
    if row["name"].startswith("arg/struct/person"):
        return [
            *("Zoë", 255, ["a", "β", ""], {"x": 2.5, "y": 2.0}, -9_000_000_000_000),
            None,
        ]
    if row["rust_type"] == "serde_bytes::ByteBuf":
        return bytes.fromhex(value["hex"])
    return [] if row["name"] in ("arg/struct/unit", "arg/struct/empty") else value


EXACT = [
    row for row in ARGUMENTS if row["rust_type"] != "f32" and row["name"] != "arg/struct/person"
]


@pytest.mark.parametrize("row", EXACT, ids=lambda row: row["name"])
def test_a_value_of_the_vectors_has_the_references_bytes(row: dict[str, Any]) -> None:
    value = python_value(row)
    data = bytes.fromhex(row["args_hex"])
    assert encode_value(value) == data
    assert encode_arguments((value,)) == data
    decoded = decode_value(data)
    assert decoded == value or (decoded != decoded and value != value)


@pytest.mark.parametrize("row", [r for r in ARGUMENTS if r["rust_type"] == "f32"], ids=str)
def test_a_four_byte_float_is_read(row: dict[str, Any]) -> None:
    decoded = decode_value(bytes.fromhex(row["args_hex"]), float)
    assert decoded == pytest.approx(python_value(row), rel=1e-7, nan_ok=True)


def test_the_person_of_the_vectors_is_a_dataclass_in_an_array() -> None:
    (row,) = (row for row in ARGUMENTS if row["name"] == "arg/struct/person")
    data = bytes.fromhex(row["args_hex"])
    decoded = decode_value(data)
    nested = Nested(*decoded[5])
    assert decode_value(encode_value(nested), Nested) == nested
    assert encode_value((*decoded[:5], nested)) == data


@pytest.mark.parametrize(
    "name", ["u32_u32", "mixed", "array_as_args", "sixteen", "twenty", "one_unit"]
)
def test_arguments_are_joined_without_a_header(name: str) -> None:
    row = JOINED[f"args/{name}"]
    (message,) = MessageDecoder().feed(bytes.fromhex(row["hex"]))
    assert encode_arguments(tuple(row["value"])) == message.payload
    assert message.payload.hex() == row.get("args_hex", message.payload.hex())


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 65535, 65536])
def test_any_number_of_arguments_is_joined(count: int) -> None:
    assert encode_arguments((7,) * count) == b"\x07" * count
    assert encode_arguments((Color.RED,) * count) == b"\x01" * count


@pytest.mark.parametrize(
    "data",
    ["", "91", "c1", "0101", "a1ff", "81800101", "818180010101", "ddffffffff", "c6ffffffff", "d9"],
)
def test_what_is_no_single_value_is_refused(data: str) -> None:
    with pytest.raises(ValueCodecError, match="not a value of type Any"):
        decode_value(bytes.fromhex(data))


def test_a_value_nested_deeper_than_the_limit_is_refused_before_it_is_decoded() -> None:
    assert decode_value(b"\x91" * 64 + b"\x01")
    for depth in (65, 1_000, 1_000_000):
        with pytest.raises(ValueCodecError, match="nests deeper than 64 levels"):
            decode_value(b"\x91" * depth + b"\x01")
    assert decode_value(b"\x91\x91\x01", Any, 2) == [[1]]
    with pytest.raises(ValueCodecError, match="deeper than 1 level"):
        decode_value(b"\x91\x91\x01", Any, 1)
    with pytest.raises(ValueCodecError, match="deeper than 1 level"):
        decode_value(b"\x91\x91\x01", list[list[int]], 1)


def test_a_recursive_type_is_bounded_by_the_limit_too() -> None:
    chain = Node(0)
    for number in range(80):
        chain = Node(number, chain)
    with pytest.raises(ValueCodecError, match="nests deeper"):
        decode_value(encode_value(chain), Node)
    assert decode_value(encode_value(chain), Node, 200) == chain


def test_the_limit_above_which_python_recurses_too_deep_is_still_an_error_of_ours() -> None:
    with pytest.raises(ValueCodecError, match="recursion"):
        decode_value(b"\x91" * 100_000 + b"\x01", Any, 200_000)


@settings(deadline=None, max_examples=300)
@given(
    data=st.binary(max_size=60),
    wanted=st.sampled_from(
        [Any, int, bytes, Point, Node, Packet, Rich, list[Point | int], dict[Key, bytes], Mixed]
    ),
)
def test_any_bytes_are_a_value_or_refused_and_nothing_else_is_raised(
    data: bytes, wanted: Any
) -> None:
    try:
        value = decode_value(data, wanted)
    except ValueCodecError:
        return
    if wanted is not Any:
        assert decode_value(encode_value(value), wanted) == value


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@settings(deadline=None)
@given(value=JSON)
def test_plain_values_come_back_and_have_msgspecs_bytes(value: Any) -> None:
    assert decode_value(encode_value(value), Any, 500) == value
    assert encode_value(value) == msgspec.msgpack.encode(value)


def self_referential() -> list[list[Any]]:
    loop: list[Any] = []
    loop.append(loop)
    return [loop]


def loop_of_dicts() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["again"] = [loop, Point(1)]
    return loop


@pytest.mark.parametrize(
    "value, complaint",
    [
        (2**64, "2\\*\\*64"),
        (-(2**63) - 1, "2\\*\\*63"),
        ([1, {"a": 2**64}], "2\\*\\*64"),
        (Opaque(), "Opaque is unsupported"),
        ([Opaque()], "Opaque is unsupported"),
        (1j, "complex is unsupported"),
        (Opaque, "type is unsupported|unsupported"),
        (Point, "unsupported"),
        ("\ud800", "surrogates not allowed"),
        (self_referential(), "contains itself"),
        (loop_of_dicts(), "contains itself"),
        ({KeyOfDict({}): 1}, "unhashable"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_that_cannot_travel_is_a_local_error(value: Any, complaint: str) -> None:
    for encode in (encode_value, lambda it: encode_arguments((it,))):
        with pytest.raises(ValueEncodeError, match=complaint) as caught:
            encode(value)
        assert isinstance(caught.value, LocalProtocolError)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: [inner],
        lambda inner: {"in": inner},
        lambda inner: (inner, 1),
        lambda inner: collections.deque([inner]),
    ],
)
def test_what_nests_deep_travels_and_what_nests_too_deep_is_a_local_error(wrap: Any) -> None:
    """The same in the compiled build, whose calls nest without a limit of Python's."""
    value: Any = 1
    for _ in range(100):
        value = wrap(value)
    assert encode_value(value)
    for _ in range(600):
        value = wrap(value)
    with pytest.raises(ValueEncodeError, match="nests too deep"):
        encode_value(value)


def test_plain_containers_that_nest_too_deep_for_msgspec_are_a_local_error() -> None:
    deep: Any = 1
    for _ in range(2000):
        deep = (deep,)
    with pytest.raises(ValueEncodeError, match="nests too deep"):
        encode_value(deep)
