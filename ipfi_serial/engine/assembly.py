"""Parts of an event to the whole; docs/protocol.md, EVENT-2 and MSG-6.  Pure."""

from __future__ import annotations

from ipfi_serial.codec.message import Message, Oversized, Terminator
from ipfi_serial.events import EventReceived, FaultNoted


class EventAssembly:
    """The one event whose parts may be on their way.

    Attributes:
        index: of that event, or None.
    """

    __slots__ = ("_max_message_bytes", "_parts", "_too_large", "index")

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self.index: int | None = None
        self._parts = bytearray()
        self._too_large = False

    def __len__(self) -> int:
        return len(self._parts)

    def clear(self) -> None:
        """Forget what has come: the session ended."""
        self._parts.clear()
        self._too_large = False
        self.index = None

    def give_up(self, other: int) -> FaultNoted | None:
        """Drop the event that is not complete if a message of event ``other`` comes (EVENT-2)."""
        index = self.index
        if index is None or index == other:
            return None
        self.clear()
        return FaultNoted(
            f"event {index} was dropped: a message of event {other} came before its last part; "
            "the other end mixes the parts of its events"
        )

    def take(self, message: Message) -> EventReceived | FaultNoted | None:
        """Take an Event message; return what it completes."""
        if len(self._parts) + len(message.payload) > self._max_message_bytes:
            self._too_large = True
            self._parts.clear()
        complete = message.terminator is Terminator.COMPLETE
        if not self._too_large and (self._parts or not complete):
            self._parts += message.payload
        if not complete:  # Chunk is treated like None, as in the arguments of a call (CALL-4)
            self.index = message.procedure
            return None
        self.index = None
        too_large, self._too_large = self._too_large, False
        if too_large:
            return self._note_large(message.procedure)
        payload = bytes(self._parts) if self._parts else message.payload
        self._parts.clear()
        return EventReceived(message.procedure, payload)

    def take_oversized(self, message: Oversized) -> FaultNoted | None:
        """Take the head of an Event message that was skipped: what belongs to it goes with it."""
        self._parts.clear()
        self._too_large = message.terminator is not Terminator.COMPLETE
        self.index = message.procedure if self._too_large else None
        return None if self._too_large else self._note_large(message.procedure)

    def _note_large(self, index: int) -> FaultNoted:
        return FaultNoted(
            f"event {index} was dropped: it is larger than max_message_bytes="
            f"{self._max_message_bytes}"
        )
