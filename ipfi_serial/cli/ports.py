"""``ipfi ports``: the serial ports of this machine."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Final

from ipfi_serial.cli.failures import ExitCode
from ipfi_serial.cli.options import Arguments
from ipfi_serial.cli.screen import Screen, harmless
from ipfi_serial.transport import PortInfo, list_ports

SUMMARY: Final = "list the serial ports of this machine"


def add_options(_: argparse.ArgumentParser) -> None:
    """Declare the command's options."""


def run(_: Arguments, screen: Screen) -> int:
    """List them; none is not a failure."""
    ports = list_ports()
    screen.object({"ports": [_as_object(port) for port in ports]})
    width = max((len(port.path) for port in ports), default=0)
    for port in ports:
        path = screen.styled(port.path, "cyan") + " " * (width - len(port.path))
        usb = port.usb_endpoint()
        details = [harmless(port.description), usb or ""]
        screen.line(f"{path}  {'  '.join(filter(None, details))}".rstrip())
    if not ports and not screen.json:
        screen.note("no serial ports here; `ipfi sim` makes one with a simulated board")
    return ExitCode.OK


def _as_object(port: PortInfo) -> dict[str, object]:
    return {**dataclasses.asdict(port), "usb": port.usb_endpoint()}
