"""Types for the tests of values, at module level so that annotations find them."""

from __future__ import annotations

import enum
from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NotRequired, Required, TypedDict

import msgspec


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Mixed(enum.Enum):
    NUMBER = 1
    TEXT = "text"
    REAL = 1.5


class Loose(enum.Enum):
    NUMBER = 1
    TEXT = "text"


class Name(enum.StrEnum):
    ANN = "ann"


class Mode(enum.IntFlag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Key:
    number: int


@dataclass(frozen=True)
class KeyOfKey:
    key: Key


@dataclass(eq=False)
class KeyOfDict:
    table: dict[str, int]


@dataclass
class Nested:
    flag: bool
    ratio: float
    note: str | None


@dataclass
class Node:
    value: int
    next: Node | None = None
    children: list[Node] = field(default_factory=list)


@dataclass
class Packet:
    data: bytes
    points: list[Point]
    f0: Color = Color.RED


@dataclass(kw_only=True)
class Late:
    first: int = 1
    second: str
    cached: int = field(init=False, default=7)


@dataclass
class Picky:
    n: int

    def __post_init__(self) -> None:
        if self.n == 13:
            raise LookupError("thirteen is unlucky")


@dataclass
class Unresolvable:
    it: NoSuchType  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Unit:
    pass


class Pair(NamedTuple):
    number: int
    text: str = "none"


class PointPair(NamedTuple):
    a: Point
    b: Point = Point(9, 9)


Bare = namedtuple("Bare", ["a", "b"])


class Plain(TypedDict):
    a: int


class Rich(TypedDict, total=False):
    point: Required[Point]
    data: NotRequired[bytes]


class Record(msgspec.Struct):
    n: int


class Context:
    pass


class Board:
    def led(self, on: bool) -> bool:
        return on

    def __call__(self, n: int) -> int:
        return n


class Opaque:
    pass


class Text(str):
    __slots__ = ()


class Real(float):
    __slots__ = ()


Anything = Any
