"""Which calls of the other end are taken, and how many at once.

docs/protocol.md, CALL-6, CALL-7 and EVENT-4.  Pure.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.codec.message import Terminator
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import CallKey, ErrorCode, IncomingCall
from ipfi_serial.engine.interface import DESCRIBE_INDEX, Interface

TOMBSTONES: Final = 4096  # far more than calls at once; beyond it the oldest is forgotten

PLAIN_BACKLOG: Final = 1 << 14  # calls of a plain wire that may wait for a handler to return

Refusal = tuple[ErrorCode, str]


class Tombstones:
    """Pairs that were answered before their arguments were complete (CALL-7)."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[CallKey, None] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: CallKey) -> None:
        """Drop what more comes of a call."""
        while len(self._keys) >= TOMBSTONES:
            del self._keys[next(iter(self._keys))]
        self._keys[key] = None

    def discard(self, key: CallKey) -> None:
        """Let the pair be used again; harmless if it may be."""
        self._keys.pop(key, None)

    def drop(self, key: CallKey, terminator: Terminator) -> bool:
        """Tell whether to drop a Call message; the last one takes the tombstone away."""
        if not self._keys or key not in self._keys:
            return False
        if terminator is Terminator.COMPLETE:
            self.discard(key)
        return True

    def clear(self) -> None:
        """Forget everything: the session ended."""
        self._keys.clear()


class Admission:
    """Decides whether a call is taken.

    Args:
        config: our limits.
        interface: what we serve.
        framed: whether an event comes as an event; on a plain wire it comes as a call.

    Attributes:
        receiving: calls whose arguments are not complete.
        leftover_workers: handlers that still run although their call was answered.
    """

    __slots__ = (
        "_backlog",
        "_config",
        "_framed",
        "_interface",
        "_limit",
        "_workers",
        "leftover_workers",
        "receiving",
    )

    def __init__(self, config: WireConfig, interface: Interface, *, framed: bool) -> None:
        self._config = config
        self._interface = interface
        self._framed = framed
        # a plain wire cannot refuse: there calls wait instead
        self._limit = config.max_calls if framed else config.max_calls + PLAIN_BACKLOG
        self._backlog: deque[IncomingCall] = deque()
        self._workers = 0
        self.receiving = 0
        self.leftover_workers = 0

    def session_lost(self) -> None:
        """Forget the calls; their handlers still run."""
        self.receiving = 0
        self._backlog.clear()

    def refusal(self, call: IncomingCall, serving: int, *, complete: bool) -> Refusal | None:
        """Say why a call is not taken, or None.

        Args:
            call: a new one, counted in :attr:`receiving`.
            serving: calls that are being served, this one included.
            complete: whether all its arguments have come.
        """
        config = self._config
        if not config.takes_calls:
            return ErrorCode.NOT_ALLOWED, "this end takes no calls"
        if not self._knows(call):
            return ErrorCode.UNKNOWN_PROCEDURE, f"there is no procedure {call.procedure} here"
        if not call.is_event and serving + self.leftover_workers > self._limit:
            return ErrorCode.LIMIT, f"{_calls(self._limit)} being served; try again later"
        if not complete and self.receiving > config.max_partial_calls:
            return ErrorCode.LIMIT, f"{_calls(config.max_partial_calls)} still sending arguments"
        return None

    def _knows(self, call: IncomingCall) -> bool:
        if call.procedure in self._interface.procedures:
            return True
        if self._framed:
            return call.procedure == DESCRIBE_INDEX
        call.is_event = call.procedure in self._interface.events  # EVENT-4
        return call.is_event

    def take_worker(self, call: IncomingCall) -> bool:
        """Give a call a worker now; False: a later :meth:`worker_done` hands it over."""
        if not self._framed and self._workers >= self._config.max_calls:
            self._backlog.append(call)
            return False
        self._workers += 1
        call.worker_runs = True
        return True

    def worker_left(self, call: IncomingCall) -> None:
        """Note that a call was answered while its handler may still run."""
        self.leftover_workers += call.worker_runs

    def worker_done(self, call: IncomingCall) -> IncomingCall | None:
        """Note that a call's handler has returned; return the call that waited for that."""
        if not call.worker_runs:
            return None
        call.worker_runs = False
        self._workers -= 1
        self.leftover_workers -= call.answered
        return self._backlog.popleft() if self._backlog else None


def _calls(number: int) -> str:
    return "1 call is" if number == 1 else f"{number} calls are"
