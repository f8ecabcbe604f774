"""An engine of this library and an ATmega328P, joined by two emulated pins; the chip's time is theirs.

The chip stands still until it is granted cycles, so nothing here depends on how fast the machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Final

from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_control import CYCLES_PER_S, Edge, SentByte
from ipfi_hil.targets.simavr_lockstep import WiredChip
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.morse.modem import Modem, ModemSettings
from tests.engine.wires import End, interface

KEYED_PIN: Final = "B1"  # by the chip
HEARD_PIN: Final = "B0"
LAMP_PIN: Final = "B5"
SLICE_UNITS: Final = 4  # who waits longer may miss the end of a frame (morse.h)


def morse_firmware(alphabet: str, wpm: int) -> str:
    """Return the Makefile's name for the program."""
    return f"avr/morse-{alphabet}-{wpm}.elf"


class ChipLine:
    """A host and a chip on a Morse line, and the time.

    Attributes:
        host: our engine.
        modem: what keys and hears for it.
        edges: every edge on the chip's pins: (cycle, pin, level), ours as well.
    """

    def __init__(self, settings: ModemSettings, seed: int = 1) -> None:
        """Switch the chip on; ``seed`` is of what its RAM holds then."""
        firmware = build_firmware(morse_firmware(settings.alphabet, round(settings.wpm)))
        self.chip = WiredChip(firmware, seed)
        self.modem = Modem(settings)
        self.edges: list[tuple[int, str, bool]] = []
        self._control = self.chip.control
        self._control.watch(KEYED_PIN, LAMP_PIN)
        self._slice_cycles = round(settings.unit_s * CYCLES_PER_S * SLICE_UNITS)
        self._unsent = b""
        nonces = count(0x1000)
        wire = build_wire(
            interface(),
            WireConfig(),
            framed=True,
            role="host",
            bytes_per_s=settings.bytes_per_s,
            random_u32=lambda: next(nonces),
        )
        self.host = End(wire, lambda: self.now_s)
        wire.open(self.now_s)

    @property
    def now_s(self) -> float:
        """The chip's time in seconds."""
        return self._control.cycle / CYCLES_PER_S

    def run(self, limit_s: float, until: Callable[[], bool]) -> float:
        """Let time pass until something is true; return how long that took, in seconds."""
        start_s = self.now_s
        while not until():
            assert self.now_s < start_s + limit_s, f"it did not come about within {limit_s} s"
            self._step_host()
            self._hear(self._control.run(self._slice_cycles))
        return self.now_s - start_s

    def _hear(self, reports: Iterable[Edge | SentByte]) -> None:
        for report in reports:
            assert isinstance(report, Edge), "the UART is off"
            self.edges.append((report.cycle, report.pin, report.level))
            if report.pin == KEYED_PIN:
                at_s = report.cycle / CYCLES_PER_S
                self.modem.receive_edges([at_s], rising=report.level)

    def _step_host(self) -> None:
        now_s, wire = self.now_s, self.host.wire
        self.modem.receive_time(now_s)
        if data := self.modem.take():
            wire.receive_bytes(data, now_s)
        wire.on_deadline(now_s)
        self.host.take_events()
        while data := self._unsent or wire.bytes_to_send(now_s):
            taken = self.modem.put(data, now_s)
            self._unsent = data[taken:]
            if not taken:
                break
        self._key(self.modem.key(now_s))

    def _key(self, edges_s: list[float]) -> None:
        level = True
        for edge_s in edges_s:
            cycle = round(edge_s * CYCLES_PER_S)
            self._control.drive(cycle, HEARD_PIN, level)
            self.edges.append((cycle, HEARD_PIN, level))
            level = not level
