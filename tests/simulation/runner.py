"""Many seeds: in one process or several, counted, and what failed printed as soon as it fails."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.simulation import core, coverage
from tests.simulation.escapes import Escapes
from tests.simulation.plan import plan_of
from tests.simulation.world import Report, simulate

PAIRS: Final = ("py-py", "py-c", "c-py", "c-c")
CHUNK: Final = 40  # seeds that one process takes at once
NEWS_EVERY: Final = 2000
FAILURES: Final = Path(__file__).parents[2] / "build" / "simulation-failures.txt"


@dataclass(slots=True)
class Totals:
    """What came of many seeds.

    Attributes:
        seeds: how many.
        failures: what failed, without what an escape explains.
        excluded: failures of seeds with an escape.
        operations: calls and events tried; accepted calls; calls that succeeded.
        faults: faults that happened.
        virtual_s: time on their clocks.
        escapes: damage that went unseen.
        endings: how calls ended.
        taken: transitions, by language.
    """

    seeds: int = 0
    failures: list[tuple[str, int, str]] = field(default_factory=list)
    excluded: int = 0
    operations: int = 0
    accepted: int = 0
    succeeded: int = 0
    fewest: tuple[int, int] = (1 << 30, 1 << 30)  # operations and faults of one seed
    faults: int = 0
    virtual_s: float = 0.0
    escapes: Escapes = field(default_factory=Escapes)
    endings: Counter[str] = field(default_factory=Counter)
    taken: dict[str, set[str]] = field(default_factory=dict)

    def add_report(self, report: Report) -> None:
        """Count one seed."""
        self.seeds += 1
        self.operations += report.operations
        self.accepted += report.accepted
        self.succeeded += report.succeeded
        self.faults += report.faults
        if report.failure is None:
            operations, faults = self.fewest
            self.fewest = (min(operations, report.operations), min(faults, report.faults))
        self.virtual_s += report.virtual_s
        self.escapes.add(report.escapes)
        self.endings.update(report.endings)
        if report.failure is not None and report.escapes.found:
            self.excluded += 1
        elif report.failure is not None:
            self.failures.append((report.pair, report.seed, report.failure))

    def add(self, other: Totals) -> None:
        """Count what another process counted."""
        self.seeds += other.seeds
        self.failures += other.failures
        self.excluded += other.excluded
        self.operations += other.operations
        self.accepted += other.accepted
        self.succeeded += other.succeeded
        self.faults += other.faults
        self.fewest = (
            min(self.fewest[0], other.fewest[0]),
            min(self.fewest[1], other.fewest[1]),
        )
        self.virtual_s += other.virtual_s
        self.escapes.add(other.escapes)
        self.endings.update(other.endings)
        for language, names in other.taken.items():
            self.taken.setdefault(language, set()).update(names)


def run_some(jobs: list[tuple[str, int]]) -> Totals:
    """Run seeds, each with its pair."""
    coverage.record()
    totals = Totals()
    for pair, seed in jobs:
        report = simulate(plan_of(seed), pair)
        totals.add_report(report)
        if report.failure is not None and not report.escapes.found:
            tell_failure(f"--pair {pair} --replay {seed}: {report.failure[:600]}", FAILURES)
    totals.taken = coverage.taken(tuple({pair for pair, _ in jobs}))
    return totals


def tell_failure(text: str, kept: Path) -> None:
    """Print what failed, and keep it where no later run writes over it."""
    print(f"FAILED {text}", flush=True)  # noqa: T201
    kept.parent.mkdir(exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M} {text}\n")


def jobs_of(start: int, seeds: int, pairs: tuple[str, ...]) -> Iterator[list[tuple[str, int]]]:
    """Cut the seeds into chunks; the pairs take turns."""
    for first in range(start, start + seeds, CHUNK):
        last = min(first + CHUNK, start + seeds)
        yield [(pairs[(seed - start) % len(pairs)], seed) for seed in range(first, last)]


def run_many(
    start: int, seeds: int, pairs: tuple[str, ...], processes: int
) -> tuple[Totals, float]:
    """Run seeds from ``start`` on; return what came of them and the seconds it took."""
    began_s = time.monotonic()
    totals = Totals()
    if any("c" in pair for pair in pairs):
        core.library()  # built once, before there are several
    if processes <= 1:
        for chunk in jobs_of(start, seeds, pairs):
            totals.add(run_some(chunk))
            progress(totals)
    else:
        with ProcessPoolExecutor(min(processes, os.cpu_count() or 1)) as pool:
            for part in pool.map(run_some, jobs_of(start, seeds, pairs)):
                totals.add(part)
                progress(totals)
    return totals, time.monotonic() - began_s


def progress(totals: Totals) -> None:
    """Say now and then how far it is."""
    if totals.seeds % NEWS_EVERY == 0:
        print(f"... {totals.seeds} seeds, {len(totals.failures)} failed", flush=True)  # noqa: T201


def summary(totals: Totals, elapsed_s: float) -> list[str]:
    """Return what is printed at the end; the verdict is the last line."""
    escapes, rate = totals.escapes, totals.seeds / elapsed_s
    endings = ", ".join(f"{name} {n}" for name, n in totals.endings.most_common())
    operations, faults = totals.fewest
    lines = [
        f"seeds: {totals.seeds} in {elapsed_s:.1f} s, {rate:.1f} a second",
        f"virtual hours: {totals.virtual_s / 3600:.1f}",
        f"operations: {totals.operations}, at least {operations} a seed",
        f"calls accepted: {totals.accepted}, succeeded: {totals.succeeded}",
        f"calls ended: {endings}",
        f"faults that happened: {totals.faults}, at least {faults} a seed",
        f"damaged pieces: {escapes.damaged}",
        f"checked by CRC-16: {escapes.checked16}, by CRC-32: {escapes.checked32}",
        f"escapes: {escapes.found}, expected if damage were random: {escapes.expected:.2f}",
        f"failed seeds excluded for an escape: {totals.excluded}",
    ]
    for language, names in sorted(totals.taken.items()):
        missing = sorted(coverage.ALL - names)
        lines.append(
            f"transitions ({language}): {len(names)} of {len(coverage.ALL)}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
        )
    if totals.failures:
        seeds = ", ".join(f"{pair} {seed}" for pair, seed, _ in totals.failures[:20])
        lines.append(f"FAIL: {len(totals.failures)} of {totals.seeds} seeds failed: {seeds}")
    else:
        lines.append(f"PASS: {totals.seeds} seeds, none failed")
    return lines
