"""``ipfi call``: one call, one answer."""

from __future__ import annotations

import argparse
import time
from typing import Final

from ipfi_serial import CallRefusedError, EntryKind
from ipfi_serial.cli.explained import explained
from ipfi_serial.cli.failures import ExitCode, UsageError
from ipfi_serial.cli.options import (
    Arguments,
    add_call,
    add_wire,
    find_entry,
    is_raw,
    open_wire,
    parse_arguments,
    procedure_of,
)
from ipfi_serial.cli.screen import Screen

SUMMARY: Final = "call a procedure and print its answer"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_wire(parser)
    add_call(parser)


def run(options: Arguments, screen: Screen) -> int:
    """Call, and show the answer."""
    procedure = procedure_of(options.name)
    with open_wire(options) as wire:
        entry = find_entry(wire, procedure)
        if entry is not None and entry.kind is EntryKind.STREAMING:
            raise UsageError(f"{entry.name} answers with a stream: use `ipfi stream`")
        raw = is_raw(entry, options)
        values = parse_arguments(options.arguments, raw=raw)
        started_s = time.monotonic()
        try:
            answer = wire.call(procedure, *values, timeout_s=options.timeout, raw=raw)
        except CallRefusedError as error:
            raise explained(error, entry, values) from error
        seconds = round(time.monotonic() - started_s, 6)
    if options.raw and not screen.json:
        screen.bytes(answer)
        return ExitCode.OK
    screen.result(answer)
    screen.object({"ok": True, "result": answer, "seconds": seconds})
    return ExitCode.OK
