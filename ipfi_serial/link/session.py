"""The link: bytes of a bad line in, events and an exactly-once stream out, and back.

Pure state behind the five verbs of docs/design.md: no clock, no thread, no I/O.  Joins framing,
opening, transfer, silence and line; docs/protocol.md sections 2 and 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ipfi_serial.errors import DeviceResetError, IpfiError, NoSessionError, WireClosedError
from ipfi_serial.events import LinkEvent, SessionLost, SessionOpened, TextReceived
from ipfi_serial.framing.crc import CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, cut_behind_delimiters
from ipfi_serial.framing.verdict import Rejected, RejectReason, Text, Verdict
from ipfi_serial.link.counters import LinkCounters
from ipfi_serial.link.deadlines import sooner
from ipfi_serial.link.handshake import Agreement, Handshake
from ipfi_serial.link.line import Line
from ipfi_serial.link.lossy import LossyQueue
from ipfi_serial.link.opening import Opening
from ipfi_serial.link.parameters import (
    Extension,
    FrameType,
    Goodbye,
    Parameters,
    boot_cause_name,
    decode_ready,
)
from ipfi_serial.link.pieces import OFFERED_ABOVE
from ipfi_serial.link.profiles import Profiles
from ipfi_serial.link.silence import Remedy, Silence
from ipfi_serial.link.transfer import Transfer
from ipfi_serial.link.view import LinkView

EXTRA_CONTENT_BYTES: Final = 64  # FRAME-7
_HELLO: Final = int(FrameType.HELLO)  # plain numbers are found and compared faster
_READY: Final = int(FrameType.READY)
_BYE: Final = int(FrameType.BYE)


class Link(LinkView):
    """One end of a framed wire.

    Args:
        own: what this end says of itself; the nonce in it is replaced.
        active: whether this end opens (sends HELLO until it is answered) or waits.
        floor: first session id that this end may use, random; 0 if it remembers none (HS-2).
        new_nonce: source of 32-bit nonces that differ from life to life (HS-3).
        bytes_per_s: speed of the line, or None if it has none worth counting.
        lossy_queue_size: LOSSY and LOG frames that may wait (LINK-20).
        text_line_bytes: longest line of text between frames.
        custom_profile: CRC profile for bit 7, configured at both ends.

    Attributes:
        counters: sums over all sessions.
        decoder: the frame decoder, for its counters.
        events: what happened, the oldest first; :meth:`next_event` takes it from here.
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
        self.counters = LinkCounters()
        self._active = active
        self._bytes_per_s = bytes_per_s
        self._profiles = Profiles(custom_profile)
        own = replace(own, crc_profiles=own.crc_profiles & self._profiles.mask)
        if own.frame_payload > OFFERED_ABOVE:
            own = replace(own, extensions=own.extensions | Extension.PIECE)
        self._handshake = Handshake(own, floor, new_nonce)
        self._opening = Opening(self._handshake, active=active, bytes_per_s=bytes_per_s)
        self.decoder = FrameDecoder(
            own.frame_payload + EXTRA_CONTENT_BYTES, text_line_bytes=text_line_bytes
        )
        self._line = Line(bytes_per_s)
        self._silence = Silence()
        self._live: Transfer | None = None
        self.events: deque[LinkEvent] = deque()
        self._lossy = LossyQueue(lossy_queue_size)
        self._expect_session()

    # --- commands ---

    def set_speed(self, bytes_per_s: float) -> None:
        """Take the speed of the line from now on, above 0; the handshake's intervals stay."""
        self._bytes_per_s = bytes_per_s
        live = self._live
        if live is not None:
            live.set_speed(bytes_per_s)
            self._silence.set_frame_time(live.frame_time_s)
        self._line.set_speed(bytes_per_s, live)

    def open(self, now_s: float) -> None:
        """Begin: send HELLO (an active end again and again, a waiting one once, HS-11)."""
        self._opening.begin(now_s)
        self._line.free_s = now_s

    def close(self, reason: int = 0) -> None:
        """Say goodbye if there is a session, and take no further part."""
        if self._live is not None:
            self._line.control.append((self._live.bye(reason), self._live.profile))
            error = WireClosedError("this end closed the wire")
            self._end_session(self._live, error, final=True)
        self._opening.stop()
        self._expect_session()

    def abort(self, error: IpfiError, now_s: float) -> None:
        """End the session because its stream cannot be trusted any more (MSG-6), and start anew."""
        if self._live is not None:
            self._line.control.append((self._live.bye(Goodbye.CORRUPTED), self._live.profile))
            self._restart(self._live, error, now_s)

    def push(self, data: bytes, now_s: float) -> None:
        """Queue stream bytes; dropped if there is no session, whose loss was then reported."""
        live = self._live
        if live is not None:
            if not self._silence.busy:
                self._silence.note_work(now_s, idle=live.sender.idle)
            live.sender.push(data)

    def push_lossy(self, message: bytes) -> None:
        """Queue one message for a LOSSY frame (LINK-20)."""
        if self._live is None or not self._lossy.push(message, self._live.largest_frame):
            self.counters.lossy_dropped += 1

    def push_log(self, level: int, text: str) -> None:
        """Queue one line for a LOG frame (LINK-20)."""
        if self._live is None or not self._lossy.push_log(level, text, self._live.largest_frame):
            self.counters.lossy_dropped += 1

    def set_busy(self, busy: bool, now_s: float) -> None:
        """Say whether calls or streams are open: then silence of the other end counts."""
        if busy:
            self._silence.note_work(now_s, idle=self._live is None or self._live.sender.idle)
        self._silence.busy = busy

    def describe_as(self, schema: int) -> None:
        """Say this hash of our description in later handshakes (DESC-3)."""
        self._handshake.describe_as(schema)

    # --- the five verbs ---

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the line brought; never raises on it."""
        self.counters.bytes_received += len(data)
        # READY, whose type COBS keeps, may begin the session that the next frame is sealed for
        settled = self._live is not None and (
            self._handshake.pending is None or not (_READY in data or self.decoder.buffered_bytes)
        )
        for piece in (data,) if settled else cut_behind_delimiters(data):
            for verdict in self.decoder.receive(piece):
                if type(verdict) is bytes:
                    self._on_frame(verdict, now_s)
                else:
                    self._on_no_frame(verdict, now_s)

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:
        """Hand over what may go on the line now, about ``max_bytes`` at most."""
        frames = self._line.hand_over(self._live, now_s, max_bytes)
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        self.counters.frames_sent += len(frames)
        self.counters.bytes_sent += len(data)
        return data

    def next_event(self) -> LinkEvent | None:
        """Hand over the oldest event, or None."""
        return self.events.popleft() if self.events else None

    def next_deadline_s(self) -> float | None:
        """Return when :meth:`on_deadline` and :meth:`bytes_to_send` are due; pure."""
        live, silence = self._live, self._silence
        due_s = self._opening.due_s
        if self._bytes_per_s is not None:
            due_s = sooner(due_s, self._line.deadline_s(live))
        if live is None:
            return due_s
        due_s = sooner(due_s, live.deadline_s(silence.keepalive_s))
        if silence.busy or not live.sender.idle:
            due_s = sooner(due_s, silence.deadline_s(self._again_s(live), asked=live.ping_wanted))
        return due_s

    def on_deadline(self, now_s: float) -> None:
        """Act on what is due; early or stale calls are harmless."""
        live = self._live
        if live is not None:
            live.on_deadline(now_s, self._silence.keepalive_s)
            self._check_silence(live, now_s)
        if self._opening.due_s is not None and now_s >= self._opening.due_s:
            self._speak(now_s)

    # --- frames in ---

    def _on_no_frame(self, verdict: Verdict, now_s: float) -> None:
        if isinstance(verdict, Text):
            self.events.append(TextReceived(verdict.line))
        elif isinstance(verdict, Rejected) and verdict.reason is RejectReason.FOREIGN:
            self.counters.stale_frames += 1
            self._opening.announce(now_s)

    def _on_frame(self, content: bytes, now_s: float) -> None:
        self.counters.frames_received += 1
        kind = content[0]
        if _HELLO <= kind <= _READY:
            handle = self._on_ready if kind == _READY else self._on_handshake
            handle(content, now_s)
            return
        live = self._live
        if live is None or content[1:3] != live.head:
            self._on_foreign(content, now_s)
            return
        self._silence.heard_s = now_s
        if kind == _BYE:
            self._on_bye(live, content, now_s)
        elif not live.on_frame(content, now_s, self.events):
            self._on_odd(live, now_s)

    def _on_odd(self, live: Transfer, now_s: float) -> None:
        """Take a frame of the session that is none, or shows that the other end lost its state."""
        if live.peer_forgot:  # LINK-22
            self.counters.resets += 1
            self.abort(DeviceResetError("it forgot the session"), now_s)
        else:
            self.counters.malformed_frames += 1

    def _on_foreign(self, content: bytes, now_s: float) -> None:
        """Take a frame of no live session: the echo of READY, or a sign of a lost one (HS-11)."""
        agreement = self._opening.on_foreign(content)
        if agreement is not None:
            self._start_session(agreement, now_s).number_pings_from(self._opening.ready_ping)
        elif self._opening.on_bye(content, now_s):
            self._expect_session()
        else:
            self.counters.stale_frames += 1
            self._opening.announce(now_s)

    def _on_handshake(self, content: bytes, now_s: float) -> None:
        """Take a HELLO, HELLO_ACK or REFUSE."""
        reaction = self._opening.on_frame(content, now_s)
        self.counters.stale_frames += reaction.stale
        self.counters.malformed_frames += reaction.malformed
        if self._live is not None and content[0] == _HELLO:
            self._live.peer_spoke = True  # whose READY is heard from now on may be of a new life
        if reaction.reply:
            self._line.control.append_newest(reaction.reply, reaction.copies)
        if reaction.agreed or reaction.failure is not None:
            self._expect_session()
        if reaction.failure is not None:
            self.events.append(SessionLost(reaction.failure, final=True))

    def _on_ready(self, content: bytes, now_s: float) -> None:
        ready = decode_ready(content)
        if ready is None:
            self.counters.malformed_frames += 1
            return
        session, ping, confirm = ready
        live, copies = self._live, 1
        agreement = self._opening.on_ready(session, confirm)
        if agreement is not None:
            if live is not None:
                self.counters.resets += 1
                reason = DeviceResetError(boot_cause_name(agreement.theirs.boot_cause))
                self._end_session(live, reason, final=False)
            live = self._start_session(agreement, now_s)
        elif live is None or not live.repeats_ready(session, confirm):
            self.counters.stale_frames += 1
            self._opening.announce(now_s)
            return
        else:
            copies = self._opening.answer_copies
        self._silence.heard_s = now_s
        live.receiver.answer(ping, copies)

    def _on_bye(self, live: Transfer, content: bytes, now_s: float) -> None:
        if len(content) != 4:
            self.counters.malformed_frames += 1
            return
        reason = content[3]
        if reason == 0 and self._active:
            self._end_session(live, WireClosedError("the other end closed the wire"), final=True)
            self._opening.stop()
        elif reason == 0:
            self._restart(live, NoSessionError("the host said goodbye"), now_s)
        else:
            self._restart(live, DeviceResetError("it ended the session"), now_s)

    # --- the handshake's frames out ---

    def _speak(self, now_s: float) -> None:
        """Say HELLO or READY, which is due."""
        said = self._opening.on_deadline(now_s, self._line.free_s)
        self._expect_session()  # the candidate may have been given up
        if said is not None:
            self._line.control.append_newest(said, self._opening.copies)

    # --- sessions ---

    def _start_session(self, agreement: Agreement, now_s: float) -> Transfer:
        profile = self._profiles.of(agreement)
        live = Transfer(agreement, profile, self._bytes_per_s, self._lossy, now_s)
        self._live = live
        self._line.expect_frames(live.largest_frame)
        self._silence.begin(now_s, live.frame_time_s)
        self._expect_session()
        self.counters.sessions += 1
        self.events.append(SessionOpened())
        return live

    def _end_session(self, live: Transfer, reason: IpfiError, *, final: bool) -> None:
        self.counters.retransmissions += live.sender.retransmissions
        self.counters.duplicates += live.receiver.duplicates
        self._live = None
        self._expect_session()
        self._line.expect_frames()
        self._silence.busy = False
        self._lossy.clear()
        self.events.append(SessionLost(reason, final))

    def _restart(self, live: Transfer, reason: IpfiError, now_s: float) -> None:
        """End the live session and look for a new one (LINK-19)."""
        self._end_session(live, reason, final=False)
        self._opening.seek(now_s)

    def _expect_session(self) -> None:
        """Tell the decoder of which session a frame may be now: no other one's CRC will hold."""
        agreement = self._opening.candidate if self._live is None else self._live.agreement
        self.decoder.profiles = () if agreement is None else (self._profiles.of(agreement),)

    # --- silence ---

    def _again_s(self, live: Transfer) -> float:
        """Return when a PING without an answer may be followed by the next (LINK-12)."""
        silence = self._silence
        if live.pinged_s <= silence.heard_s:
            return 0.0
        return live.pinged_s + live.ping_interval_s(silence.keepalive_s)

    def _check_silence(self, live: Transfer, now_s: float) -> None:
        silence = self._silence
        if live.sender.idle and not silence.busy:
            return
        remedy = silence.remedy(now_s, self._again_s(live))
        if remedy is Remedy.ASK:
            live.ping_wanted = True
        elif remedy is Remedy.GIVE_UP:
            self._line.control.append((live.bye(Goodbye.LOST), live.profile))
            self._restart(live, silence.lost(now_s, wired=self._bytes_per_s is not None), now_s)
