"""Runs under the GPIO chip in user space (tests/morse/gpio_chip.c); prints one JSON object.

The pins are keyed on a clock of our own: the chip takes its times from ``GPIO_CLOCK``.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipfi_serial.errors import IpfiError
from ipfi_serial.transport import morse_pins
from ipfi_serial.transport.gpio import GpiodPins
from ipfi_serial.transport.morse_endpoint import parse_morse
from ipfi_serial.transport.morse_pins import Heard


class Clock:
    """Stands in for the module ``time``: sleeping takes no time."""

    def __init__(self) -> None:
        path = Path(os.environ["GPIO_CLOCK"])
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)
        self.now_s = 1000.0

    def monotonic(self) -> float:
        """Return the time, and tell it to the chip."""
        self._shared[:] = struct.pack("<Q", round(self.now_s * 1e9))
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now_s += seconds
        self.monotonic()


def pins_of(text: str) -> GpiodPins:
    rest, _, options = text.removeprefix("morse:").partition("?")
    pairs = dict(pair.split("=") for pair in options.split("&") if pair)
    return GpiodPins(parse_morse(text, rest, pairs))


def told(heard: Heard) -> dict[str, Any]:
    return {"runs": [[times, rising] for times, rising in heard.runs], "lost": heard.lost}


def pass_edges(source: str, target: str, *bursts: list[float]) -> dict[str, Any]:
    """Key bursts on one pin, and tell what another one heard of them all."""
    out, into = pins_of(source), pins_of(target)
    for burst in bursts:
        out.key(burst)
    heard = told(into.hear(0.0))
    nothing = told(into.hear(0.0))
    out.close()
    into.close()
    into.close()
    try:
        into.hear(0.0)
    except OSError as error:
        return {**heard, "again": nothing["runs"], "closed": str(error)}
    return {}


def open_badly(text: str) -> dict[str, str]:
    """Open what cannot be opened while pins 0 and 3 are taken."""
    pins = pins_of("morse:gpiochip0:tx=0,rx=3")
    try:
        pins_of(text).close()
    except IpfiError as error:
        return {"error": type(error).__name__, "message": str(error)}
    finally:
        pins.close()
    return {}


if __name__ == "__main__":
    setattr(morse_pins, "time", Clock())  # noqa: B010 the module is to sleep on our clock
    action, *arguments = json.loads(sys.argv[1])
    actions: dict[str, Callable[..., Any]] = {"pass": pass_edges, "open": open_badly}
    print(json.dumps(actions[action](*arguments)))  # noqa: T201
