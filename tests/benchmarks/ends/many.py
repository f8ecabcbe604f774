"""Many boards on one event loop, or many calls on one wire; what the runner asks for, once.

many.py boards <seconds> <path> ...
many.py queue <calls> <path>
"""

import asyncio
import os
import resource
import sys
import time
from pathlib import Path

from measuring import check, report

from ipfi_serial import connect as connect_blocking
from ipfi_serial.aio import connect

QUIET_S = 0.2
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024


def resident_kib() -> float:
    """Return what this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


async def boards(seconds: float, paths: list[str]) -> None:
    """Call every board, one call under way on each; then at half that rate."""
    first = await connect(paths[0])
    await first.call("add", 0, 0)
    before_kib = resident_kib()
    wires = [first, *[await connect(path) for path in paths[1:]]]
    for wire in wires:
        await wire.call("add", 0, 0)
    grown_kib = resident_kib() - before_kib
    count = 0

    async def hurry(wire, until_s: float) -> None:
        nonlocal count
        while time.perf_counter() < until_s:
            check(await wire.call("add", count, 1) is not None, True)
            count += 1

    begin_s, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(hurry(wire, begin_s + seconds) for wire in wires))
    rate = count / (time.perf_counter() - begin_s)
    cpu_us = (time.process_time() - cpu_s) / count * 1e6
    times_s: list[float] = []

    async def stroll(wire, period_s: float, offset_s: float, until_s: float) -> None:
        next_s = time.perf_counter() + offset_s
        while next_s < until_s:
            await asyncio.sleep(max(0.0, next_s - time.perf_counter()))
            # from the moment when it should begin: waiting for the loop counts too
            await wire.call("add", 1, 1)
            times_s.append(time.perf_counter() - next_s)
            next_s += period_s

    period_s = 2 * len(wires) / rate
    until_s = time.perf_counter() + seconds
    await asyncio.gather(
        *(stroll(w, period_s, k * period_s / len(wires), until_s) for k, w in enumerate(wires))
    )
    times_s.sort()
    report(
        rate=rate,
        cpu_us=cpu_us,
        p99_ms=times_s[len(times_s) * 99 // 100] * 1e3,
        kib_per_board=grown_kib / max(1, len(wires) - 1),
    )
    for wire in wires:
        wire.abandon()


def queue(count: int, path: str) -> None:
    """Queue so many calls on one wire before the first answer is taken."""
    with connect_blocking(path) as wire:
        wire.call("add", 0, 0)
        before_kib = resident_kib()
        begin_s, cpu_s = time.perf_counter(), time.process_time()
        calls = [wire.start("add", k, 1, timeout_s=600) for k in range(count)]
        peak_kib = resident_kib() - before_kib
        for k, call in enumerate(calls):
            check(call.result(), k + 1)
        report(
            us=(time.perf_counter() - begin_s) / count * 1e6,
            cpu_us=(time.process_time() - cpu_s) / count * 1e6,
            kib_per_call=peak_kib / count,
            peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )


if sys.argv[1] == "boards":
    asyncio.run(boards(float(sys.argv[2]), sys.argv[3:]))
else:
    queue(int(sys.argv[2]), sys.argv[3])
