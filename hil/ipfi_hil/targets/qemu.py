"""Chips that QEMU emulates: the firmware's UART is a unix socket, its reset button a QMP command.

Settings of the board file: ``program`` and ``machine`` of QEMU, ``product`` of the firmware's
Makefile.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from ipfi_hil.board import Board
from ipfi_hil.target import Target, TargetError
from ipfi_hil.targets.emulated import EmulatedTarget

ANSWER_TIMEOUT_S: Final = 10.0


def make_target(board: Board) -> Target:
    """Return the target of a board file."""
    return QemuTarget(board)


class QemuTarget(EmulatedTarget):
    """A machine of QEMU."""

    def reset(self) -> None:
        """Press the reset button: peripherals and processor start anew, the RAM stays."""
        self._cable()
        with contextlib.closing(self._connect("control")) as line:
            line.settimeout(ANSWER_TIMEOUT_S)
            with line.makefile("rwb") as stream:
                try:
                    _command(cast(BinaryIO, stream), "system_reset")
                except OSError as error:
                    raise TargetError(f"{self.name}: QEMU does not reset it: {error}") from error

    def _command(self, firmware: Path, folder: Path) -> tuple[str, list[str]]:
        uart, control = folder / "uart", folder / "control"
        arguments = ["-M", self._board.setting("machine", str), "-nographic", "-nodefaults"]
        arguments += ["-bios", "none", "-kernel", str(firmware), "-monitor", "none"]
        arguments += ["-chardev", f"socket,id=uart,path={uart},server=on,wait=off"]
        arguments += ["-serial", "chardev:uart", "-qmp", f"unix:{control},server=on,wait=off"]
        return self._board.setting("program", str), arguments


def _command(stream: BinaryIO, command: str) -> None:
    """Give one command in the QEMU Machine Protocol: a greeting, then an answer for each wish."""
    _read_object(stream)
    for wish in ("qmp_capabilities", command):
        stream.write(json.dumps({"execute": wish}).encode() + b"\n")
        stream.flush()
        while "return" not in (answer := _read_object(stream)):
            if "error" in answer:
                raise TargetError(f"QEMU refuses {wish}: {answer['error']}")


def _read_object(stream: BinaryIO) -> dict[str, Any]:
    line = stream.readline()
    if not line:
        raise TargetError("QEMU has closed its control socket")
    answer: dict[str, Any] = json.loads(line)
    return answer
