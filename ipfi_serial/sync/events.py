"""The events of a connection, for ordinary blocking code."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from ipfi_serial.codec.manifest import Manifest
from ipfi_serial.codec.names import Value
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.engine.failures import not_described, restarted_meanwhile
from ipfi_serial.engine.shell import Shell
from ipfi_serial.engine.subscriptions import EventArguments
from ipfi_serial.errors import CallTimeoutError, IpfiError
from ipfi_serial.pump import Pump
from ipfi_serial.sync.notifications import Notifications
from ipfi_serial.sync.readers import EventStream

Callback = TypeVar("Callback", bound=Callable[..., Any])


class EventShell(Shell):
    """A connection, as far as it emits and hears events."""

    _pump: Pump
    _notifications: Notifications
    _default_timeout_s: float

    @abstractmethod
    def _ask(self, timeout_s: float) -> Manifest:
        """Return the other end's description, known or asked for within ``timeout_s`` seconds."""

    def emit(self, event: str | int, *arguments: Value, lossy: bool = False) -> None:
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
        index = self._event_index(event)
        payload = encode_arguments(arguments)
        self._pump.command(lambda wire, now_s: wire.emit(index, payload, now_s, lossy=lossy))

    def on(self, event: str | int, handler: Callback) -> Callback:
        """Call ``handler`` with the arguments whenever the other end emits the event.

        Handlers of one wire run in order, one at a time, on a thread of their own; they may call.
        """
        self._notifications.subscriptions.add_handler(self._event_index(event), handler)
        return handler

    def off(self, event: str | int, handler: Callable[..., Any]) -> None:
        """Undo :meth:`on`."""
        self._notifications.subscriptions.remove_handler(self._event_index(event), handler)

    def events(self, event: str | int | None = None) -> EventStream:
        """Iterate over the events of one kind, or over all, until the wire closes."""
        index = None if event is None else self._event_index(event)
        subscriptions = self._notifications.subscriptions
        stream = EventStream(
            self._pump, index, self._config.event_queue_size, subscriptions.remove_queue
        )
        subscriptions.add_queue(stream)
        if self._closed is not None:
            stream.finish(self._closed)
        return stream

    def wait_event(self, event: str | int, timeout_s: float | None = None) -> EventArguments:
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
        index = self._event_index(event, wait_s)
        with self.events(index) as stream:
            while (left_s := until_s - time.monotonic()) > 0:
                if (received := stream.get(left_s)) is not None:
                    return received
                if stream.ended is not None:
                    raise stream.ended
        raise CallTimeoutError(f"no event {event!r} within {wait_s} s", may_have_executed=False)

    def _describe_for(self, name: str | int, timeout_s: float | None) -> float:
        """Ask for the description, to look a name up; return what is left of the time for that."""
        default_s = self._default_timeout_s
        limit_s = default_s if timeout_s is None else timeout_s
        until_s = time.monotonic() + limit_s
        try:
            self._ask(min(default_s, limit_s))
        except IpfiError as error:
            raise not_described(name, error) from error
        return until_s - time.monotonic()

    def _event_index(self, event: str | int, timeout_s: float | None = None) -> int:
        target = self._directory.event(event)
        if target is None:
            self._describe_for(event, timeout_s)
            target = self._directory.event(event)
        if target is None:
            raise restarted_meanwhile()
        return target.index
