"""Stream bytes in, numbered payloads out, each again until it is acknowledged.

Owns the window (LINK-6), the credit it was given (LINK-7) and retransmission (LINK-9 to LINK-11);
asks the frame size (LINK-16) and the other end's ring (LINK-14).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.link.beat import copies
from ipfi_serial.link.flight import Flight
from ipfi_serial.link.framesize import FrameSize
from ipfi_serial.link.pieces import LONGEST_WHOLE, PIECE_BYTES, REPETITIONS_BEFORE
from ipfi_serial.link.ring import Ring
from ipfi_serial.link.rtt import ACK_DELAY_S, RttEstimator
from ipfi_serial.link.silence import KEEPALIVE_S

MOST_FLIGHTS: Final = 16  # LINK-6
SMALLEST_CUT_BYTES: Final = 16  # for the room of a ring (LINK-14): no crumbs
FLIGHT_OVERHEAD_BYTES: Final = 12  # on the wire; CRC-32
MOST_PROBE_DOUBLINGS: Final = 10  # the keepalive is reached long before


class Sender:
    """The sending half of one session.

    Attributes:
        rtt: the round-trip estimate.
        ring: the other end's.
        credit: stream offset that we may send up to.
        size: of the next frame (LINK-16).
        repeats: flights that wait to be sent again.
        retransmissions: frames sent again.
        probes: how often the interval of a stall's PINGs was doubled (LINK-15).
        flights: frames under way, oldest first.
        queued_bytes: stream bytes not yet in a frame.
    """

    __slots__ = (
        "_beat",
        "_go_back_only",
        "_next_sequence",
        "_offset",
        "_order",
        "_outstanding_bytes",
        "_pieces",
        "_queue",
        "_window",
        "credit",
        "flights",
        "probes",
        "queued_bytes",
        "repeats",
        "retransmissions",
        "ring",
        "rtt",
        "size",
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
        beat: int = 0,
        pieces: bool = False,
        far_s: float = KEEPALIVE_S,
    ) -> None:
        self._beat = beat
        self._pieces = pieces
        self._window = window
        self._go_back_only = go_back_only
        self._queue: deque[bytes] = deque()
        self._next_sequence = 0
        self._offset = 0
        self._order = 0
        self.repeats = 0
        self._outstanding_bytes = 0  # of the flights, on the wire
        self.probes = 0
        self.ring = Ring(ring)
        self.rtt = RttEstimator(ack_delay_s)
        self.credit = credit
        self.size = FrameSize(largest_frame, ring, far_s)
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

    @property
    def room_bytes(self) -> int:
        """How many more bytes are worth queueing: two windows; small messages overtake."""
        room_bytes = 2 * MOST_FLIGHTS * self.size.frame_bytes - self.queued_bytes
        return max(0, room_bytes)

    # --- frames out ---

    def next_flight(self, overhead_bytes: int) -> Flight | None:
        """Return the frame to send now, if any: a repetition first, else new bytes."""
        if self.repeats:
            flight = next(f for f in self.flights if f.again)
            fits = len(flight.payload) + overhead_bytes <= self.ring.room_bytes
            return flight if fits else None
        if not self.queued_bytes or len(self.flights) >= self._window:
            return None
        size = self._next_size(overhead_bytes)
        if size == 0 or size + overhead_bytes > self.ring.room_bytes:
            return None
        flight = Flight(self._next_sequence, self._cut(size))
        self._next_sequence = (self._next_sequence + 1) & 0xFF
        self._offset = (self._offset + size) & 0xFFFFFFFF
        self._outstanding_bytes += size + FLIGHT_OVERHEAD_BYTES
        self.flights.append(flight)
        return flight

    def sent(self, flight: Flight, departure_s: float, wire_bytes: int) -> None:
        """Note that ``flight`` was handed over and when its last byte will have left."""
        self._order = flight.order = self._order + 1
        flight.departure_s = departure_s
        flight.times += 1
        if flight.again:
            flight.again = False
            self.repeats -= 1
            self.retransmissions += 1
            self._sent_again(flight)
        if self.ring.limited:
            self.ring.charge(wire_bytes, departure_s, sequence=flight.sequence)

    def in_pieces(self, flight: Flight) -> bool:
        """Whether a frame that was sent before goes in pieces now (LINK-21)."""
        long = len(flight.payload) > LONGEST_WHOLE
        return self._pieces and long and flight.times > REPETITIONS_BEFORE

    def piece_sent(self, flight: Flight, departure_s: float, wire_bytes: int) -> bool:
        """Note that a piece of ``flight`` was handed over that is not the last one."""
        if not self.in_pieces(flight):
            return False
        flight.cut_at += PIECE_BYTES
        if flight.cut_at >= len(flight.payload):
            flight.cut_at = 0
            return False
        self.ring.charge(wire_bytes, departure_s)
        return True

    def _sent_again(self, flight: Flight) -> None:
        """Send it at once again if several copies are due (LINK-11); note the loss, once."""
        if not flight.copies:
            self.size.note_loss()
            if len(flight.payload) <= LONGEST_WHOLE:
                flight.copies = copies(self._beat, flight.times - 1)
        flight.copies = max(0, flight.copies - 1)
        if flight.copies:
            flight.again = True
            self.repeats += 1

    def sendable(self, overhead_bytes: int) -> bool:
        """Whether :meth:`next_flight` would return a frame."""
        if self.repeats:
            flight = next(f for f in self.flights if f.again)
            return len(flight.payload) + overhead_bytes <= self.ring.room_bytes
        if not self.queued_bytes or len(self.flights) >= self._window:
            return False
        size = self._next_size(overhead_bytes)
        return size > 0 and size + overhead_bytes <= self.ring.room_bytes

    @property
    def starved(self) -> bool:
        """Whether bytes wait for nothing but credit or ring (LINK-15)."""
        return bool(self.queued_bytes) and not self.flights

    def _next_size(self, overhead_bytes: int) -> int:
        """Return how many bytes of the queue one frame takes now: credit may allow none."""
        size = (self.credit - self._offset) & 0xFFFFFFFF
        if size > self.queued_bytes:
            size = self.queued_bytes
        size = min(self.size.frame_bytes, size)
        if self.ring.limited and not self.flights:  # nothing under way will clear the ring
            room_bytes = int(self.ring.room_bytes) - overhead_bytes
            if SMALLEST_CUT_BYTES <= room_bytes < size:
                return room_bytes
        return size

    def _cut(self, size: int) -> bytes:
        """Take exactly ``size`` bytes from the queue, which has them."""
        queue = self._queue
        self.queued_bytes -= size
        if len(queue[0]) == size:
            return queue.popleft()
        parts: list[bytes] = []
        left = size
        while left:
            part = queue.popleft()
            if len(part) > left:
                queue.appendleft(part[left:])
                part = part[:left]
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    @property
    def oldest(self) -> int:
        """The first number that is not acknowledged."""
        return self.flights[0].sequence if self.flights else self._next_sequence

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
        ring, rtt = self.ring, self.rtt
        clean = True
        proved = -1
        self.probes = 0
        for _ in range(count):
            newest = flights.popleft()
            self._outstanding_bytes -= len(newest.payload) + FLIGHT_OVERHEAD_BYTES
            if ring.limited:
                ring.clear_until(sequence=newest.sequence)
            if newest.again:
                self.repeats -= 1
            if newest.times == 1 and not newest.sacked:
                self.size.note_clean(rtt.smoothed_s)
                proved = newest.order
            else:
                clean = False  # the frames behind it waited for it: no round trip to learn from
        if clean:
            rtt.sample(max(0.0, now_s - newest.departure_s))
        if rtt.backoff:
            rtt.progressed()
        if flights:
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
                    self.repeats -= 1
                newest_order = max(newest_order, flight.order)
                self.ring.clear_until(sequence=flight.sequence)
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
        oldest = self.flights[0]
        due_s = oldest.departure_s + (self.rtt.smoothed_s or 0.0)
        if oldest.again or now_s < due_s:
            return  # the transmission that would change it has not arrived yet
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
        since_s = oldest.departure_s
        if oldest.again:
            if len(oldest.payload) + overhead_bytes <= self.ring.room_bytes:
                return None  # it waits for its turn, not for time
            since_s = self.ring.left_s
        return since_s + self.rto_s(bytes_per_s)

    def rto_s(self, bytes_per_s: float | None) -> float:
        """Return the retransmission time-out of now (LINK-9)."""
        return self.rtt.rto_s(self._wire_s(bytes_per_s))

    def _wire_s(self, bytes_per_s: float | None) -> float:
        """Return the wire time of what is handed over and unacknowledged (LINK-9)."""
        if bytes_per_s is None:
            return 0.0
        if self.ring.limited:
            return max(self._outstanding_bytes, self.ring.charged_bytes) / bytes_per_s
        return self._outstanding_bytes / bytes_per_s

    def expired(self, bytes_per_s: float | None, overhead_bytes: int) -> None:
        """Repeat the oldest frame, or all of them to a go-back-N receiver (LINK-11).

        What left after it, and not right behind it, may still wait to be read (LINK-14).  If there
        is no room beside that, the repetition waits until everything is an RTO old: that is the
        same expiry, not another.
        """
        oldest, ring = self.flights[0], self.ring
        if oldest.again or ring.left_s - oldest.departure_s <= self._wire_s(bytes_per_s):
            ring.clear_all()
        else:
            ring.clear_until(sequence=oldest.sequence)
        if len(oldest.payload) + overhead_bytes <= ring.room_bytes:
            self.rtt.expired()
        oldest.sacked = False  # or it would have been acknowledged: that SACK was damaged
        for flight in self.flights:
            self._repeat(flight)
            if not self._go_back_only:
                break

    def probed(self) -> None:
        """Note that a stall lasted for its time: a PING will ask, the next one later (LINK-15)."""
        self.probes = min(self.probes + 1, MOST_PROBE_DOUBLINGS)
        self.ring.clear_all()

    def _repeat(self, flight: Flight) -> None:
        if not (flight.again or flight.sacked) and flight.times:
            flight.again = True
            self.repeats += 1
