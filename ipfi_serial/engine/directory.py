"""Names of the other end's procedures and events to indices; docs/protocol.md 1.5.

Framed wires describe themselves, plain ones are described by declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ipfi_serial.codec.manifest import EntryKind, Manifest, read_manifest
from ipfi_serial.engine.calls import REFUSAL_REASONS, ErrorCode, label
from ipfi_serial.engine.interface import Interface
from ipfi_serial.errors import CallRefusedError, IpfiError, LocalProtocolError

# Descriptions by schema hash (DESC-3): a board that is opened again is not asked again.
_KNOWN: dict[int, Manifest] = {}  # not Final: a test has its own, compiled or not
_KNOWN_LIMIT: Final = 256
_BAD_ARGUMENTS: Final = REFUSAL_REASONS[ErrorCode.BAD_ARGUMENTS]


@dataclass(frozen=True)
class Target:
    """What a name or an index stands for.

    Attributes:
        index: on the wire.
        raw: whether bytes go in and out.
        name: what the program called it by, if that was a name.
    """

    index: int
    raw: bool = False
    name: str = ""

    @property
    def label(self) -> str:
        """What error messages call it."""
        return label(self.index, self.name)


class Directory:
    """What one wire knows of the other end's names.

    Args:
        interface: our own declarations.
        framed: whether the other end can be asked.
    """

    def __init__(self, interface: Interface, *, framed: bool) -> None:
        self._interface = interface
        self._framed = framed
        self.manifest: Manifest | None = None
        # what names of procedures stood for, and from which manifest and declarations that follows
        self._resolved: dict[str, tuple[Manifest | None, int, Target]] = {}

    def session_opened(self, schema: int) -> None:
        """Take the other end's hash: a known description is used, an outdated one forgotten."""
        self.manifest = _KNOWN.get(schema) if schema else Manifest([])

    def learn(self, values: list[bytes], schema: int) -> Manifest:
        """Take the values that procedure 0xFFFF streamed."""
        manifest = read_manifest(values)
        if schema:
            _KNOWN.pop(schema, None)
            while len(_KNOWN) >= _KNOWN_LIMIT:
                del _KNOWN[next(iter(_KNOWN))]
            _KNOWN[schema] = manifest
        self.manifest = manifest
        return manifest

    def procedure(self, name: str | int) -> Target | None:
        """Resolve a procedure; None if the other end must be asked for its description first.

        Raises:
            CallRefusedError: it has no such procedure.
            LocalProtocolError: on a plain wire, the name was not declared; or no message can have
                such an index.
            TypeError: it is neither a name nor an index.
        """
        if isinstance(name, int):
            return Target(_checked(name), raw=self._is_raw(name))
        _check_name(name, "procedure")
        manifest = self.manifest  # a new session may replace it meanwhile
        declarations = self._interface.declarations
        known = self._resolved.get(name)
        if known is not None and known[0] is manifest and known[1] == declarations:
            return known[2]
        target = self._resolve(name, manifest)
        if target is not None:
            self._resolved[name] = manifest, declarations, target
        return target

    def _resolve(self, name: str, manifest: Manifest | None) -> Target | None:
        declared = self._interface.declared(name, event=False)
        if declared is not None:
            return Target(declared[0], raw=declared[1] is EntryKind.RAW, name=name)
        if not self._framed:
            raise self._undeclared(name, "procedure")
        if manifest is None:
            return None
        entry = manifest.procedure(name)
        if entry is None:
            raise CallRefusedError(self._unknown(name, "procedure"), reason="unknown procedure")
        return Target(entry.index, raw=entry.kind is EntryKind.RAW, name=name)

    def event(self, name: str | int) -> Target | None:
        """Resolve an event; as :meth:`procedure`."""
        if isinstance(name, int):
            return Target(_checked(name))
        _check_name(name, "event")
        declared = self._interface.declared(name, event=True)
        if declared is not None:
            return Target(declared[0])
        if not self._framed:
            raise self._undeclared(name, "event")
        manifest = self.manifest  # a new session may replace it meanwhile
        if manifest is None:
            return None
        entry = manifest.event(name)
        if entry is None:
            raise CallRefusedError(self._unknown(name, "event"), reason="unknown procedure")
        return Target(entry.index)

    def event_name(self, index: int) -> str | None:
        """Return an event's name, if it is known."""
        own = self._interface.events.get(index)
        if own is not None:
            return own.name
        manifest = self.manifest
        entry = manifest.by_index(index) if manifest is not None else None
        return entry.name if entry is not None else self._interface.declared_event(index)

    def explain(self, error: IpfiError, index: int) -> None:
        """Add to a refusal of arguments what the procedure takes, if that is known."""
        if not isinstance(error, CallRefusedError) or error.reason != _BAD_ARGUMENTS:
            return
        entry = self.manifest.by_index(index) if self.manifest is not None else None
        if entry is None or not entry.signature:
            return
        if entry.signature.partition(" ->")[0] not in str(error):  # a Python end says it itself
            error.args = (f"{error}; it is {entry.name}{entry.signature}",)

    def _is_raw(self, index: int) -> bool:
        if self._interface.declared_raw(index):
            return True
        manifest = self.manifest
        entry = manifest.by_index(index) if manifest is not None else None
        return entry is not None and entry.kind is EntryKind.RAW

    def _undeclared(self, name: str, what: str) -> LocalProtocolError:
        return LocalProtocolError(
            f"{what} {name!r} is not declared, and a plain wire cannot be asked: use its index "
            f"or interface.declare(index, {name!r})"
        )

    def _unknown(self, name: str, what: str) -> str:
        manifest = self.manifest
        entries = manifest.entries if manifest is not None else []
        is_event = what == "event"
        names = [e.name for e in entries if (e.kind >= EntryKind.EVENT_HANDLED) is is_event]
        import difflib  # only for a mistyped name: it takes 8 ms to import

        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}"
        return f"the other end has no {what} {name!r}; {hint}"


def _checked(index: int) -> int:
    """Return an index that a message can have; one that it cannot would leave a call half begun."""
    if not 0 <= index < 1 << 64:  # MSG-1
        raise LocalProtocolError(f"index {index} does not fit a message: 0 to 2^64 - 1")
    return index


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is no {what}: use its name or its index")
