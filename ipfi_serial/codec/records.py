"""Twins of dataclasses, NamedTuples and TypedDicts, whose fields have twins of their own.

A dataclass travels as the array of the fields that its ``__init__`` takes, in their order; fields
with a default may be missing at the end.  docs/protocol.md, section 1.1 (VAL-3).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ipfi_serial.codec.names import TypeForm, Value, origin_of
from ipfi_serial.errors import ConfigError

Finish = Callable[[Value], Value]


class Twin(NamedTuple):
    """How to decode one annotation.

    Attributes:
        wire: the type that msgspec decodes.
        finish: makes the annotated type of it; None if it is that already.  Raises whatever the
            type's own checks raise for a value that does not fit.
        depth: arrays and maps around the innermost value; None if there is no bound.
    """

    wire: TypeForm
    finish: Finish | None
    depth: int | None


Build = Callable[[TypeForm], Twin]


class _Field(NamedTuple):
    """One field: its name and twin, and whether it may be missing."""

    name: str
    twin: Twin
    optional: bool


def deeper(*inner: int | None) -> int | None:
    """Return the depth of a container of values that have these depths."""
    return None if None in inner else 1 + max((depth for depth in inner if depth), default=0)


def is_named_tuple(kind: type) -> bool:
    """Return whether ``kind`` is a NamedTuple or comes from ``namedtuple``."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def field_types(kind: type) -> dict[str, TypeForm]:
    """Return the annotation of each field of ``kind``.

    Raises:
        ConfigError: one of them is a text that names nothing.
    """
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"{kind.__name__}: {error}; annotations are looked up in the module, so define the "
            "type there"
        ) from error


def dataclass_twin(kind: TypeForm, build: Build) -> Twin:
    """Return the twin of a dataclass: a Struct that is an array."""
    hints = field_types(kind)
    fields = [
        _Field(
            field.name,
            build(hints[field.name]),
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
        if field.init
    ]
    return _struct(kind.__name__, fields, kind, array_like=True)


def named_tuple_twin(kind: TypeForm, build: Build) -> Twin:
    """Return the twin of a NamedTuple, which is itself if its fields are."""
    hints = field_types(kind)
    defaults = kind._field_defaults
    fields = [_Field(name, build(hints.get(name, Any)), name in defaults) for name in kind._fields]
    if any(field.twin.finish for field in fields):
        return _struct(kind.__name__, fields, kind, array_like=True)
    return Twin(kind, None, deeper(*(field.twin.depth for field in fields)))


def typed_dict_twin(kind: TypeForm, build: Build) -> Twin:
    """Return the twin of a TypedDict, which is itself if its values are."""
    required = kind.__required_keys__
    fields = [
        _Field(name, build(_unwrapped(hint)), name not in required)
        for name, hint in field_types(kind).items()
    ]
    if any(field.twin.finish for field in fields):
        return _struct(kind.__name__, fields, dict, array_like=False)
    return Twin(kind, None, None)  # unknown keys may hold anything


def _unwrapped(hint: TypeForm) -> TypeForm:
    """Return the type inside Required or NotRequired."""
    while origin_of(hint) in (typing.Required, typing.NotRequired):
        (hint,) = typing.get_args(hint)
    return hint


def _struct(name: str, fields: list[_Field], make: Callable[..., Any], *, array_like: bool) -> Twin:
    """Return a twin that msgspec decodes as a Struct, and ``make`` finishes by keywords."""
    # Names of our own: a field may be called what a Struct's attribute is called.
    attributes = [f"f{index}" for index in range(len(fields))]
    struct = msgspec.defstruct(
        name,
        [
            (attribute, field.twin.wire, msgspec.UNSET)
            if field.optional
            else (attribute, field.twin.wire)
            for attribute, field in zip(attributes, fields, strict=True)
        ],
        rename={attribute: field.name for attribute, field in zip(attributes, fields, strict=True)},
        array_like=array_like,
        forbid_unknown_fields=array_like,
        frozen=True,  # so that it can be a key of a dict until it is finished
        kw_only=True,  # so that an optional field may come before others
    )
    plan = [
        (attribute, field.name, field.twin.finish)
        for attribute, field in zip(attributes, fields, strict=True)
    ]

    def finish(decoded: Value) -> Value:
        values = {}
        for attribute, field_name, finish_field in plan:
            value = getattr(decoded, attribute)
            if value is not msgspec.UNSET:
                values[field_name] = finish_field(value) if finish_field else value
        return make(**values)

    depth = deeper(*(field.twin.depth for field in fields)) if array_like else None
    return Twin(struct, finish, depth)
