"""``ipfi listen``: the events that a board emits, and the text that it prints."""

from __future__ import annotations

import argparse
import math
import shlex
import time
from collections.abc import Sequence
from typing import Final

from ipfi_serial import CallRefusedError, Connection, DeviceResetError, Entry, EntryKind
from ipfi_serial.cli.explained import explained
from ipfi_serial.cli.failures import EndedEarlyError, ExitCode, UsageError
from ipfi_serial.cli.numbers import seconds
from ipfi_serial.cli.options import (
    Arguments,
    add_count,
    add_wire,
    described,
    find_entry,
    open_wire,
    parse_arguments,
    procedure_of,
)
from ipfi_serial.cli.screen import Screen, harmless, shown
from ipfi_serial.codec.names import Value

SUMMARY: Final = "print events and text as they come, until Ctrl-C"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_wire(parser)
    parser.add_argument("event", metavar="EVENT", nargs="?", help="only this one: name or index")
    add_count(parser, "events")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="stop after S seconds")
    parser.add_argument(
        "--call", metavar="'NAME ARG...'", help="call this first: 'start_ticks 500'"
    )


def run(options: Arguments, screen: Screen) -> int:
    """Print events until enough came, the time is over, or Ctrl-C."""
    with open_wire(options) as wire:
        if options.event is not None:
            _check_event(procedure_of(options.event), described(wire), screen)
        else:
            described(wire)  # names to show events by
        wire.on_text(lambda text: _show_text(screen, text))
        wire.on_reset(lambda error: _show_reset(screen, error))
        _listen(wire, options, screen)
    return ExitCode.OK


def interrupted(options: Arguments) -> ExitCode:
    """Return the exit code of the ordinary end, unless a number was asked for."""
    return ExitCode.OK if options.count is None else ExitCode.INTERRUPTED


def _check_event(event: str | int, entries: Sequence[Entry], screen: Screen) -> None:
    """Refuse what the board never emits; it would be waited for in vain.

    Raises:
        UsageError: it is a procedure, or an event that only the board takes.
    """
    found = [entry for entry in entries if event in (entry.name, entry.index)]
    if any(entry.kind in (EntryKind.EVENT_EMITTED, EntryKind.EVENT_BOTH) for entry in found):
        return
    for entry in sorted(found, key=lambda entry: entry.kind.is_event):
        if entry.kind is EntryKind.EVENT_HANDLED:
            raise UsageError(
                f"{entry.name} is an event that the board takes; it does not emit it: `ipfi emit` "
                "does"
            )
        if len(found) == 1:
            raise UsageError(f"{entry.name} is a procedure, and no event: `ipfi call` calls it")
    if entries and isinstance(event, int):
        screen.note(f"ipfi: the board does not say that it emits an event {event}", "yellow")


def _listen(wire: Connection, options: Arguments, screen: Screen) -> None:
    event = None if options.event is None else procedure_of(options.event)
    until_s = math.inf if options.timeout is None else time.monotonic() + options.timeout
    seen = 0
    with wire.events(event) as events:
        _call_first(wire, options.call)
        while options.count is None or seen < options.count:
            left_s = until_s - time.monotonic()
            received = None if left_s <= 0 else events.get(None if left_s == math.inf else left_s)
            if received is not None:
                seen += 1
                _show_event(screen, received.name, received.event_index, tuple(received))
            elif events.ended is not None:
                raise events.ended
            elif time.monotonic() >= until_s:
                break
    if options.count is not None and seen < options.count:
        raise EndedEarlyError(f"{seen} of {options.count} events within {options.timeout} s")


def _call_first(wire: Connection, command: str | None) -> None:
    if command is None:
        return
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--call {command!r}: {error}") from error
    if not words:
        raise UsageError("--call needs a procedure: --call 'start_ticks 500'")
    procedure, values = procedure_of(words[0]), parse_arguments(words[1:], raw=False)
    try:
        wire.call(procedure, *values)
    except CallRefusedError as error:
        raise explained(error, find_entry(wire, procedure), values) from error


def _show_event(screen: Screen, name: str | None, index: int, values: tuple[Value, ...]) -> None:
    label = screen.styled(name or f"event {index}", "cyan")
    screen.line(f"{label}({', '.join(harmless(shown(value)) for value in values)})")
    screen.object({"event": name, "index": index, "arguments": list(values)})


def _show_text(screen: Screen, text: str) -> None:
    screen.line(screen.styled("text: ", "dim") + harmless(text))
    screen.object({"text": text})


def _show_reset(screen: Screen, error: DeviceResetError) -> None:
    screen.note(f"ipfi: the board restarted ({error.cause}); still listening", "yellow")
    screen.object({"reset": error.cause})
