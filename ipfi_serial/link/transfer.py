"""One live session: a sender and a receiver under one id, and the frames they speak in.

Chooses the frame that goes next, and knows when a sender that waits should ask.  docs/protocol.md
3.1 and 3.4.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final

from ipfi_serial.config import UNLIMITED_RING
from ipfi_serial.events import LinkEvent, LossyReceived, TextReceived
from ipfi_serial.framing.crc import CrcProfile
from ipfi_serial.link.flight import Flight
from ipfi_serial.link.framesize import RING_RESERVE_BYTES, SMALLEST_LARGEST_FRAME, largest_frame
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.lossy import LossyQueue
from ipfi_serial.link.parameters import FRAME_OVERHEAD_BYTES, Extension, Flag, FrameType
from ipfi_serial.link.pieces import REPETITIONS_BEFORE, Pieces, encode_piece
from ipfi_serial.link.pings import Pings
from ipfi_serial.link.receiver import Receiver
from ipfi_serial.link.rtt import ACK_DELAY_S
from ipfi_serial.link.sender import Sender
from ipfi_serial.link.silence import keepalive_s
from ipfi_serial.link.waits import Waits

_ACK_BODY: Final = struct.Struct("<BBI")
_DATA: Final = int(FrameType.DATA)  # plain numbers are found and compared faster
_ACK: Final = int(FrameType.ACK)
_PING: Final = int(FrameType.PING)


class Transfer(Waits):
    """The transfer state of one session.

    Attributes:
        session: its id.
        head: the id as frames of this session carry it, behind their type byte.
        profile: its CRC profile.
        largest_frame: most stream bytes that we put into one frame.
        frame_time_s: how long a full frame takes on the line.
        peer_spoke: whether anything but READY, a HELLO too, was heard since it began (HS-5).
        peer_forgot: whether it took back what it had acknowledged or granted (LINK-22).
        ping_wanted: a PING should go out.
        repeated: a frame was sent again and no PING has followed it yet (LINK-10).
        pinged_s: when a PING was last handed over.
        probe_from_s: when something last went out or came that may end a stall (LINK-15).
    """

    __slots__ = (
        "_data_head",
        "_pieces",
        "head",
        "largest_frame",
        "peer_forgot",
        "peer_spoke",
        "pinged_s",
        "profile",
        "session",
    )

    def __init__(
        self,
        agreement: Agreement,
        profile: CrcProfile,
        bytes_per_s: float | None,
        lossy: LossyQueue,
        now_s: float,
    ) -> None:
        ours, theirs = agreement.ours, agreement.theirs
        ring = None if theirs.ring == UNLIMITED_RING else theirs.ring
        self.agreement = agreement
        self.session = agreement.session
        self.profile = profile
        self.head = agreement.session.to_bytes(2, "little")
        self._data_head = bytes((_DATA,)) + self.head
        self.largest_frame = largest_frame(
            ours.frame_payload, theirs.frame_payload, ring, bytes_per_s
        )
        self.set_speed(bytes_per_s)
        self._lossy = lossy
        small_bytes = SMALLEST_LARGEST_FRAME + FRAME_OVERHEAD_BYTES
        small_s = small_bytes / bytes_per_s if bytes_per_s is not None else 0.0
        ack_delay_s = max(ACK_DELAY_S, 2 * small_s)  # of both ends (LINK-8)
        self.sender = Sender(
            window=min(ours.window, theirs.window),
            credit=theirs.credit,
            ring=ring,
            largest_frame=self.largest_frame,
            go_back_only=bool(theirs.flags & Flag.IN_ORDER_ONLY),
            ack_delay_s=ack_delay_s,
            beat=int.from_bytes(agreement.confirm, "little"),
            pieces=bool(theirs.extensions & Extension.PIECE),
            far_s=keepalive_s(self.frame_time_s),
        )
        self.receiver = Receiver(
            ours.window,
            ours.credit,
            ack_delay_s,
            in_order_only=bool(ours.flags & Flag.IN_ORDER_ONLY),
            one_at_a_time=ours.ring < 2 * (ours.frame_payload + FRAME_OVERHEAD_BYTES),
        )
        self.pinged_s = self.probe_from_s = now_s
        self.peer_spoke = False
        self.ping_wanted = False
        self.repeated = False
        self._pings = Pings()
        self._pieces = Pieces(ours.window, ours.frame_payload)
        self.peer_forgot = False

    def set_speed(self, bytes_per_s: float | None) -> None:
        """Take the speed of the line; sizes and the ACK delay stay as the session has them."""
        frame_bytes = self.largest_frame + FRAME_OVERHEAD_BYTES
        self.frame_time_s = frame_bytes / bytes_per_s if bytes_per_s is not None else 0.0
        self._bytes_per_s = bytes_per_s

    def number_pings_from(self, number: int) -> None:
        """Count PINGs on from our READY, so that its echo answers no PING."""
        self._pings.newest = number
        self._pings.number_next()

    # --- frames in ---

    def repeats_ready(self, session: int, confirm: bytes) -> bool:
        """Tell whether a READY is the one that began this session, said again (HS-5)."""
        agreement = self.agreement
        return (
            session == agreement.session
            and confirm == agreement.confirm
            and not (agreement.initiated or self.peer_spoke)
        )

    def on_frame(self, content: bytes, now_s: float, out: deque[LinkEvent]) -> bool:
        """Take a frame of this session; return False if it is malformed or :attr:`peer_forgot`."""
        self.peer_spoke = True
        kind, size = content[0], len(content)
        if kind == _DATA and size > 5:
            self.sender.on_ack(content[4], now_s)
            self.receiver.on_data(content[3], content[5:], now_s, out)
            return True
        if kind == _ACK:
            self.probe_from_s = now_s  # it may have brought credit or cleared the ring
        if kind in (_ACK, _PING) and size in (9, 11):
            return self._on_ack(content, now_s)
        if kind == FrameType.PIECE and size > 9:
            return self._on_piece(content, now_s, out)
        if kind == FrameType.LOSSY and size > 3:
            out.append(LossyReceived(content[3:]))
        elif kind == FrameType.LOG and size > 3:
            out.append(TextReceived(content[4:].decode("utf-8", "replace"), content[3]))
        else:
            return False
        return True

    def _on_piece(self, content: bytes, now_s: float, out: deque[LinkEvent]) -> bool:
        try:
            whole = self._pieces.take(content, self.receiver.expected)
        except ValueError:
            return False
        self.sender.on_ack(content[4], now_s)
        if whole is not None:
            self.receiver.on_data(content[3], whole, now_s, out)
        return True

    def _on_ack(self, content: bytes, now_s: float) -> bool:
        ack, number, credit = _ACK_BODY.unpack_from(content, 3)
        sender = self.sender
        if content[0] == _PING:
            sender.on_credit(credit)
            sender.on_ack(ack, now_s)
            self.receiver.answer(number)
            return True
        if self._pings.contradicts(number, ack, credit):
            self.peer_forgot = True
            return False
        sender.on_credit(credit)
        news = sender.on_ack(ack, now_s)
        if len(content) == 11:
            sender.on_sack(ack, content[9] | content[10] << 8)
        sender.ring.clear_until(ping=number)
        echoed = self._pings.echoed(number, now_s, sender.rtt.rto_s(0.0))
        if echoed is None:
            if not news and len(content) == 9:
                sender.on_repeated_ack(ack, now_s)
        else:  # it speaks of what left before the PING, and of nothing else
            order, rtt_s = echoed
            if rtt_s is not None:
                sender.rtt.sample(rtt_s)
            sender.rtt.progressed()
            sender.on_evidence(order)  # what was sent before it and is not acknowledged is lost
        return True

    # --- frames out ---

    def next_frame(self) -> tuple[bytes, Flight | None, int | None] | None:
        """Choose what goes now: a full ACK, LOSSY or LOG (LINK-20), DATA, an ACK or PING.

        Returns:
            The content, the flight that it carries and the number of the PING that it is; hand
            them to :meth:`handed_over`.
        """
        sender, lossy = self.sender, self._lossy
        may_ack = sender.ring.room_bytes >= 0  # LINK-14
        if may_ack and self.receiver.needs_full_ack and not self._repeats_first:
            return self.ack()
        if lossy.contents and lossy.turn and self._lossy_fits:
            return self._next_lossy()
        lossy.turn = True
        flight = sender.next_flight(FRAME_OVERHEAD_BYTES)
        if flight is not None:
            if flight.times > REPETITIONS_BEFORE and sender.in_pieces(flight):
                return self.piece(flight), flight, None
            return self.data(flight), flight, None
        if may_ack and self.wants_ack:
            return self.ack()
        if lossy.contents and self._lossy_fits:
            return self._next_lossy()
        return None

    @property
    def _repeats_first(self) -> bool:
        """Whether a repetition fits now, and would not behind an ACK (LINK-14)."""
        sender = self.sender
        return bool(sender.repeats) and (
            sender.sendable(FRAME_OVERHEAD_BYTES)
            and not sender.sendable(FRAME_OVERHEAD_BYTES + RING_RESERVE_BYTES)
        )

    @property
    def quiet(self) -> bool:
        """Whether there is certainly nothing to send; asked after every frame."""
        receiver, sender = self.receiver, self.sender
        return not (
            sender.queued_bytes
            or receiver.ack_now
            or sender.repeats
            or self.repeated
            or self.ping_wanted
            or self._lossy.contents
        )

    def handed_over(
        self,
        flight: Flight | None,
        ping: int | None,
        wire_bytes: int,
        now_s: float,
        departure_s: float,
    ) -> None:
        """Note that the frame chosen leaves, its last byte at ``departure_s``."""
        sender = self.sender
        if flight is not None:
            if flight.times:
                self.repeated = True
                if sender.piece_sent(flight, departure_s, wire_bytes):
                    return
            sender.sent(flight, departure_s, wire_bytes)
            return
        if ping is not None:
            self.pinged_s = now_s
            self._pings.sent(sender.next_order(), departure_s, sender.oldest, sender.credit)
            self.repeated = False
        sender.ring.charge(wire_bytes, departure_s, ping=ping)
        if ping is not None or sender.ring.in_use:
            self.probe_from_s = departure_s  # it may end a stall (LINK-14, LINK-15)

    @property
    def has_output(self) -> bool:
        """Whether :meth:`next_frame` would return a frame."""
        sender = self.sender
        return (
            (sender.ring.room_bytes >= 0 and self.wants_ack)
            or sender.sendable(FRAME_OVERHEAD_BYTES)
            or (bool(self._lossy.contents) and self._lossy_fits)
        )

    def data(self, flight: Flight) -> bytes:
        """Build a DATA frame's content; it acknowledges too."""
        receiver = self.receiver
        receiver.acknowledged()
        return self._data_head + bytes((flight.sequence, receiver.expected)) + flight.payload

    def piece(self, flight: Flight) -> bytes:
        """Build the next PIECE's content of a frame; it acknowledges too."""
        ack = self.receiver.expected
        self.receiver.acknowledged()
        return encode_piece(self.session, flight.sequence, ack, flight.payload, flight.cut_at)

    def ack(self) -> tuple[bytes, None, int | None]:
        """Build an ACK or, if one is wanted, a PING, whose number comes last."""
        receiver = self.receiver
        sack = receiver.sack
        ping = not receiver.echo_due and (
            self.ping_wanted or self.probes or (self.sender.ring.clogged and not sack)
        )
        if ping:
            self.ping_wanted = False
            self._pings.number_next()
        number = self._pings.newest if ping else receiver.echo
        kind = _PING if ping else _ACK
        body = _ACK_BODY.pack(receiver.expected, number, receiver.take_credit())
        if receiver.echo_due:
            receiver.echo_due -= 1
            receiver.ack_now = receiver.echo_due > 0
        content = bytes((kind,)) + self.head + body
        if sack and ping:
            receiver.ack_now = True  # a PING cannot say it: an ACK follows
        elif sack:
            content += sack.to_bytes(2, "little")
        return content, None, self._pings.newest if ping else None

    def _next_lossy(self) -> tuple[bytes, None, None]:
        """Take a LOSSY or LOG frame and put the session id behind its type byte."""
        content = self._lossy.pop()
        return content[:1] + self.head + content[1:], None, None

    def bye(self, reason: int) -> bytes:
        """Build a BYE's content."""
        return bytes((FrameType.BYE,)) + self.head + bytes((reason,))
