"""Opens ``morse:``: a modem on a pair of pins, for both shells.

A thread hears edges and reads bytes out of them, another one keys what is written.  It never
interprets the bytes.  docs/morse.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from ipfi_serial.morse.modem import Modem, ModemSettings
from ipfi_serial.morse.quality import Quality
from ipfi_serial.transport.morse_endpoint import MorseLine, parse_morse
from ipfi_serial.transport.morse_pins import CLOSED, Pins
from ipfi_serial.transport.threaded import POLL_S, AsyncThreadedTransport, ThreadedTransport

BUSY_PATIENCE_S: Final = 10.0  # a shared line that is never free loses what waits; ...
BUSY_PATIENCE_UNITS: Final = 4000  # ... at a slow speed later: two of the largest bursts
_LOOK_S: Final = 0.02  # how often a shared line is looked at


class MorseSource:
    """A modem on pins, as a :class:`~ipfi_serial.transport.threaded.Source`.

    Attributes:
        modem: it; hold :attr:`lock` to use it.
        lock: guards the modem.
        dropped: frames that a shared line, busy for ever, has not let out.
        recorded: edges that were keyed since :meth:`record`.
    """

    def __init__(self, settings: ModemSettings, pins: Pins) -> None:
        self.modem = Modem(settings)
        self.lock = threading.Lock()
        self.dropped = 0
        self._pins = pins
        self._watchers: list[Callable[[bytes], None]] = []
        self._records = False
        self.recorded: list[float] = []
        self._patience_s = max(BUSY_PATIENCE_S, BUSY_PATIENCE_UNITS * settings.unit_s)
        self._stopped = threading.Event()

    def receive(self) -> bytes:
        """See :class:`~ipfi_serial.transport.threaded.Source`."""
        modem = self.modem
        with self.lock:
            due_s = modem.next_deadline_s()
        wait_s = POLL_S if due_s is None else max(0.0, min(due_s - time.monotonic(), POLL_S))
        heard = self._pins.hear(wait_s)
        with self.lock:
            is_lost = heard.lost
            for times_s, rising in heard.runs:
                if is_lost:
                    modem.lose_edges()
                modem.receive_edges(times_s, rising=rising)
                is_lost = True
            if heard.lost and not heard.runs:
                modem.lose_edges()
            if heard.busy_until_s:
                modem.note_busy(heard.busy_until_s)
            modem.receive_time(heard.until_s)
            data = modem.take()
        if data:
            for tell in self._watchers:
                tell(data)
        return data

    def watch(self, tell: Callable[[bytes], None]) -> None:
        """Let ``tell(data)`` be called with all that is read, on the thread that hears."""
        self._watchers.append(tell)

    def record(self) -> None:
        """Keep all edges that are keyed from now on."""
        self._records = True

    def send(self, data: bytes) -> None:
        """See :class:`~ipfi_serial.transport.threaded.Source`."""
        while data:
            with self.lock:
                data = data[self.modem.put(data, time.monotonic()) :]
            self._key_all()

    def close(self) -> None:
        """See :class:`~ipfi_serial.transport.threaded.Source`."""
        self._stopped.set()
        self._pins.close()

    def _key_all(self) -> None:
        """Key every whole frame, as soon as the line is free for it."""
        modem = self.modem
        waiting_since_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            with self.lock:
                due_s = modem.key_due_s()
                edges = modem.key(now_s)
                if due_s is not None and now_s - waiting_since_s > self._patience_s and not edges:
                    self.dropped += modem.drop_frames()
            if due_s is None:
                return
            if edges:
                if self._records:
                    self.recorded += edges
                self._pins.key(edges)
                waiting_since_s = time.monotonic()
            elif self._stopped.wait(max(0.0, min(due_s - now_s, _LOOK_S))):
                raise OSError(CLOSED)


class _Reports:
    """What both kinds of Morse transports tell of their line."""

    bytes_per_s: float | None
    source: MorseSource
    crc_profiles: int | None = None  # of the endpoint string; the shells offer these

    @property
    def quality(self) -> Quality:
        """How well the other end is heard."""
        return self.source.modem.quality

    def describe(self) -> str:
        """Return what the line is like, and what to check, in one sentence."""
        with self.source.lock:
            return self.source.modem.quality.describe(time.monotonic())

    def note_losses(self, frames: int, repeats: int) -> None:
        """Take the link's figures since the last call: the speed follows them (MORSE-15).

        Args:
            frames: handed over, repetitions included.
            repeats: of these, sent again.
        """
        source = self.source
        with source.lock:
            step = source.modem.rate.step
            source.modem.note_losses(frames, repeats)
            if source.modem.rate.step != step:
                self.bytes_per_s = source.modem.bytes_per_s


class MorseTransport(ThreadedTransport, _Reports):
    """A Morse line for the blocking shell.

    Attributes:
        source: the modem on its pins.
    """

    def __init__(self, settings: ModemSettings, pins: Pins, endpoint: str) -> None:
        """Begin to listen.

        Args:
            settings: of the modem.
            pins: which this then owns.
            endpoint: for people.
        """
        self.source = MorseSource(settings, pins)
        ahead_bytes = self.source.modem.ahead_bytes  # MORSE-15: no more may be stuck here
        super().__init__(
            self.source, endpoint, settings.bytes_per_s, most_outgoing_bytes=ahead_bytes
        )


class AsyncMorseTransport(AsyncThreadedTransport, _Reports):
    """A Morse line for the asyncio shell.

    Attributes:
        source: the modem on its pins.
    """

    def __init__(self, settings: ModemSettings, pins: Pins, endpoint: str) -> None:
        """Begin to listen; arguments of :class:`MorseTransport`."""
        self.source = MorseSource(settings, pins)
        ahead_bytes = self.source.modem.ahead_bytes  # MORSE-15: no more may be stuck here
        super().__init__(
            self.source, endpoint, settings.bytes_per_s, most_outgoing_bytes=ahead_bytes
        )


def open_morse(text: str, rest: str, options: dict[str, str]) -> MorseTransport:
    """Open a Morse line for blocking use; arguments and errors of :func:`parse_morse`.

    Raises:
        TransportError: the pins cannot be had; it says why.
    """
    line = parse_morse(text, rest, options)
    transport = MorseTransport(line.settings, open_pins(line), text)
    transport.crc_profiles = line.crc_profiles
    return transport


def open_morse_async(text: str, rest: str, options: dict[str, str]) -> AsyncMorseTransport:
    """Open a Morse line for the running event loop; see :func:`open_morse`."""
    line = parse_morse(text, rest, options)
    transport = AsyncMorseTransport(line.settings, open_pins(line), text)
    transport.crc_profiles = line.crc_profiles
    return transport


def open_pins(line: MorseLine) -> Pins:
    """Take the pins of a line.

    Raises:
        TransportError: they cannot be had; it says why.
    """
    if line.backend == "sim":
        from ipfi_serial.transport.morse_sim import SimulatedPins

        return SimulatedPins(line.name)
    if line.backend == "gpiozero":
        from ipfi_serial.transport.gpio_zero import GpiozeroPins

        return GpiozeroPins(line)
    from ipfi_serial.transport.gpio import GpiodPins

    return GpiodPins(line)
