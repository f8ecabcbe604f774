"""``ipfi serve``: offers the procedures of a Python file on any endpoint."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
import threading
from pathlib import Path
from typing import Final

from ipfi_serial import Interface, IpfiError, WireClosedError, listen
from ipfi_serial.cli.failures import CannotConnectError, ExitCode, UsageError
from ipfi_serial.cli.options import Arguments, add_wire, open_wire
from ipfi_serial.cli.screen import Screen
from ipfi_serial.cli.signals import SIGNALS
from ipfi_serial.sync.waits import wait_interruptibly
from ipfi_serial.transport import parse_endpoint
from ipfi_serial.transport.endpoint import Endpoint

SUMMARY: Final = "serve the `interface` of a Python file, until Ctrl-C"
_LISTENING: Final = ("tcp", "tcp-listen", "unix", "unix-listen")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("file", metavar="FILE.py", help="defines `interface = Interface()`")
    add_wire(parser)


def run(options: Arguments, screen: Screen) -> int:
    """Serve until Ctrl-C."""
    interface = _load(Path(options.file))
    try:
        endpoint = parse_endpoint(options.endpoint)
    except IpfiError as error:
        raise CannotConnectError(error) from error
    if endpoint.kind in _LISTENING:
        _listen(options, interface, screen)
        return ExitCode.OK
    return _serve_line(options, interface, screen, endpoint)


def interrupted(_: Arguments) -> ExitCode:
    """Return the exit code of the ordinary end, however early it comes."""
    return ExitCode.OK


def _listen(options: Arguments, interface: Interface, screen: Screen) -> None:
    if options.baud is not None:
        raise UsageError(f"--baud sets a serial port, and {options.endpoint} is none: leave it out")
    with contextlib.ExitStack() as stack:
        try:
            with SIGNALS.held():  # or a unix socket would outlive us
                server = stack.enter_context(listen(options.endpoint, interface, link=options.link))
        except IpfiError as error:
            raise CannotConnectError(error) from error
        _announce(screen, server.address, interface)
        while True:
            wire = server.accept()
            screen.note(f"ipfi: a peer has connected ({len(server.wires)} now)", "dim")
            wire.on_close(lambda: screen.note("ipfi: a peer has left", "dim"))


def _serve_line(
    options: Arguments, interface: Interface, screen: Screen, endpoint: Endpoint
) -> int:
    """Serve on one line, whoever comes and goes there; ends when the line does."""
    ended = threading.Event()
    reasons: list[IpfiError] = []

    def note_end(reason: IpfiError) -> None:
        reasons.append(reason)
        ended.set()

    quiet, is_ours = endpoint.kind == "stdio", endpoint.kind == "pty"
    with contextlib.ExitStack() as stack:
        with SIGNALS.held() if is_ours else contextlib.nullcontext():  # for its link
            wire = stack.enter_context(open_wire(options, interface, role="device"))
        wire.on_close(note_end)
        if quiet:  # standard output is the line
            screen.note(f"listening on {wire.endpoint}")
        else:  # a link is the name that was asked for
            _announce(screen, (is_ours and endpoint.path) or wire.endpoint, interface)
        wait_interruptibly(ended.wait)
    if quiet or isinstance(reasons[0], WireClosedError):
        return ExitCode.OK
    raise reasons[0]


def _announce(screen: Screen, address: str, interface: Interface) -> None:
    screen.line(f"listening on {address}")
    screen.object({"listening": address, "entries": len(interface.entries)})


def _load(path: Path) -> Interface:
    """Run a file and return its ``interface``; what it prints goes to standard error.

    Raises:
        UsageError: there is none, or the file fails.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"served_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations and dataclasses look names up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except Exception as error:  # the file may raise anything
        raise UsageError(f"{path}: {type(error).__name__}: {error}; --debug shows where") from error
    interface = getattr(module, "interface", None)
    if not isinstance(interface, Interface):
        raise UsageError(f"{path} defines no `interface = Interface()`")
    return interface
