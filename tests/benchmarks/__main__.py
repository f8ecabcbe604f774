"""python -m tests.benchmarks [calls] [--json]: measures, prints, and tells if targets were met."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from tests.benchmarks import calls
from tests.benchmarks.figures import Figure

SUITES: dict[str, Callable[[], list[Figure]]] = {"calls": calls.measure}


def main() -> int:
    """Run the suites that were asked for; return 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []], help="all if none is named")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    figures = [f for name in options.suite or SUITES for f in SUITES[name]()]
    if options.json:
        sys.stdout.write(json.dumps({"figures": [f.as_dict() for f in figures]}) + "\n")
    else:
        sys.stdout.writelines(f"{figure}\n" for figure in figures)
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
