"""When a session must act by itself: what is owed, what is overdue, what waits for nothing.

docs/protocol.md: LINK-8, LINK-11, LINK-15.
"""

from __future__ import annotations

from typing import Final

from ipfi_serial.link.deadlines import sooner
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.lossy import LossyQueue
from ipfi_serial.link.parameters import FRAME_OVERHEAD_BYTES
from ipfi_serial.link.pings import Pings
from ipfi_serial.link.receiver import Receiver
from ipfi_serial.link.sender import Sender
from ipfi_serial.link.silence import AGAIN

INITIATOR_WAIT: Final = 1.25  # LINK-15


class Waits:
    """The deadlines of :class:`ipfi_serial.link.transfer.Transfer`, whose state this is."""

    __slots__ = (
        "_bytes_per_s",
        "_lossy",
        "_pings",
        "agreement",
        "frame_time_s",
        "ping_wanted",
        "probe_from_s",
        "receiver",
        "repeated",
        "sender",
    )

    agreement: Agreement
    sender: Sender
    receiver: Receiver
    probe_from_s: float
    frame_time_s: float
    ping_wanted: bool
    repeated: bool
    _pings: Pings
    _lossy: LossyQueue
    _bytes_per_s: float | None

    @property
    def probes(self) -> bool:
        """Whether a repetition should be followed by a PING now: one at a time (LINK-10)."""
        return self.repeated and not self._pings.out

    @property
    def wants_ack(self) -> bool:
        """Whether an ACK or PING should go out when nothing else does."""
        return self.receiver.ack_now or self.ping_wanted or self.probes

    def deadline_s(self, keepalive_s: float) -> float | None:
        """Return when :meth:`on_deadline` is due."""
        retry_s, ack_s = self._retry_deadline_s(keepalive_s), self.receiver.ack_due_s
        return retry_s if ack_s is None else sooner(ack_s, retry_s)

    def _retry_deadline_s(self, keepalive_s: float) -> float | None:
        """Return when the oldest frame is overdue, or a stalled sender should probe (LINK-15)."""
        sender = self.sender
        due_s = sender.deadline_s(self._bytes_per_s, FRAME_OVERHEAD_BYTES)
        if due_s is None and not sender.flights and self._blocked:
            rto_s = sender.rtt.rto_s(self.frame_time_s)
            wait_s = min(rto_s * (1 << sender.probes), keepalive_s)
            if self.agreement.initiated:  # never in step: the answer to a PING clears more then
                wait_s *= INITIATOR_WAIT
            due_s = self.probe_from_s + wait_s
        return due_s

    def ping_interval_s(self, keepalive_s: float) -> float:
        """Return how long to wait for an answer to a PING in a silence (LINK-12)."""
        return max(keepalive_s * AGAIN, self.sender.rto_s(self._bytes_per_s))

    def on_deadline(self, now_s: float, keepalive_s: float) -> None:
        """Acknowledge if that is due; repeat (LINK-11) or ask (LINK-15) if that is."""
        receiver, sender = self.receiver, self.sender
        if receiver.ack_due_s is not None and now_s >= receiver.ack_due_s:
            receiver.ack_now = True
            receiver.ack_due_s = None
        retry_s = self._retry_deadline_s(keepalive_s)
        if retry_s is None or now_s < retry_s:
            return
        if sender.flights:
            self._pings.out = False  # it is given up
            sender.expired(self._bytes_per_s, FRAME_OVERHEAD_BYTES)
        else:
            sender.probed()
            self.ping_wanted = True

    @property
    def _blocked(self) -> bool:
        """Whether something waits for credit or ring; asked only while nothing is under way."""
        sender, lossy = self.sender, self._lossy
        ring = sender.ring
        if ring.room_bytes < 0:
            return self.wants_ack or self._stalled or bool(lossy)
        if self.ping_wanted:
            return False
        if self._pings.out and ring.half_full:
            return True  # the PING that would clear it may be lost (LINK-14)
        return self._stalled or (bool(lossy) and not lossy.fits(ring.room_bytes))

    @property
    def _lossy_fits(self) -> bool:
        """Whether a LOSSY or LOG frame may go; a repetition needs the room first (LINK-20)."""
        sender = self.sender
        return not sender.repeats and self._lossy.fits(sender.ring.room_bytes)

    @property
    def _stalled(self) -> bool:
        """Whether bytes wait for credit or ring and nothing under way will bring it (LINK-15)."""
        return self.sender.starved and not self.sender.sendable(FRAME_OVERHEAD_BYTES)
