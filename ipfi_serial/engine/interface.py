"""What one end serves: procedures, events and their names, shared by any number of wires.

The table and nothing else: it never runs a handler.  docs/protocol.md, 1.5.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ipfi_serial.codec.manifest import Entry, EntryKind, encode_entry, schema_hash
from ipfi_serial.codec.signature import Signature
from ipfi_serial.engine.context import CallContext
from ipfi_serial.errors import ConfigError

DESCRIBE_INDEX: Final = 0xFFFF  # DESC-2
FIRST_RESERVED_INDEX: Final = 0xFFF0  # DESC-1

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Procedure:
    """One procedure or event handler.

    Attributes:
        index: its index.
        name: its name in the description.
        kind: unary, streaming, raw or event.
        function: the handler; a shell runs it.
        signature: turns received bytes into its arguments.
        is_async: whether it is a coroutine function or an async generator function.
        streams: whether it is a generator of either kind.
        raw: whether bytes go in and out.
    """

    index: int
    name: str
    kind: EntryKind
    function: Callable[..., Any]
    signature: Signature
    is_async: bool
    streams: bool
    raw: bool


class Interface:
    """Procedures and events that this end offers, and names it knows of the other end.

    Changes are seen by every wire at once; the description that a session announced is the one from
    when it began.

    Attributes:
        procedures: what is served, by index.
        events: events declared here, by index.
        declarations: how often :meth:`declare` was called.
    """

    def __init__(self) -> None:
        self.procedures: dict[int, Procedure] = {}
        self.events: dict[int, Procedure] = {}
        self._entries: dict[int, Entry] = {}
        self._remote: dict[tuple[str, bool], tuple[int, EntryKind]] = {}  # by name and sort
        self.declarations = 0

    # --- what this end serves ---

    def procedure(self, index: int, name: str | None = None) -> Callable[[Handler], Handler]:
        """Serve a function as a procedure.

        A generator (or async generator) function is a streaming procedure.  Arguments are checked
        against the annotations; a parameter annotated :class:`CallContext` is passed in and not
        counted.

        Args:
            index: its number on the wire, 0 to 2^64 - 1 without 0xFFF0 to 0xFFFF.
            name: its name; the function's by default.

        Raises:
            ConfigError: the index or the name is taken or reserved.
        """
        _check_index(index)

        def register(function: Handler) -> Handler:
            kind = EntryKind.STREAMING if _streams(function) else EntryKind.UNARY
            self.procedures[index] = self._register(index, name, kind, function)
            return function

        return register

    def raw_procedure(self, index: int, name: str | None = None) -> Callable[[Handler], Handler]:
        """Serve a function of bytes that returns (or yields) bytes; no MessagePack (VAL-5).

        Args and errors are those of :meth:`procedure`.
        """
        _check_index(index)

        def register(function: Handler) -> Handler:
            self.procedures[index] = self._register(index, name, EntryKind.RAW, function)
            return function

        return register

    def event(self, index: int, name: str | None = None) -> Callable[[Handler], Handler]:
        """Declare an event, and handle it with a function when the other end emits it.

        Args and errors are those of :meth:`procedure`.
        """
        _check_index(index)

        def register(function: Handler) -> Handler:
            self.events[index] = self._register(index, name, EntryKind.EVENT_HANDLED, function)
            return function

        return register

    def emits(self, index: int, name: str, signature: str = "()", doc: str = "") -> None:
        """Declare an event that this end emits, so that the other end can name it.

        Args:
            index: its number on the wire.
            name: its name.
            signature: its arguments, for people: ``"(count: int)"``.
            doc: one line for people.

        Raises:
            ConfigError: the index or the name is taken or reserved.
        """
        self._add_entry(Entry(index, EntryKind.EVENT_EMITTED, name, signature, doc))

    # --- what the other end serves ---

    def declare(self, index: int, name: str, *, raw: bool = False, event: bool = False) -> None:
        """Name a procedure or event of the other end, for wires that do not describe themselves.

        Args:
            index: its number on the wire.
            name: what it is called here.
            raw: whether it takes and returns bytes.
            event: whether it is an event.

        Raises:
            ConfigError: the name was declared with another index, or no message can have this one.
        """
        _check_index(index)
        kind = EntryKind.EVENT_HANDLED if event else EntryKind.RAW if raw else EntryKind.UNARY
        known = self._remote.get((name, event))
        if known is not None and known[0] != index:
            raise ConfigError(f"{name!r} was declared as {known[0]}, it cannot be {index} too")
        self._remote[name, event] = (index, kind)
        self.declarations += 1

    def declared(self, name: str, *, event: bool) -> tuple[int, EntryKind] | None:
        """Look up a declared procedure or event; for events our own declarations count too."""
        known = self._remote.get((name, event))
        if known is not None:
            return known
        if event:
            for entry in list(self._entries.values()):  # others may declare
                if entry.name == name and entry.kind >= EntryKind.EVENT_HANDLED:
                    return entry.index, entry.kind
        return None

    def declared_event(self, index: int) -> str | None:
        """Return the name that an event was declared by here, or None."""
        for (name, event), (number, _) in list(self._remote.items()):  # others may declare
            if event and number == index:
                return name
        own = self._entries.get(index)
        return own.name if own is not None and own.kind.is_event else None

    def declared_raw(self, index: int) -> bool:
        """Tell whether an index was declared raw."""
        return (index, EntryKind.RAW) in self._remote.values()

    # --- description ---

    @property
    def description(self) -> list[bytes]:
        """The encoded entries in index order (DESC-2)."""
        return [encode_entry(self._entries[index]) for index in sorted(self._entries)]

    @property
    def entries(self) -> list[Entry]:
        """The entries in index order."""
        return [self._entries[index] for index in sorted(self._entries)]

    @property
    def schema(self) -> int:
        """Hash of the description, 0 if there is none (DESC-3)."""
        return schema_hash(self.entries)

    # --- inside ---

    def _register(
        self, index: int, name: str | None, kind: EntryKind, function: Callable[..., Any]
    ) -> Procedure:
        raw = kind is EntryKind.RAW
        name = name or str(getattr(function, "__name__", f"procedure_{index}"))
        signature = Signature(function, injected=CallContext, name=name)
        doc = (inspect.getdoc(function) or "").partition("\n")[0]
        self._add_entry(Entry(index, kind, name, signature.text, doc))
        return Procedure(
            index=index,
            name=name,
            kind=kind,
            function=function,
            signature=signature,
            is_async=inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function),
            streams=_streams(function),
            raw=raw,
        )

    def _add_entry(self, entry: Entry) -> None:
        _check_index(entry.index)
        if FIRST_RESERVED_INDEX <= entry.index <= DESCRIBE_INDEX:
            raise ConfigError(
                f"index {entry.index} of {entry.name!r}: 0xFFF0 to 0xFFFF are reserved"
            )
        taken = self._entries.get(entry.index)
        is_event = entry.kind >= EntryKind.EVENT_HANDLED
        if taken is not None and is_event and {taken.kind, entry.kind} == _BOTH_WAYS:
            entry = Entry(entry.index, EntryKind.EVENT_BOTH, entry.name, entry.signature, entry.doc)
        elif taken is not None:
            raise ConfigError(f"index {entry.index} is taken by {taken.name!r}")
        for other in self._entries.values():
            same_sort = (other.kind >= EntryKind.EVENT_HANDLED) is is_event
            if other.name == entry.name and same_sort and other.index != entry.index:
                raise ConfigError(f"the name {entry.name!r} is taken by index {other.index}")
        self._entries[entry.index] = entry


_BOTH_WAYS: Final = {EntryKind.EVENT_HANDLED, EntryKind.EVENT_EMITTED}


def _check_index(index: object) -> None:
    """Refuse what no message can have as an index (MSG-1), while the line is known."""
    if callable(index):
        raise ConfigError(f"{index!r} is no index: write the decorator with one, like (50)")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ConfigError(f"index {index!r} is no whole number")
    if not 0 <= index < 1 << 64:
        raise ConfigError(f"index {index} does not fit a message: 0 to 2^64 - 1")


def _streams(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
