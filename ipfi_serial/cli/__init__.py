"""The ``ipfi`` command.  docs/guide/cli.md is its manual."""

from ipfi_serial.cli.program import main

__all__ = ["main"]
