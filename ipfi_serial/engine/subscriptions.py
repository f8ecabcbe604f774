"""Who wants which event, and what waits to be read; both shells use it.  Pure."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol
from weakref import ref

from ipfi_serial.codec.names import Value
from ipfi_serial.codec.signature import Signature
from ipfi_serial.errors import IpfiError

EARLY_NEWS: Final = 100  # reports of one sort kept for a callback that comes later
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


class EventArguments(tuple[Any, ...]):
    """The arguments of one received event: a tuple that knows which event it was.

    Attributes:
        event_index: the event's index (``index`` is a method of every tuple).
        name: its name, or None if this wire does not know it.
    """

    event_index: int
    name: str | None

    @classmethod
    def of(cls, index: int, name: str | None, arguments: tuple[Any, ...]) -> EventArguments:
        """Make one."""
        event = cls(arguments)
        event.event_index = index
        event.name = name
        return event

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments as a plain tuple."""
        return tuple(self)


class Reader(Protocol):
    """What takes the events of one kind, or all.

    Attributes:
        index: which event; None takes every one.
    """

    index: int | None

    def put(self, event: EventArguments) -> bool:
        """Queue one event; return False if the oldest had to go."""

    def finish(self, reason: IpfiError) -> None:
        """Note that the wire has closed."""


class EventQueue:
    """Received events that wait for their reader: bounded, oldest dropped, counted.

    Attributes:
        index: which event; None takes every one.
        dropped: how many were lost because the reader was slow.
    """

    def __init__(self, index: int | None, limit: int) -> None:
        self.index = index
        self.dropped = 0
        self._items: deque[EventArguments] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._items)

    def put(self, event: EventArguments) -> bool:
        """Queue one event; return False if the oldest had to go."""
        full = len(self._items) == self._items.maxlen
        self.dropped += full
        self._items.append(event)
        return not full

    def take(self) -> EventArguments:
        """Hand over the oldest."""
        return self._items.popleft()


def _anything(*arguments: Value) -> None:
    """Stand for a handler that takes every event."""


_ANYTHING: Final = Signature(_anything)


def decode_event(payload: bytes, max_depth: int) -> tuple[Any, ...]:
    """Return an event's arguments, whatever they are.

    Raises:
        ArgumentError: they cannot be read, or nest too deep.
    """
    return _ANYTHING.decode(payload, max_depth)


class Subscriptions:
    """The event handlers and queues of one wire.

    A queue belongs to the program: one that nobody reads any more is fed no longer.
    """

    def __init__(self) -> None:
        # by identity: a handler need not be hashable; it is kept, so that no other one gets its id
        self._signatures: dict[int, tuple[Callable[..., Any], Signature]] = {}
        self._handlers: dict[int, list[Callable[..., Any]]] = {}
        self._queues: list[ref[Reader]] = []

    def add_handler(self, index: int, handler: Callable[..., Any]) -> None:
        """Call ``handler`` for this event too."""
        if not callable(handler):
            raise TypeError(f"{handler!r} cannot be called")
        self._handlers.setdefault(index, []).append(handler)

    def remove_handler(self, index: int, handler: Callable[..., Any]) -> None:
        """Call it no longer; harmless if it was not there."""
        if handler in self._handlers.get(index, ()):
            handlers = self._handlers[index]
            known = handlers.pop(handlers.index(handler))  # equal, and not always the same object
            self._signatures.pop(id(known), None)

    def handlers(self, index: int) -> tuple[Callable[..., Any], ...]:
        """Return the handlers of an event, in the order in which they were added."""
        return tuple(self._handlers.get(index, ()))

    def bind(self, handler: Callable[..., Any], payload: bytes, max_depth: int) -> tuple[Any, ...]:
        """Return the arguments for a handler, checked against its annotations.

        Raises:
            ArgumentError: they do not fit.
        """
        known = self._signatures.get(id(handler))
        if known is None:
            known = self._signatures[id(handler)] = handler, Signature(handler)
        return known[1].decode(payload, max_depth)

    def add_queue(self, queue: Reader) -> None:
        """Feed ``queue`` too, until it is removed or nobody has it any more."""
        self._queues.append(ref(queue, self._drop))

    def remove_queue(self, queue: Reader) -> None:
        """Feed it no longer; harmless if it was not there."""
        for each in self._queues.copy():
            if each() is queue:
                self._drop(each)

    def queues(self, index: int) -> list[Reader]:
        """Return the queues that take an event."""
        return [q for q in self.all_queues if q.index is None or q.index == index]

    @property
    def all_queues(self) -> list[Reader]:
        """Every queue."""
        # a copy: readers come and go on other threads
        return [queue for each in self._queues.copy() if (queue := each()) is not None]

    def _drop(self, queue: ref[Reader]) -> None:
        with suppress(ValueError):  # another thread was first
            self._queues.remove(queue)


class EarlyNews:
    """What was reported before anybody asked to be told: the first callback of its sort gets it.

    A peer may speak before connect() has returned; the oldest goes when too much waits.
    """

    def __init__(self) -> None:
        self._kept: dict[str, deque[object]] = {}

    def keep(self, what: str, argument: object) -> None:
        """Keep one report of a sort."""
        self._kept.setdefault(what, deque(maxlen=EARLY_NEWS)).append(argument)

    def take(self, what: str) -> list[object]:
        """Hand over what was kept of a sort, oldest first."""
        return list(self._kept.pop(what, ()))


def takes_argument(function: Callable[..., Any]) -> bool:
    """Tell whether a callback wants the one argument that it is offered."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.kind in _POSITIONAL for p in parameters)
