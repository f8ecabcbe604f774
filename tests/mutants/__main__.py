"""``python -m tests.mutants [--only NAME] [--jobs 2] [--every]``: plant bugs, who finds them."""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.catching import Verdict, catch, try_catcher
from tests.mutants.mutants import MUTANTS
from tests.mutants.planting import Mutant, make_copy


def report(line: object) -> None:
    """Print a line now."""
    print(line, flush=True)  # noqa: T201


def baseline(mutants: Sequence[Mutant], copy: Path) -> list[str]:
    """Run every catcher without a bug: one that fails anyway would catch everything."""
    catchers = dict.fromkeys(catcher for mutant in mutants for catcher in mutant.catchers)
    failures = [failed for catcher in catchers if (failed := try_catcher(catcher, copy))]
    for failed in failures:
        report(f"fails without any bug: {failed}")
    return failures


def run_all(
    mutants: Sequence[Mutant], jobs: int, *, every: bool, healthy: bool = False
) -> list[Verdict]:
    """Catch every mutant, some at a time; ``healthy``: all catchers are known to pass without."""
    with tempfile.TemporaryDirectory(prefix="ipfi-mutants-") as place:
        copies: queue.Queue[Path] = queue.Queue()
        for job in range(jobs):
            own = Path(place) / str(job)
            own.mkdir()
            copies.put(make_copy(own))

        def one(mutant: Mutant) -> Verdict:
            copy = copies.get()
            try:
                verdict = catch(mutant, copy, every=every)
            finally:
                copies.put(copy)
            report(verdict)
            return verdict

        first = copies.get()
        failures = [] if healthy else baseline(mutants, first)
        copies.put(first)
        if failures:
            return []
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, mutants))


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code: 1 if a bug survived or cannot be planted."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="at once")
    parser.add_argument("--every", action="store_true", help="run all catchers, not the first only")
    parser.add_argument("--no-baseline", action="store_true", help="run nothing without a bug")
    parser.add_argument("--list", action="store_true", help="list the bugs and plant none")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.name]
    if options.list:
        for mutant in mutants:
            report(f"{mutant.name}: {mutant.breaks}, {mutant.file}")
        return 0
    jobs = max(1, min(options.jobs, len(mutants)))
    verdicts = run_all(mutants, jobs, every=options.every, healthy=options.no_baseline)
    good = sum(verdict.good for verdict in verdicts)
    report(f"{good} of {len(mutants)} planted bugs were caught")
    return 0 if mutants and good == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
