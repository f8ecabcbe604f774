"""Frames as edges, undisturbed and disturbed, for the tests of the decoder."""

from __future__ import annotations

from random import Random

from ipfi_serial.morse.alphabet import alphabet_named
from ipfi_serial.morse.decoder import Decoder
from ipfi_serial.morse.keying import Keyer, edge_times

UNIT_S = 0.001
FRAME = bytes.fromhex("0585a1b2ff010203c0ffee7f80fe")
ALPHABETS = ("itu", "compact")


def keyed(
    frame: bytes = FRAME, alphabet: str = "compact", start_s: float = 1.0, unit_s: float = UNIT_S
) -> list[float]:
    """Return the edges of one frame."""
    return edge_times(Keyer(alphabet_named(alphabet)).key(frame), start_s, unit_s)


def decoder(alphabet: str = "compact", unit_s: float = UNIT_S) -> Decoder:
    """Return a decoder that has heard nothing."""
    return Decoder(alphabet_named(alphabet), unit_s)


def read(own: Decoder, edges: list[float], *, rising: bool = True) -> bytes:
    """Let a decoder hear edges, then silence; return what it reads."""
    own.receive_edges(edges, rising=rising)
    own.receive_time(edges[-1] + 1000 * own.unit_s)
    return own.take()


def jittered(edges: list[float], deviation_s: float, chance: Random) -> list[float]:
    """Return edges that are a little early or late."""
    return sorted(edge + chance.gauss(0.0, deviation_s) for edge in edges)


def with_glitches(
    edges: list[float], count: int, longest_s: float, chance: Random, shortest_s: float = 0.0
) -> list[float]:
    """Return edges with false pulses that touch no true edge."""
    merged = list(edges)
    while count:
        place_s = chance.uniform(edges[0], edges[-1])
        length_s = chance.uniform(shortest_s, longest_s)
        free_s = longest_s * 1.05  # two glitches side by side are one
        if all(not place_s - free_s < edge < place_s + length_s + free_s for edge in merged):
            merged += (place_s, place_s + length_s)
            count -= 1
    return sorted(merged)


def stretched(edges: list[float], by: float) -> list[float]:
    """Return edges of a sender that slows down: its last unit is longer than its first by this."""
    start_s, span_s = edges[0], edges[-1] - edges[0]
    return [start_s + (t - start_s) * (1 - by / 2 + by / 2 * (t - start_s) / span_s) for t in edges]
