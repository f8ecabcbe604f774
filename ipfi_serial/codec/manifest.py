"""What one end offers, as it describes itself: entries to bytes and back, and their look-up.

Never asks anybody.  docs/protocol.md, section 1.5 (DESC-2 to DESC-4).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import msgspec

from ipfi_serial.errors import ConfigError, RemoteProtocolError


class EntryKind(IntEnum):
    """What an entry is, as DESC-2 numbers it."""

    UNARY = 0
    STREAMING = 1
    RAW = 2
    EVENT_HANDLED = 3  # by the end that describes itself
    EVENT_EMITTED = 4
    EVENT_BOTH = 5

    @property
    def is_event(self) -> bool:
        """Whether it is an event and no procedure."""
        return self >= EntryKind.EVENT_HANDLED


@dataclass(frozen=True, slots=True)
class Entry:
    """One procedure or event.

    Attributes:
        index: on the wire, 0 to 2^64 - 1.
        kind: what it is.
        name: for programs; unique among the procedures, or among the events (DESC-4).
        signature: for people: ``(a: int, b: int) -> int``.
        doc: for people; may be empty.
    """

    index: int
    kind: EntryKind
    name: str
    signature: str = ""
    doc: str = ""


_encode: Final = msgspec.msgpack.Encoder().encode
_FIELDS: Final = [("index", int), ("kind", int), ("name", str), ("signature", str), ("doc", str)]
_DECODER: Final = msgspec.msgpack.Decoder(  # what comes behind doc is of a later version
    msgspec.defstruct("EntryFields", _FIELDS, array_like=True)
)
_KINDS: Final = frozenset(EntryKind)


def encode_entry(entry: Entry) -> bytes:
    """Return the value that describes ``entry``: ``[index, kind, name, signature, doc]``."""
    return _encode((entry.index, int(entry.kind), entry.name, entry.signature, entry.doc))


def decode_entry(value: bytes) -> Entry | None:
    """Return the entry that ``value`` describes; None if it is of a kind that is not known.

    Raises:
        RemoteProtocolError: it describes none.
    """
    try:
        index, kind, name, signature, doc = msgspec.structs.astuple(_DECODER.decode(value))
    except (msgspec.DecodeError, ValueError) as error:
        raise RemoteProtocolError(f"not an entry of a description: {error}") from error
    if index < 0:
        raise RemoteProtocolError(f"not an entry of a description: index {index}")
    return Entry(index, EntryKind(kind), name, signature, doc) if kind in _KINDS else None


def fit_entry(value: bytes, limit_bytes: int | None) -> bytes:
    """Return an encoded entry whose texts for people are cut to what the other end takes (CALL-6).

    First ``doc`` and then ``signature``; None is no limit.  A name is never cut.
    """
    if limit_bytes is None or len(value) <= limit_bytes:
        return value
    index, kind, name, signature, doc = msgspec.structs.astuple(_DECODER.decode(value))
    doc = _without(doc, len(value) - limit_bytes)
    value = _encode((index, kind, name, signature, doc))
    signature = _without(signature, len(value) - limit_bytes)
    return _encode((index, kind, name, signature, doc))


def _without(text: str, excess_bytes: int) -> str:
    """Return ``text`` without so many of its last bytes, and never part of a character."""
    data = text.encode()
    return data[: max(0, len(data) - max(0, excess_bytes))].decode("utf-8", "ignore")


def schema_hash(entries: Iterable[Entry]) -> int:
    """Return the hash that HELLO carries (DESC-3): 0 if and only if there are no entries.

    It is the CRC-32 of the encoded entries in the order of their indices.
    """
    ordered = sorted(entries, key=lambda entry: entry.index)
    if not ordered:
        return 0
    return zlib.crc32(b"".join(map(encode_entry, ordered))) or 1


class Manifest:
    """Entries by index and by name.

    Attributes:
        entries: all, in the order of their indices.
    """

    __slots__ = ("_by_index", "_events", "_procedures", "entries")

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Order ``entries``.

        Raises:
            ConfigError: two have the same index, or the same name (DESC-4).
        """
        self.entries = sorted(entries, key=lambda entry: entry.index)
        self._by_index: dict[int, Entry] = {}
        self._procedures: dict[str, Entry] = {}
        self._events: dict[str, Entry] = {}
        for entry in self.entries:
            names = self._events if entry.kind.is_event else self._procedures
            same_index = self._by_index.setdefault(entry.index, entry)
            if same_index is not entry:
                raise ConfigError(
                    f"{same_index.name!r} and {entry.name!r} share the index {entry.index}"
                )
            same_name = names.setdefault(entry.name, entry)
            if same_name is not entry:
                raise ConfigError(
                    f"the indices {same_name.index} and {entry.index} share the name {entry.name!r}"
                )

    @property
    def schema(self) -> int:
        """The hash of :func:`schema_hash`."""
        return schema_hash(self.entries)

    def by_index(self, index: int) -> Entry | None:
        """Return the entry with this index, or None."""
        return self._by_index.get(index)

    def procedure(self, name: str) -> Entry | None:
        """Return the procedure of this name, or None."""
        return self._procedures.get(name)

    def event(self, name: str) -> Entry | None:
        """Return the event of this name, or None."""
        return self._events.get(name)


def read_manifest(values: Iterable[bytes]) -> Manifest:
    """Return the manifest that the other end streamed, one value for each entry (DESC-2).

    Entries of kinds that are not known are left out.

    Raises:
        RemoteProtocolError: a value describes nothing, or two share an index or a name.
    """
    try:
        return Manifest(filter(None, map(decode_entry, values)))
    except ConfigError as error:
        raise RemoteProtocolError(f"the other end's description is wrong: {error}") from error
