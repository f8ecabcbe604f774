"""An ATmega328P whose time passes only when a test says so, and whose UART bytes have cycles.

For tests that must come out the same on every machine.  The protocol below it is in
firmware-sim/ports/avr/host/README.md.
"""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ipfi_hil.target import TargetError
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.process import Emulator, new_folder
from ipfi_hil.targets.simavr_control import ChipControl

START_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.005


class WiredChip:
    """A chip that stands still until :attr:`control` lets it run.

    Attributes:
        control: its time, its pins, its UART.
    """

    def __init__(self, firmware: Path | None = None, seed: int = 1) -> None:
        """Switch it on.

        Args:
            firmware: an ELF file for it; the demonstration board if None.
            seed: of what its RAM holds after power-on.

        Raises:
            TargetError: something is missing or does not start.
        """
        firmware = firmware or build_firmware("avr/board.elf")
        runner = build_firmware("avr/ipfi-simavr")
        self._folder = new_folder()
        uart, control = self._folder / "uart", self._folder / "control"
        sockets = ["--uart", f"unix:{uart}", "--control", f"unix:{control}"]
        options = ["--hold", "--wired", "--seed", str(seed)]
        self._emulator = Emulator(str(runner), [*sockets, *options, str(firmware)], self._folder)
        try:
            self.control = ChipControl(self._connect(control))
        except BaseException:
            self._switch_off()
            raise

    def close(self) -> None:
        """Switch it off.  Idempotent."""
        self.control.close()
        self._switch_off()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _switch_off(self) -> None:
        self._emulator.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self, path: Path) -> socket.socket:
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                line.connect(str(path))
            except OSError as error:
                line.close()
                if time.monotonic() > until_s:
                    said = self._emulator.output() or "nothing"
                    raise TargetError(f"ipfi-simavr does not start; it said: {said}") from error
                time.sleep(POLL_S)
            else:
                return line
