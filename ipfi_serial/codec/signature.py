"""Decodes and checks the arguments of a call against the annotations of its handler.

Built once for each handler.  A wrong call gets an error that its caller understands, never a
traceback.  docs/protocol.md, sections 1.1 and 1.5.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final, NamedTuple, get_args

import msgspec

from ipfi_serial.codec.depth import nests_deeper_than, value_ends
from ipfi_serial.codec.names import TypeForm, Value, type_name
from ipfi_serial.codec.records import Finish, Twin
from ipfi_serial.codec.twins import twin_of
from ipfi_serial.codec.values import MAX_COUNT_OF_FIXARRAY, MAX_DEPTH, ArgumentError
from ipfi_serial.errors import ConfigError

_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_TAKING: Final = (*_POSITIONAL, Parameter.VAR_POSITIONAL)
_LONGEST_DEFAULT: Final = 24  # characters of a default's repr in a description
# msgspec's: "Expected `int`, got `str` - at `$[1].x`", where $[1] is the second argument
# not compiled before they are needed: that would be a part of the import
_COMPLAINT: Final = r"(?s)(?P<what>.*?) - at `\$\[(?P<index>\d+)\](?P<where>.*)`"
_WRONG_TYPE: Final = r"Expected `.*`, got `(?P<got>.*)`"
_PYTHON_NAMES: Final = {"object": "dict", "array": "list", "null": "None"}


_UNBOUNDED: Final = 1 << 30  # deeper than any limit


class _Parameter(NamedTuple):
    """A parameter that takes an argument."""

    name: str
    type_name: str
    twin: Twin


def array_header(count: int) -> bytes:
    """Return MessagePack's header of an array of ``count`` values, 0 to 2^32 - 1."""
    if count <= MAX_COUNT_OF_FIXARRAY:
        return bytes([0x90 | count])
    return b"\xdd" + count.to_bytes(4, "big")


class Signature:
    """The parameters of a handler, as calls from the other end see them.

    Attributes:
        name: what error messages call the handler.
        text: the description, such as ``(a: int, b: int) -> int``.
        required: fewest arguments that it takes.
        maximum: most arguments that it takes; None with ``*args``.
        injected: name of the parameter that is not counted, or None.
        returns: the annotation of what it returns; Any if there is none.
    """

    __slots__ = (
        "_count",
        "_decoders",
        "_depth",
        "_finishing",
        "_fixed",
        "_header",
        "_injected_at",
        "_parameters",
        "_rest",
        "injected",
        "maximum",
        "name",
        "required",
        "returns",
        "text",
    )

    def __init__(
        self,
        function: Callable[..., object],
        *,
        injected: type | None = None,
        name: str | None = None,
    ) -> None:
        """Read the annotations of ``function``.

        Args:
            function: any callable with a signature.
            injected: a parameter annotated with this type is filled in by the caller of
                :meth:`place` and not counted.
            name: for error messages; the function's own if None.

        Raises:
            ConfigError: an annotation names nothing or a type that cannot travel, or a parameter
                must be given by keyword.
        """
        self.name = name or _name(function)
        signature = _inspected(function, self.name)
        parameters = list(signature.parameters.values())
        self.returns = _annotation(signature.return_annotation)
        self.text = _described(signature, injected)
        self.injected, self._injected_at = _injected(parameters, injected)
        counted = [one for one in parameters if one.name != self.injected]
        self._refuse_keywords(counted)
        self._parameters = [self._parameter(one) for one in counted if one.kind in _POSITIONAL]
        rest = [self._parameter(one) for one in counted if one.kind is Parameter.VAR_POSITIONAL]
        self._rest = rest[0] if rest else None
        self._count = len(self._parameters)
        self.required = sum(
            one.kind in _POSITIONAL and one.default is Parameter.empty for one in counted
        )
        self.maximum = None if rest else self._count
        self._fixed = self.required == self.maximum
        self._header = array_header(self._count)
        self._finishing = any(one.twin.finish for one in self._parameters)
        depths = [one.twin.depth for one in (*self._parameters, *rest)]
        self._depth = max((_UNBOUNDED if depth is None else depth for depth in depths), default=0)
        self._decoders: dict[int, Callable[[bytes], tuple[Value, ...]]] = {}
        for count in range(self.required, self._count + 1):
            wires = tuple(one.twin.wire for one in self._parameters[:count])
            self._decoders[count] = _tuple_decoder(wires)

    def _refuse_keywords(self, parameters: list[Parameter]) -> None:
        for one in parameters:
            if one.kind is Parameter.KEYWORD_ONLY and one.default is Parameter.empty:
                raise ConfigError(
                    f"{self.name}(): {one.name!r} must be given by keyword, but arguments travel "
                    "by position"
                )

    def _parameter(self, parameter: Parameter) -> _Parameter:
        annotation = _annotation(parameter.annotation)
        try:
            return _Parameter(parameter.name, type_name(annotation), twin_of(annotation))
        except ConfigError as error:
            raise ConfigError(f"{self.name}(): parameter {parameter.name!r}: {error}") from error

    def decode(self, data: bytes, max_depth: int = MAX_DEPTH) -> tuple[Value, ...]:
        """Return the arguments in ``data``, checked, without those left to their defaults.

        Args:
            data: values one after the other (VAL-1).
            max_depth: most arrays and maps around the innermost value (VAL-4).

        Raises:
            ArgumentError: they do not fit; the text says which and why.
        """
        if self._depth > max_depth and nests_deeper_than(data, max_depth):
            raise ArgumentError(f"{self.name}(): an argument nests deeper than {max_depth} levels")
        if not self._fixed:
            return self._decode_some(data)
        try:
            values = self._decoders[self._count](self._header + data)
        except Exception as error:
            raise self._refusal(data, error) from error
        return self._finished(values) if self._finishing else values

    def _decode_some(self, data: bytes) -> tuple[Value, ...]:
        """Decode where the number of arguments is not known beforehand."""
        ends = value_ends(data, len(data))
        if ends is None or not self._takes(len(ends)):
            raise self._wrong_number(ends)
        count = min(len(ends), self._count)
        split = ends[count - 1] if count else 0
        try:
            values = self._decoders[count](array_header(count) + data[:split])
        except Exception as error:
            raise self._refusal(data, error) from error
        values = self._finished(values)
        if self._rest is None:
            return values
        return values + self._decode_rest(
            self._rest, array_header(len(ends) - count) + data[split:]
        )

    def _decode_rest(self, rest: _Parameter, array: bytes) -> tuple[Value, ...]:
        """Decode what goes to ``*args``."""
        try:
            values = _tuple_decoder((rest.twin.wire, ...))(array)
        except Exception as error:
            raise self._complaint(error, lambda _: rest) from error
        finish = rest.twin.finish
        return tuple(self._finish(rest, finish, value) for value in values) if finish else values

    def _finished(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """Make the annotated types of what was decoded."""
        return tuple(
            self._finish(parameter, parameter.twin.finish, value)
            if parameter.twin.finish
            else value
            for value, parameter in zip(values, self._parameters, strict=False)
        )

    def _finish(self, parameter: _Parameter, finish: Finish, value: Value) -> Value:
        try:
            return finish(value)
        except Exception as error:  # a class's own check may raise anything
            raise ArgumentError(
                f"{self.name}(): argument {parameter.name!r} must be {parameter.type_name}: {error}"
            ) from error

    def place(
        self, arguments: tuple[Value, ...], context: object
    ) -> tuple[tuple[Value, ...], dict[str, Value]]:
        """Return the positional and keyword arguments with ``context`` where it is wanted."""
        if self.injected is None:
            return arguments, {}
        at = self._injected_at
        if 0 <= at <= len(arguments):
            return (*arguments[:at], context, *arguments[at:]), {}
        return arguments, {self.injected: context}

    def _refusal(self, data: bytes, error: Exception) -> ArgumentError:
        """Say what is wrong with the arguments, for people."""
        ends = value_ends(data, len(data))
        if ends is None or not self._takes(len(ends)):
            return self._wrong_number(ends)
        return self._complaint(error, self._parameters.__getitem__)

    def _complaint(
        self, error: Exception, parameter_at: Callable[[int], _Parameter]
    ) -> ArgumentError:
        """Turn msgspec's complaint about an array of arguments into one about an argument."""
        complaint = re.fullmatch(_COMPLAINT, str(error))
        if complaint is None:
            return ArgumentError(f"{self.name}(): {_readable(str(error))}")
        parameter = parameter_at(int(complaint["index"]))
        prefix = f"{self.name}(): argument {parameter.name!r}"
        wrong = re.fullmatch(_WRONG_TYPE, complaint["what"])
        if wrong is not None and not complaint["where"]:
            got = _PYTHON_NAMES.get(wrong["got"], wrong["got"])
            return ArgumentError(f"{prefix} must be {parameter.type_name}, got {got}")
        where = f" at {complaint['where']}" if complaint["where"] else ""
        return ArgumentError(f"{prefix}: {_readable(complaint['what'])}{where}")

    def _takes(self, count: int) -> bool:
        return self.required <= count and (self.maximum is None or count <= self.maximum)

    def _wrong_number(self, ends: list[int] | None) -> ArgumentError:
        if ends is None:
            return ArgumentError(f"{self.name}(): the arguments are cut off")
        if self.maximum is None:
            takes = f"at least {self.required}"
        elif self._fixed:
            takes = str(self.required)
        else:
            takes = f"{self.required} to {self.maximum}"
        plural = "" if takes.endswith(" 1") or takes == "1" else "s"
        parameters = self.text.split(" -> ", maxsplit=1)[0]
        return ArgumentError(
            f"{self.name}() takes {takes} argument{plural} {parameters}, got {len(ends)}"
        )


def _name(function: Callable[..., object]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _wants(parameter: Parameter, injected: type | None) -> bool:
    """Return whether a parameter is annotated with ``injected``, or with it or None."""
    annotation = parameter.annotation
    return injected is not None and (annotation is injected or injected in get_args(annotation))


def _injected(parameters: list[Parameter], injected: type | None) -> tuple[str | None, int]:
    """Return name and position of the parameter to inject; -1 if it goes by keyword."""
    for position, one in enumerate(parameters):
        if _wants(one, injected):
            return one.name, position if one.kind in _POSITIONAL else -1
    return None, -1


def _inspected(function: Callable[..., object], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        raise ConfigError(
            f"{name}(): {error}; annotations are looked up in the module, so import or define the "
            "type there, and not only for type checkers"
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: its parameters cannot be found out: {error}") from error


def _annotation(annotation: TypeForm) -> TypeForm:
    return Any if annotation is Parameter.empty else annotation


def _tuple_decoder(wires: tuple[TypeForm, ...]) -> Callable[[bytes], tuple[Value, ...]]:
    decode: Callable[[bytes], tuple[Value, ...]]
    decode = msgspec.msgpack.Decoder(types.GenericAlias(tuple, wires)).decode
    return decode


def _readable(complaint: str) -> str:
    """Return msgspec's text in the form of ours."""
    first, space, rest = complaint.partition(" ")
    first = first.lower() if first.istitle() else first
    return (first + space + rest).replace("`", "")


def _described(signature: inspect.Signature, injected: type | None) -> str:
    parameters = [
        _described_parameter(parameter)
        for parameter in signature.parameters.values()
        if not _wants(parameter, injected) and parameter.kind in _TAKING
    ]
    returns = signature.return_annotation
    arrow = "" if returns is Parameter.empty else f" -> {type_name(returns)}"
    return f"({', '.join(parameters)}){arrow}"


def _described_parameter(parameter: Parameter) -> str:
    star = "*" if parameter.kind is Parameter.VAR_POSITIONAL else ""
    text = star + parameter.name
    typed = parameter.annotation is not Parameter.empty
    if typed:
        text += f": {type_name(parameter.annotation)}"
    if parameter.default is Parameter.empty:
        return text
    default = _described_default(parameter.default)
    return f"{text} = {default}" if typed else f"{text}={default}"


def _described_default(default: object) -> str:
    if isinstance(default, enum.Enum):
        return f"{type(default).__name__}.{default.name}"
    text = repr(default)
    return text if len(text) <= _LONGEST_DEFAULT else "..."
