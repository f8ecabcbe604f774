"""``ipfi morse listen``: shows what a line carries, without saying anything on it."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from typing import Final

from ipfi_serial import ConfigError, IpfiError
from ipfi_serial.cli.failures import CannotConnectError, EndedEarlyError, ExitCode
from ipfi_serial.cli.morse_view import View
from ipfi_serial.cli.numbers import seconds
from ipfi_serial.cli.options import Arguments, add_count
from ipfi_serial.cli.screen import Screen
from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.transport import open_transport
from ipfi_serial.transport.morse import MorseTransport

SUMMARY: Final = "show what a Morse line carries"
_MOST_CONTENT_BYTES: Final = 16384 + 64
_READ_S: Final = 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the action's options."""
    parser.add_argument("endpoint", metavar="ENDPOINT", help="morse:gpiochip0:tx=17,rx=27?wpm=20")
    add_count(parser, "frames")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="stop after this time")


def run(options: Arguments, screen: Screen) -> int:
    """Listen until enough was heard, or for ever."""
    end_s = None if options.timeout is None else time.monotonic() + options.timeout
    decoder = FrameDecoder(_MOST_CONTENT_BYTES)
    count = 0
    with contextlib.closing(open_morse(options.endpoint)) as line, View(line.source, sys.stdout):
        while end_s is None or time.monotonic() < end_s:
            for verdict in decoder.receive(line.read(_READ_S)):
                count += 1
                _show(screen, verdict, line)
                if count == options.count:
                    return ExitCode.OK
        screen.note(line.describe())
        if options.count is not None:
            raise EndedEarlyError(f"{count} of {options.count} frames in {options.timeout} s")
    return ExitCode.OK


def open_morse(endpoint: str) -> MorseTransport:
    """Open a Morse line.

    Raises:
        CannotConnectError: why not.
    """
    try:
        line = open_transport(endpoint)
    except IpfiError as error:
        raise CannotConnectError(error) from error
    if not isinstance(line, MorseTransport):
        line.close()
        raise CannotConnectError(ConfigError(f"{endpoint!r} is no Morse line: write morse:..."))
    return line


def _show(screen: Screen, verdict: object, line: MorseTransport) -> None:
    """Show one frame in plain lines; a terminal has the view instead."""
    good = isinstance(verdict, bytes)
    content = verdict if isinstance(verdict, bytes) else b""
    state = line.describe()
    if not screen.is_terminal:
        screen.line(f"{content.hex(' ') if good else 'damaged'}  ({state})")
    screen.object({"frame": content if good else None, "line": state})
