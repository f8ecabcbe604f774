"""The board in Python, on threads of this program, behind a pseudo-terminal that others may open.

docs/hil.md, "Targets".
"""

from __future__ import annotations

from ipfi_hil.board import Board
from ipfi_hil.diary import Diary
from ipfi_hil.target import Footprint, TargetError, VirtualClock
from ipfi_serial.sim.board import Board as PythonBoard
from ipfi_serial.transport.virtual import PtyTransport


def make_target(board: Board) -> PythonTarget:
    """Return the target of a board file."""
    return PythonTarget(board)


class PythonTarget:
    """See :class:`ipfi_hil.target.Target`."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.quirks = board.quirks
        self.clock: VirtualClock | None = None
        self._diary = Diary()
        self._running: PythonBoard | None = None

    def why_unavailable(self) -> str | None:
        """It needs nothing but this package."""
        return None

    def start(self) -> str:
        """See :meth:`ipfi_hil.target.Target.start`."""
        self._diary = Diary()
        return self._switch_on()

    def reset(self) -> None:
        """See :meth:`ipfi_hil.target.Target.reset`."""
        self._board().reset()
        self._diary.note("reset pin")

    def unplug(self) -> None:
        """Close the pseudo-terminal; the board loses its power with it."""
        self._board().close()
        self._running = None
        self._diary.note("unplugged")

    def replug(self) -> str:
        """See :meth:`ipfi_hil.target.Target.replug`."""
        self.stop()
        return self._switch_on()

    def stop(self) -> None:
        """See :meth:`ipfi_hil.target.Target.stop`."""
        if self._running is not None:
            self._running.close()
            self._running = None
            self._diary.note("switched off")

    def log(self) -> str:
        """See :meth:`ipfi_hil.target.Target.log`."""
        return self._diary.text()

    def footprint(self) -> Footprint | None:
        """A Python program has none worth showing."""
        return None

    def _switch_on(self) -> str:
        line = PtyTransport("pty:")
        self._running = PythonBoard(line)
        self._diary.note(f"on, at {line.path}")
        return line.path

    def _board(self) -> PythonBoard:
        if self._running is None:
            raise TargetError(f"target {self.name} does not run: start() or replug() comes first")
        return self._running
