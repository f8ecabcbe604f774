"""The times of edges in, wire bytes out: calibrates itself and keeps calibrated.

Whatever it cannot read ends the frame with a ``0x00``, so the frame fails its CRC; nothing is read
again before the next training preamble.  It never raises because of what comes in, and stores at
most one character and four preambles.  docs/morse.md, MORSE-6 to MORSE-14.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Final

from ipfi_serial.morse.alphabet import WHITENING, WHITENING_BYTES, Alphabet
from ipfi_serial.morse.keying import DELIMITER
from ipfi_serial.morse.quality import Damage, Quality
from ipfi_serial.morse.timing import (
    BIAS_GAIN,
    DASH_FROM_UNITS,
    LONG_FROM_UNITS,
    LONG_GAIN,
    SHORT_GAIN,
    TRAINING_INTERVALS,
    calibrate,
)

SPIKE_UNITS: Final = 1 / 3  # MORSE-8: shorter than this is a glitch ...
LEAST_SPIKE_UNITS: Final = 1 / 6  # ... but where jitter makes dots that short, less is one
SPIKE_DEVIATIONS: Final = 4.0  # a dot is shorter once in 30,000
SPEED_RANGE: Final = 16.0  # units taken, from the nominal one / this to the nominal one * this
NUMBER_LIMIT: Final = 512  # 8 elements and the 1 in front: the longest character of both alphabets
_KEPT_INTERVALS: Final = 4 * TRAINING_INTERVALS


class Decoder:
    """Edges in, bytes out.

    Attributes:
        quality: what was heard so far, and how well.
        unit_s: length of a unit as it is known now.
    """

    __slots__ = (
        "_alphabet",
        "_bias_s",
        "_end_s",
        "_fault",
        "_filtered",
        "_half",
        "_high",
        "_inverted",
        "_latest_s",
        "_longest_s",
        "_number",
        "_out",
        "_position",
        "_raw",
        "_shortest_s",
        "_spike_s",
        "_start_s",
        "_tracking",
        "quality",
        "unit_s",
    )

    def __init__(self, alphabet: Alphabet, unit_s: float) -> None:
        """Wait for a preamble.

        Args:
            alphabet: of the sender.
            unit_s: what its unit should be; any from a 16th of it to 16 times it is found.
        """
        self.quality = Quality(unit_s)
        self.unit_s = unit_s
        self._alphabet = alphabet
        self._shortest_s = unit_s / SPEED_RANGE
        self._longest_s = unit_s * SPEED_RANGE
        self._bias_s = 0.0
        self._out = bytearray()
        self._latest_s = -inf  # time of the last edge
        self._start_s: float | None = None  # where the interval in hand begins
        self._end_s: float | None = (
            None  # where it may end: the next edge shows if that was a glitch
        )
        self._high = False  # level of the interval in hand; if there is none, level of the line
        self._inverted = False
        self._number = 1  # of the character in hand
        self._half = -1  # the first digit of a byte, or -1
        self._position = 0  # in the frame, of the next byte
        self._fault: Damage | None = None
        self._spike_s = 0.0  # while a frame is read: what is shorter is a glitch
        self._raw: list[float] = []  # while searching: intervals as they came ...
        self._filtered: list[float] = []  # ... and without glitches
        self._search()

    # --- edges and time in ---

    def receive_edges(self, times_s: Sequence[float], *, rising: bool) -> None:
        """Take edges in the order of time; where they are not, edges were lost.

        Args:
            times_s: when; each edge goes the other way than the one before.
            rising: whether the first one goes up.
        """
        for run, rises in _in_order(times_s, rising=rising):
            self._receive_run(run, rising=rises)

    def _receive_run(self, times_s: Sequence[float], *, rising: bool) -> None:
        runs_back, self._latest_s = times_s[0] < self._latest_s, times_s[-1]
        if runs_back or (self._start_s is not None and rising == self._is_high):
            self.lose_edges()
        if self._start_s is None:
            self._high = not rising
        self.quality.heard(times_s, rising=rising)
        position = 0
        while position < len(times_s):
            read = self._track if self._tracking else self._seek
            position = read(times_s, position)

    def receive_time(self, now_s: float) -> None:
        """Take note that no edge came until ``now_s``: a long gap ends a frame (MORSE-10)."""
        due_s = self.next_deadline_s()
        if due_s is None or now_s < due_s:
            return
        if self._end_s is not None:
            self._track((now_s,), 0)  # as if an edge had come: what is in hand is no glitch
            self._end_s = None
        if not self._tracking:
            pass  # the last character was none
        elif self._high != self._inverted:
            self._end_frame(Damage.KEY_HELD)
        else:
            self._end_frame(self._end_of_frame())
        self._start_s = None

    def lose_edges(self) -> None:
        """Take note that edges are missing: the frame is damaged (MORSE-13)."""
        self.quality.overruns += 1
        if self._tracking:
            self._end_frame(Damage.EDGES_LOST)
        self._search()
        self._start_s = self._end_s = None

    def forget(self) -> None:
        """Stop reading, since this end talks on the same line now (MORSE-17)."""
        if self._tracking:
            self._end_frame(Damage.TALKED_OVER)
        self._search()
        self._start_s = self._end_s = None

    def next_deadline_s(self) -> float | None:
        """Return when :meth:`receive_time` ends the frame if no edge comes; pure."""
        if not self._tracking or self._start_s is None:
            return None
        last_s = self._start_s if self._end_s is None else self._end_s
        return last_s + LONG_FROM_UNITS * self.unit_s + abs(self._bias_s)

    def take(self) -> bytes:
        """Hand over the bytes read since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    @property
    def begun_s(self) -> float:
        """When the mark or gap in hand began: after a preamble, the first mark of its frame."""
        return self._start_s or 0.0

    @property
    def in_frame(self) -> bool:
        """Whether a frame is being read."""
        return self._tracking

    @property
    def _is_high(self) -> bool:
        """Level of the line after the last edge."""
        return self._high if self._end_s is None else not self._high

    # --- looking for a preamble ---

    def _search(self) -> None:
        """Look for a preamble from the interval in hand on."""
        self._tracking = False
        self._filtered.clear()
        self._raw.clear()

    def _seek(self, times_s: Sequence[float], position: int) -> int:
        """Look for a preamble from ``position`` on; return where tracking begins.

        It looks at intervals as they come, for a sender that is much faster than before or jitters,
        and at those that are left without what would be a glitch at the speed of before.
        """
        filtered, raw = self._filtered, self._raw
        spike_s = SPIKE_UNITS * self.unit_s
        is_high = self._is_high
        last_s = self._start_s if self._end_s is None else self._end_s
        for i in range(position, len(times_s)):
            now_s = times_s[i]
            is_high = not is_high
            if self._start_s is None or last_s is None:
                self._start_s, self._high = now_s, is_high
            elif self._end_s is None:
                self._end_s = now_s
            elif now_s - self._end_s < spike_s:
                self._end_s = None
                self.quality.glitches += 1
            else:
                filtered.append(self._end_s - self._start_s)
                self._start_s, self._end_s, self._high = self._end_s, now_s, not self._high
                if self._is_preamble(filtered):
                    self._begin_frame()
                    return i + 1
            if last_s is not None:  # an interval late: what ended a gap may have been a glitch
                if self._is_preamble(raw) and now_s - last_s >= SPIKE_UNITS * self.unit_s:
                    self._start_s, self._end_s, self._high = last_s, now_s, not is_high
                    self._begin_frame()
                    return i + 1
                raw.append(now_s - last_s)
            last_s = now_s
        return len(times_s)

    def _is_preamble(self, intervals: list[float]) -> bool:
        """Look whether the last intervals are a preamble, and calibrate by it if so."""
        size = len(intervals)
        if size < TRAINING_INTERVALS:
            return False
        if intervals[-1] > 1.5 * intervals[-2] and intervals[-2] > 1.3 * intervals[-3]:  # 7 > 3 > 1
            found = calibrate(intervals[-TRAINING_INTERVALS:], self._shortest_s, self._longest_s)
            if found is not None:
                self.unit_s, self._bias_s = found.unit_s, found.bias_s
                noise = max(self.quality.noise, found.noise_s / found.unit_s)
                spike = min(SPIKE_UNITS, max(LEAST_SPIKE_UNITS, 1 - SPIKE_DEVIATIONS * noise))
                self._spike_s = spike * self.unit_s
                return True
        if size >= _KEPT_INTERVALS:
            del intervals[: -TRAINING_INTERVALS + 1]
        return False

    def _begin_frame(self) -> None:
        """Read what follows a preamble, whose first mark is in hand."""
        self._tracking = True
        self._inverted = not self._high
        self._number = 1
        self._half = -1
        self._position = 0
        self.quality.begin_frame(self.unit_s, inverted=self._inverted)

    # --- reading a frame ---

    def _track(self, times_s: Sequence[float], position: int) -> int:
        """Read marks and gaps from ``position`` on; return where the frame ended."""
        start_s, end_s, number = self._start_s or 0.0, self._end_s, self._number
        unit_s, bias_s, spike_s = self.unit_s, self._bias_s, self._spike_s
        spike_units = spike_s / unit_s
        sign = (
            1.0 if self._high != self._inverted else -1.0
        )  # of the interval in hand: a mark, a gap
        dash_s, long_s = DASH_FROM_UNITS * unit_s, LONG_FROM_UNITS * unit_s
        squares, worst_s, count, glitches, is_long = 0.0, unit_s, 0, 0, False
        i = position - 1
        for i in range(position, len(times_s)):
            now_s = times_s[i]
            if end_s is None:
                end_s = now_s
                continue
            if now_s - end_s < spike_s:
                end_s = None
                glitches += 1
                continue
            length_s = end_s - start_s - sign * bias_s
            start_s, end_s, sign = end_s, now_s, -sign
            if length_s < dash_s:
                error_s, near_s = length_s - unit_s, dash_s - length_s
                unit_s += SHORT_GAIN * error_s
                if sign < 0.0:  # it was a mark
                    number += number
            elif length_s < long_s:
                error_s = length_s - 3.0 * unit_s
                near_s = min(length_s - dash_s, long_s - length_s)
                unit_s += LONG_GAIN * error_s
                if sign < 0.0:
                    number += number + 1
                else:
                    number = self._end_character(number)
            else:
                is_long = True
                break
            bias_s -= BIAS_GAIN * sign * error_s
            squares += error_s * error_s
            count += 1
            if near_s < worst_s:
                worst_s = near_s
            if number >= NUMBER_LIMIT:
                break
            dash_s, long_s, spike_s = unit_s + unit_s, 5.0 * unit_s, spike_units * unit_s
        self._start_s, self._end_s, self._number = start_s, end_s, number
        self._high = (sign > 0.0) != self._inverted
        self.unit_s, self._bias_s, self._spike_s = unit_s, bias_s, spike_s
        self.quality.read(count, squares / (unit_s * unit_s), worst_s / unit_s, glitches)
        if is_long:
            self._end_frame(self._end_of_frame() if sign > 0.0 else Damage.MARK_TOO_LONG)
        elif number >= NUMBER_LIMIT:
            self._end_frame(self._fault or Damage.TOO_MANY_ELEMENTS)
        return i + 1

    def _end_character(self, number: int) -> int:
        """Take a character; return the number that the next begins with, or that of a fault."""
        value = self._alphabet.numbers.get(number)
        if value is None:
            self._fault = Damage.UNKNOWN_CHARACTER
            return NUMBER_LIMIT
        if self._alphabet.white:
            value ^= WHITENING[self._position % WHITENING_BYTES]
        elif self._half < 0:
            self._half = value
            return 1
        else:
            value, self._half = self._half << 4 | value, -1
        if value == DELIMITER:
            self._fault = Damage.ZERO_BYTE
            return NUMBER_LIMIT
        self._position += 1
        self._out.append(value)
        return 1

    def _end_of_frame(self) -> Damage | None:
        """Take the last character of a frame; return what is wrong with it, if anything is."""
        if self._number > 1 and self._end_character(self._number) == NUMBER_LIMIT:
            return self._fault
        return Damage.HALF_BYTE if self._half >= 0 else None

    def _end_frame(self, damage: Damage | None) -> None:
        """End the frame, and look for the next preamble."""
        self._out.append(DELIMITER)
        self.quality.end_frame(self.unit_s, damage)
        self._search()


def _in_order(times_s: Sequence[float], *, rising: bool) -> Iterator[tuple[Sequence[float], bool]]:
    """Cut where time runs back: a clock that was set, or two senders whose edges are mixed."""
    start = 0
    if sorted(times_s) != list(times_s):  # much quicker than to compare pairs
        for i, (before_s, after_s) in enumerate(pairwise(times_s), 1):
            if before_s > after_s:
                yield times_s[start:i], rising == (start % 2 == 0)
                start = i
    if start < len(times_s):
        yield times_s[start:], rising == (start % 2 == 0)
