"""``ipfi morse``: texts and frames as dots and dashes, to hear, to read and to look at."""

from __future__ import annotations

import argparse
from types import ModuleType
from typing import Final

from ipfi_serial.cli import morse_call, morse_decode, morse_encode, morse_listen
from ipfi_serial.cli.options import Arguments, add_common
from ipfi_serial.cli.screen import Screen

SUMMARY: Final = "send and read Morse: texts, frames, sound, pins"
ACTIONS: Final[dict[str, ModuleType]] = {
    "encode": morse_encode,
    "decode": morse_decode,
    "listen": morse_listen,
    "call": morse_call,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own commands."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, module in ACTIONS.items():
        action = actions.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        add_common(action)
        module.add_options(action)
        action.set_defaults(run_action=module.run)


def run(options: Arguments, screen: Screen) -> int:
    """Run the action."""
    code: int = options.run_action(options, screen)
    return code
