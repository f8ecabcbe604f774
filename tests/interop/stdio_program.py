"""A program whose standard streams are its wire: runs one scenario, complains on standard error."""

from __future__ import annotations

import sys

from tests.interop.lines import run_scenario

if __name__ == "__main__":
    run_scenario("stdio:", sys.argv[1])
