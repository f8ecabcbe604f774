"""Values of a produced stream that wait for credit.  Pure.

docs/protocol.md, STREAM-1 and STREAM-2.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from ipfi_serial.codec.message import MessageKind, Terminator

_NUMBER: Final = msgspec.msgpack.Decoder(int)


class Item:
    """A value, the empty end of a stream, or an Error behind its values."""

    __slots__ = ("kind", "payload", "terminator")

    def __init__(self, kind: MessageKind, terminator: Terminator, payload: bytes) -> None:
        self.kind = kind
        self.terminator = terminator
        self.payload = payload

    @property
    def ends(self) -> bool:
        """Whether it is a terminal answer."""
        return self.kind is MessageKind.ERROR or self.terminator is Terminator.COMPLETE


class ItemQueue:
    """What one stream has to say and may not say yet.

    Attributes:
        credit_bytes: what the other end granted so far; None: there is no credit on this wire.
    """

    __slots__ = ("_items", "_sent_bytes", "_sent_of_first", "credit_bytes")

    def __init__(self, credit_bytes: int | None) -> None:
        self.credit_bytes = credit_bytes
        self._items: deque[Item] = deque()
        self._sent_bytes = 0
        self._sent_of_first = 0

    def __len__(self) -> int:
        return len(self._items)

    def passes(self, size_bytes: int) -> bool:
        """Count an item as sent, if it may go at once; else it is to be :meth:`put`."""
        credit = self.credit_bytes
        if self._items or (credit is not None and self._sent_bytes + size_bytes > credit):
            return False
        self._sent_bytes += size_bytes
        return True

    def put(self, kind: MessageKind, terminator: Terminator, payload: bytes) -> None:
        """Queue one item behind the others."""
        self._items.append(Item(kind, terminator, payload))

    def grant(self, payload: bytes) -> bool:
        """Take a Grant: an absolute credit of 32 bits, dropped if it is not serially later.

        Returns:
            Whether the payload is a Grant's.
        """
        try:
            number = _NUMBER.decode(payload)
        except msgspec.MsgspecError:
            return False
        if self.credit_bytes is None:
            return True
        more = (number - self.credit_bytes) & 0xFFFFFFFF
        if more < 0x80000000:
            self.credit_bytes += more
        return True

    def take(self) -> Item | None:
        """Hand over the next message that the credit allows: an item, the rest or a part of one."""
        if not self._items:
            return None
        item = self._items[0]
        left = len(item.payload) - self._sent_of_first
        if item.kind is MessageKind.ERROR or self.credit_bytes is None:
            room = left
        else:
            room = min(left, self.credit_bytes - self._sent_bytes)
        if left and not room:
            return None
        begin = self._sent_of_first
        self._sent_bytes += room
        if room < left:
            self._sent_of_first += room
            part = item.payload[begin : begin + room]
            return Item(item.kind, Terminator.NONE, part)
        self._items.popleft()
        self._sent_of_first = 0
        return Item(item.kind, item.terminator, item.payload[begin:]) if begin else item

    def clear(self) -> None:
        """Forget what waits: nobody wants it any more."""
        self._items.clear()
        self._sent_of_first = 0
