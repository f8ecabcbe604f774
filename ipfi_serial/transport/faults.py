"""Damages bytes: one direction of a bad line, pure and seeded, for tests, simulators and the demo.

How the bytes are cut into chunks does not change what happens to them.  No I/O, no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from random import Random
from typing import Final

from ipfi_serial.errors import ConfigError

_NEVER: Final = 1 << 62  # bytes until the next fault on a line without faults
_DELIMITER: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class LineFaults:
    """What a line does to bytes; each probability is 0 to 1, the byte faults together too.

    Attributes:
        frame_loss: that a frame vanishes with the ``0x00`` that ends it.
        byte_flip: that one bit of a byte is inverted.
        byte_drop: that a byte vanishes.
        byte_insert: that a random byte comes before a byte.
        byte_double: that a byte comes twice.
        delay_s: how much later what comes in is handed over, in seconds (the two transports).
        seed: equal seeds and bytes give equal faults.
    """

    frame_loss: float = 0.0
    byte_flip: float = 0.0
    byte_drop: float = 0.0
    byte_insert: float = 0.0
    byte_double: float = 0.0
    delay_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "delay_s":
                if not 0 <= value < math.inf:
                    raise ConfigError(f"delay_s is {value}; it must be a number of seconds")
            elif each.name != "seed" and not 0 <= value <= 1:
                raise ConfigError(f"{each.name} is {value}; it must be 0 to 1")
        if self.byte_faults > 1:
            raise ConfigError(f"the probabilities of byte faults sum up to {self.byte_faults} > 1")

    @property
    def byte_faults(self) -> float:
        """Probability that something happens to a byte."""
        return self.byte_flip + self.byte_drop + self.byte_insert + self.byte_double


@dataclass(slots=True)
class FaultCounts:
    """What a faulty line has done so far.

    Attributes:
        frames: that began to pass; a frame is what stands before a ``0x00``, text included.
        frames_lost: of these, that vanished.
        bytes_in: handed in.
        bytes_out: handed out.
        flipped: bytes with a bit inverted.
        dropped: bytes that vanished, those of lost frames not counted.
        inserted: random bytes put in.
        doubled: bytes that came twice.
    """

    frames: int = 0
    frames_lost: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    flipped: int = 0
    dropped: int = 0
    inserted: int = 0
    doubled: int = 0


class FaultyLine:
    """One direction of a line.  Not safe for use by several threads at once.

    Attributes:
        counts: what was done so far.
    """

    def __init__(self, faults: LineFaults) -> None:
        self.counts = FaultCounts()
        self._in_frame = False
        self._is_lost = False
        self._faults: LineFaults = faults
        self._start(faults)

    @property
    def faults(self) -> LineFaults:
        """The faults; may be set while the line runs.  Only a new seed starts the chances anew."""
        return self._faults

    @faults.setter
    def faults(self, faults: LineFaults) -> None:
        if faults.seed != self._faults.seed:
            self._start(faults)
        else:
            self._faults = faults
            self._gap = self._bytes_to_next_fault()

    def pass_bytes(self, data: bytes) -> bytes:
        """Return what is left of ``data`` at the other end."""
        self.counts.bytes_in += len(data)
        passed = self._damage_bytes(self._lose_frames(data))
        self.counts.bytes_out += len(passed)
        return passed

    def _start(self, faults: LineFaults) -> None:
        self._faults = faults
        self._frame_chance = Random(f"frames {faults.seed}")  # noqa: S311 repeatable
        self._byte_chance = Random(f"bytes {faults.seed}")  # noqa: S311 repeatable
        self._gap = self._bytes_to_next_fault()

    def _lose_frames(self, data: bytes) -> bytes:
        """Take out whole frames; a frame is decided on at its first byte."""
        kept: list[bytes] = []
        for piece in _pieces(data):
            if piece != _DELIMITER and not self._in_frame:
                self._begin_frame()
            if not self._is_lost:
                kept.append(piece)
            if piece.endswith(_DELIMITER):
                self._in_frame = self._is_lost = False
        return b"".join(kept)

    def _begin_frame(self) -> None:
        self._in_frame = True
        self.counts.frames += 1
        self._is_lost = self._frame_chance.random() < self._faults.frame_loss
        self.counts.frames_lost += self._is_lost

    def _damage_bytes(self, data: bytes) -> bytes:
        """Damage single bytes; what lies between two faults is copied in one piece."""
        done: list[bytes] = []
        position = 0
        while position + self._gap < len(data):
            victim = position + self._gap
            done.append(data[position:victim])
            done.append(self._damage(data[victim]))
            position = victim + 1
            self._gap = self._bytes_to_next_fault()
        self._gap -= len(data) - position
        done.append(data[position:])
        return b"".join(done)

    def _damage(self, byte: int) -> bytes:
        faults, counts, chance = self._faults, self.counts, self._byte_chance
        kind = chance.random() * faults.byte_faults
        if kind < faults.byte_flip:
            counts.flipped += 1
            return bytes((byte ^ 1 << chance.randrange(8),))
        kind -= faults.byte_flip
        if kind < faults.byte_drop:
            counts.dropped += 1
            return b""
        kind -= faults.byte_drop
        if kind < faults.byte_insert:
            counts.inserted += 1
            return bytes((chance.randrange(256), byte))
        counts.doubled += 1
        return bytes((byte, byte))

    def _bytes_to_next_fault(self) -> int:
        """Draw how many bytes stay whole: the geometric distribution, with one draw."""
        probability = self._faults.byte_faults
        if probability <= 0:
            return _NEVER
        if probability >= 1:
            return 0
        whole = math.log(1.0 - self._byte_chance.random()) / math.log(1.0 - probability)
        return min(int(whole), _NEVER)


def _pieces(data: bytes) -> list[bytes]:
    """Cut behind every delimiter; the last piece may lack one, and none is empty."""
    *ended, rest = data.split(_DELIMITER)
    pieces = [piece + _DELIMITER for piece in ended]
    return [*pieces, rest] if rest else pieces
