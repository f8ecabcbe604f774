"""PINGs out, their echoes in, and what an echo proves.

Numbers them, and remembers the last few until they are answered.  docs/protocol.md: LINK-10,
LINK-11, LINK-22.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LATE_ECHOES_TO_BELIEVE: Final = 3
_U32: Final = 0xFFFFFFFF
MOST_PINGS_OUT: Final = 8  # whose echo would still be understood


class _Sent(NamedTuple):
    """A PING and what the other end had told when it left."""

    order: int
    departure_s: float
    oldest: int
    credit: int


class Pings:
    """The PINGs of one session.

    Attributes:
        newest: number of the last one; never 0 but before the first.
        out: whether it is under way and not given up.
    """

    __slots__ = ("_late_echoes", "_sent", "newest", "out")

    def __init__(self) -> None:
        self._sent: dict[int, _Sent] = {}  # by number
        self._late_echoes = 0  # in a row
        self.newest = 0
        self.out = False

    def number_next(self) -> None:
        """Give the next one its number."""
        self.newest = self.newest % 255 + 1

    def sent(self, order: int, departure_s: float, oldest: int, credit: int) -> None:
        """Note that the newest one leaves.

        Args:
            order: its place among all transmissions.
            departure_s: when its last byte will have left.
            oldest: the first number that is not acknowledged.
            credit: the largest credit that was given.
        """
        if len(self._sent) >= MOST_PINGS_OUT:
            del self._sent[next(iter(self._sent))]
        self._sent[self.newest] = _Sent(order, departure_s, oldest, credit)
        self.out = True

    def contradicts(self, number: int, ack: int, credit: int) -> bool:
        """Tell whether an echo takes back what the other end had told before the PING (LINK-22)."""
        sent = self._sent.get(number)
        return sent is not None and (
            0 < (sent.oldest - ack) & 0xFF < 0x80 or 0 < (sent.credit - credit) & _U32 < 0x80000000
        )

    def echoed(self, number: int, now_s: float, rto_s: float) -> tuple[int, float | None] | None:
        """Take an echo.

        Returns:
            Nothing if it answers none of these; else the PING's order and, unless it is late
            against ``rto_s``, the round-trip time.
        """
        if number not in self._sent:
            return None
        order, sent_s, _, _ = self._sent[number]
        while next(iter(self._sent)) != number:
            del self._sent[next(iter(self._sent))]  # sent before it
        del self._sent[number]
        if number == self.newest:
            self.out = False
        rtt_s = max(0.0, now_s - sent_s)
        self._late_echoes = self._late_echoes + 1 if rtt_s > rto_s else 0
        # later, the first answer may have been lost, and this is another one; unless it is the rule
        if self._late_echoes not in (0, LATE_ECHOES_TO_BELIEVE):
            return order, None
        self._late_echoes = 0
        return order, rtt_s
