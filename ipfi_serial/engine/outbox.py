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


class _Transfer:
    """One large message on its way."""

    __slots__ = ("call", "kind", "last_for", "payload", "position", "procedure", "terminator")

    def __init__(
        self,
        kind: MessageKind,
        procedure: int,
        call: int,
        terminator: Terminator,
        payload: bytes,
        last_for: OutgoingCall | None,
    ) -> None:
        self.kind = kind
        self.procedure = procedure
        self.call = call
        self.terminator = terminator
        self.payload = memoryview(payload)
        self.position = 0
        self.last_for = last_for

    def next_part(self, part_bytes: int) -> bytes:
        """Encode the next part."""
        end = self.position + part_bytes
        last = end >= len(self.payload)
        part = bytes(self.payload[self.position : end])
        self.position = end
        terminator = self.terminator if last else Terminator.NONE
        return encode_parts(self.kind, self.procedure, self.call, terminator, part)

    @property
    def done(self) -> bool:
        return self.position >= len(self.payload)


class Outbox:
    """What waits to enter the stream.

    Args:
        part_bytes: largest payload of one message; None never cuts.

    Attributes:
        queued_bytes: payload bytes waiting.
    """

    __slots__ = ("_lanes", "_part_bytes", "_ready", "_turn", "queued_bytes")

    def __init__(self, part_bytes: int | None) -> None:
        self._part_bytes = part_bytes
        self._ready: deque[tuple[bytes, OutgoingCall | None]] = deque()
        self._lanes: OrderedDict[Hashable, deque[_Transfer]] = OrderedDict()
        self._turn = 0
        self.queued_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._ready or self._lanes)

    def cuts(self, size_bytes: int) -> bool:
        """Tell whether a payload of this size is sent in parts."""
        return self._part_bytes is not None and size_bytes > self._part_bytes

    @property
    def part_bytes(self) -> int | None:
        """Largest payload of one message; set when a session is agreed on."""
        return self._part_bytes

    @part_bytes.setter
    def part_bytes(self, size: int | None) -> None:
        self._part_bytes = size

    def put(
        self,
        lane: Hashable,
        kind: MessageKind,
        procedure: int,
        call: int,
        terminator: Terminator,
        payload: bytes,
        last_for: OutgoingCall | None = None,
    ) -> None:
        """Queue one message.

        Args:
            lane: what it must stay in order with.
            kind: its type.
            procedure: procedure or event index.
            call: call index.
            terminator: what follows the payload.
            payload: any size.
            last_for: the call whose arguments end with this message.
        """
        size = len(payload)
        self.queued_bytes += size
        waiting = self._lanes.get(lane)
        if waiting is None and not self.cuts(size):
            message = encode_parts(kind, procedure, call, terminator, payload)
            self._ready.append((message, last_for))
            return
        transfer = _Transfer(kind, procedure, call, terminator, payload, last_for)
        if waiting is None:
            self._lanes[lane] = deque((transfer,))
        else:
            waiting.append(transfer)

    def pull(self) -> bytes:
        """Take the next message or part; there must be one."""
        if self._ready and (not self._lanes or self._turn < READY_PER_PART):
            self._turn += 1
            message, last_for = self._ready.popleft()
            if last_for is not None:
                last_for.handed_over = True
            self.queued_bytes = max(0, self.queued_bytes - len(message))
            if not self:
                self.queued_bytes = 0
            return message
        self._turn = 0
        return self._pull_part()

    def drop(self, lane: Hashable) -> bool:
        """Forget what waits in a lane; return whether anything of it was dropped."""
        waiting = self._lanes.pop(lane, None)
        if waiting is None:
            return False
        self.queued_bytes -= sum(len(t.payload) - t.position for t in waiting)
        return True

    def clear(self) -> None:
        """Forget everything: the session ended."""
        self._ready.clear()
        self._lanes.clear()
        self.queued_bytes = 0

    def _pull_part(self) -> bytes:
        lane, waiting = next(iter(self._lanes.items()))
        transfer = waiting[0]
        before = transfer.position
        message = transfer.next_part(self._part_bytes or len(transfer.payload) or 1)
        self.queued_bytes -= min(transfer.position, len(transfer.payload)) - before
        if transfer.done:
            waiting.popleft()
            if transfer.last_for is not None:
                transfer.last_for.handed_over = True
        if waiting:
            self._lanes.move_to_end(lane)
        else:
            del self._lanes[lane]
        return message
