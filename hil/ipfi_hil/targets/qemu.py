"""Chips that QEMU emulates: the firmware's UART is a unix socket, its reset button a QMP command.

Settings of the board file: ``program`` and ``machine`` of QEMU, ``product`` of the firmware's
Makefile.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import time
from pathlib import Path
from typing import Any, Final

from ipfi_hil.board import Board
from ipfi_hil.target import Footprint, Target, TargetError, VirtualClock
from ipfi_hil.targets import elf
from ipfi_hil.targets.bridge import Bridge
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.process import Emulator, new_folder

START_TIMEOUT_S: Final = 30.0  # 30 ms on an idle machine
ANSWER_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.005


def make_target(board: Board) -> Target:
    """Return the target of a board file."""
    return QemuTarget(board)


class QemuTarget:
    """An emulated chip; see :class:`ipfi_hil.target.Target`."""

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
        firmware = build_firmware(self._board.setting("product", str))
        self._folder = new_folder()
        try:
            return self._start(firmware, self._folder)
        except BaseException:
            self.stop()
            raise

    def _start(self, firmware: Path, folder: Path) -> str:
        uart, control = folder / "uart", folder / "control"
        arguments = ["-M", self._board.setting("machine", str), "-nographic", "-nodefaults"]
        arguments += ["-bios", "none", "-kernel", str(firmware), "-monitor", "none"]
        arguments += ["-chardev", f"socket,id=uart,path={uart},server=on,wait=off"]
        arguments += ["-serial", "chardev:uart", "-qmp", f"unix:{control},server=on,wait=off"]
        self._emulator = Emulator(self._board.setting("program", str), arguments, folder)
        line = self._connect(uart)
        self._bridge = Bridge(line, folder / "port")
        return self._bridge.endpoint

    def reset(self) -> None:
        """Press the reset button: peripherals and processor, not the RAM."""
        self._command("system_reset")

    def unplug(self) -> None:
        """Pull the cable; the chip runs on."""
        self._cable().unplug()

    def replug(self) -> str:
        """Put the cable back."""
        self._cable().replug()
        return self._cable().endpoint

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
        """Return what QEMU said."""
        return self._log if self._emulator is None else self._emulator.output()

    def footprint(self) -> Footprint | None:
        """Return the sizes that are in the firmware's file."""
        return elf.footprint(build_firmware(self._board.setting("product", str)))

    def _cable(self) -> Bridge:
        if self._bridge is None:
            raise TargetError(f"{self.name} is switched off; call start()")
        if self._bridge.device_gone:
            raise TargetError(f"{self.name}: QEMU has ended by itself:\n{self.log()}")
        return self._bridge

    def _connect(self, path: Path) -> socket.socket:
        """Connect to a socket that QEMU makes while it starts."""
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                line.connect(str(path))
            except OSError as error:
                line.close()
                if time.monotonic() > until_s:
                    said = self.log() or "nothing"
                    raise TargetError(
                        f"{self.name} does not start ({error}); QEMU said: {said}"
                    ) from error
                time.sleep(POLL_S)
            else:
                return line

    def _command(self, command: str) -> None:
        """Give one command to QEMU's control socket (QEMU Machine Protocol)."""
        self._cable()
        assert self._folder is not None  # noqa: S101 - for the type checker: it runs
        with contextlib.closing(self._connect(self._folder / "control")) as line:
            line.settimeout(ANSWER_TIMEOUT_S)
            with line.makefile("rwb") as stream:
                try:
                    _read_object(stream)  # the greeting
                    for wish in ("qmp_capabilities", command):
                        stream.write(json.dumps({"execute": wish}).encode() + b"\n")
                        stream.flush()
                        while "return" not in (answer := _read_object(stream)):
                            if "error" in answer:
                                raise TargetError(f"QEMU refuses {wish}: {answer['error']}")
                except OSError as error:
                    raise TargetError(f"QEMU does not {command}: {error}") from error


def _read_object(stream: Any) -> dict[str, Any]:  # noqa: ANN401 - a file of bytes
    line = stream.readline()
    if not line:
        raise TargetError("QEMU has closed its control socket")
    answer: dict[str, Any] = json.loads(line)
    return answer
