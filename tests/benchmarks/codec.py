"""The frame decoder alone, in memory."""

from __future__ import annotations

import time
from typing import Final

from ipfi_serial.framing.crc import CRC32
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.link.parameters import FrameType
from tests.benchmarks.figures import Figure, at_least, plain

CHUNK_BYTES: Final = 4096
DATA: Final = bytes((FrameType.DATA,))
TOTAL_BYTES: Final = 1 << 20


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    frame = encode_frame(DATA + bytes(range(1, 16)), CRC32)  # 20 bytes of content and CRC
    wire = frame * (TOTAL_BYTES // len(frame))
    large = encode_frame(DATA + bytes(1023), CRC32)
    large_wire = large * (TOTAL_BYTES // len(large))
    chunks, bytewise, kib = [], [], []
    for _ in range(rounds):
        chunks.append(_decode_mb_per_s(wire, CHUNK_BYTES))
        bytewise.append(_decode_mb_per_s(wire[: TOTAL_BYTES // 8], 1))
        kib.append(_decode_mb_per_s(large_wire, CHUNK_BYTES))
    return [
        at_least("decoder, 20-byte frames, 4 KiB chunks", chunks, 70, "MB/s"),
        at_least("decoder, 20-byte frames, one byte a call", bytewise, 3, "MB/s"),
        plain("decoder, 1 KiB frames, 4 KiB chunks", kib, "MB/s"),
    ]


def _decode_mb_per_s(wire: bytes, chunk_bytes: int) -> float:
    decoder = FrameDecoder(2048)
    pieces = [wire[k : k + chunk_bytes] for k in range(0, len(wire), chunk_bytes)]
    begin_s = time.process_time()
    for piece in pieces:
        decoder.receive(piece)
    took_s = time.process_time() - begin_s
    if decoder.counters.crc_errors or not decoder.counters.frames:
        raise AssertionError("the decoder lost frames")
    return len(wire) / 1e6 / took_s
