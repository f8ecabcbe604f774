"""``python -m tests.model [--deep] [--only WORD] [--jobs 2]``: check the models and report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.model.checks import CHECKS
from tests.model.spin import Check, Outcome, missing_tools, run


def chosen(only: str, *, deep: bool) -> list[Check]:
    """Return the checks to run."""
    return [
        check
        for check in CHECKS
        if (deep or not check.deep) and only in f"{check.model} {check.name} {check.planted}"
    ]


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="larger bounds too: about half an hour")
    parser.add_argument("--only", default="", help="those whose name contains this")
    parser.add_argument(
        "--jobs", type=int, default=2, help="at once; each takes up to 2 GB, deep 12"
    )
    options = parser.parse_args(arguments)
    if missing := missing_tools():
        print(f"missing: {', '.join(missing)} (Debian: apt install spin gcc)")  # noqa: T201
        return 2
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(run, chosen(options.only, deep=options.deep)):
            print(outcome, flush=True)  # noqa: T201
            outcomes.append(outcome)
    bad = [outcome for outcome in outcomes if not outcome.good]
    states = sum(outcome.states for outcome in outcomes if not outcome.check.planted)
    print(f"{len(outcomes)} runs, {states} states of the protocol, {len(bad)} bad")  # noqa: T201
    return 1 if bad or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
