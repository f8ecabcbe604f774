"""``ipfi emit``: one event to the board, which answers nothing."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Final

from ipfi_serial import Connection, Entry, EntryKind, LinkLostError
from ipfi_serial.cli.explained import doubts
from ipfi_serial.cli.failures import EndedEarlyError, ExitCode, UsageError
from ipfi_serial.cli.numbers import seconds
from ipfi_serial.cli.options import (
    ARGUMENT_HELP,
    Arguments,
    add_wire,
    described,
    open_wire,
    parse_arguments,
    procedure_of,
)
from ipfi_serial.cli.screen import Screen

SUMMARY: Final = "emit an event to the board"
_TAKEN: Final = (EntryKind.EVENT_HANDLED, EntryKind.EVENT_BOTH)
_DELIVERY_S: Final = 30.0  # an event of 256 bytes takes 9 s at 300 baud; three times that


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_wire(parser)
    parser.add_argument("event", metavar="EVENT", help="name or index")
    parser.add_argument("arguments", metavar="ARG", nargs="*", default=[], help=ARGUMENT_HELP)
    parser.add_argument(
        "--lossy", action="store_true", help="send it once, whether it arrives or not"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        default=_DELIVERY_S,
        help="how long it may take to be delivered, in seconds (30)",
    )


def run(options: Arguments, screen: Screen) -> int:
    """Emit, and wait until the board's end has acknowledged it."""
    event = procedure_of(options.event)
    values = parse_arguments(options.arguments, raw=False)
    with open_wire(options) as wire:
        entry = _find_event(event, described(wire), screen)
        if entry is not None and (doubt := doubts(entry, values)):
            screen.note(f"ipfi: {doubt}", "yellow")
        sessions = wire.stats().sessions
        started_s = time.monotonic()
        wire.emit(event, *values, lossy=options.lossy)
        _deliver(wire, options, sessions)
        took_s = round(time.monotonic() - started_s, 6)
    screen.object({"ok": True, "seconds": took_s})
    return ExitCode.OK


def _find_event(event: str | int, entries: Sequence[Entry], screen: Screen) -> Entry | None:
    """Return what the board says of an event that it takes; None if it says nothing.

    Raises:
        UsageError: it is a procedure, or an event that only the board emits.
    """
    found = [entry for entry in entries if event in (entry.name, entry.index)]
    for entry in sorted(found, key=lambda entry: not entry.kind.is_event):
        if entry.kind in _TAKEN:
            return entry
        if entry.kind.is_event:
            raise UsageError(
                f"{entry.name} is an event that the board emits; it does not take it: "
                "`ipfi listen` prints it"
            )
        raise UsageError(f"{entry.name} is a procedure, and no event: `ipfi call` calls it")
    if entries and isinstance(event, int):
        screen.note(f"ipfi: the board does not say that it takes an event {event}", "yellow")
    return None


def _deliver(wire: Connection, options: Arguments, sessions: int) -> None:
    """Wait until the event has left and, unless it is lossy, was acknowledged in its session.

    Raises:
        EndedEarlyError: the time is over.
        LinkLostError: the session ended before that.
    """
    delivered = wire.flush(options.timeout)
    if wire.closed or not (wire.established and wire.stats().sessions == sessions):
        raise LinkLostError("the connection ended: the event may not have arrived", 0.0)
    if not delivered:
        what = "sent" if options.lossy or not wire.framed else "acknowledged"
        raise EndedEarlyError(f"the event was not {what} within {options.timeout} s")
