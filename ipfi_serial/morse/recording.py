"""The edges of a recording in, its frames out: every byte with the time that it took.

docs/morse.md, MORSE-20.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ipfi_serial.morse.alphabet import Alphabet
from ipfi_serial.morse.decoder import Decoder
from ipfi_serial.morse.keying import DELIMITER
from ipfi_serial.morse.text import unit_of

_SILENCE_UNITS = 1000.0


@dataclass(slots=True)
class RecordedFrame:
    """A frame of a recording.

    Attributes:
        begin_s: where its training preamble begins.
        data_s: where its first byte begins.
        data: its bytes, as far as they could be read.
        ends_s: where each of them ends.
        whole: whether it ended as a frame does.
        unit_s: length of a unit.
        margin: of its worst mark or gap, in units.
    """

    begin_s: float
    data_s: float
    data: bytearray = field(default_factory=bytearray)
    ends_s: list[float] = field(default_factory=list)
    whole: bool = False
    unit_s: float = 0.0
    margin: float = 0.0


def frames_of(edges_s: Sequence[float], alphabet: Alphabet) -> list[RecordedFrame]:
    """Return the frames of a recording.

    Args:
        edges_s: beginnings and ends of marks in turn.
        alphabet: of the sender.
    """
    intervals = [b - a for a, b in pairwise(edges_s)]
    if len(intervals) < 2:
        return []
    decoder = Decoder(alphabet, unit_of(intervals[::2], intervals[1::2]))
    frames: list[RecordedFrame] = []
    begin_s = edges_s[0]
    for place, edge_s in enumerate(edges_s):
        preambles = decoder.quality.preambles
        decoder.receive_edges([edge_s], rising=place % 2 == 0)
        if decoder.quality.preambles > preambles:
            data_s = decoder.begun_s
            frames.append(RecordedFrame(begin_s, data_s))
        begin_s = _take(decoder, frames, edges_s[max(0, place - 2)], edge_s, begin_s)
    decoder.receive_time(edges_s[-1] + _SILENCE_UNITS * decoder.unit_s)
    _take(decoder, frames, edges_s[-1], edges_s[-1], begin_s)
    return frames


def _take(
    decoder: Decoder, frames: list[RecordedFrame], end_s: float, edge_s: float, begin_s: float
) -> float:
    """Put what was read into the last frame; return where the next one begins at the earliest."""
    for byte in decoder.take():
        frame = frames[-1]
        if byte != DELIMITER:
            frame.data.append(byte)
            frame.ends_s.append(end_s)
            continue
        frame.whole = decoder.quality.margin > 0
        frame.unit_s, frame.margin = decoder.unit_s, decoder.quality.margin
        begin_s = edge_s
    return begin_s
