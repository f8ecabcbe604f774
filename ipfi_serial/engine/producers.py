"""Handlers that produce streams, and whether there is room for more of theirs.  Pure.

docs/protocol.md, STREAM-2.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ipfi_serial.engine.calls import IncomingCall, RoomAvailable
from ipfi_serial.engine.outbox import Outbox

BACKLOG_BYTES: Final = 64 << 10  # a producer waits while more than this has not left
ITEM_BACKLOG: Final = 16  # values of one stream that may wait for credit


class Producers:
    """Those that wait for room.

    Args:
        outbox: whose messages count.
        events: where :class:`RoomAvailable` goes.
    """

    __slots__ = ("_events", "_outbox", "_waiting")

    def __init__(self, outbox: Outbox, events: deque[Any]) -> None:
        self._outbox = outbox
        self._events = events
        self._waiting: list[IncomingCall] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self, call: IncomingCall) -> bool:
        """Tell whether one may go on; if not, RoomAvailable will be reported."""
        if call.ending or self._room_for(call):
            return True
        if not call.wants_room:
            call.wants_room = True
            self._waiting.append(call)
        return False

    def offer_room(self) -> None:
        """Report RoomAvailable to those that may go on."""
        for call in [c for c in self._waiting if c.ending or self._room_for(c)]:
            self._waiting.remove(call)
            call.wants_room = False
            self._events.append(RoomAvailable(call))

    def clear(self) -> None:
        """Forget all: the session ended."""
        self._waiting.clear()

    def _room_for(self, call: IncomingCall) -> bool:
        full = call.items is not None and len(call.items) >= ITEM_BACKLOG
        return not full and self._outbox.queued_bytes < BACKLOG_BYTES
