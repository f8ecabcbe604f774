"""Repeats every fault on the real path, and prints the figures.

python -m tests.realpath [--repeats 200] [--seed 1] [unplug|reboot|freeze|full|crowd|all]
"""

from __future__ import annotations

import argparse
import sys

from tests.realpath.crowd import crowd
from tests.realpath.faults import FAULTS, SHELLS, Report, program

WIRES = 50
# these wait for time-outs, so a tenth of the repeats takes as long
SLOW = {"freeze": 4, "full": 10}


def main() -> int:
    """Run the faults; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.realpath", description=__doc__)
    parser.add_argument("fault", nargs="?", default="all", choices=(*FAULTS, "crowd", "all"))
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    reports: list[Report] = []

    def tell(report: Report) -> None:
        reports.append(report)
        sys.stdout.write(report.line + "\n")
        sys.stdout.flush()

    with program() as board:
        for name, fault in FAULTS.items():
            if options.fault in (name, "all"):
                repeats = max(1, options.repeats // SLOW.get(name, 1))
                for shell in SHELLS:
                    tell(fault(board, shell, repeats, options.seed))
    if options.fault in ("crowd", "all"):
        tell(crowd(WIRES))
    wrong = sum(len(report.wrong) for report in reports)
    calls = sum(report.calls for report in reports)
    sys.stdout.write(f"{calls} calls, {wrong or 'no'} broken promises\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
