"""What happens unasked: events, text, errors, resets; each callback in order, in one task."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from ipfi_serial.aio.serving import SERVED_FOR, Serving
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

log = logging.getLogger("ipfi_serial")
device_log = logging.getLogger("ipfi_serial.device")


class Served(Protocol):
    """The connection that the callbacks belong to."""

    endpoint: str
    interface: Interface


Callback = TypeVar("Callback", bound=Callable[..., Any])
_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


class _Job:
    """A callback to run."""

    __slots__ = ("arguments", "droppable", "function")

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...] | bytes, droppable: bool
    ) -> None:
        self.function = function
        self.arguments = arguments  # bytes: an event's, not decoded
        self.droppable = droppable


class Notifications:
    """The callbacks of one connection.

    Attributes:
        subscriptions: handlers and queues of events.
        events_dropped: events lost because handlers or readers were slow.
    """

    def __init__(self, connection: Served, config: WireConfig) -> None:
        self._connection = connection
        self._limit = config.event_queue_size
        self._max_depth = config.max_depth
        self._callbacks: defaultdict[str, list[Callable[..., Any]]] = defaultdict(list)
        self._early = EarlyNews()
        self._jobs: deque[_Job] = deque()
        self._closed: IpfiError | None = None
        self._task: asyncio.Task[None] | None = None
        self._serving: Serving
        self.subscriptions = Subscriptions()
        self.events_dropped = 0

    def use(self, serving: Serving) -> None:
        """Run ordinary functions in the threads of ``serving``."""
        self._serving = serving

    def on(self, what: str, function: Callback) -> Callback:
        """Register a callback; the first of its sort is told what was reported before."""
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called")
        self._callbacks[what].append(function)
        early = self._early.take(what)
        if what == "close" and self._closed is not None:
            early.append(self._closed)
        for argument in early:
            self._queue(function, (argument,) if takes_argument(function) else ())
        return function

    async def drain(self, timeout_s: float) -> None:
        """Let the callbacks that are queued run, for at most so long."""
        task = self._task
        if task is not None and task is not asyncio.current_task():
            await asyncio.wait((task,), timeout=timeout_s)
            if task.cancel():
                await asyncio.wait((task,), timeout=timeout_s)

    def event(self, event: EventReceived, name: str | None) -> None:
        """Queue an event for its handlers and readers."""
        index, payload = event.index, event.payload
        for queue in self.subscriptions.queues(index):
            self._feed(queue, index, name, payload)
        own = self._connection.interface.events.get(index)
        functions = [own.function] if own is not None else []
        for function in [*functions, *self.subscriptions.handlers(index)]:
            self._queue_or_drop(function, payload, f"event {index}")

    def other(self, event: WireEvent) -> None:
        """Queue what else the wire reported."""
        match event:
            case TextReceived(text, level):
                device_log.log(_LEVELS[min(level, 3)] if level is not None else logging.INFO, text)
                for function in self._listeners("text", text):
                    arguments = (text,) if takes_argument(function) else ()
                    self._queue_or_drop(function, arguments, "a line of text")
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
        self._closed = reason
        for function in self._callbacks["close"]:
            self._queue(function, (reason,) if takes_argument(function) else ())

    def notify(self, what: str, argument: object) -> None:
        """Queue the callbacks of one sort."""
        for function in self._listeners(what, argument):
            self._queue(function, (argument,) if takes_argument(function) else ())

    def _listeners(self, what: str, argument: object) -> list[Callable[..., Any]]:
        """Return the callbacks of one sort; keep the news for the first if there is none yet."""
        if not self._callbacks[what]:
            self._early.keep(what, argument)
        return self._callbacks[what]

    # --- the one task ---

    def _queue_or_drop(
        self, function: Callable[..., Any], arguments: tuple[Any, ...] | bytes, what: str
    ) -> None:
        """Queue a job; if too many wait already, drop the oldest of this sort."""
        if len(self._jobs) >= self._limit:
            oldest = next((job for job in self._jobs if job.droppable), None)
            if oldest is not None:
                self._jobs.remove(oldest)
            self._count_drop(what)
        self._queue(function, arguments, droppable=True)

    def _queue(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...] | bytes,
        *,
        droppable: bool = False,
    ) -> None:
        self._jobs.append(_Job(function, arguments, droppable))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        SERVED_FOR.set((self._connection, None))
        try:
            while self._jobs:
                job = self._jobs.popleft()
                try:
                    await self._call(job.function, job.arguments)
                except Exception as error:  # noqa: BLE001 - a callback may raise anything
                    self._note_failure(job, error)
                except asyncio.CancelledError as error:
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    self._note_failure(job, error)  # not ours: of something that it waited for
        finally:
            self._task = None

    def _note_failure(self, job: _Job, error: BaseException) -> None:
        ours = not isinstance(error, ArgumentError)  # else the other end's: no line of ours
        log.warning("a callback failed: %r", error, exc_info=error if ours else None)
        if job.function not in self._callbacks["error"]:  # or it would be called for ever
            self.notify("error", error)

    async def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...] | bytes) -> None:
        if isinstance(arguments, bytes):
            arguments = self.subscriptions.bind(function, arguments, self._max_depth)
        if inspect.iscoroutinefunction(function):
            await function(*arguments)
            return
        values = arguments
        result = await self._serving.in_thread(lambda: function(*values))
        if inspect.isawaitable(result):
            await result

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
