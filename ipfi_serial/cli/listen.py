"""``ipfi listen``: the events that a board emits, and the text that it prints."""

from __future__ import annotations

import argparse
import contextlib
import math
import shlex
import time
from typing import Final

from ipfi_serial import Connection, DeviceResetError, LocalProtocolError
from ipfi_serial.cli.failures import EndedEarlyError, ExitCode, UsageError
from ipfi_serial.cli.options import (
    Arguments,
    add_count,
    add_wire,
    open_wire,
    parse_arguments,
    procedure_of,
    seconds,
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
        with contextlib.suppress(LocalProtocolError):  # a plain wire has no names to learn
            wire.describe()
        wire.on_text(lambda text: _show_text(screen, text))
        wire.on_reset(lambda error: _show_reset(screen, error))
        try:
            _listen(wire, options, screen)
        except KeyboardInterrupt:  # the ordinary end, unless a number was asked for
            if options.count is not None:
                raise
    return ExitCode.OK


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
    wire.call(procedure_of(words[0]), *parse_arguments(words[1:], raw=False))


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
