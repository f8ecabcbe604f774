"""``ipfi morse listen``: shows what a line carries, without saying anything on it."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from typing import Final

from ipfi_serial import ConfigError, IpfiError
from ipfi_serial.cli.failures import CannotConnectError, EndedEarlyError, ExitCode
from ipfi_serial.cli.morse_heard import UNHEARD, HeardFrames, Judged
from ipfi_serial.cli.morse_view import View
from ipfi_serial.cli.numbers import seconds
from ipfi_serial.cli.options import Arguments, add_count
from ipfi_serial.cli.screen import Screen
from ipfi_serial.framing.frame import DELIMITER
from ipfi_serial.transport import open_transport
from ipfi_serial.transport.morse import MorseTransport

SUMMARY: Final = "show what a Morse line carries"
_MOST_FRAME_BYTES: Final = 16384 + 64 + 66  # FRAME-7, and a COBS code for each 254 bytes
_READ_S: Final = 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the action's options."""
    parser.add_argument("endpoint", metavar="ENDPOINT", help="morse:gpiochip0:tx=17,rx=27?wpm=20")
    add_count(parser, "frames")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="stop after this time")


def run(options: Arguments, screen: Screen) -> int:
    """Listen until enough was heard, or for ever."""
    end_s = None if options.timeout is None else time.monotonic() + options.timeout
    frames, heard = _Frames(), HeardFrames()
    count = 0
    with contextlib.closing(open_morse(options.endpoint)) as line, View(line.source, sys.stdout):
        while end_s is None or time.monotonic() < end_s:
            for frame in frames.receive(line.read(_READ_S)):
                count += 1
                _show(screen, heard.judge(frame), line)
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


class _Frames:
    """Cuts what a line brings into frames."""

    def __init__(self) -> None:
        self._begun = b""

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes; return the frames that they complete, without delimiters."""
        *ended, self._begun = (self._begun + data).split(DELIMITER)
        self._begun = self._begun[:_MOST_FRAME_BYTES]  # a longer one is damaged: its end is gone
        return [frame for frame in ended if frame]


def _show(screen: Screen, judged: Judged, line: MorseTransport) -> None:
    """Show one frame in plain lines; a terminal has the view instead."""
    state = line.describe()
    if not screen.is_terminal:
        shown = UNHEARD if judged.crc == "unknown" else "damaged"
        if judged.content is not None:
            shown = judged.content.hex(" ")
        screen.line(f"{shown}  ({state})")
    screen.object({"frame": judged.content, "damaged": judged.crc == "none", "line": state})
