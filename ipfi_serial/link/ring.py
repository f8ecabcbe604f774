"""Wire bytes handed over in, and whether the other end's receive buffer has room for more.

docs/protocol.md: LINK-14.
"""

from __future__ import annotations

from collections import deque


class Ring:
    """The other end's ring, as far as we know it.

    Attributes:
        limited: whether there is a limit; without one nothing is charged.
        room_bytes: wire bytes that still fit; below 0 if one frame went beyond it; without end if
            the other end sets no limit.
        left_s: estimated moment when the last byte that was charged leaves.
    """

    __slots__ = ("_charges", "_size_bytes", "left_s", "limited", "room_bytes")

    def __init__(self, size_bytes: int | None) -> None:
        self._size_bytes = size_bytes
        self.limited = size_bytes is not None
        self._charges: deque[tuple[int | None, int | None, int]] = deque()
        self.room_bytes: float = float("inf") if size_bytes is None else size_bytes
        self.left_s = 0.0

    def charge(
        self,
        wire_bytes: int,
        departure_s: float,
        *,
        sequence: int | None = None,
        ping: int | None = None,
    ) -> None:
        """Count bytes handed over, as a DATA frame, as a PING, or as what nothing will clear."""
        if self._size_bytes is not None:
            self._charges.append((sequence, ping, wire_bytes))
            self.room_bytes -= wire_bytes
            self.left_s = departure_s

    @property
    def overdrawn(self) -> bool:
        """Whether one frame went beyond the ring: no other one may."""
        return self.room_bytes < 0

    @property
    def half_full(self) -> bool:
        """Whether more than half the ring is charged."""
        return self._size_bytes is not None and self.room_bytes * 2 < self._size_bytes

    @property
    def charged_bytes(self) -> int:
        """How many bytes are charged."""
        return sum(size for _, _, size in self._charges)

    @property
    def in_use(self) -> bool:
        """Whether anything is charged."""
        return bool(self._charges)

    @property
    def clogged(self) -> bool:
        """Whether more than half the ring is held by frames that nothing will clear."""
        if self._size_bytes is None:
            return False
        lasting = 0
        for sequence, ping, size in reversed(self._charges):
            if sequence is not None or ping is not None:
                break
            lasting += size
        return lasting * 2 > self._size_bytes

    def clear_all(self) -> None:
        """Take all for read or lost: an RTO has passed since the last of it left."""
        while self._charges:
            self.room_bytes += self._charges.popleft()[2]

    def clear_until(self, *, sequence: int | None = None, ping: int | None = None) -> None:
        """Clear charges up to the newest such entry, which was read, or whose time ran out."""
        charges = self._charges
        if not charges:
            return
        for index in range(len(charges) - 1, -1, -1):
            entry = charges[index]
            if (sequence is not None and entry[0] == sequence) or (
                ping is not None and entry[1] == ping
            ):
                for _ in range(index + 1):
                    self.room_bytes += charges.popleft()[2]
                return
