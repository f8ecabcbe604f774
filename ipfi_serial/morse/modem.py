"""One end of a Morse line: wire bytes and edge times in, edge times and wire bytes out.

Joins keyer, decoder, rate control and, on a shared line, access.  Pure: whoever owns the clock and
the pins asks it.  docs/morse.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ipfi_serial.morse.access import Access
from ipfi_serial.morse.alphabet import UNIT_WPM_S, WORD_GAP, AlphabetName, alphabet_named
from ipfi_serial.morse.decoder import Decoder
from ipfi_serial.morse.keying import Keyer, edge_times
from ipfi_serial.morse.quality import Quality
from ipfi_serial.morse.rate import MOST_STEPS, RateControl

# What waits here is stuck: acknowledgements cannot overtake it.  LINK-18 hands over two frames or
# 20 ms ahead, but by the speed that was asked for; at a quarter of it this is what holds it back.
AHEAD_BYTES: Final = 160  # two small frames
AHEAD_S: Final = 0.1  # two of the largest (LINK-16)
MOST_FRAME_BYTES: Final = 32768  # twice the largest frame, if somebody writes without end
BURST_FRAMES: Final = 4  # MORSE-18: then the other end has the word
ECHO_UNITS: Final = 2.0  # how late the line may bring back what we key
_DELIMITER: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class ModemSettings:
    """How one end talks and listens.

    Attributes:
        wpm: speed in words a minute of 50 units, the fastest that it keys.
        alphabet: "itu" or "compact".
        shared: whether both ends use one line (half duplex).
        seed: of the back-off on a shared line.
    """

    wpm: float = 20.0
    alphabet: AlphabetName = "compact"
    shared: bool = False
    seed: int = 0

    @property
    def unit_s(self) -> float:
        """Length of a unit in seconds."""
        return UNIT_WPM_S / self.wpm

    @property
    def bytes_per_s(self) -> float:
        """Mean speed of wire bytes; on a shared line each end has half of it."""
        mean = alphabet_named(self.alphabet).units_per_byte * self.unit_s
        return (0.5 if self.shared else 1.0) / mean


class Modem:
    """One end of a line.

    Attributes:
        decoder: of what is heard.
        rate: of what is keyed.
        ahead_bytes: wire bytes that may wait.
    """

    def __init__(self, settings: ModemSettings) -> None:
        alphabet = alphabet_named(settings.alphabet)
        self.decoder = Decoder(alphabet, settings.unit_s)
        self.rate = RateControl(settings.unit_s)
        self._bytes_per_s = settings.bytes_per_s
        self._keyer = Keyer(alphabet)
        self.ahead_bytes = max(AHEAD_BYTES, int(AHEAD_S * settings.bytes_per_s))
        self._access = Access(settings.seed, settings.unit_s) if settings.shared else None
        self._frames: deque[bytes] = deque()
        self._unfinished = b""
        self._waiting_bytes = 0
        self._wanted_s = 0.0
        self._keyed_bytes = 0  # since the last figures of losses
        self._last_frame = b""  # keyed ...
        self._again = 0  # ... so often in a row, unanswered
        self._answers = 0  # good frames heard when it was keyed
        self._heard_frames = 0
        self._free_s = 0.0  # end of what was keyed last, its gap included
        self._echo_s = 0.0  # until then the line brings our own edges back

    # --- bytes in, edges out ---

    def put(self, data: bytes, now_s: float) -> int:
        """Take wire bytes, as far as there is room; return how many."""
        most = self.ahead_bytes if self._frames else MOST_FRAME_BYTES
        data = data[: max(0, most - self._waiting_bytes)]
        if not self._frames:
            self._wanted_s = now_s
        *frames, self._unfinished = (self._unfinished + data).split(_DELIMITER)
        self._frames.extend(frame for frame in frames if frame)
        self._waiting_bytes = sum(map(len, self._frames)) + len(self._unfinished)
        return len(data)

    @property
    def has_frames(self) -> bool:
        """Whether whole frames wait to be keyed."""
        return bool(self._frames)

    def key_due_s(self) -> float | None:
        """Return when :meth:`key` will have something, if nothing is heard until then; pure."""
        if not self._frames:
            return None
        if self._access is None:
            return self._free_s
        return max(self._free_s, self._access.free_s(self._wanted_s))

    def key(self, now_s: float) -> list[float]:
        """Hand over the edges of what may be keyed from now on; the first one begins a mark.

        Returns:
            The times of edges in seconds, the first one at ``now_s`` or a little later; nothing if
            there is nothing to key, or the line is not free.
        """
        due_s = self.key_due_s()
        if due_s is None or now_s < due_s:
            return []
        edges: list[float] = []
        unit_s, self._free_s = 0.0, now_s
        for _ in range(min(len(self._frames), BURST_FRAMES if self._access else 1)):
            frame = self._frames.popleft()
            self._waiting_bytes -= len(frame)
            self._keyed_bytes += len(frame)
            unit_s = self._unit_for(frame)
            edges += edge_times(self._keyer.key(frame), self._free_s, unit_s)
            self._free_s = edges[-1] + WORD_GAP * unit_s
        if self._access is not None:
            self._access.talked(edges[-1])
            self._echo_s = edges[-1] + ECHO_UNITS * unit_s
            self._wanted_s = edges[-1]
            self.decoder.forget()
        return edges

    def note_losses(self, frames: int, repeats: int) -> None:
        """Take the link's figures since the last call: the speed follows them.

        Args:
            frames: handed over, repetitions included.
            repeats: of these, sent again.
        """
        self.rate.note(frames, repeats, self._keyed_bytes)
        self._keyed_bytes = 0

    def _unit_for(self, frame: bytes) -> float:
        """Return the unit to key a frame with: the same one again, unanswered, goes more slowly."""
        unanswered = frame == self._last_frame and self.quality.frames == self._answers
        self._again = (self._again + 1) % (MOST_STEPS + 1) if unanswered else 0
        self._last_frame, self._answers = frame, self.quality.frames
        return self.rate.unit_at(self.rate.step + self._again)

    def drop_frames(self) -> int:
        """Forget the frames that wait; return how many.  The link sends them again."""
        count = len(self._frames)
        self._frames.clear()
        self._waiting_bytes = len(self._unfinished)
        return count

    @property
    def bytes_per_s(self) -> float:
        """Mean speed of wire bytes at the unit that is keyed now."""
        return self._bytes_per_s * self.rate.unit_at(0) / self.rate.unit_s

    # --- edges in, bytes out ---

    def receive_edges(self, times_s: Sequence[float], *, rising: bool) -> None:
        """Take edges that the line brought; our own echo is discarded (MORSE-17)."""
        skip = bisect_right(times_s, self._echo_s) if self._access is not None else 0
        if skip < len(times_s):
            self.decoder.receive_edges(times_s[skip:], rising=rising == (skip % 2 == 0))
            self._follow()
            if self._access is not None:
                self._access.heard(times_s[-1], self.decoder.unit_s)

    def note_busy(self, until_s: float) -> None:
        """Take note that the other end is going to talk until then."""
        if self._access is not None and until_s > self._echo_s:
            self._access.heard(until_s, self.decoder.unit_s)

    def receive_time(self, now_s: float) -> None:
        """Take note that all edges before ``now_s`` were handed in."""
        self.decoder.receive_time(now_s)
        self._follow()

    def _follow(self) -> None:
        """Slow down if the other end just has: it knows of a bad line what we may not."""
        if self.quality.frames != self._heard_frames:
            self._heard_frames = self.quality.frames
            self.rate.hear(self.quality.unit_s)

    def lose_edges(self) -> None:
        """Take note that edges are missing."""
        self.decoder.lose_edges()

    def take(self) -> bytes:
        """Hand over the wire bytes read since the last call."""
        return self.decoder.take()

    def next_deadline_s(self) -> float | None:
        """Return when :meth:`receive_time` is due; pure."""
        return self.decoder.next_deadline_s()

    @property
    def quality(self) -> Quality:
        """How well the other end is heard."""
        return self.decoder.quality
