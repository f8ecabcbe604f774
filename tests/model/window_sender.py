"""The sending end in a replay of window.pml: what it may send, what it sends, what it should."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tests.model.ends import End, Frame
from tests.model.window_message import (
    BEFORE,
    CREDITS,
    FRAME_BYTES,
    code_number,
    payload_of,
    stream_of,
)
from tests.model.window_step import Account

MOST_TIMERS: Final = 20  # that may expire before what the model says comes
SOON_S: Final = 0.5  # LINK-15's first intervals; the keepalive, which asks too, is 1 s
HEARS_S: Final = 3.0  # it hears something so often, for its patience (LINK-13)


class SendingEnd:
    """The end that sends the model's frames.

    Args:
        end: what does it.
        other: the other end.
        window: frames.
        credit: frames that it may send at the beginning.
        credit_bytes: what that is in the code.
        goes_back: whether the other end keeps nothing that comes ahead.
        seen: see :class:`tests.model.window_replay.WindowReplay`.

    Attributes:
        other_delivered: messages of the other direction that came.
    """

    def __init__(
        self,
        end: End,
        other: End,
        *,
        window: int,
        credit: int,
        credit_bytes: int,
        goes_back: bool,
        seen: Counter[str],
    ) -> None:
        self.end = end
        self.other_delivered = 0
        self._other = other
        self._window = window
        self._credit = credit
        self._credit_bytes = credit_bytes
        self._goes_back = goes_back
        self._seen = seen
        self._heard_s = 0.0
        self._last = 0  # frame of the trace
        self._next = self._pushed = 0  # frames that the model has sent, that the code may send
        self._said: dict[int, Frame] = {}  # newest transmission of each
        self._account = Account(0, 0, credit, may_send=True)

    def begin(self, last: int) -> None:
        """Begin a trace whose last frame has the number ``last``."""
        self._last = last
        self._heard_s = self.end.now_s
        self._check_account()

    # --- what the model's sender does ---

    def expect(self, account: Account | None) -> None:
        """Take where the model's sender will stand after the step that comes."""
        if account is not None:
            self._account = account

    def check(self) -> None:
        """Compare where it stands; see whether it sends what it may and nothing else."""
        self._try_early()
        self._check_account()

    def send(self, number: int) -> Frame:
        """Let a frame leave, for the first time or again."""
        if number == self._next:
            self._push_until(number)
            self._note(self.end.say())
            assert number in self._said, "the code does not send it"
            self._next += 1
        elif number == self._account.first:
            self._time_out(number)
        else:
            self._seen["another again"] += 1  # some time ago; its bytes come now
        return self._said[number]

    def hear(self, frame: Frame) -> None:
        """Take a frame of the other end."""
        self.end.receive(frame.wire)
        self._heard_s = self.end.now_s
        self._note(self.end.say())
        for payload in filter(None, self.end.take_delivered()):  # in LOSSY it is empty
            assert payload == bytes((self.other_delivered,)), "the other direction is disturbed"
            self.other_delivered += 1

    def ask(self) -> Frame:
        """Let it ask for credit (LINK-15); return its PING."""
        begun_s = self.end.now_s
        for _ in range(MOST_TIMERS):
            said = self._expire()
            assert not self._note(said), "DATA without credit"
            if pings := [frame for frame in said if frame.kind == "PING"]:
                self._seen["asked soon"] += self.end.now_s - begun_s < SOON_S
                return pings[-1]
        raise AssertionError("no PING")

    # --- what the code does ---

    def _push_until(self, number: int) -> None:
        while self._pushed <= number:
            self.end.push(payload_of(self._pushed))
            self._pushed += 1

    def _time_out(self, number: int) -> None:
        """Let the RTO expire; it repeats the oldest, or all to a go-back-N receiver (LINK-11)."""
        self._seen["time-out"] += 1
        again: set[int] = set()
        for _ in range(MOST_TIMERS):
            if again := self._note(self._expire()):
                break
        wanted = set(range(number, max(self._said) + 1)) if self._goes_back else {number}
        assert again == wanted, f"it repeats {again}, not {wanted}"

    def _expire(self) -> list[Frame]:
        """Let a timer expire; in the model, time has no length."""
        if self.end.now_s - self._heard_s > HEARS_S:
            self._seen["still there"] += 1
            self._other.push_lossy()
            (frame,) = (frame for frame in self._other.say() if frame.kind == "LOSSY")
            self.hear(frame)
        return self.end.expire()

    def _note(self, frames: list[Frame]) -> set[int]:
        """Look at what it says; return the numbers of DATA frames."""
        numbers = set()
        for frame in frames:
            if frame.kind == "DATA":
                number = self._number_of(frame)
                self._said[number] = frame
                numbers.add(number)
            else:
                assert frame.kind in ("ACK", "PING"), f"it says {frame.kind}"
        return numbers

    def _number_of(self, frame: Frame) -> int:
        """Return the model's number of a DATA frame that may go now."""
        first = self._account.first
        ahead = (frame.content[3] - code_number(first)) & 0xFF
        number = first + ahead
        assert ahead < self._window, f"DATA {number} is beyond the window"  # LINK-6
        left = (self._account.credit - number) % CREDITS
        assert 0 < left <= CREDITS // 2, f"DATA {number} is beyond the credit"  # LINK-7
        assert frame.content[5:] == stream_of(number), f"DATA {number} has other bytes"  # LINK-1
        return number

    def _try_early(self) -> None:
        """Push a message that may not leave yet; see that one leaves that may now."""
        if self._next > self._last:
            return
        if self._account.may_send:
            waits = self._pushed > self._next and self._next not in self._said
            assert not waits, f"{self._next} may leave and does not"
            return
        self._seen["no credit" if self._account.out < self._window else "window full"] += 1
        self._push_until(self._next)
        assert self._next not in self._note(self.end.say()), f"{self._next} leaves and may not"

    def _check_account(self) -> None:
        found = self.end.account()
        if found is None:
            return
        model = self._account
        out = model.out + (self._next in self._said)  # what left is not yet on the model's line
        wanted = code_number(model.first), out
        assert found[:2] == wanted, f"oldest and under way {found[:2]}, not {wanted}"
        came = (found[2] - self._credit_bytes) // FRAME_BYTES - BEFORE
        credit = (came + self._credit) % CREDITS
        assert credit == model.credit % CREDITS, f"credit {credit}, not {model.credit}"
