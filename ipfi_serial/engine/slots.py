"""How many more calls the other end takes, and the calls that wait for that.  Pure.

docs/protocol.md, CALL-6 as the caller keeps to it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.engine.calls import OutgoingCall

CALL_INDICES: Final = 1 << 16  # CALL-2
NESTED_SHARE: Final = 4  # one slot in four is kept for calls that handlers make


class Slots:
    """The other end's limits.

    Attributes:
        limit: calls that it serves at once.
        waiting: how many calls of ours wait for that.
    """

    __slots__ = (
        "_late",
        "_ordinary_limit",
        "_partial",
        "_partial_limit",
        "_waiting",
        "limit",
        "waiting",
    )

    def __init__(self) -> None:
        self.limit = self._ordinary_limit = self._partial_limit = CALL_INDICES
        self.waiting = 0
        self._partial: list[OutgoingCall] = []  # their arguments may be incomplete there
        self._waiting: deque[OutgoingCall] = deque()
        self._late: deque[OutgoingCall] = deque()  # passed over: they wait for one of _partial

    def agree(self, max_calls: int, max_partial: int) -> None:
        """Take what the other end announced."""
        self.limit = max_calls or 1  # it takes none, and shall say so
        self._ordinary_limit = max(1, self.limit - max(1, self.limit // NESTED_SHARE))
        self._partial_limit = max_partial or 1

    def take(self, call: OutgoingCall, in_use: int, *, partial: bool) -> bool:
        """Take a slot for a new call; return whether there was one: then nobody waits for it.

        Args:
            call: about to be sent.
            in_use: pairs that wait for their terminal answer.
            partial: whether its arguments will arrive in more than one message.
        """
        if in_use >= (self.limit if call.nested else self._ordinary_limit):
            return False
        return not partial or self._take_partial(call)

    def wait(self, call: OutgoingCall) -> None:
        """Let a call wait for its slot."""
        self._waiting.append(call)
        self.waiting += 1

    def withdraw(self, call: OutgoingCall) -> None:
        """Let a waiting call wait no longer."""
        (self._waiting if call in self._waiting else self._late).remove(call)
        self.waiting -= 1

    def next_call(self, in_use: int, part_bytes: int) -> OutgoingCall | None:
        """Hand over a waiting call that may be sent now, the oldest if possible."""
        if in_use >= self._ordinary_limit:
            return None
        for call in self._late:
            if not call.is_partial(part_bytes) or self._take_partial(call):
                self._late.remove(call)
                self.waiting -= 1
                return call
        while self._waiting:
            call = self._waiting.popleft()
            if not call.is_partial(part_bytes) or self._take_partial(call):
                self.waiting -= 1
                return call
            self._late.append(call)
        return None

    def clear(self) -> list[OutgoingCall]:
        """Forget everything, the session ended; hand over the calls that waited."""
        waited = [*self._late, *self._waiting]
        self._late.clear()
        self._waiting.clear()
        self._partial.clear()
        self.waiting = 0
        return waited

    def _take_partial(self, call: OutgoingCall) -> bool:
        self._partial = [one for one in self._partial if one.is_sending]
        if len(self._partial) >= self._partial_limit:
            return False
        self._partial.append(call)
        return True
