"""Streams and blobs, against what the pty gives to a bare sketch and to plain writes."""

from __future__ import annotations

import os
import select
import time
import tty
import zlib
from collections.abc import Callable
from typing import Final

import msgspec
from cobs import cobs

from tests.benchmarks.figures import Figure, at_least, missing, plain, ratios
from tests.benchmarks.pairs import Pair
from tests.benchmarks.peers import OURS, Unavailable

VALUES: Final = 20_000
SKETCH_FRAMES: Final = 60_000
WRITE_BYTES: Final = 16 << 20
BLOB_MIB: Final = 64
STREAM_TARGET: Final = 200 / 878  # thousand values a second, where the bare sketch does 878
BLOB_TARGET: Final = 40 / 149  # MB/s, where os.write of 1 KiB does 149


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    sketch, writes, values, blobs = [], [], [], []
    try:
        with Pair(OURS) as pair:
            pair.ask("stream", 1, size=2000)
            pair.ask("blob", 1, size=1)
            for number in range(rounds):
                sketch.append(SKETCH_FRAMES / _through_a_pty(_sketch_frames, _read_frames))
                values.append(_stream_per_s(pair))
                writes.append(WRITE_BYTES / 1e6 / _through_a_pty(_plain_writes, _read_all))
                if number < 3:
                    blobs.append(_blob_mb_per_s(pair))
    except Unavailable as error:
        return [missing("stream of 20-byte values", "/s", "", str(error))]
    return [
        plain("bare framed sketch, 20 B, 64 frames a write", sketch, "/s"),
        plain("stream of 20-byte values", values, "/s"),
        at_least("stream of 20-byte values / sketch", ratios(values, sketch), STREAM_TARGET),
        plain("os.write of 1 KiB", writes, "MB/s"),
        plain(f"blob of {BLOB_MIB} MiB", blobs, "MB/s"),
        at_least("blob / os.write", ratios(blobs, writes[: len(blobs)]), BLOB_TARGET),
    ]


def _stream_per_s(pair: Pair) -> float:
    begin_s = time.perf_counter()
    pair.ask("stream", 1, size=VALUES)
    return VALUES / (time.perf_counter() - begin_s)


def _blob_mb_per_s(pair: Pair) -> float:
    begin_s = time.perf_counter()
    pair.ask("blob", 1, size=BLOB_MIB)
    return BLOB_MIB * 1.048576 / (time.perf_counter() - begin_s)


def _through_a_pty(write: Callable[[int], None], read: Callable[[int], None]) -> float:
    """Let a child write and read here; return the seconds until all was read."""
    far, near = os.openpty()
    for side in (far, near):
        tty.setraw(side)
    cores = sorted(os.sched_getaffinity(0))
    begin_s = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            os.sched_setaffinity(0, {cores[-1]})
            write(far)
        finally:
            os._exit(0)
    try:
        read(near)
        return time.perf_counter() - begin_s
    finally:
        os.close(near)
        os.waitpid(child, 0)
        os.close(far)


def _sketch_frames(fd: int) -> None:
    """Write frames of COBS, CRC-32 and MessagePack without any reliability, 64 to a write."""
    encode, value = msgspec.msgpack.Encoder().encode, bytes(18)
    for _ in range(SKETCH_FRAMES // 64):
        frames = []
        for _ in range(64):
            content = encode(value)
            content += zlib.crc32(content).to_bytes(4, "little")
            frames.append(cobs.encode(content))
        _write_all(fd, b"\0".join(frames) + b"\0")


def _read_frames(fd: int) -> None:
    decode, left, rest = msgspec.msgpack.Decoder().decode, SKETCH_FRAMES // 64 * 64, b""
    while left:
        select.select((fd,), (), ())
        *frames, rest = (rest + os.read(fd, 4096)).split(b"\0")
        for frame in frames:
            content = cobs.decode(frame)
            if zlib.crc32(content) == 0x2144DF1C:
                decode(content[:-4])
        left -= len(frames)


def _plain_writes(fd: int) -> None:
    data = bytes(1024)
    for _ in range(WRITE_BYTES // len(data)):
        _write_all(fd, data)


def _read_all(fd: int) -> None:
    left = WRITE_BYTES
    while left:
        left -= len(os.read(fd, 65536))


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
