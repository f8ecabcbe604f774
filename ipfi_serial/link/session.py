"""The link: bytes of a bad line in, events and an exactly-once stream out, and back.

Pure state behind the five verbs of docs/design.md: no clock, no thread, no I/O.  Joins framing,
handshake, sender and receiver; docs/protocol.md sections 2 and 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ipfi_serial.errors import (
    DeviceResetError,
    EchoingLineError,
    HandshakeRefusedError,
    IpfiError,
    LinkLostError,
    WireClosedError,
)
from ipfi_serial.events import (
    LinkEvent,
    SessionLost,
    SessionOpened,
    TextReceived,
)
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import Text
from ipfi_serial.link.handshake import ECHOES_TO_GIVE_UP, Agreement, Handshake, is_hello
from ipfi_serial.link.parameters import (
    BOOT_CAUSES,
    HANDSHAKE_WIRE_BYTES,
    REFUSAL_REASONS,
    FrameType,
    Parameters,
    decode_refuse,
)
from ipfi_serial.link.states import TRANSITIONS, LinkInput, LinkState
from ipfi_serial.link.transfer import Transfer

HELLO_INTERVAL_S: Final = 0.25  # HS-1
HELLO_SLOWEST_S: Final = 1.0
READY_LIMIT: Final = 4  # HS-6
KEEPALIVE_S: Final = 1.0  # LINK-12
KEEPALIVE_FRAMES: Final = 20
PATIENCE_S: Final = 5.0  # LINK-13
PATIENCE_FRAMES: Final = 60
AHEAD_S: Final = 0.02  # LINK-18
FRAME_OVERHEAD_BYTES: Final = 13  # type, session, sequence, ack, CRC-32, COBS, two delimiters
BYE_LOST: Final = 2
HANDSHAKE_TYPES: Final = (FrameType.HELLO, FrameType.HELLO_ACK, FrameType.REFUSE)
EXTRA_CONTENT_BYTES: Final = 64  # FRAME-7


@dataclass(slots=True)
class LinkCounters:
    """What a link counts; nothing fails silently."""

    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    retransmissions: int = 0
    duplicates: int = 0
    stale_frames: int = 0
    malformed_frames: int = 0
    sessions: int = 0
    resets: int = 0
    lossy_dropped: int = 0


class Link:
    """One end of a framed wire.

    Args:
        own: what this end says of itself; the nonce in it is replaced.
        active: whether this end opens (sends HELLO until it is answered) or waits.
        floor: first session id that this end may use (HS-2); random at a host.
        new_nonce: source of 32-bit nonces; correctness does not rest on their being random.
        bytes_per_s: speed of the line, or None if it has none worth counting.
        text_line_bytes: longest line of text between frames.
        custom_profile: CRC profile for bit 7, configured at both ends.
    """

    def __init__(
        self,
        own: Parameters,
        *,
        active: bool,
        floor: int,
        new_nonce: Callable[[], int],
        bytes_per_s: float | None,
        lossy_queue_size: int = 8,
        text_line_bytes: int = 1024,
        custom_profile: CrcProfile | None = None,
    ) -> None:
        self.state = LinkState.CLOSED
        self.counters = LinkCounters()
        self._active = active
        self._bytes_per_s = bytes_per_s
        self._profiles: dict[int, CrcProfile] = {0: CRC16, 1: CRC32}
        if custom_profile is not None:
            self._profiles[custom_profile.bit] = custom_profile
        known = sum(1 << bit for bit in self._profiles)  # FRAME-6: offer only what we can compute
        own = replace(own, crc_profiles=own.crc_profiles & known)
        self._handshake = Handshake(own, floor, new_nonce)
        self._decoder = FrameDecoder(
            own.frame_payload + EXTRA_CONTENT_BYTES, text_line_bytes=text_line_bytes
        )
        self._live: Transfer | None = None
        self._candidate: Agreement | None = None
        self._events: deque[LinkEvent] = deque()
        self._control: deque[tuple[bytes, CrcProfile]] = deque()
        self._lossy: deque[bytes] = deque(maxlen=lossy_queue_size)
        self._lossy_turn = True
        self._line_free_s = 0.0
        self._line_idle = True
        self._busy = False
        self._work_since_s = 0.0
        self._heard_s = 0.0
        self._pinged_s = 0.0
        self._probe_from_s = 0.0  # when something last went out or came that may end a stall
        self._hello_due_s: float | None = None
        self._hello_sent_s = float("-inf")
        self._hello_interval_s = self._first_interval_s
        self._ready_count = 0
        self._ready_ping = 0
        self._handlers: dict[int, Callable[[bytes, float], None]] = {
            FrameType.HELLO: self._on_hello,
            FrameType.HELLO_ACK: self._on_hello_ack,
            FrameType.REFUSE: self._on_refuse,
            FrameType.READY: self._on_ready,
        }
        self._expect_profiles()

    # --- commands ---

    def open(self, now_s: float) -> None:
        """Begin: send HELLO (an active end again and again, a waiting one once, HS-11)."""
        self._advance(LinkInput.OPEN if self._active else LinkInput.LISTEN)
        self._heard_s = self._line_free_s = now_s
        self._hello_due_s = now_s

    def close(self, reason: int = 0) -> None:
        """Say goodbye if there is a session, and take no further part."""
        if self._live is not None:
            self._control.append((self._live.bye(reason), self._live.profile))
            error = WireClosedError("this end closed the wire")
            self._end_session(self._live, error, final=True)
        self._stop()

    def abort(self, error: IpfiError, now_s: float) -> None:
        """End the session because its stream cannot be trusted any more (MSG-6), and start anew."""
        if self._live is not None:
            self._control.append((self._live.bye(3), self._live.profile))
            self._restart(self._live, error, now_s)

    def push(self, data: bytes, now_s: float) -> None:
        """Queue stream bytes; dropped if there is no session, whose loss was then reported."""
        if self._live is not None:
            self._note_work(now_s)
            self._live.sender.push(data)

    def push_lossy(self, message: bytes) -> None:
        """Queue one message for a LOSSY frame (LINK-20)."""
        self._push_unnumbered(bytes((FrameType.LOSSY,)), message)

    def push_log(self, level: int, text: str) -> None:
        """Queue one line for a LOG frame (LINK-20)."""
        limit = max(0, self.lossy_limit_bytes - 1)
        whole = text.encode()[:limit].decode("utf-8", "ignore").encode()  # no half character
        self._push_unnumbered(bytes((FrameType.LOG,)), bytes((level,)) + whole)

    def set_busy(self, busy: bool, now_s: float) -> None:
        """Say whether calls or streams are open: then silence of the other end counts."""
        if busy:
            self._note_work(now_s)
        self._busy = busy

    def describe_as(self, schema: int) -> None:
        """Say this hash of our description in later handshakes (DESC-3)."""
        self._handshake.describe_as(schema)

    # --- the five verbs ---

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the line brought; never raises on it."""
        self.counters.bytes_received += len(data)
        for verdict in self._decoder.receive(data):
            if type(verdict) is bytes:
                self._on_frame(verdict, now_s)
            elif type(verdict) is Text:
                self._events.append(TextReceived(verdict.line))

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:
        """Hand over what may go on the line now, about ``max_bytes`` at most."""
        out: list[bytes] = []
        size = 0
        while size < max_bytes and not self._too_far_ahead(now_s):
            frame = self._next_frame(now_s)
            if frame is None:
                self._line_idle = True
                break
            out.append(frame)
            size += len(frame)
        self.counters.bytes_sent += size
        return b"".join(out) if len(out) != 1 else out[0]

    def next_event(self) -> LinkEvent | None:
        """Hand over the oldest event, or None."""
        return self._events.popleft() if self._events else None

    def next_deadline_s(self) -> float | None:
        """Return when :meth:`on_deadline` and :meth:`bytes_to_send` are due; pure."""
        due = [t for t in (self._hello_due_s, self._pacing_deadline_s()) if t is not None]
        live = self._live
        if live is not None:
            if live.receiver.ack_due_s is not None:
                due.append(live.receiver.ack_due_s)
            times = (self._retry_deadline_s(live), self._silence_deadline_s(live))
            due += [t for t in times if t is not None]
        return min(due) if due else None

    def on_deadline(self, now_s: float) -> None:
        """Act on what is due; early or stale calls are harmless."""
        live = self._live
        if live is not None:
            if live.receiver.ack_due_s is not None and now_s >= live.receiver.ack_due_s:
                live.receiver.ack_now = True
                live.receiver.ack_due_s = None
            retry_s = self._retry_deadline_s(live)
            if retry_s is not None and now_s >= retry_s:
                self._retry(live)
            self._check_silence(live, now_s)
        if self._hello_due_s is not None and now_s >= self._hello_due_s:
            self._hello_deadline(now_s)

    # --- queries ---

    @property
    def established(self) -> bool:
        """Whether a session stands."""
        return self._live is not None

    @property
    def agreement(self) -> Agreement | None:
        """Terms of the live session."""
        return self._live.agreement if self._live is not None else None

    @property
    def room_bytes(self) -> int:
        """How many more stream bytes are worth queueing: two windows; small messages overtake."""
        if self._live is None:
            return 0
        sender = self._live.sender
        return max(0, 2 * 16 * sender.frame_bytes - sender.queued_bytes)

    @property
    def flushed(self) -> bool:
        """Whether everything queued was handed over and acknowledged."""
        return not self._control and (self._live is None or self._live.sender.idle)

    @property
    def lossy_limit_bytes(self) -> int:
        """Largest message that fits a LOSSY frame now."""
        return self._live.largest_frame if self._live is not None else 0

    @property
    def decoder(self) -> FrameDecoder:
        """The frame decoder, for its counters."""
        return self._decoder

    def session_counts(self) -> tuple[int, int]:
        """Return retransmissions and duplicates of the live session."""
        if self._live is None:
            return 0, 0
        return self._live.sender.retransmissions, self._live.receiver.duplicates

    def smoothed_rtt_s(self) -> float | None:
        """Return the smoothed round-trip time, or None before the first sample."""
        return self._live.sender.rtt.smoothed_s if self._live is not None else None

    # --- frames in ---

    def _on_frame(self, content: bytes, now_s: float) -> None:
        self.counters.frames_received += 1
        handler = self._handlers.get(content[0])
        if handler is not None:
            handler(content, now_s)
            return
        live = self._live
        if live is not None and live.owns(content):
            self._heard_s = now_s
            if content[0] == FrameType.ACK:
                self._probe_from_s = now_s  # it may have brought credit or cleared the ring
            if content[0] == FrameType.BYE:
                self._on_bye(live, content, now_s)
            elif not live.on_frame(content, now_s, self._events):
                self.counters.malformed_frames += 1
        else:
            self._on_foreign(content, now_s)

    def _on_foreign(self, content: bytes, now_s: float) -> None:
        """Take a frame of no live session: the echo of READY, or a sign of a lost one (HS-11)."""
        candidate = self._candidate
        if (
            candidate is not None
            and content[0] == FrameType.ACK
            and content[1:3] == candidate.session.to_bytes(2, "little")
            and len(content) > 4
            and (self._ready_ping - content[4]) & 0xFF < self._ready_count  # a READY of ours
        ):
            self._advance(LinkInput.CONFIRMED)
            self._start_session(candidate, now_s).number_pings_from(self._ready_ping)
            return
        self.counters.stale_frames += 1
        self._announce(now_s)

    def _on_hello(self, content: bytes, now_s: float) -> None:
        if not is_hello(content) or self.state is LinkState.CLOSED:
            self.counters.malformed_frames += 1
            return
        theirs = Parameters.decode(content)
        acceptable = theirs.version == self._handshake.own.version and theirs.valid
        trying = self.state in (LinkState.CONNECTING, LinkState.UNCONFIRMED)
        if acceptable and self._handshake.is_echo(theirs):
            self._on_echo(trying=trying)
            return
        if acceptable and trying and self._handshake.own.rank > theirs.rank:
            self._win_glare(now_s)
            return
        answer = self._handshake.answer(content)  # HS-3
        self._queue_newest(answer, CRC16, FrameType.HELLO_ACK, FrameType.REFUSE)
        if trying and self._hello_due_s is not None:
            self._hello_due_s = now_s + 2 * self._hello_interval_s
        self._expect_profiles()

    def _queue_newest(self, content: bytes, profile: CrcProfile, *instead_of: FrameType) -> None:
        """Queue a handshake frame in place of one that has not left: only the newest counts."""
        unsent = [entry for entry in self._control if entry[0][0] in instead_of]
        for entry in unsent:
            self._control.remove(entry)
        self._control.append((content, profile))

    def _win_glare(self, now_s: float) -> None:
        """The other end opens too, and ours goes on (HS-8)."""
        if self.state is LinkState.CONNECTING:
            again_s = self._hello_sent_s + self._hello_interval_s / 2
            self._hello_due_s = min(self._hello_due_s or now_s, max(now_s, again_s))

    def _on_echo(self, *, trying: bool) -> None:
        self.counters.stale_frames += 1
        if not trying:
            return
        self._handshake.echoes += 1
        if self._handshake.echoes >= ECHOES_TO_GIVE_UP:
            self._give_up(EchoingLineError())
            return
        self._handshake.begin_attempt()

    def _on_hello_ack(self, content: bytes, now_s: float) -> None:
        if self.state not in (LinkState.CONNECTING, LinkState.UNCONFIRMED, LinkState.LISTENING):
            self.counters.stale_frames += 1
            return
        agreement = self._handshake.accept(content)
        if agreement is None:
            self.counters.stale_frames += 1
            return
        self._handshake.echoes = 0
        self._advance(LinkInput.HELLO_ACKED)
        self._candidate = agreement
        self._ready_count = 0
        self._hello_interval_s = self._first_interval_s
        self._hello_due_s = now_s
        self._expect_profiles()

    def _on_refuse(self, content: bytes, now_s: float) -> None:  # noqa: ARG002 - one shape for all
        refusal = decode_refuse(content)
        if refusal is None or refusal[2] != self._handshake.own.nonce:
            self.counters.stale_frames += 1
            return
        if self.state in (LinkState.CONNECTING, LinkState.UNCONFIRMED):
            version, reason, _ = refusal
            self._give_up(
                HandshakeRefusedError(
                    REFUSAL_REASONS.get(reason, f"reason {reason}"),
                    self._handshake.own.version,
                    version,
                )
            )

    def _on_ready(self, content: bytes, now_s: float) -> None:
        if len(content) != 4:
            self.counters.malformed_frames += 1
            return
        session = content[1] | content[2] << 8
        pending = self._handshake.pending
        live = self._live
        if pending is not None and pending.session == session:
            if live is not None:
                self.counters.resets += 1
                cause = pending.theirs.boot_cause
                name = BOOT_CAUSES[cause] if cause < len(BOOT_CAUSES) else f"cause {cause}"
                self._end_session(live, DeviceResetError(name), final=False)
            self._advance(LinkInput.PEER_READY)
            live = self._start_session(pending, now_s)
        elif live is None or live.session != session or live.agreement.initiated or live.peer_spoke:
            self.counters.stale_frames += 1
            self._announce(now_s)
            return
        self._heard_s = now_s
        live.answer_ping(content[3])

    def _announce(self, now_s: float) -> None:
        """Say HELLO once, since the other end believes in a session that we do not have (HS-11)."""
        if self.state is LinkState.LISTENING and self._hello_due_s is None:
            self._hello_due_s = max(now_s, self._hello_sent_s + self._hello_interval_s)

    def _on_bye(self, live: Transfer, content: bytes, now_s: float) -> None:
        reason = content[3] if len(content) > 3 else 0
        error = WireClosedError("the other end closed the wire")
        if reason == 0 and self._active:
            self._end_session(live, error, final=True)
            self._stop()
        elif reason == 0:
            self._restart(live, error, now_s)
        else:
            self._restart(live, DeviceResetError("it ended the session"), now_s)

    # --- sessions ---

    def _start_session(self, agreement: Agreement, now_s: float) -> Transfer:
        profile = self._profiles[agreement.profile]
        live = Transfer(agreement, profile, self._bytes_per_s)
        self._live = live
        self._candidate = None
        self._handshake.pending = None
        self._hello_due_s = None
        self._hello_interval_s = self._first_interval_s
        self._heard_s = self._pinged_s = self._probe_from_s = now_s
        self._expect_profiles()
        self.counters.sessions += 1
        self._events.append(SessionOpened())
        return live

    def _end_session(self, live: Transfer, reason: IpfiError, *, final: bool) -> None:
        self.counters.retransmissions += live.sender.retransmissions
        self.counters.duplicates += live.receiver.duplicates
        self._live = None
        self._busy = False
        self._lossy.clear()
        self._events.append(SessionLost(reason, final))

    def _restart(self, live: Transfer, reason: IpfiError, now_s: float) -> None:
        """End the live session and look for a new one (LINK-19)."""
        self._end_session(live, reason, final=False)
        self._seek(now_s)

    def _seek(self, now_s: float) -> None:
        self._candidate = None
        self._advance(LinkInput.LOST_ACTIVE if self._active else LinkInput.LOST_PASSIVE)
        self._handshake.begin_attempt()
        self._hello_due_s = now_s if self._active else None
        self._expect_profiles()

    def _give_up(self, reason: IpfiError) -> None:
        self._stop()
        self._events.append(SessionLost(reason, final=True))

    def _stop(self) -> None:
        """Take no further part: whatever comes finds no session to begin or to confirm."""
        self._candidate = None
        self._handshake.pending = None
        self._hello_due_s = None
        self._advance(LinkInput.CLOSE)

    def _expect_profiles(self) -> None:
        """Tell the decoder which CRCs a session frame may carry now."""
        agreements = (
            self._live.agreement if self._live is not None else None,
            self._handshake.pending,
            self._candidate,
        )
        profiles = {self._profiles[a.profile] for a in agreements if a is not None}
        expected = profiles or self._profiles.values()  # without a session: those of a lost one
        self._decoder.profiles = tuple(sorted(expected, key=lambda p: -p.bit))

    def _advance(self, happened: LinkInput) -> None:
        self.state = TRANSITIONS[self.state, happened]

    # --- frames out ---

    def _next_frame(self, now_s: float) -> bytes | None:
        if self._control:
            content, profile = self._control.popleft()
            return self._wrap(content, profile, now_s)
        live = self._live
        if live is None:
            return None
        may_ack = not live.sender.ring_overdrawn
        if live.needs_full_ack and may_ack:
            return self._send_ack(live, now_s)
        if self._lossy and self._lossy_turn and live.lossy_fits(self._lossy[0]):
            self._lossy_turn = False
            wire = self._wrap(live.head(self._lossy[0]), live.profile, now_s)
            self._lossy.popleft()
            self._charge(live, len(wire), ping=None)
            return wire
        self._lossy_turn = True
        flight = live.sender.next_flight(FRAME_OVERHEAD_BYTES)
        if flight is not None:
            again = flight.times > 0
            wire = self._wrap(live.data(flight), live.profile, now_s, lead=again)
            live.sender.sent(flight, self._line_free_s, len(wire))
            live.repeated = live.repeated or again
            return wire
        if may_ack and live.wants_ack:
            return self._send_ack(live, now_s)
        if self._lossy and live.lossy_fits(self._lossy[0]):
            return self._next_frame(now_s)
        return None

    def _send_ack(self, live: Transfer, now_s: float) -> bytes:
        content, ping = live.ack()
        if ping is not None:
            self._pinged_s = now_s
        wire = self._wrap(content, live.profile, now_s)
        if ping is not None:
            live.ping_sent(self._line_free_s)
        self._charge(live, len(wire), ping=ping)
        return wire

    def _charge(self, live: Transfer, wire_bytes: int, *, ping: int | None) -> None:
        """Charge a frame that is no DATA; it may end a stall (LINK-14, LINK-15)."""
        live.sender.charge(wire_bytes, ping=ping)
        if ping is not None or live.sender.ring_in_use:
            self._probe_from_s = self._line_free_s

    def _wrap(
        self, content: bytes, profile: CrcProfile, now_s: float, *, lead: bool = False
    ) -> bytes:
        wire = encode_frame(content, profile)
        if lead or self._line_idle:
            wire = b"\x00" + wire
            self._line_idle = False
        self.counters.frames_sent += 1
        if self._bytes_per_s is None:
            self._line_free_s = now_s
        else:
            self._line_free_s = max(now_s, self._line_free_s) + len(wire) / self._bytes_per_s
        return wire

    def _push_unnumbered(self, head: bytes, body: bytes) -> None:
        if self._live is None or len(body) > self._live.largest_frame:
            self.counters.lossy_dropped += 1
            return
        if len(self._lossy) == self._lossy.maxlen:
            self.counters.lossy_dropped += 1
        self._lossy.append(head + body)

    # --- time ---

    @property
    def _first_interval_s(self) -> float:
        return max(HELLO_INTERVAL_S, 2 * self._wire_s(HANDSHAKE_WIRE_BYTES))

    @property
    def _frame_time_s(self) -> float:
        size = self._live.largest_frame if self._live is not None else 64
        return self._wire_s(size + FRAME_OVERHEAD_BYTES)

    @property
    def keepalive_s(self) -> float:
        """Silence after which a PING is sent while work is pending (LINK-12)."""
        return max(KEEPALIVE_S, KEEPALIVE_FRAMES * self._frame_time_s)

    @property
    def patience_s(self) -> float:
        """Silence after which the session is lost while work is pending (LINK-13)."""
        return max(PATIENCE_S, PATIENCE_FRAMES * self._frame_time_s)

    def _wire_s(self, size_bytes: float) -> float:
        return 0.0 if self._bytes_per_s is None else size_bytes / self._bytes_per_s

    def _ahead_s(self) -> float:
        return max(AHEAD_S, 2 * self._frame_time_s)

    def _too_far_ahead(self, now_s: float) -> bool:
        # the very sum that _pacing_deadline_s returns: rounded otherwise, it would be due for ever
        return self._bytes_per_s is not None and now_s < self._line_free_s - self._ahead_s()

    def _pacing_deadline_s(self) -> float | None:
        """Return when more may be handed over, if there is something to hand over."""
        if self._bytes_per_s is None or self._line_idle or not self._has_output():
            return None
        return self._line_free_s - self._ahead_s()

    def _has_output(self) -> bool:
        live = self._live
        if self._control or live is None:
            return bool(self._control)
        return (
            (live.wants_ack and not live.sender.ring_overdrawn)
            or live.sender.sendable(FRAME_OVERHEAD_BYTES)
            or bool(self._lossy and live.lossy_fits(self._lossy[0]))
        )

    def _hello_deadline(self, now_s: float) -> None:
        candidate = self._candidate
        if candidate is not None and self._ready_count < READY_LIMIT:
            self._send_ready(candidate, now_s)
            return
        if candidate is not None:  # HS-6: it is not going to be confirmed
            self._seek(now_s)
            if not self._active:
                return
        self._queue_newest(self._handshake.hello, CRC16, FrameType.HELLO, FrameType.READY)
        self._hello_sent_s = max(now_s, self._line_free_s) + self._wire_s(HANDSHAKE_WIRE_BYTES / 2)
        if self.state is LinkState.LISTENING:
            self._hello_due_s = None
            return
        self._repeat_after(self._hello_sent_s)

    def _send_ready(self, candidate: Agreement, now_s: float) -> None:
        self._ready_count += 1
        self._ready_ping = (self._ready_ping + 1) & 0xFF
        ready = bytes((FrameType.READY,)) + candidate.session.to_bytes(2, "little")
        ready += bytes((self._ready_ping,))
        profile = self._profiles[candidate.profile]
        self._queue_newest(ready, profile, FrameType.HELLO, FrameType.READY)
        self._repeat_after(max(now_s, self._line_free_s))

    def _repeat_after(self, sent_s: float) -> None:
        """Send HELLO or READY again after the interval, which grows (HS-1)."""
        self._hello_due_s = sent_s + self._hello_interval_s
        slowest_s = max(HELLO_SLOWEST_S, 8 * self._wire_s(HANDSHAKE_WIRE_BYTES))
        self._hello_interval_s = min(self._hello_interval_s * 1.5, slowest_s)

    def _retry_deadline_s(self, live: Transfer) -> float | None:
        """Return when the oldest frame is overdue, or a stalled sender should probe (LINK-15)."""
        due_s = live.sender.deadline_s(self._bytes_per_s, FRAME_OVERHEAD_BYTES)
        if due_s is None and self._blocked(live):
            rto_s = live.sender.rtt.rto_s(self._frame_time_s)
            due_s = self._probe_from_s + min(rto_s * (1 << live.sender.probes), self.keepalive_s)
        return due_s

    def _blocked(self, live: Transfer) -> bool:
        """Whether something waits for credit or ring, and for nothing that is under way."""
        if live.sender.ring_overdrawn:
            return live.wants_ack or live.stalled or bool(self._lossy)
        if live.ping_wanted:
            return False
        if live.ping_overdue_matters:
            return True
        return live.stalled or bool(self._lossy and not live.lossy_fits(self._lossy[0]))

    def _retry(self, live: Transfer) -> None:
        if live.sender.flights:
            live.expired()
        else:
            live.sender.probed()
            live.ping_wanted = True

    @property
    def _work_pending(self) -> bool:
        return self._busy or (self._live is not None and not self._live.sender.idle)

    def _note_work(self, now_s: float) -> None:
        if not self._work_pending:
            self._work_since_s = now_s

    def _silence_since_s(self) -> float | None:
        return max(self._heard_s, self._work_since_s) if self._work_pending else None

    def _silence_deadline_s(self, live: Transfer) -> float | None:
        since_s = self._silence_since_s()
        if since_s is None:
            return None
        lost_s = since_s + self.patience_s
        if live.ping_wanted:
            return lost_s
        return min(lost_s, max(since_s, self._pinged_s) + self.keepalive_s)

    def _check_silence(self, live: Transfer, now_s: float) -> None:
        since_s = self._silence_since_s()
        if since_s is None:
            return
        if now_s >= since_s + self.patience_s:
            silent_s = now_s - since_s
            self._control.append((live.bye(BYE_LOST), live.profile))
            self._restart(
                live,
                LinkLostError(
                    f"nothing valid was heard for {silent_s:.1f} s: check wiring, baud rate and "
                    "that the firmware is running",
                    silent_s,
                ),
                now_s,
            )
        elif now_s >= max(since_s, self._pinged_s) + self.keepalive_s:
            live.ping_wanted = True
