"""The receiving end in a replay of window.pml: what it delivers and how it acknowledges."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tests.model.ends import End, Frame
from tests.model.window_message import BEFORE, FRAME_BYTES, code_number, payload_of
from tests.model.window_step import WindowStep

CARRIED: Final = 255  # the model's credit when a DATA frame of the other direction carries the ack
MOST_TIMERS: Final = 20  # that may expire before what the model says comes
MOST_DOUBLED: Final = 2  # LINK-4: one of two stale frames is answered at once


class ReceivingEnd:
    """The end that receives the model's frames.

    Args:
        end: what does it.
        credit_bytes: its credit, from what was delivered on.
        seen: see :class:`tests.model.window_replay.WindowReplay`.
    """

    def __init__(self, end: End, *, credit_bytes: int, seen: Counter[str]) -> None:
        self.end = end
        self._credit_bytes = credit_bytes
        self._seen = seen
        self._delivered = 0
        self._taken: Frame | None = None  # the DATA frame that it took last
        self._answer: Frame | None = None  # what it said to that
        self._excused = False  # it need not say it
        self._other_sent = 0  # messages of the other direction

    # --- what the model's receiver does ---

    def take(self, step: WindowStep, frame: Frame) -> None:
        """Let a DATA frame come in; compare what the program gets."""
        self._excused = step.number < self._delivered  # LINK-4: every second stale frame
        self._taken = frame
        self.end.receive(frame.wire)
        self._answer = self._hear(self.end.say())
        found = self.end.take_delivered()
        wanted = [payload_of(number) for number in step.delivered]
        assert found == wanted, f"delivered {[payload[:2].hex() for payload in found]}"
        self._delivered += len(found)

    def answer(self, ping: Frame) -> None:
        """Let a PING come in, which is answered at once (LINK-8)."""
        self.end.receive(ping.wire)
        self._answer = self._hear(self.end.say())
        assert self._answer is not None, "the PING is not answered at once"

    def acknowledge(self, step: WindowStep, other_delivered: int) -> Frame:
        """Let it acknowledge; compare what it says.

        Args:
            step: the model's.
            other_delivered: messages of the other direction that have arrived.
        """
        number = code_number(step.number)
        if step.grant == CARRIED:
            frame = self._carry(other_delivered)
            assert frame.content[4] == number, f"DATA acknowledges {frame.content[4]}"
            return frame
        frame = self._say_ack()
        assert frame.content[3] == number, f"ACK {frame.content[3]}, not {number}"
        credit = int.from_bytes(frame.content[5:9], "little")
        wanted = (BEFORE + step.number) * FRAME_BYTES + self._credit_bytes
        assert credit == wanted, f"credit {credit}, not {wanted}"
        sack = int.from_bytes(frame.content[9:], "little")
        assert sack == step.sack, f"sack {sack:b}, not {step.sack:b}"
        self._seen["sack"] += sack != 0
        return frame

    # --- what the code does ---

    def _hear(self, frames: list[Frame]) -> Frame | None:
        """Return the newest ACK among what it says."""
        newest = None
        for frame in frames:
            assert frame.kind in ("ACK", "PING", "DATA"), f"it says {frame.kind}"
            if frame.kind == "ACK":
                newest = frame
            elif frame.kind == "DATA":
                self._excused = True  # LINK-8: that carried the acknowledgement
        return newest

    def _say_ack(self) -> Frame:
        """Return what it said at once, or wait for it, or let the frame come twice."""
        for _ in range(MOST_TIMERS):
            if self._answer is not None or self._excused:
                break
            self._answer = self._hear(self.end.expire())
        if self._answer is None and self._taken is not None:
            self._seen["shown again"] += 1
            for _ in range(MOST_DOUBLED):
                self.end.receive(self._taken.wire)
                self._answer = self._hear(self.end.say()) or self._answer
        assert self._answer is not None, "no ACK"
        return self._answer

    def _carry(self, other_delivered: int) -> Frame:
        """Return a DATA frame of the other direction, a new one if the last one arrived."""
        self._seen["carried"] += 1
        if self._other_sent == other_delivered:
            self.end.push(bytes((self._other_sent,)))
            self._other_sent += 1
        said = self.end.say()
        for _ in range(MOST_TIMERS):
            self._hear(said)
            if data := [frame for frame in said if frame.kind == "DATA"]:
                return data[-1]
            said = self.end.expire()
        raise AssertionError("no DATA of the other direction")
