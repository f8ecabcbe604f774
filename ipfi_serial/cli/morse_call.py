"""``ipfi morse call``: ``ipfi call`` over a Morse line, with a view of the line while it waits."""

from __future__ import annotations

import argparse
from typing import Final

from ipfi_serial.cli import call
from ipfi_serial.cli.morse_listen import open_morse
from ipfi_serial.cli.morse_view import View
from ipfi_serial.cli.options import Arguments
from ipfi_serial.cli.screen import Screen

SUMMARY: Final = "call a procedure by Morse, and look at the line meanwhile"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the action's options: those of ``ipfi call``."""
    call.add_options(parser)


def run(options: Arguments, screen: Screen) -> int:
    """Call, and show the answer."""
    line = open_morse(options.endpoint)
    options.endpoint = line
    with View(line.source):
        return call.run(options, screen)
