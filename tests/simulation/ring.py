"""What one end has handed over and does not know to be read: within the other's ring (LINK-14).

An account of its own, from the frames alone.  It cannot see an RTO expire, which clears what was
handed over by then: so whatever is older than the shortest RTO may have been cleared.  Apart from
that nothing may go beyond the ring but one ACK or PING.
"""

from __future__ import annotations

from typing import Final

from tests.simulation.escapes import unstuffed
from tests.simulation.truth import WrongError

DATA, ACK, PING, LOSSY, LOG = range(0x85, 0x8A)
PIECE: Final = 0x8B  # numbers and acknowledges as DATA does (LINK-21)
NUMBERED: Final = (DATA, PIECE)
ACKNOWLEDGING: Final = (*NUMBERED, ACK, PING)
ONE_ACK: Final = 24  # wire bytes of the largest PING or ACK: 11 of content, CRC, COBS, two zeros
UNLIMITED: Final = 0xFFFF
SHORTEST: Final = 5  # bytes of a DATA frame's head; an ACK or PING has 4 more
SHORTEST_RTO_S: Final = 0.0265  # LINK-9: 30 ms, on a clock 5 % fast that counts whole milliseconds


class RingAccount:
    """One direction.

    Args:
        side: who sends.
        ring: what the other end announced.
        crc_bytes: of a session frame.
    """

    def __init__(self, side: int, ring: int, crc_bytes: int) -> None:
        self._side = side
        self._ring = ring
        self._crc_bytes = crc_bytes
        self._session = b""
        self._charges: list[tuple[int, int, int, float]] = []  # DATA or -1, PING or -1, bytes, when
        self.blind_until_s = 0.0  # a frame built before it, or its port, stood still goes now
        self._unread = 0

    def sent(self, wire: bytes, now_s: float) -> None:
        """Charge a frame that is handed over."""
        content = unstuffed(wire.strip(b"\0"))
        if content is None or len(content) < SHORTEST or not _is_charged(content[0]):
            return  # the last one may have been cut short by a reboot
        if content[1:3] != self._session:
            self._session = content[1:3]
            self._clear(len(self._charges))
        number = content[3] if content[0] in NUMBERED else -1
        ping = content[4] if content[0] == PING else -1
        if now_s < self.blind_until_s:
            self._clear(len(self._charges))
        old = 0
        while old < len(self._charges) and self._charges[old][3] < now_s - SHORTEST_RTO_S:
            old += 1
        self._clear(old)
        self._charges.append((number, ping, len(wire), now_s))
        self._unread += len(wire)
        if self._unread > self._ring:
            if content[0] in (ACK, PING) and self._unread <= self._ring + ONE_ACK:
                return
            raise WrongError(
                f"end {self._side} handed over {self._unread} bytes, not known to be read: "
                f"the ring has {self._ring}"
            )

    def heard(self, piece: bytes) -> None:
        """Take a frame that the sender gets, unharmed: it may clear something."""
        content = unstuffed(piece)
        if content is None or content[0] not in ACKNOWLEDGING or content[1:3] != self._session:
            return
        numbered = content[0] in NUMBERED
        if len(content) < SHORTEST + 4 * (not numbered):
            return
        ack = content[4] if numbered else content[3]
        bits, echo = 0, -1
        if content[0] == ACK:
            echo = content[4]
            if len(content) - self._crc_bytes == 11:
                bits = content[9] | content[10] << 8
        last = -1
        for place, (number, ping, _, _) in enumerate(self._charges):
            if (number >= 0 and _proves(ack, bits, number)) or (ping >= 0 and ping == echo):
                last = place
        self._clear(last + 1)

    def restart(self) -> None:
        """Forget everything: the sender has rebooted."""
        self._clear(len(self._charges))
        self._session = b""

    def _clear(self, count: int) -> None:
        self._unread -= sum(charge[2] for charge in self._charges[:count])
        del self._charges[:count]


def _is_charged(kind: int) -> bool:
    return DATA <= kind <= LOG or kind == PIECE


def _proves(ack: int, bits: int, number: int) -> bool:
    """Tell whether an acknowledgement says that a DATA frame arrived."""
    ahead = (number - ack - 1) & 0xFF
    return 0 < (ack - number) & 0xFF <= 16 or (ahead < 16 and bool(bits >> ahead & 1))
