"""An engine of this library and an ATmega328P, joined by two emulated pins.

The time is the chip's.  It stands still until it is granted cycles, so nothing here depends on how
fast the machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count, pairwise
from random import Random
from types import TracebackType
from typing import Final, Self

from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_control import CYCLES_PER_S, Edge, SentByte
from ipfi_hil.targets.simavr_lockstep import WiredChip
from ipfi_hil.targets.simavr_morse import HEARD_PIN, KEYED_PIN, morse_product
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.interface import Interface
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.morse.modem import Modem, ModemSettings
from tests.engine.wires import End
from tests.morse.line import Distortion, distort

LAMP_PIN: Final = "B5"
TWICE: Final = 64  # the host's procedure that morse_main.c calls
PREAMBLE_EDGES: Final = 24  # MORSE-6: 12 marks
SLICE_UNITS: Final = 4  # who waits longer may miss the end of a frame (morse.h)


def host_interface() -> Interface:
    """What the chip calls: the test answers in its place."""
    table = Interface()
    table.procedure(TWICE, "twice")(lambda n: 2 * n)
    return table


class ChipLine:
    """A host and a chip on a Morse line, and the time.

    Attributes:
        host: our engine.
        modem: what keys and hears for it.
        edges: every edge on the chip's pins: (cycle, pin, level), ours as well.
    """

    def __init__(
        self,
        settings: ModemSettings,
        how: Distortion | None = None,
        *,
        inverted: bool = False,
        spike_s: float = 0.0,
        seed: int = 1,
    ) -> None:
        """Switch the chip on.

        Args:
            settings: of our end; the chip's are the same.
            how: what happens to the edges that the chip hears; its clock is that of our keyer.
            inverted: a mark of ours is low.
            spike_s: length of a false pulse in every mark and gap behind a preamble; 0: none.
            seed: of what the chip's RAM holds, and of ``how``.
        """
        firmware = build_firmware(morse_product(settings.alphabet, round(settings.wpm)))
        self.chip = WiredChip(firmware, seed)
        self._how = how or Distortion()
        self._unit_s = settings.unit_s
        self._chance = Random(seed)  # noqa: S311 repeatable
        self._mark = not inverted
        self._spike_s = spike_s
        self.modem = Modem(replace(settings, wpm=settings.wpm / self._how.clock))
        self.edges: list[tuple[int, str, bool]] = []
        self._control = self.chip.control
        self._control.watch(KEYED_PIN, LAMP_PIN)
        self._control.drive(0, HEARD_PIN, inverted)
        self._slice_cycles = round(settings.unit_s * CYCLES_PER_S * SLICE_UNITS)
        self._unsent = b""
        nonces = count(0x1000)
        wire = build_wire(
            host_interface(),
            WireConfig(),
            framed=True,
            role="host",
            bytes_per_s=settings.bytes_per_s,
            random_u32=lambda: next(nonces),
        )
        self.host = End(wire, lambda: self.now_s)
        wire.open(self.now_s)

    def close(self) -> None:
        """Switch the chip off.  Idempotent."""
        self.chip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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
        level = self._mark
        for edge_s in self._disturb(edges_s) if edges_s else ():
            cycle = round(edge_s * CYCLES_PER_S)
            self._control.drive(cycle, HEARD_PIN, level)
            self.edges.append((cycle, HEARD_PIN, level))
            level = not level

    def _disturb(self, edges_s: list[float]) -> list[float]:
        heard_s = distort(edges_s, self._unit_s, self._how, self._chance)
        if self._spike_s:
            behind = pairwise(heard_s[PREAMBLE_EDGES:])
            spikes = [(a + b) / 2 for a, b in behind]
            heard_s += spikes + [spike + self._spike_s for spike in spikes]
        return sorted(heard_s)
