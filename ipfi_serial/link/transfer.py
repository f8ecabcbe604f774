"""One live session: a sender and a receiver under one id, and the frames they speak in.

docs/protocol.md 3.1 and 3.4.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final

from ipfi_serial.config import UNLIMITED_RING
from ipfi_serial.events import LinkEvent, LossyReceived, TextReceived
from ipfi_serial.framing.crc import CrcProfile
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.parameters import Flag, FrameType
from ipfi_serial.link.receiver import Receiver
from ipfi_serial.link.rtt import ACK_DELAY_S
from ipfi_serial.link.sender import FIRST_FRAME_BYTES, Flight, Sender

FRAME_TIME_LIMIT_S: Final = 0.05  # LINK-16: a full frame lasts no longer than this ...
SMALLEST_LARGEST_FRAME: Final = 64  # ... unless it would be shorter than this
OVERHEAD_BYTES: Final = 13
LATE_ECHOES_TO_BELIEVE: Final = 3
MOST_PINGS_OUT: Final = 8  # whose echo would still be understood
RING_RESERVE_BYTES: Final = 14  # one ACK

_ACK_BODY: Final = struct.Struct("<BBI")


class Transfer:
    """The transfer state of one session.

    Attributes:
        session: its id.
        profile: its CRC profile.
        largest_frame: most stream bytes that we put into one frame.
        peer_spoke: whether the other end sent anything but READY in it.
        ping_wanted: a PING should go out.
        repeated: a frame was sent again and no PING has followed it yet (LINK-10).
    """

    __slots__ = (
        "_echo",
        "_echo_due",
        "_head",
        "_late_echoes",
        "_ping",
        "_ping_out",
        "_pings",
        "agreement",
        "largest_frame",
        "peer_spoke",
        "ping_wanted",
        "profile",
        "receiver",
        "repeated",
        "sender",
        "session",
    )

    def __init__(
        self, agreement: Agreement, profile: CrcProfile, bytes_per_s: float | None
    ) -> None:
        ours, theirs = agreement.ours, agreement.theirs
        ring = None if theirs.ring == UNLIMITED_RING else theirs.ring
        self.agreement = agreement
        self.session = agreement.session
        self.profile = profile
        self._head = agreement.session.to_bytes(2, "little")
        self.largest_frame = _largest_frame(
            ours.frame_payload, theirs.frame_payload, ring, bytes_per_s
        )
        small_s = (SMALLEST_LARGEST_FRAME + OVERHEAD_BYTES) / bytes_per_s if bytes_per_s else 0.0
        ack_delay_s = max(ACK_DELAY_S, 2 * small_s)  # of both ends (LINK-8)
        self.sender = Sender(
            window=min(ours.window, theirs.window),
            credit=theirs.credit,
            ring=ring,
            largest_frame=self.largest_frame,
            go_back_only=bool(theirs.flags & Flag.IN_ORDER_ONLY),
            ack_delay_s=ack_delay_s,
        )
        self.receiver = Receiver(
            ours.window,
            ours.credit,
            ack_delay_s,
            in_order_only=bool(ours.flags & Flag.IN_ORDER_ONLY),
        )
        self.peer_spoke = False
        self.ping_wanted = False
        self.repeated = False
        self._ping = 0
        self._ping_out = False  # one that is not given up
        self._pings: dict[int, tuple[int, float]] = {}  # number: its order, when it left
        self._late_echoes = 0  # in a row
        self._echo = 0
        self._echo_due = False

    def number_pings_from(self, number: int) -> None:
        """Count PINGs on from our READY, so that its echo answers no PING."""
        self._ping = number % 255 + 1

    # --- frames in ---

    def owns(self, content: bytes) -> bool:
        """Tell whether a frame belongs to this session."""
        return content[1:3] == self._head

    def on_frame(self, content: bytes, now_s: float, out: deque[LinkEvent]) -> bool:
        """Take a frame of this session; return False if it is malformed."""
        self.peer_spoke = True
        kind, size = content[0], len(content)
        if kind == FrameType.DATA and size > 5:
            self.sender.on_ack(content[4], now_s)
            self.receiver.on_data(content[3], content[5:], now_s, out)
        elif kind in (FrameType.ACK, FrameType.PING) and size in (9, 11):
            self._on_ack(content, now_s)
        elif kind == FrameType.LOSSY and size > 3:
            out.append(LossyReceived(content[3:]))
        elif kind == FrameType.LOG and size > 3:
            out.append(TextReceived(content[4:].decode("utf-8", "replace"), content[3]))
        else:
            return False
        return True

    def _on_ack(self, content: bytes, now_s: float) -> None:
        ack, number, credit = _ACK_BODY.unpack_from(content, 3)
        sender = self.sender
        sender.on_credit(credit)
        if content[0] == FrameType.PING:
            sender.on_ack(ack, now_s)
            self.answer_ping(number)
            return
        if not sender.on_ack(ack, now_s) and len(content) == 9:
            sender.on_repeated_ack(ack, now_s)
        if len(content) == 11:
            sender.on_sack(ack, content[9] | content[10] << 8)
        sender.on_echo(number)
        if number in self._pings:
            self._on_echo(number, now_s)

    def _on_echo(self, number: int, now_s: float) -> None:
        """Our PING was answered: what was sent before it and is not acknowledged now is lost."""
        sender = self.sender
        order, sent_s = self._pings[number]
        while next(iter(self._pings)) != number:
            del self._pings[next(iter(self._pings))]  # sent before it
        del self._pings[number]
        if number == self._ping:
            self._ping_out = False
        rtt_s = max(0.0, now_s - sent_s)
        self._late_echoes = self._late_echoes + 1 if rtt_s > sender.rtt.rto_s(0.0) else 0
        # later, the first answer may have been lost, and this is another one; unless it is the rule
        if self._late_echoes in (0, LATE_ECHOES_TO_BELIEVE):
            self._late_echoes = 0
            sender.rtt.sample(rtt_s)
        sender.rtt.progressed()
        sender.on_evidence(order)

    def ping_sent(self, departure_s: float) -> None:
        """Note when the last byte of the newest PING will have left."""
        if len(self._pings) >= MOST_PINGS_OUT:
            del self._pings[next(iter(self._pings))]
        self._pings[self._ping] = (self.sender.next_order(), departure_s)
        self._ping_out = True
        self.repeated = False

    @property
    def probes(self) -> bool:
        """Whether a repetition should be followed by a PING now: one at a time (LINK-10)."""
        return self.repeated and not self._ping_out

    @property
    def ping_overdue_matters(self) -> bool:
        """Whether the ring fills while the PING that would clear it may be lost (LINK-14)."""
        return self._ping_out and not self.sender.flights and self.sender.ring_half_full

    def expired(self) -> None:
        """Take the expiry of the RTO: repeat, and wait for no PING any more (LINK-11)."""
        self._ping_out = False
        self.sender.expired()

    def answer_ping(self, number: int) -> None:
        """Answer a PING or READY with an ACK at once (LINK-8)."""
        self._echo = number
        self.receiver.ack_now = True
        self._echo_due = True

    # --- frames out ---

    @property
    def wants_ack(self) -> bool:
        """Whether an ACK or PING should go out when nothing else does."""
        return self.receiver.ack_now or self.ping_wanted or self.probes

    @property
    def needs_full_ack(self) -> bool:
        """Whether an ACK frame must go first: a DATA frame could not say what it says."""
        return self._echo_due or (
            self.receiver.ack_now and (self.receiver.sack != 0 or self.receiver.credit_moved)
        )

    def data(self, flight: Flight) -> bytes:
        """Build a DATA frame's content; it acknowledges too."""
        self.receiver.acknowledged()
        return (
            b"\x85" + self._head + bytes((flight.sequence, self.receiver.expected)) + flight.payload
        )

    def ack(self) -> tuple[bytes, int | None]:
        """Build an ACK's or, if one is wanted, a PING's content, and return the PING's number."""
        receiver = self.receiver
        sack = receiver.sack
        ping = not self._echo_due and (
            self.ping_wanted or self.probes or (self.sender.ring_clogged and not sack)
        )
        if ping:
            self.ping_wanted = False
            self._ping = self._ping % 255 + 1
        number = self._ping if ping else self._echo
        kind = FrameType.PING if ping else FrameType.ACK
        self._echo_due = False
        body = _ACK_BODY.pack(receiver.expected, number, receiver.take_credit())
        content = bytes((kind,)) + self._head + body
        if sack and ping:
            receiver.ack_now = True  # a PING cannot say it: an ACK follows
        elif sack:
            content += sack.to_bytes(2, "little")
        return content, self._ping if ping else None

    def head(self, unnumbered: bytes) -> bytes:
        """Put the session id behind the type byte of a LOSSY or LOG frame's content."""
        return unnumbered[:1] + self._head + unnumbered[1:]

    def bye(self, reason: int) -> bytes:
        """Build a BYE's content."""
        return bytes((FrameType.BYE,)) + self._head + bytes((reason,))

    # --- queries ---

    def lossy_fits(self, unnumbered: bytes) -> bool:
        """Whether the other end's ring has room for a LOSSY or LOG frame."""
        return self.sender.fits_ring(len(unnumbered) + OVERHEAD_BYTES)

    @property
    def stalled(self) -> bool:
        """Whether bytes wait for credit or ring and nothing under way will bring it (LINK-15)."""
        return self.sender.starved and not self.sender.sendable(OVERHEAD_BYTES)


def _largest_frame(ours: int, theirs: int, ring: int | None, bytes_per_s: float | None) -> int:
    """Return the frame size that both ends, the ring and the line allow (LINK-16)."""
    largest = min(ours, theirs)
    if ring is not None:
        largest = min(largest, max(16, ring - OVERHEAD_BYTES - RING_RESERVE_BYTES))
    if bytes_per_s is not None:
        largest = min(largest, max(SMALLEST_LARGEST_FRAME, int(FRAME_TIME_LIMIT_S * bytes_per_s)))
    return max(largest, min(16, FIRST_FRAME_BYTES))
