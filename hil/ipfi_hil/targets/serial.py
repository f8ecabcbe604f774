"""A board on a real port.  Nothing is opened, and no command is run, until that was permitted.

Settings of the board file, docs/hil.md:

- ``port``: "/dev/ttyACM0", "usb:2341:0043" ...; ``serial:PORT`` gives it too;
- ``baud``: 115200 if not set;
- ``build``, ``flash``: commands, run in this order at the start;
- ``reset``: "dtr" or "rts", the line that is wired to the reset pin; or ``reset_command``;
- ``unplug_command``, ``replug_command``: for a switched USB hub;
- ``boot_s``: how long to leave the board alone after a start or a reset.
"""

from __future__ import annotations

import array
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from ipfi_hil.board import FEATURES, Board
from ipfi_hil.commands import run_command
from ipfi_hil.diary import Diary
from ipfi_hil.target import Footprint, TargetError, VirtualClock

COMMAND_TIMEOUT_S: Final = 300.0
RESET_PULSE_S: Final = 0.1  # an Arduino's capacitor needs 10 ms, a debounced button 50
RETURN_TIMEOUT_S: Final = 10.0  # for a USB device to be enumerated again
_NEEDS: Final = {"reset": ("reset", "reset_command"), "unplug": ("unplug_command",)}


def make_target(board: Board) -> SerialTarget:
    """Return the target of a board file."""
    return SerialTarget(board)


class SerialTarget:
    """See :class:`ipfi_hil.target.Target`."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.clock: VirtualClock | None = None
        self._board = board
        self._permitted = False
        self._diary = Diary()
        self._endpoint = ""
        cannot = dict(board.quirks.cannot)
        for feature, settings in _NEEDS.items():
            if any(name in board.settings for name in settings):
                cannot.pop(feature, None)
            else:
                cannot.setdefault(feature, f"its board file has no {' or '.join(settings)}")
        self.quirks = replace(board.quirks, cannot=cannot)

    def permit_real_hardware(self) -> None:
        """Let :meth:`start` touch the port; ``--ipfi-real-hardware`` does."""
        self._permitted = True

    def why_unavailable(self) -> str | None:
        """See :meth:`ipfi_hil.target.Target.why_unavailable`."""
        if not self._permitted:
            return "real ports are opened only with --ipfi-real-hardware"
        if not self._board.settings.get("port"):
            return "the board file has no port; or use --ipfi-target serial:PORT"
        return self._board.why_unavailable()

    def start(self) -> str:
        """Build and flash if the board file says how; return the port's endpoint."""
        if (reason := self.why_unavailable()) is not None:
            raise TargetError(f"target {self.name}: {reason}")
        self._diary = Diary()
        for what in ("build", "flash"):
            self._run(what)
        port = str(self._board.setting("port", str))
        self._endpoint = port
        if "baud" in self._board.settings and "baud=" not in port:
            joint = "&" if "?" in port else "?"
            self._endpoint = f"{port}{joint}baud={self._board.setting('baud', int)}"
        self._wait_for_boot()
        return self._endpoint

    def reset(self) -> None:
        """See :meth:`ipfi_hil.target.Target.reset`."""
        self._check("reset")
        if not self._run("reset_command"):
            self._pulse(self._board.setting("reset", str))
        self._diary.note("reset")
        self._wait_for_boot()

    def unplug(self) -> None:
        """See :meth:`ipfi_hil.target.Target.unplug`."""
        self._check("unplug")
        self._run("unplug_command")
        self._diary.note("unplugged")

    def replug(self) -> str:
        """See :meth:`ipfi_hil.target.Target.replug`."""
        self._run("replug_command")
        path = Path(self._endpoint.partition("?")[0])
        until_s = time.monotonic() + RETURN_TIMEOUT_S
        while path.is_absolute() and not path.exists():
            if time.monotonic() > until_s:
                raise TargetError(
                    f"target {self.name}: {path} did not come back within "
                    f"{RETURN_TIMEOUT_S:.0f} s; check replug_command, or use a usb: endpoint"
                )
            time.sleep(0.05)
        self._wait_for_boot()
        return self._endpoint

    def stop(self) -> None:
        """Leave the board as it is."""
        self._endpoint = ""

    def log(self) -> str:
        """See :meth:`ipfi_hil.target.Target.log`."""
        return self._diary.text()

    def footprint(self) -> Footprint | None:
        """See :meth:`ipfi_hil.target.Target.footprint`."""
        return None

    def _check(self, feature: str) -> None:
        if not self._endpoint:
            raise TargetError(f"target {self.name} was not started")
        if (reason := self.quirks.why_not(feature)) is not None:
            raise TargetError(f"target {self.name}: no {feature} ({FEATURES[feature]}): {reason}")

    def _run(self, what: str) -> bool:
        """Run one of the board file's commands, if it has it."""
        command = self._board.setting(what, list, [])
        if command:
            folder = self._board.folder
            self._diary.note(run_command(what, command, folder, COMMAND_TIMEOUT_S, self.name))
        return bool(command)

    def _wait_for_boot(self) -> None:
        time.sleep(float(self._board.setting("boot_s", (int, float), 0.0)))

    def _pulse(self, line: str) -> None:
        """Raise and lower a modem line, whoever else has the port open."""
        if line not in ("dtr", "rts"):
            raise TargetError(f'target {self.name}: reset is {line!r}; it is "dtr" or "rts"')
        path = self._endpoint.partition("?")[0]
        try:
            import fcntl
            import termios

            fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                mask = array.array("i", [getattr(termios, f"TIOCM_{line.upper()}")])
                fcntl.ioctl(fd, termios.TIOCMBIC, mask)
                time.sleep(RESET_PULSE_S)
                fcntl.ioctl(fd, termios.TIOCMBIS, mask)
            finally:
                os.close(fd)
        except (OSError, ImportError) as error:
            raise TargetError(
                f"target {self.name}: {line} of {path} cannot be switched: {error}; "
                "use reset_command"
            ) from error
