"""Lets ``python -m ipfi_serial`` be the ``ipfi`` command."""

import sys

from ipfi_serial.cli.program import run_process

if __name__ == "__main__":
    sys.exit(run_process())
