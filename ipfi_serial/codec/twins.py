"""Finds for each annotation a type that msgspec can decode from our wire: its twin.

Most types are their own twin.  A dataclass travels as a positional array (VAL-3), so its twin is
a msgspec Struct; bytes may come as an array of integers; a union that msgspec cannot tell apart
is kept raw and tried member by member.  What was decoded as a twin is *finished* into the
annotated type.  Nothing here touches bytes that come in.  docs/protocol.md, section 1.1.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections import abc
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from ipfi_serial.codec.names import UNIONS, TypeForm, Value, origin_of, type_name
from ipfi_serial.codec.records import (
    Build,
    Finish,
    Twin,
    dataclass_twin,
    deeper,
    is_named_tuple,
    named_tuple_twin,
    typed_dict_twin,
)
from ipfi_serial.errors import ConfigError

_Union: Any = typing.Union  # built from values at run time
_Annotated: Any = Annotated
_NIL: Final = type(None)
_BYTES_OR_INTEGERS: Final = _Union[bytes, list[Annotated[int, msgspec.Meta(ge=0, le=255)]]]
_SCALARS: Final = frozenset(
    (
        *(int, float, str, bool, _NIL),
        *(dt.datetime, dt.date, dt.time, dt.timedelta),
        *(decimal.Decimal, uuid.UUID),
    )
)
_ANYTHING: Final = frozenset((Any, object, msgspec.Raw, msgspec.msgpack.Ext))
_BINARY: Final[dict[Any, Finish]] = {
    bytes: bytes,
    bytearray: bytearray,
    memoryview: lambda value: memoryview(bytes(value)),
}
_ARRAYS: Final[dict[Any, type]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence), list),
    **dict.fromkeys((abc.Iterable, abc.Collection), list),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), set),
    frozenset: frozenset,
    collections.deque: collections.deque,
}
_MAPS: Final = frozenset((dict, abc.Mapping, abc.MutableMapping))
_CANNOT: Final = (msgspec.DecodeError, ValueError, TypeError)


def twin_of(annotation: TypeForm) -> Twin:
    """Return how to decode ``annotation``.

    Raises:
        ConfigError: values of this type cannot travel.
    """
    twin = _build(annotation, ())
    if not _decodable(twin.wire):
        raise _cannot_travel(annotation)
    return twin


def _decodable(wire: TypeForm) -> bool:
    """Return whether msgspec takes the type: it cannot tell the members of every union apart."""
    try:
        msgspec.msgpack.Decoder(wire)
    except TypeError:
        return False
    return True


def _cannot_travel(annotation: TypeForm) -> ConfigError:
    return ConfigError(
        f"{type_name(annotation)} cannot travel: use plain values, lists, tuples, dicts, sets, "
        "enums, dataclasses, datetimes or unions of them"
    )


def _build(annotation: TypeForm, path: tuple[Any, ...]) -> Twin:
    """Return the twin of ``annotation`` inside the dataclasses of ``path``."""
    origin = origin_of(annotation) or annotation
    build = partial(_build, path=path)
    if origin in UNIONS:
        return _union_twin(typing.get_args(annotation), build)
    if origin is Literal:
        return _literal_twin(annotation)
    if origin is Annotated:
        base, *extras = typing.get_args(annotation)
        twin = build(base)
        return twin._replace(wire=_Annotated[(twin.wire, *extras)])
    if isinstance(annotation, TypeVar):
        return build(annotation.__bound__ or Any)
    for alias in ("__supertype__", "__value__"):  # NewType, and the type statement of 3.12
        if hasattr(annotation, alias):
            return build(getattr(annotation, alias))
    if annotation is None or origin in _SCALARS:
        return Twin(annotation, None, 0)
    if origin in _ANYTHING:
        return Twin(annotation, None, None)
    if origin in _BINARY:
        return Twin(_BYTES_OR_INTEGERS, _BINARY[origin], 1)
    return _container_twin(annotation, origin, build) or _class_twin(origin, path)


def _container_twin(annotation: TypeForm, origin: TypeForm, build: Build) -> Twin | None:
    arguments = typing.get_args(annotation)
    if origin in _ARRAYS:
        return _array_twin(_ARRAYS[origin], build(arguments[0] if arguments else Any))
    if origin in _MAPS:
        key, value = arguments or (Any, Any)
        return _map_twin(build(key), build(value))
    if origin is tuple:
        if annotation is tuple:
            return Twin(tuple, None, None)
        if arguments[1:] == (...,):
            return _array_twin(tuple, build(arguments[0]))
        return _tuple_twin([build(argument) for argument in arguments])
    return None


def _class_twin(kind: TypeForm, path: tuple[Any, ...]) -> Twin:
    if not isinstance(kind, type):
        raise _cannot_travel(kind)
    build = partial(_build, path=(*path, kind))
    if kind in path:
        return Twin(msgspec.Raw, partial(_decode_later, kind), None)
    if dataclasses.is_dataclass(kind):
        return dataclass_twin(kind, build)
    if typing.is_typeddict(kind):
        return typed_dict_twin(kind, build)
    if is_named_tuple(kind):
        return named_tuple_twin(kind, build)
    if issubclass(kind, enum.Enum):
        values = {type(member.value) for member in kind}
        return Twin(kind, None, 0) if values in ({int}, {str}) else Twin(Any, kind, None)
    if issubclass(kind, msgspec.Struct):
        return Twin(kind, None, None)
    raise _cannot_travel(kind)


def _decode_later(kind: TypeForm, raw: msgspec.Raw) -> Value:
    """Decode a record inside itself."""
    decode, finish = _record_decoder(kind)
    return finish(decode(raw))


@lru_cache(maxsize=256)
def _record_decoder(kind: TypeForm) -> tuple[Callable[[msgspec.Raw], Value], Finish]:
    twin = twin_of(kind)
    return msgspec.msgpack.Decoder(twin.wire).decode, twin.finish or _same


def _array_twin(kind: Callable[[Any], Any], item: Twin) -> Twin:
    depth = deeper(item.depth)
    finish_item = item.finish
    if finish_item:
        wire = types.GenericAlias(list, (item.wire,))
        return Twin(wire, lambda items: kind([finish_item(value) for value in items]), depth)
    if kind is collections.deque:
        return Twin(types.GenericAlias(list, (item.wire,)), kind, depth)
    arguments = (item.wire, ...) if kind is tuple else (item.wire,)
    return Twin(types.GenericAlias(typing.cast(type, kind), arguments), None, depth)


def _map_twin(key: Twin, value: Twin) -> Twin:
    wire = types.GenericAlias(dict, (key.wire, value.wire))
    depth = deeper(key.depth, value.depth)
    if not (key.finish or value.finish):
        return Twin(wire, None, depth)
    finish_key, finish_value = key.finish or _same, value.finish or _same
    return Twin(
        wire, lambda items: {finish_key(k): finish_value(v) for k, v in items.items()}, depth
    )


def _tuple_twin(members: list[Twin]) -> Twin:
    wire = types.GenericAlias(tuple, tuple(member.wire for member in members))
    depth = deeper(*(member.depth for member in members))
    if not any(member.finish for member in members):
        return Twin(wire, None, depth)
    finishes = [member.finish or _same for member in members]
    return Twin(
        wire,
        lambda items: tuple(finish(value) for finish, value in zip(finishes, items, strict=True)),
        depth,
    )


def _same(value: Value) -> Value:
    return value


def _literal_twin(annotation: TypeForm) -> Twin:
    """Return the annotation itself, or a look-up for what msgspec's Literal does not take."""
    if _decodable(annotation):
        return Twin(annotation, None, 0)
    options = {}
    for option in typing.get_args(annotation):
        value = option.value if isinstance(option, enum.Enum) else option
        options[type(value), value] = option

    def finish(value: Value) -> Value:
        try:
            return options[type(value), value]
        except KeyError:
            raise ValueError(f"{value!r} is not in {type_name(annotation)}") from None

    return Twin(Any, finish, None)


def _union_twin(members: tuple[Any, ...], build: Build) -> Twin:
    twins = [build(member) for member in members]
    depths = [member.depth for member in twins]
    depth = None if None in depths else max(depth or 0 for depth in depths)
    wire = _Union[tuple(member.wire for member in twins)]
    if not any(member.finish for member in twins) and _decodable(wire):
        return Twin(wire, None, depth)
    others = [twin for twin in twins if twin.wire is not _NIL]
    if len(others) == 1 and len(twins) == 2 and others[0].wire is not msgspec.Raw:
        finish = others[0].finish or _same
        return Twin(wire, lambda value: None if value is None else finish(value), depth)
    return _raw_union_twin(members, twins)


def _raw_union_twin(members: tuple[Any, ...], twins: list[Twin]) -> Twin:
    """Return a twin that tries the members in order, those that take the most last."""
    ranked = sorted(
        zip(members, twins, strict=True),
        # bytes take arrays, too, float takes integers, and Any takes everything
        key=lambda pair: (pair[0] in _ANYTHING) * 2 + (pair[0] in _BINARY or pair[0] is float),
    )
    attempts = [
        (msgspec.msgpack.Decoder(twin.wire).decode, twin.finish or _same) for _, twin in ranked
    ]

    def finish(raw: msgspec.Raw) -> Value:
        for decode, finish_member in attempts:
            try:
                return finish_member(decode(raw))
            except _CANNOT:
                continue
        raise ValueError(f"fits none of {' | '.join(type_name(member) for member in members)}")

    return Twin(msgspec.Raw, finish, None)
