"""Lets ``python -m ipfi_serial`` be the ``ipfi`` command."""

import sys

from ipfi_serial.cli import main

if __name__ == "__main__":
    sys.exit(main())
