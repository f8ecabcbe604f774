"""Many boards on one event loop, and many calls on one wire: cost must grow no faster than work."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any, Final

from ipfi_serial.sim.process import BoardProcess
from tests.benchmarks.figures import Figure, at_least, at_most, plain, ratios
from tests.benchmarks.peers import ENDS

BOARDS: Final = (1, 10, 100, 250)
QUEUES: Final = (1_000, 10_000, 100_000)
SECONDS: Final = 1.5


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    rounds = min(rounds, 3)
    return [*_boards(rounds), *_queues(rounds)]


def _boards(rounds: int) -> list[Figure]:
    results: dict[int, list[dict[str, Any]]] = {number: [] for number in BOARDS}
    with contextlib.ExitStack() as stack:
        paths = [stack.enter_context(BoardProcess()).path for _ in range(max(BOARDS))]
        for _ in range(rounds):
            for number in BOARDS:
                results[number].append(_run("boards", str(SECONDS), *paths[:number]))
    rates = {number: [one["rate"] for one in got] for number, got in results.items()}
    figures: list[Figure] = []
    for number, got in results.items():
        boards = "1 board" if number == 1 else f"{number} boards"
        figures += [
            plain(f"{boards} on one loop: calls", rates[number], "/s"),
            plain(f"{boards}: CPU of a call, our end", [one["cpu_us"] for one in got], "us"),
            plain(f"{boards}: p99 at half load", [one["p99_ms"] for one in got], "ms"),
        ]
        if number > 1:
            memory = [one["kib_per_board"] for one in got]
            figures.append(plain(f"{boards}: memory of a board", memory, "KiB"))
    hundred = results[100]
    return [
        *figures,
        at_least("100 boards / 1 board: calls", ratios(rates[100], rates[1]), 0.6),
        at_most("100 boards: p99 at half load", [one["p99_ms"] for one in hundred], 20, "ms"),
        at_most("100 boards: memory", [one["kib_per_board"] for one in hundred], 200, "KiB"),
    ]


def _queues(rounds: int) -> list[Figure]:
    results: dict[int, list[dict[str, Any]]] = {number: [] for number in QUEUES}
    with BoardProcess() as board:
        for _ in range(rounds):
            for number in QUEUES:
                results[number].append(_run("queue", str(number), board.path))
    figures = []
    for number, got in results.items():
        figures += [
            plain(f"{number:,} calls queued: CPU of a call", [o["cpu_us"] for o in got], "us"),
            plain(f"{number:,} calls queued: memory", [o["kib_per_call"] for o in got], "KiB"),
        ]
    cost = {number: [one["cpu_us"] for one in got] for number, got in results.items()}
    growth = ratios(cost[QUEUES[-1]], cost[QUEUES[0]])
    return [*figures, at_most("CPU of a call, 100,000 / 1,000 queued", growth, 1.5)]


def _run(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(ENDS / "many.py"), *arguments]
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, check=True, timeout=300
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
