"""``python -m tests.simulation``: run seeds, replay one, make one short."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence

from tests.simulation.minimise import minimise, shortened
from tests.simulation.plan import Plan, plan_of
from tests.simulation.runner import PAIRS, run_many, summary
from tests.simulation.world import simulate


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    options.add_argument("--seeds", type=int, default=400, help="how many, over all pairs")
    options.add_argument("--start", type=int, help="the first seed; at random if not given")
    options.add_argument("--pair", choices=PAIRS, action="append", help="default: all four in turn")
    options.add_argument("--jobs", type=int, default=1, help="processes")
    options.add_argument("--replay", type=int, metavar="SEED", help="run one seed only")
    options.add_argument("--minimise", type=int, metavar="SEED", help="make a failing seed short")
    options.add_argument("--keep", help="with --replay: only these steps, by number: 3,17,20")
    options.add_argument("--trace", action="store_true", help="with --replay: all that happens")
    return options


def replay(plan: Plan, pair: str, *, trace: bool) -> int:
    """Run one plan and print what came of it."""
    report = simulate(plan, pair, trace=trace)
    for line in report.trace or []:
        print(line)  # noqa: T201
    print(  # noqa: T201
        f"seed {plan.seed}, {pair}: {report.operations} operations, {report.faults} faults, "
        f"{report.virtual_s:.3f} s, {report.escapes.found} escapes, digest {report.digest:08x}"
    )
    print(f"FAIL: {report.failure}" if report.failure else "PASS")  # noqa: T201
    return int(report.failure is not None)


def shorten(seed: int, pair: str) -> int:
    """Print a short version of a failing seed."""
    found = minimise(seed, pair)
    if found is None:
        print(f"seed {seed} passes with {pair}")  # noqa: T201
        return 0
    plan, kept = found
    status = replay(plan, pair, trace=True)
    print(f"ends: {plan.ends}\nlines: {plan.lines}, CRC-32: {plan.crc32}")  # noqa: T201
    again = f"--pair {pair} --replay {seed} --trace --keep {','.join(map(str, kept)) or '-'}"
    print(f"steps: {len(kept)}; again with: {again}")  # noqa: T201
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; 1: something failed."""
    options = parser().parse_args(arguments)
    pairs = tuple(options.pair or PAIRS)
    if options.replay is not None:
        plan = plan_of(options.replay)
        if options.keep:
            places = [int(place) for place in options.keep.split(",") if place.isdigit()]
            plan = shortened(plan, places)
        return max([replay(plan, pair, trace=options.trace) for pair in pairs])
    if options.minimise is not None:
        return max([shorten(options.minimise, pair) for pair in pairs])
    start = options.start
    if start is None:
        start = random.SystemRandom().randrange(1 << 40)
    print(f"seeds {start} to {start + options.seeds - 1}, {', '.join(pairs)}", flush=True)  # noqa: T201
    totals, elapsed_s = run_many(start, options.seeds, pairs, options.jobs)
    print("\n".join(summary(totals, elapsed_s)), flush=True)  # noqa: T201
    return int(bool(totals.failures))


if __name__ == "__main__":
    sys.exit(main())
