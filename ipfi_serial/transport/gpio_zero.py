"""Pins through gpiozero's pin factories, whichever is set: a second way, and a mock one for tests.

Edges come through a callback; their times are those of the factory.  docs/morse.md.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from ipfi_serial.errors import TransportError
from ipfi_serial.transport.morse_endpoint import MorseLine
from ipfi_serial.transport.morse_pins import CLOSED, Heard, Metronome

if TYPE_CHECKING:
    from gpiozero.pins import Factory

_MOST_EDGES: Final = 65536  # not taken: then edges are dropped, and it is said so
_PULLS: Final = {"off": "floating", "up": "up", "down": "down"}


class GpiozeroPins:
    """Two pins of gpiozero's default factory.

    It fulfils :class:`~ipfi_serial.transport.morse_pins.Pins`.
    """

    def __init__(self, line: MorseLine) -> None:
        """Reserve the pins.

        Raises:
            TransportError: gpiozero is missing, it finds no pins here, or refuses these.
        """
        self._factory = _default_factory()
        self._changed = threading.Condition()
        self._edges: list[tuple[float, bool]] = []
        self._lost = False
        self._rising: bool | None = None
        self._closed = False
        self._invert = line.invert
        try:
            self._in: Any = self._factory.pin(line.rx)
            self._out: Any = self._factory.pin(line.tx)
            self._factory.reserve_pins(self, line.rx, line.tx)
            self._out.output_with_state(int(line.invert))
            self._in.input_with_pull(_PULLS[line.bias])
            self._in.bounce = None
            self._in.edges = "both"
            self._in.when_changed = self._on_edge
        except Exception as error:  # gpiozero has a tree of its own
            raise TransportError(f"gpiozero pins {line.tx}, {line.rx}: {error}") from error
        self._metronome = Metronome(self._set_level)

    def key(self, edges_s: list[float]) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.key`."""
        self._metronome.play(edges_s)

    def hear(self, timeout_s: float) -> Heard:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.hear`."""
        with self._changed:
            self._changed.wait_for(lambda: self._edges or self._closed, timeout_s)
            if self._closed:
                raise OSError(CLOSED)
            edges, self._edges = self._edges, []
            heard = Heard(until_s=time.monotonic(), lost=self._lost)
            self._lost = False
        for edge_s, rising in edges:
            if heard.runs and rising != self._rising:
                heard.runs[-1][0].append(edge_s)
            else:
                heard.lost |= not heard.runs and rising == self._rising
                heard.runs.append(([edge_s], rising))
            self._rising = rising
        return heard

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.close`."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._metronome.stop()
        with contextlib.suppress(Exception):
            self._in.when_changed = None
            self._factory.release_all(self)
            for pin in (self._in, self._out):
                pin.close()

    def _on_edge(self, ticks: float, state: int) -> None:
        ago_s = self._factory.ticks_diff(self._factory.ticks(), ticks)
        with self._changed:
            if len(self._edges) >= _MOST_EDGES:
                self._edges.clear()
                self._lost = True
            self._edges.append((time.monotonic() - ago_s, bool(state)))
            self._changed.notify_all()

    def _set_level(self, high: bool) -> None:
        self._out.state = int(high != self._invert)


def _default_factory() -> Factory:
    try:
        from gpiozero import Device
        from gpiozero.exc import BadPinFactory
    except ImportError:
        raise TransportError(
            "morse:gpiozero needs the package gpiozero (pip install 'ipfi-serial[gpio]')"
        ) from None
    try:
        Device.ensure_pin_factory()
    except BadPinFactory as error:
        raise TransportError(
            f"morse:gpiozero finds no pins on this machine ({error}): is it a Raspberry Pi, and is "
            "lgpio installed? GPIOZERO_PIN_FACTORY names another factory"
        ) from None
    return Device.pin_factory
