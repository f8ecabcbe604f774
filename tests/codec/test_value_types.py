"""Types: which values come back as them, which are refused, and which cannot travel."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, TypeVar, Union

import msgspec
import pytest

from ipfi_serial.codec.values import (
    ValueCodecError,
    decode_value,
    encode_value,
    value_decoder,
)
from ipfi_serial.errors import ConfigError
from tests.codec._ids import case_id
from tests.codec._shapes import (
    Bare,
    Color,
    Key,
    KeyOfKey,
    Late,
    Loose,
    Mixed,
    Mode,
    Name,
    Node,
    Opaque,
    Packet,
    Pair,
    Picky,
    Plain,
    Point,
    PointPair,
    Real,
    Record,
    Rich,
    Text,
    Unit,
    Unresolvable,
)

UserId = NewType("UserId", int)
T = TypeVar("T")
Bound = TypeVar("Bound", bound=Point)
NOON = dt.datetime(2024, 5, 6, 12, 0, 1, 500)
NOON_UTC = NOON.replace(tzinfo=dt.UTC)


ROUND_TRIPS: list[tuple[Any, Any]] = [
    (42, int),
    (2**64 - 1, int),
    (-(2**63), int),
    (1.5, float),
    (True, bool),
    ("é", str),
    (b"\x00\xff", bytes),
    (None, None),
    (bytearray(b"ab"), bytearray),
    ([1, 2], list[int]),
    ([1, "a"], list),
    ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]),
    ((1, 2, 3), tuple),
    ((), tuple[()]),
    ({1, 2}, set[int]),
    (frozenset({1}), frozenset[int]),
    (collections.deque([1, 2]), collections.deque[int]),
    ({"a": 1}, dict[str, int]),
    ({1: [2]}, dict),
    ({b"k": b"v"}, dict[bytes, bytes]),
    ({Key(1): Point(1)}, dict[Key, Point]),
    ({Color.RED: Point(1)}, dict[Color, Point]),
    ({(1, 2): 3}, dict[tuple[int, int], int]),
    ([1], Sequence[int]),
    ([1], Iterable[int]),
    ({"a": 1}, Mapping[str, int]),
    (Color.BLUE, Color),
    (Mixed.TEXT, Mixed),
    (Mixed.REAL, Mixed),
    (Loose.TEXT, Loose),
    (Name.ANN, Name),
    (Mode.READ | Mode.WRITE, Mode),
    (NOON, dt.datetime),
    (NOON_UTC, dt.datetime),
    (NOON_UTC.astimezone(dt.timezone(dt.timedelta(hours=-5, minutes=-30))), dt.datetime),
    (dt.date(2024, 2, 29), dt.date),
    (dt.time(1, 2, 3), dt.time),
    (dt.timedelta(days=1, seconds=2), dt.timedelta),
    (decimal.Decimal("1.50"), decimal.Decimal),
    (uuid.UUID(int=7), uuid.UUID),
    (Point(1, 2), Point),
    (Unit(), Unit),
    (Late(first=2, second="b"), Late),
    (Packet(b"a", [Point(1), Point(2, 3)], Color.BLUE), Packet),
    (Node(1, Node(2, None, [Node(3)]), []), Node),
    ([Point(1)], list[Point]),
    ((Point(1), Point(2)), tuple[Point, ...]),
    ((1, Point(2)), tuple[int, Point]),
    ({Key(1), Key(2)}, set[Key]),
    (collections.deque([Point(1)]), collections.deque[Point]),
    ({"a": [Point(1)]}, dict[str, list[Point]]),
    (Point(1), Point | None),
    (None, Point | None),
    (None, bytes | None),
    (b"a", bytes | None),
    ([b"a", None], list[bytes | None]),
    (Node(1), Node | None),
    (Pair(1, "x"), Pair),
    (PointPair(Point(1), Point(2)), PointPair),
    (Bare(1, "b"), Bare),
    ({"a": 1}, Plain),
    ({"point": Point(1), "data": b"x"}, Rich),
    ({"point": Point(1)}, Rich),
    (Record(5), Record),
    ("a", Literal["a", "b"]),
    (Color.RED, Literal[Color.RED]),
    (True, Literal[True, "yes"]),
    (5, int | str),
    ("5", int | str),
    (5, Point | int),
    (Point(5), Point | int),
    (["a"], Point | list[str] | list[int]),
    ([1], list[str] | list[int] | Point),
    ({KeyOfKey(Key(1)): 1}, dict[KeyOfKey, int]),
    ([1], bytes | list[int]),
    (b"x", str | bytes),
    ("x", bytes | str),
    (1.0, float | int | bytes),
    (5, Annotated[int, msgspec.Meta(ge=0)]),
    (b"a", Annotated[bytes, "a note"]),
    (UserId(5), UserId),
    (7, T),
    (Point(1), Bound),
    (Point(1), Annotated[Point, ["unhashable"]]),
]


@pytest.mark.parametrize("value, wanted", ROUND_TRIPS, ids=case_id)
def test_a_value_comes_back_as_its_type(value: Any, wanted: Any) -> None:
    decoded = decode_value(encode_value(value), wanted)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    "value, data",
    [
        (Point(1, 2), "920102"),
        (Packet(b"a", [Point(1)], Color.RED), "93c401619192010001"),
        (Late(first=2, second="b"), "9202a162"),
        ([Color.BLUE, Name.ANN, Mixed.REAL], "9302a3616e6ecb3ff8000000000000"),
        (NOON, "ba" + b"2024-05-06T12:00:01.000500".hex()),
        (NOON_UTC, "d920" + b"2024-05-06T12:00:01.000500+00:00".hex()),
        ({1}, "9101"),
        (Pair(1, "x"), "9201a178"),
        ({"k": Point(1)}, "81a16b920100"),
        ({Key(1): 2}, "81910102"),
        (collections.OrderedDict(a=1), "81a16101"),
        (Text("x"), "a178"),
        (Real(1.0), "cb3ff0000000000000"),
        (memoryview(b"a"), "c40161"),
        ((1, (2, [3])), "9201920291" + "03"),
    ],
    ids=case_id,
)
def test_a_value_has_these_bytes(value: Any, data: str) -> None:
    assert encode_value(value).hex() == data


@pytest.mark.parametrize(
    "data, wanted, value",
    [
        ("9300ff7f".replace("ff", "ccff"), bytes, b"\x00\xff\x7f"),
        ("9101", bytearray, bytearray(b"\x01")),
        ("91910a", list[bytes], [b"\n"]),
        ("81a16b9101", dict[str, bytes], {"k": b"\x01"}),
        ("92910a90", Packet, None),
        ("05", float, 5.0),
        ("9105", Point, Point(5, 0)),
        ("9101", PointPair, None),
        ("919101", PointPair, PointPair(Point(1))),
        ("92c0a162", Late, None),
        ("d6ff00000000", dt.datetime, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
    ],
    ids=case_id,
)
def test_other_spellings_are_read_as_the_protocol_says(data: str, wanted: Any, value: Any) -> None:
    if value is not None:
        assert decode_value(bytes.fromhex(data), wanted) == value
    elif wanted is Packet:
        assert decode_value(bytes.fromhex(data), Packet) == Packet(b"\n", [])
    else:
        with pytest.raises(ValueCodecError):
            decode_value(bytes.fromhex(data), wanted)


def test_bytes_are_read_as_a_memoryview_where_that_is_wanted() -> None:
    view = decode_value(b"\xc4\x01a", memoryview)
    assert isinstance(view, memoryview)
    assert bytes(view) == b"a"


def test_the_order_of_a_union_decides_between_members_that_both_fit() -> None:
    data = encode_value("2024-05-06T12:00:01")
    assert isinstance(decode_value(data, dt.datetime | str), dt.datetime)
    assert isinstance(decode_value(data, str | dt.datetime), str)
    assert decode_value(encode_value("later"), dt.datetime | str) == "later"


def test_a_member_that_takes_everything_is_tried_last() -> None:
    assert decode_value(encode_value(Point(1)), Union[Any, Point]) == Point(1)  # noqa: UP007
    assert decode_value(encode_value("a"), Union[Any, Point]) == "a"  # noqa: UP007


@pytest.mark.parametrize(
    "value, wanted, complaint",
    [
        ("a", int, "type int: Expected `int`, got `str`"),
        (1.5, int, "got `float`"),
        (True, int, "got `bool`"),
        ([300], bytes, "<= 255"),
        ([1, 2, 3], Point, "at most length 2"),
        ([], Point, "at least length 1"),
        ([1, "b", 7], Late, "at most length 2"),
        ([13], Picky, "type Picky: thirteen is unlucky"),
        (3, Color, "Invalid enum value 3"),
        ("x", Mixed, "'x' is not a valid Mixed"),
        ("b", Literal[Color.RED, 2], "'b' is not in Literal"),
        ("b", Point | int, r"type Point \| int: fits none of Point \| int"),
        (["b"], Point | int, "fits none of"),
        ([[[1, "x"]]], list[list[Point]], "Expected `int`, got `str`"),
        ("tomorrow", dt.datetime, "RFC3339"),
        ([1, 1, ["x"]], Node, "fits none"),
    ],
    ids=case_id,
)
def test_a_value_of_another_type_is_refused_with_the_reason(
    value: Any, wanted: Any, complaint: str
) -> None:
    with pytest.raises(ValueCodecError, match=complaint):
        decode_value(encode_value(value), wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        Opaque,
        Annotated[str, msgspec.Meta(ge=0)],
        complex,
        list[Opaque],
        dict[str, complex],
        Point | Opaque,
        "Point",
        Literal[b"x"] | 5,
    ],
    ids=case_id,
)
def test_a_type_that_cannot_travel_is_refused_at_once(wanted: Any) -> None:
    with pytest.raises(ConfigError, match="cannot travel"):
        value_decoder(wanted)


def test_an_annotation_that_names_nothing_is_refused_with_advice() -> None:
    with pytest.raises(ConfigError, match=r"NoSuchType.*define the type there"):
        value_decoder(Unresolvable)


def test_a_decoder_is_built_once() -> None:
    assert value_decoder(list[Point]) is value_decoder(list[Point])
