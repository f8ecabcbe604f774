"""Begins the ``ipfi`` command with Ctrl-C and SIGTERM held back until it knows how to end.

Not in :mod:`ipfi_serial`, because importing that is what takes long: an import that is interrupted
leaves a traceback, or crashes inside an extension module.  Importing this package takes nothing.
"""

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the words of this process as a command, and end with its exit code."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    from ipfi_serial.cli.program import run_process

    sys.exit(run_process())
