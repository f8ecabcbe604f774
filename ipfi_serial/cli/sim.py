"""``ipfi sim``: the simulated board behind a virtual serial port, for other programs to open."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Final

from ipfi_serial import IpfiError
from ipfi_serial.cli.failures import CannotConnectError, ExitCode, UsageError
from ipfi_serial.cli.options import Arguments
from ipfi_serial.cli.screen import Screen
from ipfi_serial.cli.signals import SIGNALS

SUMMARY: Final = "run the simulated board on a virtual port, until Ctrl-C"
log = logging.getLogger("ipfi_serial")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("board", nargs="?", choices=("c", "python"), help="C if it can be built")
    parser.add_argument(
        "--link", metavar="PATH", default="", help="make a symbolic link to the port"
    )
    parser.add_argument(
        "--small", action="store_true", help="buffers of a small microcontroller (C)"
    )


def run(options: Arguments, screen: Screen) -> int:
    """Run a board until Ctrl-C, or until it ends by itself."""
    if options.small and options.board == "python":
        raise UsageError("--small is for the C board")
    try:
        with _board(options) as (kind, path, wait):
            _announce(screen, kind, path)
            wait()
            screen.note("ipfi: the board has ended", "red")
            return ExitCode.LINE_LOST
    except IpfiError as error:
        raise CannotConnectError(error) from error


def interrupted(_: Arguments) -> ExitCode:
    """Return the exit code of the ordinary end, however early it comes."""
    return ExitCode.OK


@contextlib.contextmanager
def _board(options: Arguments) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Start a board; give its kind, its port and what waits for its end."""
    if options.board != "python":
        from ipfi_serial.sim.firmware import BoardBuildError
        from ipfi_serial.sim.process import BoardProcess

        try:
            process = BoardProcess(link=options.link, small=options.small)
        except BoardBuildError as error:
            if options.board == "c" or options.small:
                raise
            reason = str(error).partition("\n")[0]
            log.warning("%s; the Python board takes its place", reason)
        else:
            with process:
                yield "c", process.path, process.wait
            return
    from ipfi_serial.sim.board import Board
    from ipfi_serial.transport.virtual import PtyTransport

    with contextlib.ExitStack() as stack:
        with SIGNALS.held():  # or the link would outlive us
            line = PtyTransport("sim:python", options.link)
            board = stack.enter_context(Board(line))
        yield "python", options.link or line.path, board.wait


def _announce(screen: Screen, kind: str, path: str) -> None:
    screen.line(path)
    screen.object({"board": kind, "path": path, "pid": os.getpid()})
    if screen.is_terminal and not screen.json:
        name = {"c": "C", "python": "Python"}[kind]
        screen.note(f"the {name} board serves here; in another terminal:", "dim")
        screen.note(f"  ipfi call {path} add 40 2", "dim")
        screen.note("Ctrl-C ends it", "dim")
