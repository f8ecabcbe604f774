"""One direction of a serial line: wire bytes in, the same bytes out later, or damaged, or never.

Everything is decided by one seed.  Time is an argument, in seconds.  Knows frames only as what a
``0x00`` ends, so it serves any core that speaks the framing of docs/protocol.md section 2.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

DELIMITER: Final = 0

Copies = list[tuple[float, bytes]]  # what becomes of a frame: (seconds late, wire bytes) each
FrameHook = Callable[[int, bytes], Copies]


def as_is(wire: bytes) -> Copies:
    """Pass a frame on."""
    return [(0.0, wire)]


def flipped(wire: bytes) -> bytes:
    """Return a frame with one bit of a byte in its middle flipped, its delimiters untouched."""
    place = len(wire) // 2
    bit = 1 if wire[place] != 1 else 2
    return wire[:place] + bytes((wire[place] ^ bit,)) + wire[place + 1 :]


def lose(*numbers: int) -> FrameHook:
    """Lose the frames with these numbers, counted from 1."""
    return lambda number, wire: [] if number in numbers else as_is(wire)


def flip(*numbers: int) -> FrameHook:
    """Flip a bit in the frames with these numbers."""
    return lambda number, wire: as_is(flipped(wire) if number in numbers else wire)


def double(*numbers: int) -> FrameHook:
    """Bring the frames with these numbers twice."""
    return lambda number, wire: as_is(wire) * (2 if number in numbers else 1)


def late(seconds: float, *numbers: int) -> FrameHook:
    """Bring the frames with these numbers so much later, after others (a network buffer)."""
    return lambda number, wire: [(seconds if number in numbers else 0.0, wire)]


def both(*hooks: FrameHook) -> FrameHook:
    """Do what every hook says: each one sees what the one before it passed on."""

    def hook(number: int, wire: bytes) -> Copies:
        copies = as_is(wire)
        for one in hooks:
            copies = [(a + b, w) for a, before in copies for b, w in one(number, before)]
        return copies

    return hook


@dataclass(frozen=True, slots=True)
class Noise:
    """Probabilities of damage; each byte or frame is hit independently.

    Attributes:
        flip: one bit of a byte is flipped.
        drop: a byte is lost.
        insert: a random byte comes behind a byte.
        double: a byte comes twice.
        lose_frame: a whole frame is lost.
        double_frame: a whole frame comes twice.
        late_frame: a frame comes up to ``late_s`` later, behind others.
        late_s: see there.
    """

    flip: float = 0.0
    drop: float = 0.0
    insert: float = 0.0
    double: float = 0.0
    lose_frame: float = 0.0
    double_frame: float = 0.0
    late_frame: float = 0.0
    late_s: float = 0.0

    @property
    def per_byte(self) -> float:
        """Probability that something happens to a byte."""
        return self.flip + self.drop + self.insert + self.double

    @property
    def quiet(self) -> bool:
        """Whether it does nothing."""
        return not (self.per_byte + self.lose_frame + self.double_frame + self.late_frame)


CLEAN: Final = Noise()


def evenly(per_byte: float) -> Noise:
    """Damage bytes in all four ways alike."""
    part = per_byte / 4
    return Noise(flip=part, drop=part, insert=part, double=part)


@dataclass(slots=True)
class LineCounters:
    """What a line did."""

    frames: int = 0
    frames_harmed: int = 0
    bytes_carried: int = 0
    bytes_harmed: int = 0
    overrun_bytes: int = 0
    ring_peak_bytes: int = 0
    queue_peak_s: float = 0.0


@dataclass(slots=True)
class Line:
    """One direction of a line.

    Attributes:
        seed: decides about the noise.
        delay_s: from the last byte's leaving to its arrival.
        bytes_per_s: speed, or None: then nothing takes time but the delay.
        noise: damage at random.
        on_frame: decides about each frame by its number, before the noise.
        batch_s: the reader takes what came only at multiples of this (USB latency timers: 16 ms).
        stall: from when to when the reader does not read at all (an erase of flash: 85 ms).
        ring_bytes: bytes that arrived and were not read fit in here, the others are lost.
        dead: nothing arrives any more.
        sent: wire bytes of each frame handed over, if ``keep`` was asked for.
    """

    seed: int = 0
    delay_s: float = 0.0005
    bytes_per_s: float | None = None
    noise: Noise = CLEAN
    on_frame: FrameHook | None = None
    batch_s: float = 0.0
    stall: tuple[float, float] | None = None
    ring_bytes: int | None = None
    dead: bool = False
    keep: bool = False
    sent: list[bytes] = field(default_factory=list)
    counters: LineCounters = field(default_factory=LineCounters)
    _rng: random.Random = field(init=False, repr=False)
    _free_s: float = 0.0
    _part: bytes = b""
    _order: int = 0
    _coming: list[tuple[float, int, float, bytes]] = field(default_factory=list)
    _to_damage: int = -1  # bytes until the next one that is hit

    def __post_init__(self) -> None:
        """Seed the noise."""
        self._rng = random.Random(self.seed)  # noqa: S311 - a test wants it repeatable

    # --- in ---

    def write(self, data: bytes, now_s: float) -> None:
        """Take wire bytes, whole frames or parts of them."""
        self.counters.bytes_carried += len(data)
        rate = self.bytes_per_s
        start_s = now_s
        if rate is not None:
            self.counters.queue_peak_s = max(self.counters.queue_peak_s, self._free_s - now_s)
            start_s = max(self._free_s, now_s)
            self._free_s = start_s + len(data) / rate
        at = -len(self._part)  # where the next frame begins in the data
        for frame in self._frames(data):
            self.counters.frames += 1
            if self.keep:
                self.sent.append(frame)
            at += len(frame)
            left_s = start_s if rate is None else start_s + at / rate
            copies = (
                as_is(frame)
                if self.on_frame is None
                else self.on_frame(self.counters.frames, frame)
            )
            if copies != [(0.0, frame)]:
                self.counters.frames_harmed += 1
            for late_s, wire in copies:
                for later_s, harmed in self._frame_noise(wire):
                    self._schedule(self._byte_noise(harmed), left_s + late_s + later_s)

    def _frames(self, data: bytes) -> Iterable[bytes]:
        """Cut at the delimiters; a zero in front of a frame stays with it."""
        data = self._part + data
        start = place = 0
        while True:
            while place < len(data) and data[place] == DELIMITER:
                place += 1
            end = data.find(DELIMITER, place)
            if end < 0:
                self._part = data[start:]
                return
            yield data[start : end + 1]
            start = place = end + 1

    def _frame_noise(self, wire: bytes) -> Copies:
        noise = self.noise
        if noise.quiet or not (noise.lose_frame or noise.double_frame or noise.late_frame):
            return as_is(wire)
        draw = self._rng.random()
        if draw < noise.lose_frame:
            self.counters.frames_harmed += 1
            return []
        draw -= noise.lose_frame
        if draw < noise.double_frame:
            self.counters.frames_harmed += 1
            return as_is(wire) * 2
        if draw - noise.double_frame < noise.late_frame:
            self.counters.frames_harmed += 1
            return [(self._rng.random() * noise.late_s, wire)]
        return as_is(wire)

    def _byte_noise(self, wire: bytes) -> bytes:
        chance = self.noise.per_byte
        if not chance:
            return wire
        if self._to_damage < 0:
            self._draw_distance(chance)
        if self._to_damage >= len(wire):
            self._to_damage -= len(wire)
            return wire
        out = bytearray()
        start = 0
        while start + self._to_damage < len(wire):
            place = start + self._to_damage
            out += wire[start:place] + self._harm(wire[place])
            start = place + 1
            self._draw_distance(chance)
        self._to_damage -= len(wire) - start
        return bytes(out + wire[start:])

    def _draw_distance(self, chance: float) -> None:
        if chance >= 1:
            self._to_damage = 0
        else:
            self._to_damage = int(math.log(1.0 - self._rng.random()) / math.log(1.0 - chance))

    def _harm(self, byte: int) -> bytes:
        self.counters.bytes_harmed += 1
        noise, rng = self.noise, self._rng
        draw = rng.random() * noise.per_byte
        if draw < noise.flip:
            return bytes((byte ^ 1 << rng.randrange(8),))
        if draw < noise.flip + noise.drop:
            return b""
        return bytes((byte, rng.randrange(256) if draw < noise.per_byte - noise.double else byte))

    # --- out ---

    def _schedule(self, wire: bytes, left_s: float) -> None:
        if self.dead or not wire:
            return
        arrives_s = left_s + self.delay_s
        read_s = arrives_s
        if self.batch_s:
            read_s = math.ceil(arrives_s / self.batch_s) * self.batch_s
        if self.stall is not None and self.stall[0] <= read_s < self.stall[1]:
            read_s = self.stall[1]
        if self.ring_bytes is not None:
            wire = self._through_ring(wire, arrives_s)
        self._order += 1
        heapq.heappush(self._coming, (read_s, self._order, arrives_s, wire))

    def _through_ring(self, wire: bytes, arrives_s: float) -> bytes:
        """Lose what the ring has no room for while the reader does not read."""
        assert self.ring_bytes is not None
        waiting = sum(len(w) for read, _, came, w in self._coming if came <= arrives_s < read)
        room = max(0, self.ring_bytes - waiting)
        self.counters.overrun_bytes += max(0, len(wire) - room)
        self.counters.ring_peak_bytes = max(self.counters.ring_peak_bytes, waiting + len(wire))
        return wire[:room]

    def next_arrival_s(self) -> float | None:
        """Return when the next bytes will be read; asking changes nothing."""
        return self._coming[0][0] if self._coming else None

    def read(self, now_s: float) -> bytes:
        """Return what the reader gets by now."""
        out = []
        while self._coming and self._coming[0][0] <= now_s:
            out.append(heapq.heappop(self._coming)[3])
        return b"".join(out)

    def inject(self, wire: bytes, at_s: float) -> None:
        """Let bytes arrive that nobody sent: text, noise, a frame of an earlier life."""
        self._order += 1
        heapq.heappush(self._coming, (at_s, self._order, at_s, wire))

    def drop(self, unwanted: Callable[[bytes], bool]) -> None:
        """Lose what is on its way and unwanted."""
        self._coming = [entry for entry in self._coming if not unwanted(entry[3])]
        heapq.heapify(self._coming)

    def cut(self) -> None:
        """Lose all that is on its way or waits for its turn: the sender's UART was reset."""
        self._coming.clear()
        self._part = b""
        self._free_s = 0.0
