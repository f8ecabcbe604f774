"""Streams and blobs, against what the pty gives to a bare sketch and to plain writes."""

from __future__ import annotations

import contextlib
import os
import select
import time
import tty
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from cobs import cobs

from tests.benchmarks.figures import Figure, at_least, missing, plain, ratios
from tests.benchmarks.pairs import Pair
from tests.benchmarks.peers import OURS, OURS_COMPILED, Unavailable

VALUES: Final = 20_000
SKETCH_FRAMES: Final = 60_000
WRITE_BYTES: Final = 16 << 20
BLOB_MIB: Final = 64
BLOB_ROUNDS: Final = 3
STREAM_TARGET: Final = 200 / 878  # thousand values a second, where the bare sketch does 878
BLOB_TARGET: Final = 40 / 149  # MB/s, where os.write of 1 KiB does 149


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    builds = {"": _Samples(), "compiled: ": _Samples()}
    sketch: list[_Run] = []
    writes: list[_Run] = []
    with contextlib.ExitStack() as stack:
        pairs: dict[str, Pair] = {}
        for build, peer in zip(builds, (OURS, OURS_COMPILED), strict=True):
            with builds[build].noting():
                pairs[build] = stack.enter_context(Pair(peer))
        for number in range(-1, rounds):  # the first is to warm up
            if number >= 0:
                sketch.append(_through_a_pty(_sketch_frames, _read_frames))
                writes.append(_through_a_pty(_plain_writes, _read_all))
            for build, pair in pairs.items():
                with builds[build].noting():
                    builds[build].take(pair, number)
    sketch_s = [SKETCH_FRAMES / run.wall_s for run in sketch]
    writes_mb = [WRITE_BYTES / 1e6 / run.wall_s for run in writes]
    return [
        plain("bare framed sketch, 20 B, 64 frames a write", sketch_s, "/s"),
        plain("sketch: CPU of a value", [r.cpu_s / SKETCH_FRAMES * 1e6 for r in sketch], "us"),
        plain("os.write of 1 KiB", writes_mb, "MB/s"),
        *(f for build, got in builds.items() for f in got.figures(build, sketch_s, writes_mb)),
    ]


class _Samples:
    """What one build gave.

    Attributes:
        values: its streams.
        blobs: its blobs.
    """

    def __init__(self) -> None:
        self.values: list[_Run] = []
        self.blobs: list[_Run] = []
        self._why = ""

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Keep why this build cannot be measured."""
        try:
            yield
        except Unavailable as error:
            self._why = str(error)

    def take(self, pair: Pair, number: int) -> None:
        """Measure once; a negative number only warms up."""
        if self._why:
            return
        if number < 0:
            pair.ask("stream", 1, size=2000)
            pair.ask("blob", 1, size=1)
            return
        self.values.append(_asked(pair, "stream", VALUES))
        if number < BLOB_ROUNDS:
            self.blobs.append(_asked(pair, "blob", BLOB_MIB))

    def figures(
        self, build: str, sketch_s: Sequence[float], writes_mb: Sequence[float]
    ) -> list[Figure]:
        """Return the figures; each with the reason if there is nothing."""
        stream, blob = f"{build}stream", f"{build}blob"
        if self._why:
            return [
                missing(f"{stream} of 20-byte values", "/s", "", self._why),
                missing(f"{stream}: CPU of a value", "us", "", self._why),
                missing(
                    f"{stream} of 20-byte values / sketch", "x", _least(STREAM_TARGET), self._why
                ),
                missing(f"{blob} of {BLOB_MIB} MiB", "MB/s", "", self._why),
                missing(f"{blob}: CPU of a KiB", "us", "", self._why),
                missing(f"{blob} / os.write", "x", _least(BLOB_TARGET), self._why),
            ]
        values_s = [VALUES / run.wall_s for run in self.values]
        blobs_mb = [BLOB_MIB * 1.048576 / run.wall_s for run in self.blobs]
        value_us = [r.cpu_s / VALUES * 1e6 for r in self.values]
        kib_us = [r.cpu_s / BLOB_MIB / 1024 * 1e6 for r in self.blobs]
        writes_mb = writes_mb[: len(blobs_mb)]
        return [
            plain(f"{stream} of 20-byte values", values_s, "/s"),
            plain(f"{stream}: CPU of a value", value_us, "us"),
            at_least(
                f"{stream} of 20-byte values / sketch", ratios(values_s, sketch_s), STREAM_TARGET
            ),
            plain(f"{blob} of {BLOB_MIB} MiB", blobs_mb, "MB/s"),
            plain(f"{blob}: CPU of a KiB", kib_us, "us"),
            at_least(f"{blob} / os.write", ratios(blobs_mb, writes_mb), BLOB_TARGET),
        ]


def _least(target: float) -> str:
    return f">= {target:g}"


class _Run(NamedTuple):
    """What was needed, both ends."""

    wall_s: float
    cpu_s: float


def _asked(pair: Pair, what: str, size: int) -> _Run:
    sample = pair.ask(what, 1, size=size)
    return _Run(sample.wall_us / 1e6, sample.cpu_us / 1e6)


def _through_a_pty(write: Callable[[int], None], read: Callable[[int], None]) -> _Run:
    """Let a child write, and read all of it here."""
    far, near = os.openpty()
    for side in (far, near):
        tty.setraw(side)
    cores = sorted(os.sched_getaffinity(0))
    begin_s, cpu_s = time.perf_counter(), time.process_time()
    child = os.fork()
    if child == 0:
        try:
            os.sched_setaffinity(0, {cores[-1]})
            write(far)
        finally:
            os._exit(0)
    try:
        read(near)
        wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    finally:
        os.close(near)
        _, _, used = os.wait4(child, 0)
        os.close(far)
    return _Run(wall_s, cpu_s + used.ru_utime + used.ru_stime)


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
