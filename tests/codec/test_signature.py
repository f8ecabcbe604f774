"""Arguments against annotations: what fits, and what a caller with wrong ones is told."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.codec.names import type_name
from ipfi_serial.codec.signature import Signature, array_header
from ipfi_serial.codec.values import ArgumentError, ValueCodecError, encode_arguments
from ipfi_serial.errors import ConfigError
from tests.codec._ids import case_id
from tests.codec._shapes import Board, Color, Context, Node, Opaque, Picky, Point


def add(a: int, b: int) -> int:
    return a + b


def greet(name: str, greeting: str = "hello", *, shout: bool = False) -> str:
    return f"{greeting} {name}{'!' * shout}"


def total(first: int, *rest: int) -> int:
    return first + sum(rest)


def anything(*values):  # type: ignore[no-untyped-def]
    return values


def nothing() -> None:
    pass


def draw(point: Point, others: list[Point | None], data: bytes, color: Color = Color.RED) -> None:
    pass


DRAW_TEXT = (
    "(point: Point, others: list[Point | None], data: bytes, color: Color = Color.RED) -> None"
)


def join(*parts: bytes) -> bytes:
    return b"".join(parts)


def untyped(a, b=1):  # type: ignore[no-untyped-def]
    return a, b


def first_context(context: Context, a: int) -> None:
    pass


def middle_context(a: int, context: Context | None = None, b: int = 2) -> tuple[int, Any, int]:
    return a, context, b


def last_context(a: int, b: int = 2, *, context: Context) -> tuple[int, int, Context]:
    return a, b, context


def rest_context(*values: int, context: Context) -> None:
    pass


def many(*values: Any) -> bytes:
    return encode_arguments(values)


@pytest.mark.parametrize(
    "function, arguments",
    [
        (add, (1, 2)),
        (nothing, ()),
        (greet, ("ann",)),
        (greet, ("ann", "hi")),
        (total, (1,)),
        (total, (1, 2, 3)),
        (total, tuple(range(70_000))),
        (anything, ()),
        (anything, (1, [2], {"three": None})),
        (join, (b"a", b"b")),
        (draw, (Point(1), [None, Point(2)], b"x")),
        (draw, (Point(1), [], b"x", Color.BLUE)),
        (untyped, ([1],)),
        (Board().led, (True,)),
        (Board(), (1,)),
        (functools.partial(add, 1), (2,)),
        (lambda x: x, (1,)),
    ],
    ids=case_id,
)
def test_arguments_that_fit_are_decoded(
    function: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    assert Signature(function).decode(encode_arguments(arguments)) == arguments


def test_arrays_of_integers_are_taken_for_bytes_wherever_they_are() -> None:
    assert Signature(join).decode(many([1, 2], b"c")) == (b"\x01\x02", b"c")
    assert Signature(draw).decode(many([1], [], [255])) == (Point(1), [], b"\xff")


def test_sixteen_parameters_and_more_have_a_longer_header() -> None:
    parameters = [
        inspect.Parameter(f"p{i}", inspect.Parameter.POSITIONAL_ONLY, annotation=int)
        for i in range(20)
    ]

    def twenty(*values: int) -> None:
        pass

    twenty.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    assert Signature(twenty).decode(many(*range(20))) == tuple(range(20))
    assert [len(array_header(count)) for count in (0, 15, 16, 70_000)] == [1, 1, 5, 5]


@pytest.mark.parametrize(
    "function, data, complaint",
    [
        (add, many(1), "add() takes 2 arguments (a: int, b: int), got 1"),
        (add, many(1, 2, 3), "add() takes 2 arguments (a: int, b: int), got 3"),
        (add, b"", "add() takes 2 arguments (a: int, b: int), got 0"),
        (add, many(1, "x"), "add(): argument 'b' must be int, got str"),
        (add, many(1.5, 2), "add(): argument 'a' must be int, got float"),
        (add, many([1], 2), "add(): argument 'a' must be int, got list"),
        (add, many({}, 2), "add(): argument 'a' must be int, got dict"),
        (add, many(None, 2), "add(): argument 'a' must be int, got None"),
        (add, b"\x01\xcd\x01", "add(): the arguments are cut off"),
        (add, b"\x01\xc1", "add(): MessagePack data is malformed: invalid opcode '\\xc1' (byte 2)"),
        (nothing, many(1), "nothing() takes 0 arguments (), got 1"),
        (Board().led, many(), "led() takes 1 argument (on: bool), got 0"),
        (greet, b"", "greet() takes 1 to 2 arguments (name: str, greeting: str = 'hello'), got 0"),
        (
            greet,
            many("a", "b", "c"),
            "greet() takes 1 to 2 arguments (name: str, greeting: str = 'hello'), got 3",
        ),
        (greet, many("a", 1), "greet(): argument 'greeting' must be str, got int"),
        (greet, b"\xa5ab", "greet(): the arguments are cut off"),
        (greet, b"\xa1\xff", "greet(): 'utf-8' codec can't decode byte 0xff in position 0: "),
        (total, b"", "total() takes at least 1 argument (first: int, *rest: int), got 0"),
        (total, many(1, 2, "x"), "total(): argument 'rest' must be int, got str"),
        (join, many(b"a", [256]), "join(): argument 'parts': expected int <= 255 at [0]"),
        (draw, many(Point(1), [[1, 2, 3]], b""), "draw(): argument 'others'"),
        (draw, many(5, [], b""), "draw(): argument 'point' must be Point, got int"),
        (draw, many([], [], b""), "draw(): argument 'point': expected array of at least length 1"),
        (draw, many([1], [], b"", 9), "draw(): argument 'color': invalid enum value 9"),
        (draw, many([1], [], [1, 256]), "draw(): argument 'data': expected int <= 255 at [1]"),
        (
            draw,
            many([1], [["x"]], b""),
            "draw(): argument 'others': expected int, got str at [0][0]",
        ),
    ],
    ids=case_id,
)
def test_arguments_that_do_not_fit_are_refused_with_a_reason_for_people(
    function: Callable[..., object], data: bytes, complaint: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        Signature(function).decode(data)
    assert str(caught.value).startswith(complaint)
    assert isinstance(caught.value, ValueCodecError)


def picky(one: Picky, *more: Picky) -> None:
    pass


def union(value: Point | int) -> None:
    pass


def test_a_classs_own_check_refuses_an_argument_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"'one' must be Picky: thirteen is unlucky"):
        Signature(picky).decode(many([13]))
    with pytest.raises(ArgumentError, match=r"'more' must be Picky: thirteen is unlucky"):
        Signature(picky).decode(many([1], [13]))
    with pytest.raises(ArgumentError, match=r"'value' must be Point \| int: fits none of"):
        Signature(union).decode(many("x"))


def tree(node: Node) -> None:
    pass


@pytest.mark.parametrize("function", [anything, untyped, tree])
def test_arguments_nested_deeper_than_the_limit_are_refused(
    function: Callable[..., object],
) -> None:
    with pytest.raises(ArgumentError, match="an argument nests deeper than 64 levels"):
        Signature(function).decode(b"\x91" * 100_000 + b"\x01")
    with pytest.raises(ArgumentError, match="an argument nests deeper than 2 levels"):
        Signature(function).decode(b"\x91\x91\x91\x01", 2)


def test_a_limit_below_what_the_annotations_allow_is_kept() -> None:
    data = many([1], [[2]], b"")
    assert Signature(draw).decode(data, 2) == (Point(1), [Point(2)], b"")
    with pytest.raises(ArgumentError, match="an argument nests deeper than 1 level"):
        Signature(draw).decode(data, 1)


def test_the_deepest_argument_allowed_is_taken() -> None:
    (value,) = Signature(untyped).decode(b"\x91" * 64 + b"\x01")
    assert repr(value).count("[") == 64


@pytest.mark.parametrize(
    "function, arguments, placed",
    [
        (add, (1, 2), ((1, 2), {})),
        (first_context, (1,), (("ctx", 1), {})),
        (middle_context, (1,), ((1, "ctx"), {})),
        (middle_context, (1, 5), ((1, "ctx", 5), {})),
        (last_context, (1,), ((1,), {"context": "ctx"})),
        (rest_context, (1, 2), ((1, 2), {"context": "ctx"})),
    ],
)
def test_the_context_is_put_where_it_is_wanted_and_not_counted(
    function: Callable[..., object], arguments: tuple[Any, ...], placed: object
) -> None:
    signature = Signature(function, injected=Context)
    assert signature.decode(encode_arguments(arguments)) == arguments
    assert signature.place(arguments, "ctx") == placed


def optional_then_context(a: int = 1, b: int = 2, context: Context | None = None) -> None:
    pass


def test_a_context_behind_missing_optional_arguments_goes_by_keyword() -> None:
    signature = Signature(optional_then_context, injected=Context)
    assert signature.place((1,), "ctx") == ((1,), {"context": "ctx"})
    assert signature.place((1, 2), "ctx") == ((1, 2, "ctx"), {})


def test_facts_of_a_signature_can_be_read() -> None:
    signature = Signature(middle_context, injected=Context, name="middle")
    assert (signature.name, signature.injected) == ("middle", "context")
    assert (signature.required, signature.maximum) == (1, 2)
    assert signature.returns == tuple[int, Any, int]
    assert Signature(total).maximum is None
    assert Signature(untyped).returns is Any


@pytest.mark.parametrize(
    "function, text",
    [
        (add, "(a: int, b: int) -> int"),
        (nothing, "() -> None"),
        (greet, "(name: str, greeting: str = 'hello') -> str"),
        (total, "(first: int, *rest: int) -> int"),
        (untyped, "(a, b=1)"),
        (first_context, "(a: int) -> None"),
        (middle_context, "(a: int, b: int = 2) -> tuple[int, Any, int]"),
        (rest_context, "(*values: int) -> None"),
        (
            draw,
            DRAW_TEXT,
        ),
        (Board(), "(n: int) -> int"),
    ],
    ids=case_id,
)
def test_a_signature_is_described_for_people(function: Callable[..., object], text: str) -> None:
    assert Signature(function, injected=Context).text == text
    assert Signature(function, injected=Context).text == text


def long_default(text: str = "a text that is longer than two dozen characters") -> None:
    pass


def test_a_long_default_is_not_spelt_out() -> None:
    assert Signature(long_default).text == "(text: str = ...) -> None"


@pytest.mark.parametrize(
    "annotation, name",
    [
        (Iterator[str], "Iterator[str]"),
        (int | None, "int | None"),
        (Literal["a", 1], "Literal['a', 1]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Callable[[int], str], "Callable[[int], str]"),
        (Any, "Any"),
        ("Later", "Later"),
    ],
    ids=case_id,
)
def test_a_type_is_named_as_it_is_written(annotation: Any, name: str) -> None:
    assert type_name(annotation) == name


def keyword_only(*, a: int) -> None:
    pass


def opaque(a: int, thing: Opaque) -> None:
    pass


def unknown(a: NoSuchType) -> None:  # type: ignore[name-defined]  # noqa: F821
    pass


@pytest.mark.parametrize(
    "function, complaint",
    [
        (keyword_only, r"keyword_only\(\): 'a' must be given by keyword"),
        (opaque, r"opaque\(\): parameter 'thing': Opaque cannot travel"),
        (unknown, r"unknown\(\): name 'NoSuchType' is not defined; .* type checkers"),
        (max, r"max: its parameters cannot be found out"),
        (5, r"int: its parameters cannot be found out"),
    ],
    ids=case_id,
)
def test_a_handler_that_cannot_be_called_from_afar_is_refused_when_it_is_declared(
    function: Any, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Signature(function)


@settings(deadline=None, max_examples=300)
@given(
    data=st.binary(max_size=40),
    function=st.sampled_from([add, greet, total, anything, draw, join, untyped, picky, tree]),
)
def test_any_bytes_are_arguments_or_refused_and_nothing_else_is_raised(
    data: bytes, function: Callable[..., object]
) -> None:
    signature = Signature(function)
    try:
        arguments = signature.decode(data)
    except ArgumentError:
        return
    assert signature.decode(encode_arguments(arguments)) == arguments or arguments != arguments
