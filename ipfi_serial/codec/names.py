"""Names types as a person writes them, for error messages and self-description.

docs/protocol.md, section 1.5.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

TypeForm: TypeAlias = Any  # whatever may stand in an annotation
Value: TypeAlias = Any  # whatever may travel

UNIONS: Final = (Union, types.UnionType)


def origin_of(annotation: TypeForm) -> TypeForm:
    """Return ``list`` for ``list[int]``, Union for ``int | str``, None for a plain class."""
    return get_origin(annotation)


def type_name(annotation: TypeForm) -> str:
    """Return ``annotation`` without modules: ``list[Point] | None``."""
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    origin, arguments = origin_of(annotation), get_args(annotation)
    if origin in UNIONS:
        return " | ".join(type_name(member) for member in arguments)
    if origin is Literal:
        return f"Literal[{', '.join(repr(value) for value in arguments)}]"
    if origin is Annotated:
        return type_name(arguments[0])
    if isinstance(annotation, list):  # the parameters of a Callable
        return f"[{', '.join(type_name(member) for member in annotation)}]"
    name = getattr(annotation, "__name__", None) or str(annotation).removeprefix("typing.")
    inner = ", ".join(type_name(member) for member in arguments)
    return f"{name}[{inner}]" if inner else str(name)
