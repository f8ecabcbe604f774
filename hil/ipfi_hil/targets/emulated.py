"""What the targets have in common whose chip is a process with a unix socket for its UART."""

from __future__ import annotations

import shutil
import socket
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from ipfi_hil.board import Board
from ipfi_hil.target import Footprint, TargetError, VirtualClock
from ipfi_hil.targets import elf
from ipfi_hil.targets.bridge import Bridge
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.process import Emulator, new_folder

START_TIMEOUT_S: Final = 30.0  # 30 ms on an idle machine
POLL_S: Final = 0.005


class EmulatedTarget(ABC):
    """An emulated chip; see :class:`ipfi_hil.target.Target`.

    Settings of the board file: ``product``, the firmware, of the firmware's Makefile.
    """

    port_options = ""
    """Further options of the endpoint."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.quirks = board.quirks
        self.clock: VirtualClock | None = None
        self._board = board
        self._folder: Path | None = None
        self._emulator: Emulator | None = None
        self._bridge: Bridge | None = None
        self._log = ""

    def why_unavailable(self) -> str | None:
        """Return which tools are missing, or None."""
        return self._board.why_unavailable()

    def start(self) -> str:
        """Build the firmware and switch the chip on."""
        self.stop()
        firmware = self._firmware()
        folder = self._folder = new_folder()
        try:
            self._emulator = Emulator(*self._command(firmware, folder), folder)
            self._bridge = Bridge(self._connect("uart"), folder / "port", self.port_options)
            self._started()
        except BaseException:
            self.stop()
            raise
        return self._bridge.endpoint

    @abstractmethod
    def reset(self) -> None:
        """Press the reset button."""

    def unplug(self) -> None:
        """Pull the cable; the chip runs on."""
        self._cable().unplug()

    def replug(self) -> str:
        """Put the cable back."""
        cable = self._cable()
        cable.replug()
        return cable.endpoint

    def stop(self) -> None:
        """Switch off."""
        bridge, self._bridge = self._bridge, None
        emulator, self._emulator = self._emulator, None
        folder, self._folder = self._folder, None
        if emulator is not None:
            emulator.stop()
            self._log = emulator.output()
        if bridge is not None:
            bridge.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def log(self) -> str:
        """Return what the emulator said."""
        return self._log if self._emulator is None else self._emulator.output()

    def footprint(self) -> Footprint | None:
        """Return the sizes that are in the firmware's file."""
        return elf.footprint(self._firmware())

    @abstractmethod
    def _command(self, firmware: Path, folder: Path) -> tuple[str, list[str]]:
        """Return program and arguments; the UART becomes the socket ``uart`` in the folder."""

    def _started(self) -> None:  # noqa: B027 - most have nothing to add
        """Do what is to be done when the chip runs."""

    def _firmware(self) -> Path:
        return build_firmware(self._board.setting("product", str))

    def _cable(self) -> Bridge:
        if self._bridge is None:
            raise TargetError(f"{self.name} is switched off; call start()")
        if self._bridge.device_gone:
            raise TargetError(f"{self.name}: the emulator has ended by itself:\n{self.log()}")
        return self._bridge

    def _connect(self, name: str) -> socket.socket:
        """Connect to a socket that the emulator makes while it starts."""
        if self._folder is None:
            raise TargetError(f"{self.name} is switched off; call start()")
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                line.connect(str(self._folder / name))
            except OSError as error:
                line.close()
                if time.monotonic() > until_s:
                    said = self.log() or "nothing"
                    raise TargetError(
                        f"{self.name} does not start ({error}); the emulator said: {said}"
                    ) from error
                time.sleep(POLL_S)
            else:
                return line
