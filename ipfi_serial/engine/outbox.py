"""Messages in, stream bytes out: large payloads in parts, so that small messages come between.

Messages of one call stay in order; calls share the wire in turns.  docs/protocol.md, CALL-5.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final

from ipfi_serial.codec.message import MessageKind, Terminator, encode_parts
from ipfi_serial.engine.calls import OutgoingCall

READY_PER_PART: Final = 8  # small messages between two parts of large ones
CROWDED: Final = 1 << 16  # small messages from which on our own program may queue no event ...
FLOODED: Final = 1 << 17  # ... and the other end, which does not take its answers, no call
_COMPLETE: Final = Terminator.COMPLETE  # a global is found faster than a member of an Enum
UNCUT: Final = 1 << 62  # a plain wire never cuts


class _Transfer:
    """One large message on its way, or a small one behind it."""

    __slots__ = (
        "after",
        "call",
        "kind",
        "payload",
        "position",
        "procedure",
        "sender",
        "terminator",
    )

    def __init__(
        self,
        kind: MessageKind,
        procedure: int,
        call: int,
        terminator: Terminator,
        payload: bytes,
        sender: OutgoingCall | None,
        after: int,
    ) -> None:
        self.kind = kind
        self.procedure = procedure
        self.call = call
        self.terminator = terminator
        self.payload = memoryview(payload)
        self.position = 0
        self.sender = sender
        self.after = after  # so many small messages go before it

    def next_part(self, part_bytes: int) -> bytes:
        """Encode the next part."""
        end = min(self.position + part_bytes, len(self.payload))
        part = bytes(self.payload[self.position : end])
        self.position = end
        terminator = self.terminator if self.done else Terminator.NONE
        if self.sender is not None:
            self.sender.sent = True
            self.sender.handed_over = terminator is Terminator.COMPLETE
        return encode_parts(self.kind, self.procedure, self.call, terminator, part)

    @property
    def done(self) -> bool:
        return self.position == len(self.payload)

    @property
    def left_bytes(self) -> int:
        return len(self.payload) - self.position


class Outbox:
    """What waits to enter the stream.

    Args:
        part_bytes: largest payload of one message; None never cuts.

    Attributes:
        part_bytes: largest payload of one message; set when a session is agreed on.
        pending: messages waiting, large ones that have begun to leave included.
        queued_bytes: bytes waiting: whole small messages and the payloads of large ones.
    """

    __slots__ = (
        "_lanes",
        "_last",
        "_pulled",
        "_ready",
        "_turn",
        "part_bytes",
        "pending",
        "queued_bytes",
    )

    def __init__(self, part_bytes: int | None) -> None:
        self.part_bytes = part_bytes or UNCUT
        self.pending = 0
        self._ready: deque[tuple[bytes, OutgoingCall | None, Terminator]] = deque()
        self._pulled = 0  # small messages taken since the beginning
        self._lanes: OrderedDict[Hashable, deque[_Transfer]] = OrderedDict()
        self._last = b""  # goes when nothing else waits
        self._turn = 0
        self.queued_bytes = 0

    def __bool__(self) -> bool:
        return self.pending > 0

    @property
    def crowded(self) -> bool:
        """Whether so much waits that our own program should wait."""
        return len(self._ready) >= CROWDED

    @property
    def flooded(self) -> bool:
        """Whether so much waits that only the other end can have caused it."""
        return len(self._ready) >= FLOODED

    def cuts(self, size_bytes: int) -> bool:
        """Tell whether a payload of this size is sent in parts."""
        return size_bytes > self.part_bytes

    def put(
        self,
        lane: Hashable,
        kind: MessageKind,
        procedure: int,
        call: int,
        terminator: Terminator,
        payload: bytes,
        sender: OutgoingCall | None = None,
    ) -> None:
        """Queue one message.

        Args:
            lane: what it must stay in order with.
            kind: its type.
            procedure: procedure or event index.
            call: call index.
            terminator: what follows the payload.
            payload: any size.
            sender: the call whose arguments these are; it is told when they leave.
        """
        self.pending += 1
        waiting = self._lanes.get(lane) if self._lanes else None
        if waiting is None and len(payload) <= self.part_bytes:
            message = encode_parts(kind, procedure, call, terminator, payload)
            self._ready.append((message, sender, terminator))
            self.queued_bytes += len(message)
            return
        # what is small and was queued before it may be of the same lane: it goes first
        after = self._pulled + len(self._ready)
        transfer = _Transfer(kind, procedure, call, terminator, payload, sender, after)
        self.queued_bytes += len(payload)
        if waiting is None:
            self._lanes[lane] = deque((transfer,))
        else:
            waiting.append(transfer)

    def put_last(self, message: bytes) -> None:
        """Queue a message that goes behind everything else, also what is queued after it."""
        self.pending += not self._last
        self._last = message

    def pull(self, room_bytes: int = 1) -> bytes:
        """Take the next message or part, and small messages behind it while there is room.

        Args:
            room_bytes: stop when so many bytes were taken; the last message may exceed it.

        Returns:
            Whole messages; nothing if none waits.
        """
        taken: list[bytes] = []
        while self.pending and room_bytes > 0:
            if self._ready and (
                not self._lanes or self._turn < READY_PER_PART or not self._part_may_go()
            ):
                message = self._pull_small()
            elif self._lanes:
                self._turn = 0
                message = self._pull_part()
            else:
                self.pending -= 1
                self._turn = 0
                message, self._last = self._last, b""
            taken.append(message)
            room_bytes -= len(message)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _pull_small(self) -> bytes:
        self.pending -= 1
        self._turn += 1
        self._pulled += 1
        message, sender, terminator = self._ready.popleft()
        if sender is not None:
            sender.sent = True
            sender.handed_over = terminator is _COMPLETE
        self.queued_bytes -= len(message)
        return message

    def drop(self, lane: Hashable) -> bool:
        """Forget what waits in a lane; return whether anything of it was dropped."""
        waiting = self._lanes.pop(lane, None)
        if waiting is None:
            return False
        self.queued_bytes -= sum(transfer.left_bytes for transfer in waiting)
        self.pending -= len(waiting)
        return True

    def withdraw(self, lane: Hashable, sender: OutgoingCall) -> None:
        """Forget the arguments of a call that have not left: ``lane`` and its small messages."""
        self.drop(lane)
        gone = [p for p, entry in enumerate(self._ready, self._pulled) if entry[1] is sender]
        if not gone:
            return
        self.queued_bytes -= sum(len(self._ready[p - self._pulled][0]) for p in gone)
        self.pending -= len(gone)
        self._ready = deque(entry for entry in self._ready if entry[1] is not sender)
        for waiting in self._lanes.values():
            for transfer in waiting:
                transfer.after -= sum(p < transfer.after for p in gone)

    def clear(self) -> None:
        """Forget everything: the session ended."""
        self._ready.clear()
        self._lanes.clear()
        self._last = b""
        self.pending = 0
        self.queued_bytes = 0

    def _part_may_go(self) -> bool:
        """Tell whether the small messages that were queued before the next part have left."""
        return next(iter(self._lanes.values()))[0].after <= self._pulled

    def _pull_part(self) -> bytes:
        lane, waiting = next(iter(self._lanes.items()))
        transfer = waiting[0]
        before = transfer.left_bytes
        message = transfer.next_part(self.part_bytes)
        self.queued_bytes -= before - transfer.left_bytes
        if transfer.done:
            waiting.popleft()
            self.pending -= 1
        if waiting:
            self._lanes.move_to_end(lane)
        else:
            del self._lanes[lane]
        return message
