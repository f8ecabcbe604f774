"""What happens unasked: events, text, errors, resets; each callback in order, on a worker."""

from __future__ import annotations

import inspect
import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from ipfi_serial.codec.values import ArgumentError
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.subscriptions import (
    EarlyNews,
    EventArguments,
    Reader,
    Subscriptions,
    decode_event,
    takes_argument,
)
from ipfi_serial.engine.wire import WireEvent
from ipfi_serial.errors import IpfiError
from ipfi_serial.events import EndOfInputReceived, EventReceived, FaultNoted, TextReceived
from ipfi_serial.sync.serving import SERVED_FOR, awaited, run_coroutine
from ipfi_serial.workers import Sequence, Workers

log = logging.getLogger("ipfi_serial")
device_log = logging.getLogger("ipfi_serial.device")


class Served(Protocol):
    """The connection that the callbacks belong to."""

    endpoint: str
    interface: Interface


Callback = TypeVar("Callback", bound=Callable[..., Any])
_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


class Notifications:
    """The callbacks of one connection.

    Attributes:
        subscriptions: handlers and queues of events.
        events_dropped: events lost because handlers or readers were slow.
    """

    def __init__(self, connection: Served, workers: Workers, config: WireConfig) -> None:
        self._connection = connection
        self._limit = config.event_queue_size
        self._max_depth = config.max_depth
        self._sequence = Sequence(workers)
        self._callbacks: defaultdict[str, list[Callable[..., Any]]] = defaultdict(list)
        self._early = EarlyNews()
        self._registering = threading.Lock()
        self._closed: IpfiError | None = None
        self.subscriptions = Subscriptions()
        self.events_dropped = 0

    def on(self, what: str, function: Callback) -> Callback:
        """Register a callback; the first of its sort is told what was reported before."""
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called")
        with self._registering:
            self._callbacks[what].append(function)
            for argument in self._early.take(what):
                self._sequence.run(partial(self._run_callback, function, argument))
            if what == "close" and self._closed is not None:
                self._sequence.run(partial(self._run_callback, function, self._closed))
        return function

    # --- on the leader's thread ---

    def event(self, event: EventReceived, name: str | None) -> None:
        """Queue an event for its handlers and readers."""
        index, payload = event.index, event.payload
        for queue in self.subscriptions.queues(index):
            self._feed(queue, index, name, payload)
        own = self._connection.interface.events.get(index)
        handlers = self.subscriptions.handlers(index)
        if own is None and not handlers:
            return
        if not self._sequence.run_or_drop(lambda: self._run_event(index, payload), self._limit):
            self._count_drop(f"event {index}")

    def other(self, event: WireEvent) -> None:
        """Queue what else the wire reported."""
        match event:
            case TextReceived(text, level):
                device_log.log(_LEVELS[min(level, 3)] if level is not None else logging.INFO, text)
                for function in self._listeners("text", text):
                    job = partial(self._run_callback, function, text)
                    if not self._sequence.run_or_drop(job, self._limit):
                        self._count_drop("a line of text")
            case FaultNoted(text):
                log.warning("%s: %s", self._connection.endpoint, text)
            case EndOfInputReceived():
                self.notify("end_of_input", None)
            case _:
                log.error("%s: nobody takes %r", self._connection.endpoint, event)

    def error(self, error: BaseException) -> None:
        """Pass an exception of a handler on; it was logged."""
        self.notify("error", error)

    def closed(self, reason: IpfiError) -> None:
        """End every reader and tell on_close."""
        for queue in self.subscriptions.all_queues:
            queue.finish(reason)
        with self._registering:
            self._closed = reason
            for function in self._callbacks["close"]:
                self._sequence.run(partial(self._run_callback, function, reason))

    @property
    def idle(self) -> bool:
        """Whether no callback waits or runs."""
        return self._sequence.idle

    def notify(self, what: str, argument: object) -> None:
        """Queue the callbacks of one sort."""
        for function in self._listeners(what, argument):
            self._sequence.run(partial(self._run_callback, function, argument))

    def _listeners(self, what: str, argument: object) -> list[Callable[..., Any]]:
        """Return the callbacks of one sort; keep the news for the first if there is none yet."""
        with self._registering:
            if not self._callbacks[what]:
                self._early.keep(what, argument)
            return list(self._callbacks[what])

    # --- on a worker ---

    def _run_event(self, index: int, payload: bytes) -> None:
        own = self._connection.interface.events.get(index)
        functions = [own.function] if own is not None else []
        for function in [*functions, *self.subscriptions.handlers(index)]:
            self._guard(partial(self._call_handler, function, payload), function)

    def _call_handler(self, function: Callable[..., Any], payload: bytes) -> object:
        return function(*self.subscriptions.bind(function, payload, self._max_depth))

    def _run_callback(self, function: Callable[..., Any], argument: object) -> None:
        job = partial(function, argument) if takes_argument(function) else function
        self._guard(job, function)

    def _guard(self, job: Callable[[], Any], function: Callable[..., Any]) -> None:
        """Run user code, a coroutine too; what it raises is logged and reaches on_error."""
        SERVED_FOR.set((self._connection, None))
        try:
            outcome = job()
            if inspect.isawaitable(outcome):
                run_coroutine(awaited(outcome))
        except BaseException as error:  # a callback may raise anything
            ours = not isinstance(error, ArgumentError)  # else the other end's: no line of ours
            log.warning("a callback failed: %s", error, exc_info=error if ours else None)
            if function not in self._callbacks["error"]:  # or it would be called for ever
                self.notify("error", error)
        finally:
            SERVED_FOR.set((None, None))

    # --- inside ---

    def _feed(self, queue: Reader, index: int, name: str | None, payload: bytes) -> None:
        try:
            arguments = decode_event(payload, self._max_depth)
        except ArgumentError as error:
            log.warning("event %d cannot be read: %s", index, error)
            return
        if not queue.put(EventArguments.of(index, name, arguments)):
            self._count_drop(f"event {index}")

    def _count_drop(self, newest: str) -> None:
        self.events_dropped += 1
        if self.events_dropped in (1, 10, 100) or self.events_dropped % 1000 == 0:
            log.warning(
                "%s: %d events dropped so far, the last for %s: a handler or reader is too slow",
                self._connection.endpoint,
                self.events_dropped,
                newest,
            )
