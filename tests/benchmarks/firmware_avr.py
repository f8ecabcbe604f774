"""Cycles of the board on an ATmega328P, counted by simavr.

The boards of ``avr/board-BAUD.elf``: CRC-16, frames of 64 bytes, a window of 4, a ring of 254.

python -m tests.benchmarks.firmware_avr     where the cycles go, by function
"""

from __future__ import annotations

import bisect
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_control import CYCLES_PER_S, Costs
from ipfi_hil.targets.simavr_lockstep import WiredChip
from tests.benchmarks import firmware_load as load
from tests.targets.chips import Counters, VirtualHost

BAUD: Final = 500_000
STEP_CYCLES: Final = 1600  # 100 us: the host answers about as fast as a USB adapter of high speed
SECONDS: Final = 0.4  # 10,000 bytes each way
CALLING_SECONDS: Final = 0.2
RECEIVE_VECTOR: Final = 18  # USART_RX of the data sheet's table 12-6, counted from 0
HASH: Final = ("board_take_for_checksum", "__mulsi3", "__umulhisi3", "__muluhisi3")
"""The board's own work with what it receives; its arithmetic is little used by anything else."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one kind of work cost.

    Attributes:
        traffic: what was done.
        costs: where the cycles went.
        functions: name -> cycles, the greatest first.
        lost: bytes that UART or ring lost, and frames that either end repeated.
    """

    traffic: load.Traffic
    costs: Costs
    functions: dict[str, int]
    lost: int


class Bench:
    """A chip that is switched on and connected."""

    def __init__(self, baud: int = BAUD, firmware: Path | None = None) -> None:
        """Switch it on; with the board for that line, or another firmware with its procedures."""
        self._firmware = firmware or build_firmware(f"avr/board-{baud}.elf")
        self._chip = WiredChip(self._firmware)
        self._host = VirtualHost(self._chip.control, step_cycles=STEP_CYCLES, bytes_per_s=baud / 10)
        self._host.connect()
        load.rest(self._host, 0.05)

    def measure(self, work: load.Work, seconds: float = SECONDS) -> Measured:
        """Do so much work, and tell what it cost."""
        before = self._host.counters()
        load.rest(self._host, 0.05)
        self._chip.control.profile()
        traffic = load.run(self._host, work, seconds)
        costs = self._chip.control.costs()
        lost = _lost(self._host.counters()) - _lost(before) + self._chip.control.overruns
        return Measured(traffic, costs, functions(self._firmware, costs.at), lost)

    def idle_share(self, seconds: float = CALLING_SECONDS) -> float:
        """Tell how busy the chip is while nothing happens: a tick and a poll a millisecond."""
        self._chip.control.profile()
        load.rest(self._host, seconds)
        costs = self._chip.control.costs()
        return costs.busy / (costs.busy + costs.asleep)

    def call_cycles(self) -> float:
        """Return what one call costs beyond idling, all layers."""
        idle = self.idle_share()
        measured = self.measure(load.ADDING, CALLING_SECONDS)
        cycles = measured.traffic.seconds * CYCLES_PER_S
        return (measured.costs.busy - idle * cycles) / measured.traffic.calls

    def close(self) -> None:
        """Switch it off.  Idempotent."""
        self._chip.close()


def _lost(counters: Counters) -> int:
    return counters.overruns + counters.retransmissions + counters.noise + counters.duplicates


def functions(firmware: Path, at: dict[int, int], nm: str = "avr-nm") -> dict[str, int]:
    """Return the cycles of each function, the greatest first.

    Args:
        firmware: with its symbols.
        at: address -> cycles.
        nm: of the toolchain that built it.
    """
    done = subprocess.run(  # noqa: S603 - of the toolchain that built the file
        [nm, "-n", "--defined-only", str(firmware)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    symbols = [(int(where, 16), name) for where, kind, name in rows if kind in "tTW"]
    starts = [start for start, _ in symbols]
    found: dict[str, int] = {}
    for where, cycles in at.items():
        name = symbols[max(0, bisect.bisect_right(starts, where) - 1)][1]
        name = re.sub(r"\.(lto_priv|isra|part|constprop)\..*", "", name)
        found[name] = found.get(name, 0) + cycles
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def main() -> int:
    """Print where the cycles of a byte in and a byte out go."""
    bench = Bench(1_000_000)
    measured = bench.measure(load.echoing(56, 3))
    bench.close()
    for name, cycles in list(measured.functions.items())[:24]:
        sys.stdout.write(f"{cycles / measured.traffic.pairs:7.1f}  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
