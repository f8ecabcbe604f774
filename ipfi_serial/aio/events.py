"""The events of a connection, for tasks on one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from ipfi_serial.aio.notifications import Notifications
from ipfi_serial.aio.pump import AioPump
from ipfi_serial.aio.readers import EventStream
from ipfi_serial.codec.manifest import Manifest
from ipfi_serial.codec.names import Value
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.engine.failures import not_described, restarted_meanwhile
from ipfi_serial.engine.shell import Shell
from ipfi_serial.engine.subscriptions import EventArguments
from ipfi_serial.errors import CallTimeoutError, IpfiError

log = logging.getLogger("ipfi_serial")


class EventShell(Shell):
    """A connection, as far as it emits and hears events."""

    _pump: AioPump
    _notifications: Notifications
    _default_timeout_s: float
    _resolving: set[asyncio.Task[None]]

    @abstractmethod
    async def _ask(self, timeout_s: float) -> Manifest:
        """Return the other end's description, known or asked for within ``timeout_s`` seconds."""

    async def emit(self, event: str | int, *arguments: Value, lossy: bool = False) -> None:
        """Emit an event to the other end.

        Args:
            event: its name or its index.
            *arguments: any data.
            lossy: send it once and never again: for values that the next one replaces.

        Raises:
            CallRefusedError: the other end has no event of this name, or it is too large.
            LocalProtocolError: lossy on a plain wire.
            IpfiError: there is no session.
        """
        index = await self._event_index(event)
        payload = encode_arguments(arguments)
        self._pump.command(lambda wire, now_s: wire.emit(index, payload, now_s, lossy=lossy))

    def on(self, event: str | int, handler: Callable[..., Any]) -> asyncio.Future[None]:
        """Call ``handler`` with the arguments whenever the other end emits the event.

        It may be a coroutine function.  Handlers of one wire run in order, one at a time.  Await
        what this returns to be sure that the event's name was known.
        """
        subscriptions = self._notifications.subscriptions
        return self._with_index(event, lambda index: subscriptions.add_handler(index, handler))

    def off(self, event: str | int, handler: Callable[..., Any]) -> asyncio.Future[None]:
        """Undo :meth:`on`."""
        subscriptions = self._notifications.subscriptions
        return self._with_index(event, lambda index: subscriptions.remove_handler(index, handler))

    def events(self, event: str | int | None = None) -> EventStream:
        """Iterate over the events of one kind, or over all, until the wire closes."""
        subscriptions = self._notifications.subscriptions

        async def begin(stream: EventStream) -> None:
            stream.index = None if event is None else await self._event_index(event)
            subscriptions.add_queue(stream)
            if self._closed is not None:
                stream.finish(self._closed)

        return EventStream(begin, self._config.event_queue_size, subscriptions.remove_queue)

    async def wait_event(self, event: str | int, timeout_s: float | None = None) -> EventArguments:
        """Wait for the next event of a kind and return its arguments.

        Args:
            event: its name or its index.
            timeout_s: in seconds; the default deadline of calls if None.

        Raises:
            CallTimeoutError: it did not come.
            IpfiError: why the wire has closed.
        """
        wait_s = self._default_timeout_s if timeout_s is None else timeout_s
        until_s = time.monotonic() + wait_s
        index = await self._event_index(event, wait_s)
        async with self.events(index) as stream:
            while (left_s := until_s - time.monotonic()) > 0:
                if (received := await stream.get(left_s)) is not None:
                    return received
                if stream.ended is not None:
                    raise stream.ended
        raise CallTimeoutError(f"no event {event!r} within {wait_s} s", may_have_executed=False)

    def _with_index(self, event: str | int, act: Callable[[int], None]) -> asyncio.Future[None]:
        """Resolve an event and act: at once if it is known, else when the other end has told."""
        loop = asyncio.get_running_loop()
        target = self._directory.event(event)
        if target is not None:
            act(target.index)
            done = loop.create_future()
            done.set_result(None)
            return done

        async def resolve() -> None:
            act(await self._event_index(event))

        task = loop.create_task(resolve())
        self._resolving.add(task)
        task.add_done_callback(self._resolved)
        return task

    def _resolved(self, task: asyncio.Task[None]) -> None:
        self._resolving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s: an event handler was not registered: %s", self.endpoint, error)

    async def _describe_for(self, name: str | int, timeout_s: float | None) -> float:
        """Ask for the description, to look a name up; return what is left of the time for that."""
        default_s = self._default_timeout_s
        limit_s = default_s if timeout_s is None else timeout_s
        until_s = time.monotonic() + limit_s
        try:
            await self._ask(min(default_s, limit_s))
        except IpfiError as error:
            raise not_described(name, error) from error
        return until_s - time.monotonic()

    async def _event_index(self, event: str | int, timeout_s: float | None = None) -> int:
        target = self._directory.event(event)
        if target is None:
            await self._describe_for(event, timeout_s)
            target = self._directory.event(event)
        if target is None:
            raise restarted_meanwhile()
        return target.index
