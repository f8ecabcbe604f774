"""Two engines joined by a simulated Morse line, on one virtual clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.engine.stats import take_stats
from ipfi_serial.morse.modem import Modem, ModemSettings
from tests.engine.wires import End, interface

SHARED_SLICE_EDGES = 1  # who listens before talking hears every edge at once
SLICE_EDGES = 16  # edges reach the other end so many at a time, the first one of a burst by itself


@dataclass(frozen=True, slots=True)
class Distortion:
    """What a line does to edges.

    Attributes:
        clock: how much longer a unit of this sender lasts: 1.3 is 30 % slow.
        drift: how much longer a unit lasts at the end of a burst than at its beginning.
        jitter: standard deviation of an edge, in units of full speed.
        glitches: false pulses in a unit of full speed, mean.
        glitch: longest false pulse, in units of full speed.
    """

    clock: float = 1.0
    drift: float = 0.0
    jitter: float = 0.0
    glitches: float = 0.0
    glitch: float = 1 / 3


def distort(edges: list[float], unit_s: float, how: Distortion, chance: Random) -> list[float]:
    """Return what is heard of a burst; ``unit_s`` is that of full speed."""
    start_s = edges[0]
    span_s = edges[-1] - start_s
    heard = []
    for edge in edges:
        after_s = edge - start_s
        after_s *= 1 - how.drift / 2 * (1 - after_s / span_s)
        heard.append(start_s + after_s + chance.gauss(0.0, how.jitter) * unit_s)
    if how.glitches:
        place_s = start_s
        while (place_s := place_s + chance.expovariate(how.glitches) * unit_s) < edges[-1]:
            heard += (place_s, place_s + chance.uniform(0.0, how.glitch) * unit_s)
    heard.sort()
    return heard


class Station:
    """An engine and its modem."""

    def __init__(self, end: End, settings: ModemSettings, how: Distortion) -> None:
        self.end = end
        self.modem = Modem(settings)
        self.unit_s = settings.unit_s
        self.shared = settings.shared
        self.how = how
        self.chance = Random(settings.seed)  # noqa: S311 repeatable
        self.on_the_way: list[float] = []  # edges of ours that the other end has not heard yet
        self.rising = True
        self.unsent = b""  # what the modem has not taken
        self.just_keyed = False
        self.counts = (0, 0)


class MorsePair:
    """Two ends of a Morse line and the time.  ``a`` is the host."""

    def __init__(
        self,
        settings: ModemSettings,
        *,
        config: WireConfig | None = None,
        a_to_b: Distortion | None = None,
        b_to_a: Distortion | None = None,
        seed: int = 1,
    ) -> None:
        self.now_s = 100.0
        numbers = count(0x1000)
        stations = []
        for number, how in enumerate((a_to_b, b_to_a)):
            wire = build_wire(
                interface(),
                config or WireConfig(),
                framed=True,
                role="device" if number else "host",
                bytes_per_s=settings.bytes_per_s,
                random_u32=lambda: next(numbers),
            )
            how = how or Distortion()
            own = replace(settings, wpm=settings.wpm / how.clock, seed=seed + number)
            end = End(wire, lambda: self.now_s)
            stations.append(Station(end, own, how))
        self.stations = tuple(stations)
        self.a, self.b = (each.end for each in stations)
        self.b.wire.open(self.now_s)
        self.a.wire.open(self.now_s)

    def run(self, limit_s: float, until: Callable[[], bool]) -> float:
        """Let time pass until something is true; return how long that took."""
        start_s = self.now_s
        self._settle()
        while not until():
            due = self._next_s()
            assert due is not None, "nothing will ever happen again"
            assert due <= start_s + limit_s, f"it did not come about within {limit_s} s"
            self.now_s = max(self.now_s, due)
            self._settle()
        return self.now_s - start_s

    def _next_s(self) -> float | None:
        due: list[float] = []
        for own, other in (self.stations, self.stations[::-1]):
            wire_s = own.end.wire.next_deadline_s()
            if wire_s is not None and own.unsent:  # sending is overdue, but the line is full
                wire_s = max(wire_s, own.modem.key_due_s() or self.now_s)
            times = (
                wire_s,
                own.modem.key_due_s(),
                None if other.on_the_way else own.modem.next_deadline_s(),
                self._arrival_s(own),
            )
            due += [t for t in times if t is not None]
        return min(due) if due else None

    @staticmethod
    def _arrival_s(station: Station) -> float | None:
        edges = station.on_the_way
        if not edges:
            return None
        if station.just_keyed:  # the first edge of a burst
            return edges[0]
        size = SHARED_SLICE_EDGES if station.shared else SLICE_EDGES
        return edges[min(size, len(edges)) - 1]

    def _settle(self) -> None:
        for _ in range(1000):
            moved = [self._step(*pair) for pair in (self.stations, self.stations[::-1])]
            if not any(moved):
                return
        raise AssertionError("the two ends never come to rest")

    def _step(self, own: Station, other: Station) -> bool:
        now_s = self.now_s
        moved = False
        arrival_s = self._arrival_s(own)
        if arrival_s is not None and arrival_s <= now_s:
            number = bisect_right(own.on_the_way, now_s)
            heard, own.on_the_way = own.on_the_way[:number], own.on_the_way[number:]
            own.just_keyed = False
            other.modem.receive_edges(heard, rising=own.rising)
            own.rising ^= number % 2 == 1
            moved = True
        if not other.on_the_way:  # or edges would be late, which those of a pin are not
            own.modem.receive_time(now_s)
        wire = own.end.wire
        if data := own.modem.take():
            wire.receive_bytes(data, now_s)
            moved = True
        wire.on_deadline(now_s)
        own.end.take_events()
        while data := own.unsent or wire.bytes_to_send(now_s):
            taken = own.modem.put(data, now_s)
            own.unsent = data[taken:]
            if not taken:
                break
            moved = True
        if edges := own.modem.key(now_s):
            own.just_keyed = True
            own.on_the_way += distort(edges, own.unit_s, own.how, own.chance)
            moved = True
        self._tell_losses(own)
        return moved

    @staticmethod
    def _tell_losses(own: Station) -> None:
        stats = take_stats(own.end.wire, 0)
        frames, repeats = stats.frames_sent, stats.retransmissions
        own.modem.note_losses(frames - own.counts[0], repeats - own.counts[1])
        own.counts = frames, repeats
