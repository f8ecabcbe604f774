"""Stream bytes in, numbered payloads out, each again until it is acknowledged.

Owns the window (LINK-6), the credit it was given (LINK-7), retransmission (LINK-9 to LINK-11), the
other end's ring (LINK-14) and the frame size (LINK-16).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.link.rtt import ACK_DELAY_S, RttEstimator

SMALLEST_FRAME_BYTES: Final = 32  # LINK-16
FIRST_FRAME_BYTES: Final = 64
CLEAN_FRAMES_TO_GROW: Final = 16
FRAMES_BETWEEN_LOSSES: Final = 16
MOST_PROBE_DOUBLINGS: Final = 10  # the keepalive is reached long before


class Flight:
    """One DATA frame that is not acknowledged yet."""

    __slots__ = ("again", "departure_s", "order", "payload", "sacked", "sequence", "times")

    def __init__(self, sequence: int, payload: bytes) -> None:
        self.sequence = sequence
        self.payload = payload
        self.departure_s = 0.0  # estimated moment when its last byte leaves
        self.order = 0  # position among all transmissions
        self.times = 0  # transmissions so far
        self.again = False  # to be sent again
        self.sacked = False


class Sender:
    """The sending half of one session.

    Attributes:
        rtt: the round-trip estimate.
        credit: stream offset that we may send up to.
        frame_bytes: stream bytes for the next frame (LINK-16).
        retransmissions: frames sent again.
        probes: how often the interval of a stall's PINGs was doubled (LINK-15).
        flights: frames under way, oldest first.
        queued_bytes: stream bytes not yet in a frame.
    """

    __slots__ = (
        "_charged",
        "_charges",
        "_clean",
        "_go_back_after_s",
        "_go_back_only",
        "_largest_frame",
        "_next_sequence",
        "_offset",
        "_order",
        "_queue",
        "_repeats",
        "_ring",
        "_since_loss",
        "_window",
        "credit",
        "flights",
        "frame_bytes",
        "probes",
        "queued_bytes",
        "retransmissions",
        "rtt",
    )

    def __init__(
        self,
        *,
        window: int,
        credit: int,
        ring: int | None,
        largest_frame: int,
        go_back_only: bool,
        ack_delay_s: float = ACK_DELAY_S,
    ) -> None:
        self._window = window
        self._ring = ring  # None: no limit
        self._largest_frame = largest_frame
        self._go_back_only = go_back_only
        self._queue: deque[bytes] = deque()
        self._next_sequence = 0
        self._offset = 0
        self._order = 0
        self._repeats = 0  # flights marked `again`
        self._clean = 0
        self._since_loss = FRAMES_BETWEEN_LOSSES
        self._go_back_after_s = 0.0
        self._charges: deque[tuple[int | None, int | None, int]] = deque()
        self._charged = 0
        self.probes = 0
        self.rtt = RttEstimator(ack_delay_s)
        self.credit = credit
        self.frame_bytes = min(FIRST_FRAME_BYTES, largest_frame)
        self.retransmissions = 0
        self.flights: deque[Flight] = deque()
        self.queued_bytes = 0

    # --- the stream in ---

    def push(self, data: bytes) -> None:
        """Queue stream bytes."""
        self._queue.append(data)
        self.queued_bytes += len(data)

    @property
    def idle(self) -> bool:
        """Whether everything pushed was acknowledged."""
        return not (self.flights or self.queued_bytes)

    # --- frames out ---

    def next_flight(self, overhead_bytes: int) -> Flight | None:
        """Return the frame to send now, if any: a repetition first, else new bytes."""
        if self._repeats:
            flight = next(f for f in self.flights if f.again)
            return flight if self.fits_ring(len(flight.payload) + overhead_bytes) else None
        if not self.queued_bytes or len(self.flights) >= self._window:
            return None
        room = min(self.frame_bytes, (self.credit - self._offset) & 0xFFFFFFFF)
        if room == 0 or (self._ring is not None and not self._ring_room(room, overhead_bytes)):
            return None
        flight = Flight(self._next_sequence, self._cut(room))
        self._next_sequence = (self._next_sequence + 1) & 0xFF
        self._offset = (self._offset + len(flight.payload)) & 0xFFFFFFFF
        self.flights.append(flight)
        return flight

    def sent(self, flight: Flight, departure_s: float, wire_bytes: int) -> None:
        """Note that ``flight`` was handed over and when its last byte will have left."""
        flight.order = self.next_order()
        flight.departure_s = departure_s
        flight.times += 1
        if flight.again:
            flight.again = False
            self._repeats -= 1
            self.retransmissions += 1
            self._note_loss()
        self.charge(wire_bytes, sequence=flight.sequence)

    def sendable(self, overhead_bytes: int) -> bool:
        """Whether :meth:`next_flight` would return a frame."""
        if self._repeats:
            flight = next(f for f in self.flights if f.again)
            return self.fits_ring(len(flight.payload) + overhead_bytes)
        if not self.queued_bytes or len(self.flights) >= self._window:
            return False
        room = min(self.frame_bytes, (self.credit - self._offset) & 0xFFFFFFFF)
        return room > 0 and (self._ring is None or self._ring_room(room, overhead_bytes))

    @property
    def starved(self) -> bool:
        """Whether bytes wait for nothing but credit or ring (LINK-15)."""
        return bool(self.queued_bytes) and not self.flights

    def _cut(self, size: int) -> bytes:
        queue = self._queue
        first = queue[0]
        if len(first) == size or (len(first) < size and len(queue) == 1):
            queue.popleft()
            self.queued_bytes -= len(first)
            return first
        parts: list[bytes] = []
        left = size
        while left and queue:
            part = queue.popleft()
            if len(part) > left:
                queue.appendleft(part[left:])
                part = part[:left]
            parts.append(part)
            left -= len(part)
        self.queued_bytes -= size - left
        return b"".join(parts)

    def next_order(self) -> int:
        """Return the position of a transmission among all of this session."""
        self._order += 1
        return self._order

    # --- acknowledgements in ---

    def on_ack(self, ack: int, now_s: float) -> bool:
        """Take a cumulative acknowledgement; return whether it brought something new."""
        flights = self.flights
        if not flights:
            return False
        count = (ack - flights[0].sequence) & 0xFF
        if not 0 < count <= len(flights):
            return False  # nothing new, or displaced by the transport
        newest = flights[0]
        clean = True
        proved = -1
        self.probes = 0
        for _ in range(count):
            newest = flights.popleft()
            self._clear_until(sequence=newest.sequence)
            if newest.again:
                self._repeats -= 1
            if newest.times == 1 and not newest.sacked:
                self._note_clean()
                proved = newest.order
            else:
                clean = False  # the frames behind it waited for it: no round trip to learn from
        if clean:
            self.rtt.sample(max(0.0, now_s - newest.departure_s))
        self.rtt.progressed()
        self._go_back_after_s = 0.0
        self.on_evidence(proved)
        return True

    def on_sack(self, ack: int, bits: int) -> None:
        """Take a SACK bitmap: mark what arrived, repeat what is missing behind it (LINK-10)."""
        newest_order = -1
        for flight in self.flights:
            position = (flight.sequence - ack - 1) & 0xFF
            if position < 16 and bits >> position & 1:
                if not flight.sacked:
                    flight.sacked = True
                    self.rtt.progressed()
                if flight.again:
                    flight.again = False
                    self._repeats -= 1
                newest_order = max(newest_order, flight.order)
                self._clear_until(sequence=flight.sequence)
        self.on_evidence(newest_order)

    def on_evidence(self, order: int) -> None:
        """Repeat what was sent *before* a transmission that arrived: lines do not reorder."""
        for flight in self.flights:
            if flight.order < order:
                self._repeat(flight)

    def on_repeated_ack(self, ack: int, now_s: float) -> None:
        """Take an ACK that says again what it waits for, from a go-back-N receiver (LINK-10)."""
        if not self._go_back_only or not self.flights or self.flights[0].sequence != ack:
            return
        if now_s < self._go_back_after_s:
            return
        self._go_back_after_s = now_s + (self.rtt.smoothed_s or 0.0) + 0.001
        for flight in self.flights:
            self._repeat(flight)

    def on_credit(self, credit: int) -> None:
        """Take an absolute credit; it never goes back (LINK-7)."""
        if (credit - self.credit) & 0xFFFFFFFF < 0x80000000:
            self.credit = credit

    # --- time ---

    def deadline_s(self, bytes_per_s: float | None, overhead_bytes: int) -> float | None:
        """Return when the oldest unacknowledged frame is overdue, or None."""
        if not self.flights:
            return None
        oldest = self.flights[0]
        if oldest.again and self.fits_ring(len(oldest.payload) + overhead_bytes):
            return None  # it waits for its turn, not for time
        return oldest.departure_s + self.rtt.rto_s(self._outstanding_s(bytes_per_s))

    def expired(self) -> None:
        """Repeat the oldest frame, or all of them to a go-back-N receiver (LINK-11)."""
        self.rtt.expired()
        self._clear_all()
        self.flights[0].sacked = False  # or it would have been acknowledged: that SACK was damaged
        for flight in self.flights:
            self._repeat(flight)
            if not self._go_back_only:
                break

    def probed(self) -> None:
        """Note that a stall lasted for its time: a PING will ask, the next one later (LINK-15)."""
        self.probes = min(self.probes + 1, MOST_PROBE_DOUBLINGS)
        self._clear_all()

    def _outstanding_s(self, bytes_per_s: float | None) -> float:
        if bytes_per_s is None:
            return 0.0
        return sum(len(f.payload) + 12 for f in self.flights) / bytes_per_s

    def _repeat(self, flight: Flight) -> None:
        if not (flight.again or flight.sacked) and flight.times:
            flight.again = True
            self._repeats += 1

    # --- the other end's ring ---

    def charge(
        self, wire_bytes: int, *, sequence: int | None = None, ping: int | None = None
    ) -> None:
        """Count bytes handed over against the other end's ring (LINK-14)."""
        if self._ring is not None:
            self._charges.append((sequence, ping, wire_bytes))
            self._charged += wire_bytes

    def fits_ring(self, wire_bytes: int) -> bool:
        """Whether so many bytes more stay within the other end's ring."""
        return self._ring is None or self._charged + wire_bytes <= self._ring

    def _ring_room(self, room: int, overhead_bytes: int) -> bool:
        return self.fits_ring(min(room, self.queued_bytes) + overhead_bytes)

    @property
    def ring_clogged(self) -> bool:
        """Whether more than half the ring is held by frames that nothing will clear."""
        if self._ring is None:
            return False
        lasting = 0
        for sequence, ping, size in reversed(self._charges):
            if sequence is not None or ping is not None:
                break
            lasting += size
        return lasting * 2 > self._ring

    @property
    def ring_overdrawn(self) -> bool:
        """Whether one frame went beyond the ring: no other one may."""
        return self._ring is not None and self._charged > self._ring

    @property
    def ring_half_full(self) -> bool:
        """Whether more than half the ring is charged."""
        return self._ring is not None and self._charged * 2 > self._ring

    @property
    def ring_in_use(self) -> bool:
        """Whether anything is charged."""
        return bool(self._charges)

    def on_echo(self, ping: int) -> None:
        """Clear what was handed over before the PING with this number, and the PING."""
        self._clear_until(ping=ping)

    def _clear_all(self) -> None:
        self._charges.clear()
        self._charged = 0

    def _clear_until(self, *, sequence: int | None = None, ping: int | None = None) -> None:
        """Clear charges up to the newest entry that was proved to have been read."""
        for index in range(len(self._charges) - 1, -1, -1):
            entry = self._charges[index]
            if (sequence is not None and entry[0] == sequence) or (
                ping is not None and entry[1] == ping
            ):
                for _ in range(index + 1):
                    self._charged -= self._charges.popleft()[2]
                return

    # --- frame size ---

    def _note_clean(self) -> None:
        self._since_loss += 1
        self._clean += 1
        if self._clean >= CLEAN_FRAMES_TO_GROW:
            self._clean = 0
            self.frame_bytes = min(self.frame_bytes * 2, self._largest_frame)

    def _note_loss(self) -> None:
        self._clean = 0
        if self._since_loss < FRAMES_BETWEEN_LOSSES:
            smallest = min(SMALLEST_FRAME_BYTES, self._largest_frame)
            self.frame_bytes = max(self.frame_bytes // 2, smallest)
        self._since_loss = 0
