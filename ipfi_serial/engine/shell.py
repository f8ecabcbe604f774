"""What the connections of both shells have in common: callbacks, state, and who gets which news.

Pure: it neither waits nor runs user code; the shells do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.advice import LineSort, connect_error
from ipfi_serial.engine.calls import (
    CallCancelled,
    CallEnded,
    CallReceived,
    IncomingCall,
    ItemReceived,
    RoomAvailable,
)
from ipfi_serial.engine.directory import Directory
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.stats import WireStats
from ipfi_serial.engine.wire import Wire, WireEvent
from ipfi_serial.errors import ConnectTimeoutError, DeviceResetError, IpfiError
from ipfi_serial.events import EventReceived, SessionLost, SessionOpened

Callback = TypeVar("Callback", bound=Callable[..., Any])


class News(Protocol):
    """Runs callbacks, in whichever way a shell runs them."""

    def on(self, what: str, function: Callback) -> Callback:
        """Register a callback of one sort."""

    def notify(self, what: str, argument: object) -> None:
        """Queue the callbacks of one sort."""

    def event(self, event: EventReceived, name: str | None) -> None:
        """Queue an event for its handlers and readers."""

    def other(self, event: WireEvent) -> None:
        """Queue what else the wire reported."""

    def closed(self, reason: IpfiError) -> None:
        """End every reader and tell on_close."""


class Shell(ABC):
    """One end of a wire, as far as blocking and asyncio code share it.

    Attributes:
        endpoint: what was opened; for a virtual port, what the other end can open.
        interface: what this end serves.
    """

    def __init__(
        self,
        endpoint: str,
        wire: Wire,
        interface: Interface,
        config: WireConfig,
        sort: LineSort = "local",
    ) -> None:
        self.endpoint = endpoint
        self._line_sort: LineSort = sort
        self.interface = interface
        self._config = config
        self._wire = wire
        self._directory = Directory(interface, framed=wire.framed)
        self._reset: DeviceResetError | None = None
        self._closed: IpfiError | None = None
        self._standing = False  # a session stands, and its beginning was delivered

    def __repr__(self) -> str:
        """Say what was opened and whether it still is, without waiting for anything."""
        closed = "" if self._closed is None else f" closed: {self._closed}"
        return f"<{type(self).__name__} {self.endpoint!r}{closed}>"

    # --- callbacks ---

    def on_reset(self, function: Callback) -> Callback:
        """Call ``function`` after the other end restarted, when the new session stands.

        It gets the DeviceResetError, if it takes an argument, and is the place to repeat what was
        armed on the device.
        """
        return self._news.on("reset", function)

    def on_text(self, function: Callback) -> Callback:
        """Call ``function`` with each line of text that the other end prints or logs."""
        return self._news.on("text", function)

    def on_error(self, function: Callback) -> Callback:
        """Call ``function`` with each exception of a handler."""
        return self._news.on("error", function)

    def on_close(self, function: Callback) -> Callback:
        """Call ``function`` (with the reason, if it takes one) once the wire has closed."""
        return self._news.on("close", function)

    def on_end_of_input(self, function: Callback) -> Callback:
        """Call ``function`` when the other end says that nothing more comes for now."""
        return self._news.on("end_of_input", function)

    # --- state ---

    @property
    def established(self) -> bool:
        """Whether a session stands: calls can be made now."""
        return self._wire.established

    @property
    def standing(self) -> bool:
        """Whether a session stands and everything here knows of it; see :attr:`established`."""
        return self._standing and self._wire.established

    def no_session(self, stats: WireStats, waited_s: float) -> ConnectTimeoutError:
        """Return the error for a session that did not begin in time."""
        return connect_error(stats, self.endpoint, waited_s, self._line_sort)

    @property
    def framed(self) -> bool:
        """Whether frames and a link carry this wire; a plain one relies on its transport."""
        return self._wire.framed

    @property
    def closed(self) -> bool:
        """Whether the wire has closed for good: no session will ever follow."""
        return self._closed is not None

    # --- what a shell brings ---

    @property
    @abstractmethod
    def _news(self) -> News:
        """What runs the callbacks."""

    @abstractmethod
    def _serve(self, call: IncomingCall) -> None:
        """Begin to run a call's handler."""

    @abstractmethod
    def _cancel_served(self, call: IncomingCall) -> None:
        """Tell a call's handler that nobody waits for it any more."""

    @abstractmethod
    def _peer_schema(self) -> int:
        """Return the hash of the other end's description."""

    @abstractmethod
    def _session_news(self, failure: IpfiError | None) -> None:
        """End the waiting for a session: it stands, or ``failure`` says why none ever will."""

    # --- who gets which news ---

    def _deliver(self, event: WireEvent) -> None:
        """Pass on what the wire reported; on whichever thread, so nothing here may wait."""
        if type(event) is CallEnded:  # the likeliest first: this costs less than a pattern
            if event.error is not None:
                self._directory.explain(event.error, event.call.procedure)
            event.call.owner.finish(event.value, event.error)
        elif type(event) is ItemReceived:
            event.call.owner.put(event.value)
        elif type(event) is CallReceived:
            self._serve(event.call)
        else:
            self._deliver_other(event)

    def _deliver_other(self, event: WireEvent) -> None:
        match event:
            case CallCancelled(served):
                self._cancel_served(served)
            case RoomAvailable(served):
                served.owner.room.set()
            case EventReceived(index):
                self._news.event(event, self._directory.event_name(index))
            case SessionOpened():
                self._session_opened()
            case SessionLost():
                self._session_lost(event)
            case _:
                self._news.other(event)

    def _session_opened(self) -> None:
        self._directory.session_opened(self._peer_schema())
        self._standing = True
        self._session_news(None)
        if self._reset is not None:
            self._news.notify("reset", self._reset)
            self._reset = None

    def _session_lost(self, event: SessionLost) -> None:
        self._standing = False
        if isinstance(event.reason, DeviceResetError):
            self._reset = event.reason
        if event.final and self._closed is None:
            self._closed = event.reason
            self._session_news(event.reason)
            self._news.closed(event.reason)
