"""Counts damaged and wrong frames on simulated lines: every clock, jitter and glitches together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.morse.alphabet import AlphabetName, alphabet_named
from ipfi_serial.morse.decoder import Decoder
from ipfi_serial.morse.keying import Keyer

UNIT_S = 0.001
CONTENT_BYTES = 24  # with CRC-32, COBS and delimiter 30 wire bytes: a call or a short answer
CLOCKS = (0.7, 1.0, 1.3)
JITTERS = (0.0, 0.05, 0.10, 0.15, 0.20, 0.25)
GLITCHES = (0.0, 1 / 500)  # in a unit
LONGEST_GLITCH = 1 / 3
DRIFT = 0.2  # over a frame, up and down in turn


@dataclass(frozen=True, slots=True)
class Setting:
    """A line: clock and jitter as in tests/morse/line.py; glitches in a unit."""

    alphabet: AlphabetName
    clock: float
    jitter: float
    glitches: float
    crc: int


@dataclass(slots=True)
class Outcome:
    """What became of the frames.

    Attributes:
        sent: frames.
        good: of these, that arrived as they were.
        wrong: frames that were taken for good and were never sent.
        judged: frames that reached their CRC and failed it.
    """

    sent: int = 0
    good: int = 0
    wrong: int = 0
    judged: int = 0
    edges: int = 0
    decoder_s: float = 0.0


def settings() -> Iterator[Setting]:
    """Every combination with CRC-32, and the slow clock with CRC-16 as well."""
    names: tuple[AlphabetName, ...] = ("itu", "compact")
    for name, clock, jitter, glitches in product(names, CLOCKS, JITTERS, GLITCHES):
        yield Setting(name, clock, jitter, glitches, 32)
    for name, jitter, glitches in product(names, JITTERS[3:], GLITCHES):
        yield Setting(name, 1.3, jitter, glitches, 16)


def survey(setting: Setting, frames: int, seed: int = 1) -> Outcome:
    """Send so many random frames over a line."""
    draw = np.random.default_rng(seed)
    profile: CrcProfile = CRC32 if setting.crc == 32 else CRC16
    alphabet = alphabet_named(setting.alphabet)
    keyer, decoder = Keyer(alphabet), Decoder(alphabet, UNIT_S)
    framing = FrameDecoder(1024, profiles=(profile,))
    outcome, start_s = Outcome(), 1.0
    for number in range(frames):
        content = b"\x85" + draw.bytes(CONTENT_BYTES - 1)
        units = keyer.key(encode_frame(content, profile)[:-1])
        edges = _distorted(units, setting, DRIFT if number % 2 else -DRIFT, draw)
        began_s = time.process_time()
        decoder.receive_edges((start_s + edges).tolist(), rising=True)
        start_s += float(edges[-1]) + 20 * UNIT_S * setting.clock
        decoder.receive_time(start_s)
        outcome.decoder_s += time.process_time() - began_s
        outcome.edges += len(edges)
        verdicts = [v for v in framing.receive(decoder.take()) if isinstance(v, bytes)]
        outcome.sent += 1
        outcome.good += content in verdicts
        outcome.wrong += sum(v != content for v in verdicts)
    outcome.judged = framing.counters.crc_errors
    return outcome


def _distorted(
    units: list[int], setting: Setting, drift: float, draw: np.random.Generator
) -> NDArray[np.float64]:
    unit_s = UNIT_S * setting.clock
    edges = np.concatenate(([0.0], np.cumsum(units[:-1]))) * unit_s
    span_s = edges[-1]
    edges = edges * (1 - drift / 2 + drift / 2 * edges / span_s)
    edges = edges + draw.normal(0.0, setting.jitter * unit_s, len(edges))
    if setting.glitches:
        count = draw.poisson(setting.glitches * span_s / unit_s)
        begins = draw.uniform(0.0, span_s, count)
        lengths = draw.uniform(0.0, LONGEST_GLITCH * unit_s, count)
        edges = np.concatenate((edges, begins, begins + lengths))
    edges.sort()
    heard: NDArray[np.float64] = edges - min(0.0, edges[0])
    return heard
