"""Fuzzes for as long as one likes, and says how much was tried.

    python -m tests.fuzz [--minutes N] [receive|session|python|lives|differential|all]

receive and session are the C core under libFuzzer (clang) with ASan and UBSan, receive-fast and
session-fast the same compiled with IPFI_FOR_SPEED; python the decoders, lives the whole Python
core, differential both cores with the same bytes (guided if atheris is installed:
pip install -e '.[fuzz]').  An input that broke a promise is kept in firmware-sim/tests/corpus,
where every later run tries it first.
"""

from __future__ import annotations

import argparse
import sys

from tests.fuzz import guided, native
from tests.fuzz.native import GROWN, Outcome

TARGETS = (*native.FUZZERS, *guided.TARGETS)


def tell(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the targets one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", default="all", choices=(*TARGETS, "all"))
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target (10)")
    parser.add_argument("--seed", type=int, default=0, help="0: a new one each time")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for name in TARGETS if options.target == "all" else (options.target,):
        fuzz = native.fuzz if name in native.FUZZERS else guided.fuzz
        outcome = fuzz(
            name, options.minutes * 60, grown=GROWN / f"corpus-{name}", seed=options.seed
        )
        tell(outcome.verdict)
        for crash in outcome.crashes:
            tell(f"kept as {crash}\n{outcome.log[-6000:]}")
        outcomes.append(outcome)
    found = sum(len(outcome.crashes) for outcome in outcomes)
    tried = sum(outcome.inputs for outcome in outcomes)
    tell(f"{tried} inputs, {found or 'no'} crashes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
