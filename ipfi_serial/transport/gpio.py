"""Pins of a Linux GPIO chip, through libgpiod's Python package (``gpiod`` 2, extra ``gpio``).

The kernel notes the time of every edge and numbers it, so late reading costs no exactness and a
missing edge is seen.  Edges are taken in batches.  docs/morse.md.
"""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from ipfi_serial.errors import PortBusyError, PortNotFoundError, TransportError
from ipfi_serial.transport.morse_endpoint import MorseLine
from ipfi_serial.transport.morse_pins import CLOSED, Heard, Metronome

if TYPE_CHECKING:
    import gpiod

QUEUE_EDGES: Final = 1024  # the most that the kernel gives: 16 for each of 64 lines
_NS: Final = 1e-9
_CONSUMER: Final = "ipfi morse"


class GpiodPins:
    """Two pins of one chip, or one that does both.

    It fulfils :class:`~ipfi_serial.transport.morse_pins.Pins`.
    """

    def __init__(self, line: MorseLine) -> None:
        """Request the pins.

        Raises:
            PortNotFoundError: there is no such chip.
            PortBusyError: somebody else has a pin.
            TransportError: the package ``gpiod`` is missing, or the system refuses.
        """
        self._gpiod = _import_gpiod()
        self._line = line
        self._lock = threading.RLock()  # an object of gpiod is for one thread at a time
        self._is_keying = False  # the one pin is an output now
        self._closed = False
        self._numbers: _Numbers = _Numbers()
        self._metronome = Metronome(self._set_level)
        heard = {line.rx: self._input()}
        keyed = {} if line.rx == line.tx else {line.tx: self._output()}
        self._in, self._out = self._request(heard), None
        try:
            self._out = self._request(keyed) if keyed else None
        except BaseException:
            self._in.release()
            raise

    def key(self, edges_s: list[float]) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.key`."""
        if self._out is not None:
            self._metronome.play(edges_s)
            return
        self._turn_to(self._output())
        self._is_keying = True
        try:
            self._metronome.play(edges_s)
        finally:
            self._is_keying = False
            self._turn_to(self._input())

    def hear(self, timeout_s: float) -> Heard:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.hear`."""
        self._check_open()
        heard = Heard(until_s=time.monotonic())
        if self._is_keying:  # an output has no edges
            time.sleep(min(timeout_s, _LOOK_S))
            return heard
        if not self._in.wait_edge_events(timedelta(seconds=timeout_s)):
            return Heard(until_s=heard.until_s + timeout_s)
        with self._lock:
            self._check_open()
            while self._in.wait_edge_events(timedelta(0)):
                events = self._in.read_edge_events(QUEUE_EDGES)
                self._numbers.sort(events, heard)
        return heard

    def close(self) -> None:
        """See :meth:`ipfi_serial.transport.morse_pins.Pins.close`."""
        self._metronome.stop()
        with self._lock:
            if not self._closed:
                self._closed = True
                with contextlib.suppress(OSError):
                    self._in.release()
                    if self._out is not None:
                        self._out.release()

    def _check_open(self) -> None:
        if self._closed:
            raise OSError(CLOSED)

    def _request(self, config: dict[int, gpiod.LineSettings]) -> gpiod.LineRequest:
        path = f"/dev/{self._line.name}"
        try:
            request: gpiod.LineRequest = self._gpiod.request_lines(
                path, config, consumer=_CONSUMER, event_buffer_size=QUEUE_EDGES
            )
        except FileNotFoundError:
            raise _no_chip(path) from None
        except (OSError, ValueError) as error:
            raise _explained(path, config, error) from None
        return request

    def _input(self) -> gpiod.LineSettings:
        line = self._gpiod.line
        bias = {
            "off": line.Bias.AS_IS,
            "up": line.Bias.PULL_UP,
            "down": line.Bias.PULL_DOWN,
        }[self._line.bias]
        settings: gpiod.LineSettings = self._gpiod.LineSettings(
            direction=line.Direction.INPUT, edge_detection=line.Edge.BOTH, bias=bias
        )
        return settings

    def _output(self) -> gpiod.LineSettings:
        line = self._gpiod.line
        shared = self._line.settings.shared and self._line.tx == self._line.rx
        settings: gpiod.LineSettings = self._gpiod.LineSettings(
            direction=line.Direction.OUTPUT,
            output_value=line.Value.INACTIVE,
            active_low=self._line.invert,
            # one wire for two outputs: neither may push against the other
            drive=line.Drive.OPEN_DRAIN if shared and self._line.invert else line.Drive.PUSH_PULL,
        )
        return settings

    def _turn_to(self, settings: gpiod.LineSettings) -> None:
        """Make the one pin an output, or an input again."""
        with self._lock:
            self._check_open()
            self._in.reconfigure_lines({self._line.rx: settings})
            self._numbers.forget()

    def _set_level(self, high: bool) -> None:
        value = self._gpiod.line.Value.ACTIVE if high else self._gpiod.line.Value.INACTIVE
        request = self._in if self._out is None else self._out
        with self._lock:
            self._check_open()
            request.set_value(self._line.tx, value)


class _Numbers:
    """Watches the kernel's numbers of edges: where one is missing, its queue has run over."""

    def __init__(self) -> None:
        self._next: int | None = 1  # the kernel counts from the request on
        self._rising: bool | None = None  # what the next edge has to be

    def forget(self) -> None:
        """Expect any number: edges were not asked for meanwhile."""
        self._next = self._rising = None

    def sort(self, events: list[gpiod.EdgeEvent], heard: Heard) -> None:
        """Put edges into runs without a hole."""
        times_s: list[float] = []
        for event in events:
            rising = event.event_type is event.Type.RISING_EDGE
            number = event.line_seqno
            whole = self._next in (None, number) and self._rising in (None, rising)
            if not heard.runs and not whole:
                heard.lost = True
            if not heard.runs or not whole:
                times_s = []
                heard.runs.append((times_s, rising))
            elif not times_s:
                times_s = heard.runs[-1][0]
            times_s.append(event.timestamp_ns * _NS)
            self._next, self._rising = number + 1, not rising


_LOOK_S: Final = 0.01


def _import_gpiod() -> ModuleType:
    try:
        import gpiod
    except ImportError:
        raise TransportError(
            "morse: on a GPIO chip needs the package gpiod 2 (pip install 'ipfi-serial[gpio]')"
        ) from None
    if not hasattr(gpiod, "request_lines"):
        raise TransportError("morse: needs gpiod 2; the one installed is older")
    return gpiod


def _no_chip(path: str) -> PortNotFoundError:
    chips = tuple(sorted(str(each) for each in Path("/dev").glob("gpiochip*")))
    there = ", ".join(chips) or "none; is this a board with GPIO pins?"
    return PortNotFoundError(path, chips, f"no GPIO chip {path!r}; chips that exist: {there}")


def _explained(
    path: str, config: dict[int, gpiod.LineSettings], error: Exception
) -> TransportError:
    """Turn a refusal of the kernel into one of our errors, with advice."""
    pins = ", ".join(map(str, config))
    number = getattr(error, "errno", None)
    if number == errno.EBUSY:
        return PortBusyError(f"{path} pin {pins}")
    if number in (errno.EACCES, errno.EPERM):
        return TransportError(f"{path}: no permission: join the group gpio, or add a udev rule")
    if number == errno.EINVAL or isinstance(error, ValueError):
        return TransportError(f"{path}: it has no pin {pins}, or not for this use (gpioinfo tells)")
    return TransportError(f"{path} pin {pins}: {error}")
