"""What was heard on a line, how well, and what is wrong with it: figures, and a sentence.

docs/morse.md, MORSE-14.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

_REMEMBERED_EDGES: Final = 64
_NOISE_GAIN: Final = 0.25  # about the last 4 frames
_REGULAR: Final = 0.1  # edges of hum come so evenly, as a part of their period
_HUM_HZ: Final = (50.0, 60.0, 100.0, 120.0)  # mains, and what a rectifier makes of it
_HUM_TOLERANCE: Final = 0.03
_THIN_MARGIN: Final = 0.2  # of a unit; docs/morse.md says where it comes from
_MANY_EDGES: Final = 50  # heard without a frame among them: that is no Morse
_STUCK_UNITS: Final = 100.0


class Damage(enum.Enum):
    """Why a frame ended before its time."""

    MARK_TOO_LONG = "a mark of 5 units or more: a second keyer, or another speed"
    KEY_HELD = "the key was held down"
    TOO_MANY_ELEMENTS = "a character of too many elements: gaps are lost"
    UNKNOWN_CHARACTER = "a character that the alphabet does not have: is it the same at both ends?"
    HALF_BYTE = "one hexadecimal digit without its other half"
    ZERO_BYTE = "a byte that no frame has"
    TALKED_OVER = "both ends talked at once"
    EDGES_LOST = "edges are missing: they come faster than this computer takes them"


class Quality:
    """Figures of one decoder.

    Attributes:
        edges: heard.
        preambles: heard; every one begins a frame.
        frames: read to their end.
        damaged: how many frames broke off, by cause.
        glitches: too short to be a dot, left out.
        overruns: how often edges were missing.
        unit_s: of the last frame.
        margin: of the last frame: distance of the worst mark or gap to the threshold that it is
            told apart by, in units; 1 is perfect.
        jitter: of the last frame: how far its marks and gaps were off, root of the mean square, in
            units.
        noise: mean of the jitter over some frames.
        inverted: whether the line is low where it should be high; that is put right.
    """

    __slots__ = (
        "_in_frame",
        "_intervals",
        "_last_rising",
        "_recent",
        "_since_preamble",
        "_squares",
        "_worst",
        "damaged",
        "edges",
        "frames",
        "glitches",
        "inverted",
        "jitter",
        "margin",
        "noise",
        "overruns",
        "preambles",
        "unit_s",
    )

    def __init__(self, unit_s: float) -> None:
        self.edges = 0
        self.preambles = 0
        self.frames = 0
        self.damaged: Counter[Damage] = Counter()
        self.glitches = 0
        self.overruns = 0
        self.unit_s = unit_s
        self.margin = 1.0
        self.jitter = 0.0
        self.noise = 0.0
        self.inverted = False
        self._recent: deque[float] = deque(maxlen=_REMEMBERED_EDGES)
        self._last_rising = False
        self._in_frame = False
        self._since_preamble = 0
        self._intervals = 0
        self._squares = 0.0
        self._worst = 1.0

    # --- for the decoder ---

    def heard(self, times_s: Sequence[float], *, rising: bool) -> None:
        """Note edges."""
        count = len(times_s)
        self.edges += count
        self._since_preamble += count
        self._recent.extend(times_s[-_REMEMBERED_EDGES:])
        self._last_rising = rising == (count % 2 == 1)

    def begin_frame(self, unit_s: float, *, inverted: bool) -> None:
        """Note a preamble."""
        self.preambles += 1
        self._in_frame = True
        self.unit_s = unit_s
        self.inverted = inverted
        self._since_preamble = 0
        self._intervals = 0
        self._squares = 0.0
        self._worst = 1.0

    def read(self, intervals: int, squares: float, worst: float, glitches: int) -> None:
        """Note marks and gaps: how many, the sum of their squared errors, the least margin."""
        self.glitches += glitches
        self._intervals += intervals
        self._squares += squares
        self._worst = min(self._worst, worst)

    def end_frame(self, unit_s: float, damage: Damage | None) -> None:
        """Note the end of a frame."""
        self.unit_s = unit_s
        self._in_frame = False
        self._since_preamble = 0
        if self._intervals:
            self.jitter = (self._squares / self._intervals) ** 0.5
            self.margin = self._worst
            self.noise += _NOISE_GAIN * (self.jitter - self.noise)
        if damage is None:
            self.frames += 1
        else:
            self.margin = 0.0
            self.damaged[damage] += 1

    # --- for people ---

    @property
    def recent_s(self) -> list[float]:
        """Times of the last edges."""
        return list(self._recent)

    @property
    def last_rising(self) -> bool:
        """Whether the last edge went up."""
        return self._last_rising

    @property
    def damaged_frames(self) -> int:
        """How many frames broke off."""
        return self.damaged.total()

    def describe(self, now_s: float) -> str:
        """Return what the line is like now, and what to check, in one sentence."""
        trouble = self._trouble(now_s)
        if trouble:
            return trouble
        thin = self.margin < _THIN_MARGIN
        state = "hardly readable: send more slowly" if thin else "readable"
        if self.inverted:
            state += ", inverted (put right)"
        return (
            f"{state}: unit {self.unit_s * 1e3:.3g} ms, margin {self.margin:.2f}, "
            f"jitter {self.jitter:.2f} units, {self.frames} frames, {self.damaged_frames} damaged"
        )

    def _trouble(self, now_s: float) -> str:
        if not self.edges:
            return "no edge was ever heard: check the wiring, the pin number and the other end"
        silent_s = now_s - self._recent[-1]
        if self._last_rising != self.inverted and silent_s > _STUCK_UNITS * self.unit_s:
            return f"stuck: the key is down for {silent_s:.3g} s: a short circuit, or a hung sender"
        if self._since_preamble > _MANY_EDGES and not self._in_frame:
            hum_hz = self._hum_hz()
            if hum_hz:
                return f"no Morse, but a hum of {hum_hz:.0f} Hz: mains; check ground and screen"
            return (
                f"{self._since_preamble} edges and no training preamble among them: a floating "
                "line, another code, or a speed out of range"
            )
        if self.damaged_frames > self.frames:
            ((cause, count),) = self.damaged.most_common(1)
            return f"damaged, {count} times: {cause.value}"
        return ""

    def _hum_hz(self) -> float:
        """Return the frequency of an even beat near that of mains, or 0."""
        times_s = list(self._recent)
        periods = [b - a for a, b in zip(times_s, times_s[2:], strict=False)]
        mean_s = sum(periods) / len(periods)
        if mean_s <= 0 or max(abs(p - mean_s) for p in periods) > _REGULAR * mean_s:
            return 0.0
        for hum_hz in _HUM_HZ:
            if abs(1 / mean_s / hum_hz - 1) < _HUM_TOLERANCE:
                return hum_hz
        return 0.0
