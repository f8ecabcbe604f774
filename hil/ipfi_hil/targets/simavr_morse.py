"""An ATmega328P on a simulated Morse line, in real time: ``morse:sim:NAME`` reaches its pins.

    python -m ipfi_hil.targets.simavr_morse NAME --alphabet compact --wpm 4800

The chip lives :data:`LAG_S` behind the wall clock, and what it keys arrives as much later.  So no
edge depends on when a thread of ours gets its turn, but if that takes longer than the lag; then a
frame is damaged, and the link sends it again.
"""

from __future__ import annotations

import argparse
import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ipfi_hil.target import TargetError
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_control import CYCLES_PER_S, Edge, SentByte
from ipfi_hil.targets.simavr_lockstep import WiredChip
from ipfi_serial.transport.morse_sim import SimulatedPins

KEYED_PIN: Final = "B1"  # firmware-sim/ports/avr/morse_line.h
HEARD_PIN: Final = "B0"
LAG_S: Final = 0.2
SLICE_S: Final = 0.005
MOST_LAG_S: Final = 1.0  # behind that, the chip's clock stops: a machine that is too slow, or slept
STOP_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.5  # how often the command looks whether the chip still runs


def morse_product(alphabet: str, wpm: int) -> str:
    """Return the Makefile's name of the program that speaks Morse."""
    return f"avr/morse-{alphabet}-{wpm}.elf"


class MorseChip:
    """A chip that runs in real time on one end of a simulated Morse line.

    Attributes:
        failure: why it stopped by itself, or None.
    """

    def __init__(self, name: str, firmware: Path, seed: int = 1) -> None:
        """Switch it on.

        Args:
            name: of the line, as in ``morse:sim:NAME``.
            firmware: an ELF file that keys :data:`KEYED_PIN` and hears :data:`HEARD_PIN`.
            seed: of what its RAM holds after power-on.

        Raises:
            PortBusyError: both ends of the line are taken.
            TargetError: something is missing or does not start.
        """
        self.failure: str | None = None
        self._pins = SimulatedPins(name)
        try:
            self._chip = WiredChip(firmware, seed)
        except BaseException:
            self._pins.close()
            raise
        self._chip.control.watch(KEYED_PIN)
        self._mark_s: float | None = None  # when the chip's mark began
        self._marks: queue.SimpleQueue[tuple[float, float] | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._zero_s = time.monotonic() + LAG_S  # wall clock at the chip's cycle 0
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._live, "ipfi morse chip"), (self._key, "ipfi morse pin"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return not self._stopped.is_set()

    def close(self) -> None:
        """Switch it off.  Idempotent."""
        self._stopped.set()
        hearing, keying = self._threads
        hearing.join(STOP_TIMEOUT_S)
        self._marks.put(None)
        self._pins.close()
        keying.join(STOP_TIMEOUT_S)
        self._chip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- the chip's thread ---

    def _live(self) -> None:
        try:
            while not self._stopped.is_set():
                self._hear()
                self._run()
        except (OSError, TargetError) as error:
            if not self._stopped.is_set():
                self.failure = str(error)
        self._stopped.set()
        self._marks.put(None)

    def _hear(self) -> None:
        """Bring the host's edges to the chip's pin."""
        for edges_s, rising in self._pins.hear(SLICE_S).runs:
            level = rising
            for edge_s in edges_s:
                cycle = round((edge_s + LAG_S - self._zero_s) * CYCLES_PER_S)
                self._chip.control.drive(max(0, cycle), HEARD_PIN, level)
                level = not level

    def _run(self) -> None:
        """Let the chip catch up with the wall clock."""
        control = self._chip.control
        now_s = time.monotonic()
        behind_s = now_s - self._zero_s - control.cycle / CYCLES_PER_S
        if behind_s > MOST_LAG_S:
            self._zero_s += behind_s
        elif behind_s > 0:
            self._take(control.run(round(min(behind_s, LAG_S) * CYCLES_PER_S)))

    def _take(self, reports: Iterable[Edge | SentByte]) -> None:
        for report in reports:
            if not isinstance(report, Edge):
                continue
            at_s = self._zero_s + report.cycle / CYCLES_PER_S + LAG_S
            if report.level:
                self._mark_s = at_s
            elif self._mark_s is not None:
                self._marks.put((self._mark_s, at_s))

    # --- the pin's thread: keying returns only after the last edge ---

    def _key(self) -> None:
        with contextlib.suppress(OSError):  # the line was closed
            while (mark := self._marks.get()) is not None:
                edges_s = list(mark)
                while not self._marks.empty() and (mark := self._marks.get()) is not None:
                    edges_s += mark
                self._pins.key(edges_s)
                if mark is None:
                    return


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="An emulated ATmega328P on a Morse line.")
    parser.add_argument("name", help="of the line: the host opens morse:sim:NAME?wpm=N")
    parser.add_argument("--alphabet", choices=("compact", "itu"), default="compact")
    parser.add_argument("--wpm", type=int, default=4800, help="words a minute")
    options = parser.parse_args()
    firmware = build_firmware(morse_product(options.alphabet, options.wpm))
    with MorseChip(options.name, firmware) as chip:
        endpoint = f"morse:sim:{options.name}?wpm={options.wpm}&alphabet={options.alphabet}"
        sys.stdout.write(f"{endpoint}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while chip.running:
                time.sleep(POLL_S)
        if chip.failure is not None:
            sys.stderr.write(f"{chip.failure}\n")
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
