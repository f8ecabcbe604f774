"""From the command line to an exit code: parses, runs one command, tells what went wrong."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final, NoReturn

from ipfi_serial import __compiled__, __version__
from ipfi_serial.cli import (
    call,
    demo,
    describe,
    emit,
    listen,
    morse,
    ports,
    serve,
    sim,
    soak,
    stream,
)
from ipfi_serial.cli.failures import ExitCode, Failure, failure_of
from ipfi_serial.cli.options import add_common
from ipfi_serial.cli.screen import Screen, harmless
from ipfi_serial.cli.signals import SIGNALS

COMMANDS: Final[tuple[ModuleType, ...]] = (
    demo, call, stream, emit, listen, describe, ports, sim, serve, soak, morse,
)  # fmt: skip
_EPILOG: Final = """\
try it without a board:  ipfi demo
                         ipfi describe sim:
                         ipfi call sim: add 40 2

exit codes:  0 done   1 refused or failed   2 wrong usage   3 cannot connect
             4 timeout   5 connection lost   130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: the words after ``ipfi``; those of this process if None.
    """
    SIGNALS.take()
    try:
        words = sys.argv[1:] if arguments is None else arguments
        return _run(words, Screen(sys.stdout, sys.stderr))
    finally:
        SIGNALS.give_back()


def run_process() -> int:
    """Run the command of this process, which ends then: signals have nothing to end any more.

    Handlers may still run in other threads; what they would write is not written any more.
    """
    SIGNALS.take()
    screen = Screen(sys.stdout, sys.stderr)
    try:
        code = _run(sys.argv[1:], screen)
    except SystemExit as ending:  # SIGTERM, --help and --version
        code = int(ending.code or 0)
    if not screen.close():
        os._exit(code)
    return code


def _run(words: Sequence[str], screen: Screen) -> int:
    try:
        options = _parse(words)
    except _WrongWordsError as error:
        screen.json = "--json" in words
        return _tell_usage(error, screen)
    screen.json = options.json
    _log_to(screen, debug=options.debug)
    try:
        with SIGNALS.heard():  # whatever ends the command, the lines below are not interrupted
            code: int = options.run(options, screen)
    except KeyboardInterrupt:
        code = options.interrupted(options)
    except BrokenPipeError:
        code = _nobody_reads()
    except Exception as error:  # every other error becomes one line
        if options.debug:
            raise
        code = _tell(error, screen)
    return int(code)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options, more = parser.parse_known_args(words)
    if more and (not hasattr(options, "arguments") or any(w.startswith("--") for w in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:  # argparse lets an option end the arguments of a call: ipfi call sim: add --json 1 2
        options.arguments = [*options.arguments, *more]
    return options


class _WrongWordsError(Exception):
    """The words are no command; argparse would print and exit itself."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _WrongWordsError(self, message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ipfi",
        description="Talk to microcontrollers: call their procedures, hear their events.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"ipfi {__version__}{' (compiled)' if __compiled__ else ''}"
    parser.add_argument("--version", action="version", version=version)
    parser.set_defaults(json=False, debug=False)
    add_common(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        add_common(command)
        module.add_options(command)
        command.set_defaults(
            run=module.run, interrupted=getattr(module, "interrupted", _code_of_ctrl_c)
        )
    return parser


def _code_of_ctrl_c(_: argparse.Namespace) -> ExitCode:
    """Return the exit code of a command that Ctrl-C has kept from being done."""
    return ExitCode.INTERRUPTED


def _tell_usage(error: _WrongWordsError, screen: Screen) -> int:
    failure = Failure(
        ExitCode.USAGE, "UsageError", str(error), f"`{error.parser.prog} --help` explains"
    )
    screen.object(failure.as_object())
    screen.note(f"{error.parser.format_usage()}{error.parser.prog}: {error}")
    return failure.code


def _tell(error: Exception, screen: Screen) -> int:
    failure = failure_of(error)
    if failure is None:
        what = str(error).partition("\n")[0]
        failure = Failure(
            ExitCode.FAILED, type(error).__name__, what, "--debug shows where; please report it"
        )
    screen.object(failure.as_object())
    joint = " " if failure.message.endswith(("?", ".", "!")) else "; "
    advice = f"{joint}{failure.advice}" if failure.advice else ""
    screen.note(f"ipfi: {harmless(failure.message)}{advice}", "red")
    return failure.code


def _nobody_reads() -> ExitCode:
    """Keep Python from complaining when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.NOBODY_READS


class _OneLine(logging.Formatter):
    """Leaves out tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return f"ipfi: {record.getMessage()}"


class _OnScreen(logging.Handler):
    """Writes the log where everything else is written, so that both end together."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._screen.note(self.format(record))
        except (OSError, TypeError, ValueError):  # nobody reads, or words that do not fit
            self.handleError(record)


def _log_to(screen: Screen, *, debug: bool) -> None:
    handler = _OnScreen(screen)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(name)s: %(message)s") if debug else _OneLine()
    )
    log = logging.getLogger("ipfi_serial")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if debug else logging.WARNING)
