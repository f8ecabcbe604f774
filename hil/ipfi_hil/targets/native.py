"""A firmware that was compiled for this machine and serves behind a pseudo-terminal of its own.

Either the simulated board of the library, or any program that prints ``ready /dev/pts/N`` first
and ends with its standard input.  Settings of the board file, docs/hil.md:

- ``build``: a command that makes the program, run in the board file's folder;
- ``program``: what to run, relative to that folder; without it the simulated board;
- ``small``: the simulated board's small buffers;
- ``reset_signal``: what resets the program: ``"SIGUSR1"`` does for the simulated board.

What the program prints after that line is in the target's log.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Final

from ipfi_hil.board import Board
from ipfi_hil.commands import run_command
from ipfi_hil.diary import Diary
from ipfi_hil.target import Footprint, TargetError, VirtualClock
from ipfi_serial.errors import ConfigError, TransportError
from ipfi_serial.sim.firmware import build_board, find_compilers
from ipfi_serial.sim.process import BoardProcess

BUILD_TIMEOUT_S: Final = 300.0


def make_target(board: Board) -> NativeTarget:
    """Return the target of a board file."""
    return NativeTarget(board)


class NativeTarget:
    """See :class:`ipfi_hil.target.Target`."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.clock: VirtualClock | None = None
        self._board = board
        self._diary = Diary()
        self._process: BoardProcess | None = None
        self._is_ours = "program" not in board.settings
        default = "SIGUSR1" if self._is_ours else ""
        self._reset_signal = _signal(board, default)
        cannot = dict(board.quirks.cannot)
        if self._reset_signal is None:
            cannot.setdefault("reset", "its board file has no reset_signal")
        self.quirks = replace(board.quirks, cannot=cannot)

    def why_unavailable(self) -> str | None:
        """See :meth:`ipfi_hil.target.Target.why_unavailable`."""
        if os.name != "posix":
            return "it needs a POSIX system with pseudo-terminals"
        if self._is_ours and find_compilers():
            return None  # ziglang does as well as the compiler that the board file names
        return self._board.why_unavailable()

    def start(self) -> str:
        """See :meth:`ipfi_hil.target.Target.start`."""
        self._diary = Diary()
        try:
            program = self._build()
            small = self._board.setting("small", bool, False)
            self._process = BoardProcess(program, small=small, on_line=self._diary.note)
        except TransportError as error:
            raise TargetError(f"target {self.name}: {error}") from error
        self._diary.note(f"{program.name} runs at {self._process.path}")
        return self._process.path

    def reset(self) -> None:
        """See :meth:`ipfi_hil.target.Target.reset`."""
        if self._reset_signal is None:
            raise TargetError(f"target {self.name}: no reset: {self.quirks.why_not('reset')}")
        pid = self._running().pid
        assert pid is not None  # noqa: S101 - _running() has looked
        os.kill(pid, self._reset_signal)
        self._diary.note("reset pin")

    def unplug(self) -> None:
        """Kill the program: its port dies with it."""
        self._running().unplug()
        self._diary.note("unplugged")

    def replug(self) -> str:
        """See :meth:`ipfi_hil.target.Target.replug`."""
        if self._process is None:
            return self.start()
        self._process.restart()
        self._diary.note(f"plugged in, at {self._process.path}")
        return self._process.path

    def stop(self) -> None:
        """See :meth:`ipfi_hil.target.Target.stop`."""
        if self._process is not None:
            self._process.stop()
            self._process = None
            self._diary.note("switched off")

    def log(self) -> str:
        """See :meth:`ipfi_hil.target.Target.log`."""
        ending = self._process.ending if self._process is not None else None
        return self._diary.text() + (f"the program has ended {ending}\n" if ending else "")

    def footprint(self) -> Footprint | None:
        """Code for this machine says nothing about a microcontroller."""
        return None

    def _build(self) -> Path:
        """Return the program, built if there is a command for that."""
        command = self._board.setting("build", list, [])
        if command:
            self._diary.note(
                run_command("build", command, self._board.folder, BUILD_TIMEOUT_S, self.name)
            )
        if self._is_ours:
            return build_board()
        program = self._board.folder / str(self._board.setting("program", str))
        if not program.is_file():
            raise TargetError(f"target {self.name}: there is no program {program}; see `build`")
        return program

    def _running(self) -> BoardProcess:
        if self._process is not None and self._process.ending is not None:
            raise TargetError(f"target {self.name}: its program has ended {self._process.ending}")
        if self._process is None or not self._process.running:
            raise TargetError(f"target {self.name} does not run: start() or replug() comes first")
        return self._process


def _signal(board: Board, default: str) -> signal.Signals | None:
    """Return the signal that resets the program, or None if there is none.

    Raises:
        ConfigError: there is no such signal.
    """
    name = board.setting("reset_signal", str, default)
    if not name:
        return None
    if name not in signal.Signals.__members__:
        raise ConfigError(
            f"board {board.name}: settings.reset_signal is {name!r}; it is the name of a signal, "
            '"SIGUSR1"'
        )
    return signal.Signals[name]
