"""An ATmega328P on libsimavr, with the true duration of every byte and a clock that can be held.

Settings of the board file: ``product`` and ``runner`` of the firmware's Makefile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ipfi_hil.board import Board
from ipfi_hil.target import Target, TargetError
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.emulated import EmulatedTarget
from ipfi_hil.targets.simavr_control import ChipClock, ChipControl

LIBRARIES: Final = {  # what no command tells of: a file and its package
    "/usr/lib/avr/include/avr/io.h": "avr-libc",
    "/usr/include/simavr/sim_avr.h": "libsimavr-dev",
    "/usr/include/libelf.h": "libelf-dev",
}


def make_target(board: Board) -> Target:
    """Return the target of a board file."""
    return SimavrTarget(board)


class SimavrTarget(EmulatedTarget):
    """A chip of libsimavr.

    Attributes:
        control: its time and pins, while it is switched on.
    """

    port_options = "&bps=11520"  # 115200 baud, 8N1

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.control: ChipControl | None = None

    def why_unavailable(self) -> str | None:
        """Return which tools are missing, or None."""
        lacking = [name for file, name in LIBRARIES.items() if not Path(file).is_file()]
        if lacking:
            return f"missing libraries (apt install {' '.join(lacking)})"
        return self._board.why_unavailable()

    def reset(self) -> None:
        """Press the reset button: the RAM stays."""
        self._cable()
        if self.control is None:
            raise TargetError(f"{self.name} is switched off; call start()")
        self.control.reset()

    def stop(self) -> None:
        """Switch off."""
        if self.control is not None:
            self.control.close()
        self.control = self.clock = None
        super().stop()

    def _command(self, firmware: Path, folder: Path) -> tuple[str, list[str]]:
        runner = build_firmware(self._board.setting("runner", str))
        sockets = ["--uart", f"unix:{folder / 'uart'}", "--control", f"unix:{folder / 'control'}"]
        return str(runner), [*sockets, str(firmware)]

    def _started(self) -> None:
        self.control = ChipControl(self._connect("control"))
        self.clock = ChipClock(self.control)
