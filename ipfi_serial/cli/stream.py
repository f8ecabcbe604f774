"""``ipfi stream``: the values of a streaming procedure, one a line, as they come."""

from __future__ import annotations

import argparse
import itertools
from typing import Final

from ipfi_serial import CallRefusedError
from ipfi_serial.cli.explained import explained
from ipfi_serial.cli.failures import ExitCode
from ipfi_serial.cli.options import (
    Arguments,
    add_call,
    add_count,
    add_wire,
    find_entry,
    is_raw,
    open_wire,
    parse_arguments,
    procedure_of,
)
from ipfi_serial.cli.screen import Screen
from ipfi_serial.codec.names import Value

SUMMARY: Final = "call a streaming procedure and print its values as they come"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_wire(parser)
    add_call(parser)
    add_count(parser, "values")


def run(options: Arguments, screen: Screen) -> int:
    """Call, and show each value."""
    procedure = procedure_of(options.name)
    with open_wire(options) as wire:
        entry = find_entry(wire, procedure)
        raw = is_raw(entry, options)
        values = parse_arguments(options.arguments, raw=raw)
        try:
            with wire.stream(procedure, *values, timeout_s=options.timeout, raw=raw) as items:
                for item in itertools.islice(items, options.count):
                    _show(screen, item, as_bytes=options.raw)
        except CallRefusedError as error:
            raise explained(error, entry, values) from error
    return ExitCode.OK


def _show(screen: Screen, item: Value, *, as_bytes: bool) -> None:
    if as_bytes and not screen.json:
        screen.bytes(item)
        return
    screen.result(item)
    screen.object({"value": item})
