"""What each client of a comparison does: take an order from the runner, measure, report.

Stands alone, because it runs in the peers' own virtual environments.  Orders and reports are lines
of JSON on standard input and output.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Order = dict[str, Any]


def arguments() -> tuple[str, str]:
    """Return the role, "client" or "server", and where the line is."""
    return sys.argv[1], sys.argv[2]


def expect_build(is_compiled: bool) -> None:
    """Stop unless the environment of the compiled wheel runs it, and no other one does."""
    if is_compiled != (Path(sys.prefix).name == "compiled"):
        raise SystemExit(f"{sys.prefix} runs the wrong build of ipfi-serial")


def report(**values: Any) -> None:
    """Tell the runner."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def _figures(times_s: list[float], wall_s: float, cpu_s: float, count: int) -> dict[str, Any]:
    ordered = sorted(times_s) or [wall_s / count]
    return {
        "p50_us": ordered[len(ordered) // 2] * 1e6,
        "p99_us": ordered[len(ordered) * 99 // 100] * 1e6,
        "cpu_us": cpu_s / count * 1e6,
        "wall_us": wall_s / count * 1e6,
        "rss_kib": _peak_kib(),
    }


def _peak_kib() -> int:
    """Return the peak memory; what getrusage says begins with the peak of the parent."""
    with open("/proc/self/status") as status:  # noqa: PTH123 - as short as it gets
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def obey(
    calls: dict[str, Callable[[int], object]],
    *,
    start: Callable[[int], Callable[[], object]] | None = None,
    server_pid: int | None = None,
) -> None:
    """Measure what the runner asks for, until it closes our standard input.

    Args:
        calls: what can be done, by name; each takes a number and makes one call.
        start: begins an ``add`` and returns what waits for its answer.
        server_pid: the other end's process, if the runner did not start it.
    """
    report(ready=sorted(calls), together=start is not None, server_pid=server_pid)
    for line in sys.stdin:
        order: Order = json.loads(line)
        count, call = order["count"], calls[order["what"]]
        times_s: list[float] = []
        cpu_s, begin_s = time.process_time(), time.perf_counter()
        if order["together"] > 1 and start is not None:
            _together(start, count, order["together"])
        else:
            numbers = range(count) if order["size"] is None else [order["size"]] * count
            for k in numbers:
                before_s = time.perf_counter()
                call(k)
                times_s.append(time.perf_counter() - before_s)
        wall_s = time.perf_counter() - begin_s
        report(**_figures(times_s, wall_s, time.process_time() - cpu_s, count))


def _together(start: Callable[[int], Callable[[], object]], count: int, width: int) -> None:
    waiting = deque(start(k) for k in range(width))
    for k in range(width, count):
        waiting.append(start(k))
        waiting.popleft()()
    while waiting:
        waiting.popleft()()


async def _work(
    call: Callable[[int], Awaitable[object]], numbers: range, times_s: list[float]
) -> None:
    for k in numbers:
        before_s = time.perf_counter()
        await call(k)
        times_s.append(time.perf_counter() - before_s)


async def obey_async(
    calls: dict[str, Callable[[int], Awaitable[object]]], *, together: bool = False
) -> None:
    """Do as :func:`obey` does, on an event loop; ``together``: calls may be made at once."""
    report(ready=sorted(calls), together=together, server_pid=None)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order: Order = json.loads(line)
        count, call = order["count"], calls[order["what"]]
        times_s: list[float] = []
        cpu_s, begin_s = time.process_time(), time.perf_counter()

        width = order["together"]
        await asyncio.gather(*(_work(call, range(k, count, width), times_s) for k in range(width)))
        wall_s = time.perf_counter() - begin_s
        report(**_figures(times_s, wall_s, time.process_time() - cpu_s, count))


def check(answer: object, wanted: object) -> None:
    """Stop if an answer is wrong: a fast wrong answer is no figure."""
    if answer != wanted:
        raise SystemExit(f"wrong answer: {answer!r:.80}, not {wanted!r:.80}")


PAYLOAD = bytes(range(256)) * 4  # of an echo of 1 KiB
