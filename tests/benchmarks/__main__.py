"""python -m tests.benchmarks [group ...]: measures, prints, and tells if targets were met.

calls streams codec startup scale firmware   what is measured; all if none is named
--setup       install the peers, each in a virtual environment of its own (~/.cache), and there
              too the compiled wheel of this tree; it is built again when the tree has changed
--json        print one JSON object: {"figures": [{"name", "value", "unit", "target", "ok"}]}
--rounds N    how often the candidates take turns
--write       store the results and write them into docs/performance.md
--check       compare ratios with those stored in ratios.json; --store stores them
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Final

from tests.benchmarks import (
    calls,
    codec,
    compiled,
    firmware,
    regression,
    report,
    scale,
    startup,
    streams,
)
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import setup

ROUNDS: Final = 9
GROUPS: Final[dict[str, Callable[[int], list[Figure]]]] = {
    "calls": calls.measure,
    "streams": streams.measure,
    "codec": codec.measure,
    "startup": startup.measure,
    "scale": scale.measure,
    "firmware": firmware.measure,
}
COMPARED: Final = {"calls", "streams", "startup"}  # they measure the compiled wheel too


def main() -> int:
    """Measure what was asked for; return 1 if a target was missed, or a ratio is worse."""
    options = _options()
    if options.setup:
        for name, missing in setup().items():
            sys.stderr.write(f"{name}: {missing}\n")
    names: list[str] = options.group or list(GROUPS)
    why = compiled.refresh() if options.setup or COMPARED.intersection(names) else None
    if why is not None:
        sys.stderr.write(f"the compiled wheel: {why}\n")
    results = {name: GROUPS[name](options.rounds) for name in names}
    figures = [figure for group in results.values() for figure in group]
    if options.json:
        sys.stdout.write(json.dumps({"figures": [f.as_dict() for f in figures]}) + "\n")
    else:
        sys.stdout.writelines(f"{figure}\n" for figure in figures)
    if options.write:
        report.write(results)
    if options.store:
        regression.store(figures)
    if options.check:
        worse = regression.worse(figures)
        sys.stderr.writelines(f"worse than stored: {line}\n" for line in worse)
        return 1 if worse else 0
    return 0 if all(figure.ok for figure in figures) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("group", nargs="*", choices=[*GROUPS, []])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    for flag in ("--setup", "--json", "--write", "--check", "--store"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
