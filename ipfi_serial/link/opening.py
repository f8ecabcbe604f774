"""Handshake frames and the clock in, what to say and the sessions agreed on out.

Decides when HELLO and READY go out, what a glare, an echo or a refusal means, and which state this
end is in.  What was said before is in :mod:`ipfi_serial.link.handshake`; the session itself is not
its business.  docs/protocol.md 3.3.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ipfi_serial.errors import EchoingLineError, HandshakeRefusedError, IpfiError
from ipfi_serial.link.beat import ANSWER_COPIES, copies
from ipfi_serial.link.handshake import ECHOES_TO_GIVE_UP, Agreement, Handshake, is_hello
from ipfi_serial.link.parameters import (
    HANDSHAKE_WIRE_BYTES,
    REFUSAL_REASONS,
    FrameType,
    Parameters,
    decode_refuse,
    encode_ready,
)
from ipfi_serial.link.states import TRANSITIONS, LinkInput, LinkState

HELLO_INTERVAL_S: Final = 0.25  # HS-1
HELLO_SLOWEST_S: Final = 1.0
INTERVAL_GROWTH: Final = 1.5
READY_LIMIT: Final = 6  # HS-6
TRYING: Final = (LinkState.CONNECTING, LinkState.UNCONFIRMED)


class Reaction(NamedTuple):
    """What a handshake frame calls for.

    Attributes:
        reply: content of the answer, or nothing.
        copies: how often the answer goes out.
        agreed: whether the sessions that may come are others now.
        failure: why the attempt ends for good, or None.
        stale: whether the frame belongs to no attempt of now.
        malformed: whether it is no frame to be taken at all.
    """

    reply: bytes = b""
    copies: int = 1
    agreed: bool = False
    failure: IpfiError | None = None
    stale: bool = False
    malformed: bool = False


NOTHING: Final = Reaction()
AGREED: Final = Reaction(agreed=True)
STALE: Final = Reaction(stale=True)
MALFORMED: Final = Reaction(malformed=True)


class Opening:
    """How one end gets from closed to a session, and back.

    Attributes:
        state: where this end stands.
        candidate: the session that we entered as initiator and that is not confirmed yet.
        due_s: when :meth:`on_deadline` is due, or None.
        ready_ping: number of the newest READY.
        copies: how often what :meth:`on_deadline` returned goes out.
        answer_copies: how often the answer to what was repeated goes out.
    """

    __slots__ = (
        "_active",
        "_first_interval_s",
        "_handshake",
        "_hello_sent_s",
        "_interval_s",
        "_ready_count",
        "_slowest_s",
        "_unanswered",
        "_wire_s",
        "answer_copies",
        "candidate",
        "copies",
        "due_s",
        "ready_ping",
        "state",
    )

    def __init__(self, handshake: Handshake, *, active: bool, bytes_per_s: float | None) -> None:
        self._handshake = handshake
        self._active = active
        self._wire_s = HANDSHAKE_WIRE_BYTES / bytes_per_s if bytes_per_s is not None else 0.0
        self._first_interval_s = max(HELLO_INTERVAL_S, 2 * self._wire_s)
        self._slowest_s = max(HELLO_SLOWEST_S, 8 * self._wire_s)
        self._interval_s = self._first_interval_s
        self._hello_sent_s = float("-inf")
        self._ready_count = 0
        self._unanswered = 0  # HELLOs and READYs since the last session, copies not counted
        self.copies = 1
        # not on a slow line, where a repetition may just mean that the answer takes its time
        self.answer_copies = ANSWER_COPIES if self._quick else 1
        self.ready_ping = 0
        self.state = LinkState.CLOSED
        self.candidate: Agreement | None = None
        self.due_s: float | None = None

    # --- commands ---

    def begin(self, now_s: float) -> None:
        """Say HELLO (an active end again and again, a waiting one once, HS-11)."""
        self._advance(LinkInput.OPEN if self._active else LinkInput.LISTEN)
        self.due_s = now_s

    def seek(self, now_s: float) -> None:
        """Look for a new session, the old one or the candidate being lost (LINK-19, HS-6)."""
        self.candidate = None
        self._advance(LinkInput.LOST_ACTIVE if self._active else LinkInput.LOST_PASSIVE)
        self._handshake.begin_attempt()
        self.due_s = now_s if self._active else None

    def stop(self) -> None:
        """Take no further part: whatever comes finds no session to begin or to confirm."""
        self.candidate = None
        self._handshake.pending = None
        self.due_s = None
        self._advance(LinkInput.CLOSE)

    def announce(self, now_s: float) -> None:
        """Say HELLO once, since the other end believes in a session that we do not have (HS-11)."""
        if self.state is LinkState.LISTENING and self.due_s is None:
            self.due_s = max(now_s, self._hello_sent_s + self._interval_s)

    # --- frames in ---

    def on_frame(self, content: bytes, now_s: float) -> Reaction:
        """Take a HELLO, HELLO_ACK or REFUSE."""
        if content[0] == FrameType.HELLO:
            return self._on_hello(content, now_s)
        if content[0] == FrameType.HELLO_ACK:
            return self._on_hello_ack(content, now_s)
        return self._on_refuse(content)

    def _on_hello(self, content: bytes, now_s: float) -> Reaction:
        """Take a HELLO: answer it (HS-3), unless it is an echo (HS-9) or the lesser one (HS-8)."""
        if not is_hello(content) or self.state is LinkState.CLOSED:
            return MALFORMED
        handshake = self._handshake
        theirs = Parameters.decode(content)
        acceptable = theirs.version == handshake.own.version and theirs.valid
        trying = self.state in TRYING
        if acceptable and handshake.is_echo(theirs):
            return self._on_echo() if trying else STALE
        if acceptable and trying and handshake.own.rank > theirs.rank:
            self._win_glare(now_s)
            return NOTHING
        pending = handshake.pending
        again = pending is not None and pending.theirs.nonce == theirs.nonce
        reply = handshake.answer(content)
        if trying and self.due_s is not None:
            self.due_s = now_s + 2 * self._interval_s
        return Reaction(reply, self.answer_copies if again else 1, agreed=True)

    def _on_hello_ack(self, content: bytes, now_s: float) -> Reaction:
        """Enter a HELLO_ACK's session, unconfirmed, if it answers our attempt (HS-4)."""
        if self.state not in TRYING and self.state is not LinkState.LISTENING:
            return STALE
        agreement = self._handshake.accept(content)
        if agreement is None:
            return STALE
        self._handshake.echoes = 0
        self._advance(LinkInput.HELLO_ACKED)
        self.candidate = agreement
        self._ready_count = 0
        self._interval_s = self._first_interval_s
        self.due_s = now_s
        return AGREED

    def _on_refuse(self, content: bytes) -> Reaction:
        """Take a REFUSE: it ends the attempt that it names (HS-10)."""
        own = self._handshake.own
        refusal = decode_refuse(content)
        if refusal is None or refusal[2] != own.nonce:
            return STALE
        if self.state not in TRYING:
            return NOTHING
        version, reason, _ = refusal
        self.stop()
        name = REFUSAL_REASONS.get(reason, f"reason {reason}")
        return Reaction(failure=HandshakeRefusedError(name, own.version, version))

    def on_ready(self, session: int, confirm: bytes) -> Agreement | None:
        """Take a READY; return the terms of the session if it is the pending one (HS-5)."""
        pending = self._handshake.pending
        if pending is None or pending.session != session or pending.confirm != confirm:
            return None
        if self.state in TRYING and self._handshake.own.rank > pending.theirs.rank:
            return None  # offered before our own attempt, which goes on (HS-8)
        self._advance(LinkInput.PEER_READY)
        self._opened()
        return pending

    def on_foreign(self, content: bytes) -> Agreement | None:
        """Take a frame of no live session; return the terms if it confirms our READY (HS-6)."""
        candidate = self.candidate
        if (
            candidate is None
            or content[0] != FrameType.ACK
            or content[1:3] != candidate.session.to_bytes(2, "little")
            or len(content) <= 4
            or (self.ready_ping - content[4]) & 0xFF >= self._ready_count  # no READY of ours
        ):
            return None
        self._advance(LinkInput.CONFIRMED)
        self._opened()
        return candidate

    def on_bye(self, content: bytes, now_s: float) -> bool:
        """Take a frame of no live session; return whether it ended the candidate (HS-13)."""
        candidate = self.candidate
        if (
            candidate is None
            or content[0] != FrameType.BYE
            or content[1:3] != candidate.session.to_bytes(2, "little")
            or len(content) != 4
        ):
            return False
        self.seek(now_s)
        return True

    def _on_echo(self) -> Reaction:
        """Our own HELLO came back (HS-9)."""
        self._handshake.echoes += 1
        if self._handshake.echoes >= ECHOES_TO_GIVE_UP:
            self.stop()
            return Reaction(failure=EchoingLineError(), stale=True)
        self._handshake.begin_attempt()
        return STALE

    def _win_glare(self, now_s: float) -> None:
        """The other end opens too, and ours goes on (HS-8)."""
        if self.state is LinkState.CONNECTING:
            again_s = self._hello_sent_s + self._interval_s / 2
            self.due_s = min(self.due_s or now_s, max(now_s, again_s))

    # --- time ---

    def on_deadline(self, now_s: float, free_s: float) -> bytes | None:
        """Return what to say now that :attr:`due_s` has come.

        Args:
            now_s: the clock.
            free_s: when the line will have taken what was handed over before.

        Returns:
            The content of a HELLO or READY, or nothing.
        """
        candidate = self.candidate
        self.copies = 1
        if self._quick:
            self.copies = copies(self._handshake.own.nonce, self._unanswered)
        self._unanswered += 1
        if candidate is not None and self._ready_count < READY_LIMIT:
            self._ready_count += 1
            self.ready_ping = (self.ready_ping + 1) & 0xFF
            self._repeat_after(max(now_s, free_s))
            return encode_ready(candidate.session, self.ready_ping, candidate.confirm)
        if candidate is not None:  # HS-6: it is not going to be confirmed
            self.seek(now_s)
            if not self._active:
                return None
        self._hello_sent_s = max(now_s, free_s) + self._wire_s / 2
        if self.state is LinkState.LISTENING:
            self.due_s = None
            self.copies = 1
        else:
            self._repeat_after(self._hello_sent_s)
        return self._handshake.hello

    @property
    def _quick(self) -> bool:
        """Whether the line does not set the interval of HS-1."""
        return self._first_interval_s == HELLO_INTERVAL_S

    def _repeat_after(self, sent_s: float) -> None:
        """Send HELLO or READY again after the interval, which grows (HS-1)."""
        self.due_s = sent_s + self._interval_s
        self._interval_s = min(self._interval_s * INTERVAL_GROWTH, self._slowest_s)

    # --- states ---

    def _opened(self) -> None:
        """A session stands: nothing is to be said of another one."""
        self.candidate = None
        self._handshake.pending = None
        self._unanswered = 0
        self.due_s = None
        self._interval_s = self._first_interval_s

    def _advance(self, happened: LinkInput) -> None:
        self.state = TRANSITIONS[self.state, happened]
