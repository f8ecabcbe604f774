"""What a target is, and finding one by its name: the contract between tests and machines.

A target is a piece of firmware that runs somewhere and has a port: a process, an emulated chip, a
board on the bench.  Tests see only this; how each kind starts is in :mod:`ipfi_hil.targets`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from ipfi_hil.board import Board, Quirks, load_board, shipped_boards
from ipfi_serial.errors import ConfigError, IpfiError
from ipfi_serial.transport.base import Transport
from ipfi_serial.transport.faults import LineFaults

__all__ = [
    "Board",
    "Footprint",
    "OwnLine",
    "Quirks",
    "Target",
    "TargetError",
    "VirtualClock",
    "find_board",
    "find_target",
    "make_target",
    "shipped_targets",
]

SERIAL_PREFIX: Final = "serial:"


class TargetError(IpfiError):
    """A target cannot be built, started, or do what it was asked to; says what to check."""


@runtime_checkable
class VirtualClock(Protocol):
    """The clock of a target whose time is computed.  It runs with real time unless it is held."""

    @property
    def now_s(self) -> float:
        """Device time in seconds since the target was started; a reset does not set it back."""

    def hold(self) -> None:
        """Stop the device's time; idempotent."""

    def release(self) -> None:
        """Let it run again from where it stands; idempotent."""

    def advance(self, seconds: float) -> None:
        """While held: let this much device time pass as fast as it can be computed."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a firmware occupies, in bytes; None where it was not measured.

    Attributes:
        flash: code, constants and initial values.
        ram: static data: ``.data`` and ``.bss``.
        stack: deepest stack that was seen.
    """

    flash: int | None = None
    ram: int | None = None
    stack: int | None = None


@runtime_checkable
class Target(Protocol):
    """A firmware and the machine that it runs on.

    Used by one thread.  After :meth:`stop`, :meth:`start` begins afresh.

    Attributes:
        name: of its board file, "qemu-microbit".
        quirks: what it cannot do, with reasons.
        clock: of a target whose time is virtual, else None.
    """

    name: str
    quirks: Quirks
    clock: VirtualClock | None

    def why_unavailable(self) -> str | None:
        """Return what is missing on this machine, with the package that has it; None if all is."""

    def start(self) -> str:
        """Build if needed and switch on; return an endpoint for :func:`ipfi_serial.connect`.

        Raises:
            TargetError: it cannot be built or does not start.
        """

    def reset(self) -> None:
        """Reset the firmware by hardware: it forgets everything; the port stays.

        Raises:
            TargetError: that is not possible here (feature "reset").
        """

    def unplug(self) -> None:
        """Let the port vanish, as the operating system would show it: reads of it fail.

        Raises:
            TargetError: that is not possible here (feature "unplug").
        """

    def replug(self) -> str:
        """Bring the port back and return its endpoint; the firmware may have lost power."""

    def stop(self) -> None:
        """Switch off and release everything.  Idempotent; also after a failed start."""

    def log(self) -> str:
        """Return what the target said beside the protocol since it was started."""

    def footprint(self) -> Footprint | None:
        """Return what the firmware occupies, or None where that says nothing."""


def shipped_targets() -> list[str]:
    """Return the names of the targets that come with the package."""
    return sorted(path.stem for path in shipped_boards().glob("*.toml"))


def find_board(name: str, files: Sequence[Path] = ()) -> Board:
    """Return the board file of a name.

    Args:
        name: of a file in ``files`` or of a shipped one, without ``.toml``; or "serial:PORT".
        files: further board files, which win over shipped ones.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    by_name: dict[str, Path] = {path.stem: path for path in files}
    if name.startswith(SERIAL_PREFIX):
        board = load_board(shipped_boards() / "serial.toml")
        port = name.removeprefix(SERIAL_PREFIX)
        if not port:
            raise ConfigError(f"target {name!r} names no port; for example serial:/dev/ttyACM0")
        return _with_port(board, name, port)
    if name in by_name:
        return load_board(by_name[name])
    path = shipped_boards() / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(_no_target(name, [*by_name, *shipped_targets()]))
    return load_board(path)


def _no_target(name: str, known: Sequence[str]) -> str:
    """Return what is wrong with a name, and what may have been meant."""
    words = f"no target {name!r}; "
    if near := difflib.get_close_matches(name, known, 1):
        words += f"did you mean {near[0]!r}? "
    words += f"there are {', '.join(known)}, and serial:PORT"
    file = name if name.endswith(".toml") else f"{name}.toml"
    return f"{words}; a board file of your own is given with --ipfi-board {file}"


def _with_port(board: Board, name: str, port: str) -> Board:
    settings: Mapping[str, object] = {**board.settings, "port": port}
    return Board(
        name=name,
        kind=board.kind,
        title=f"{board.title} on {port}",
        summary=board.summary,
        settings=settings,
        quirks=board.quirks,
        folder=board.folder,
    )


@runtime_checkable
class OwnLine(Protocol):
    """A target whose line no endpoint string reaches, since it is inside this program."""

    def open_line(self) -> Transport:
        """Open our end of it.

        Raises:
            TransportError: it is unplugged.
        """

    def disturb(self, outgoing: LineFaults, incoming: LineFaults) -> None:
        """Let the line itself damage so many bytes; as many are damaged beside it."""


@runtime_checkable
class OnTheBench(Protocol):
    """A target that is real: it does nothing until that was permitted."""

    def permit_real_hardware(self) -> None:
        """Let :meth:`Target.start` open its port."""


def make_target(board: Board, *, real_hardware: bool = False) -> Target:
    """Return the target that a board file describes; nothing is started.

    The module :mod:`ipfi_hil.targets` of the board's kind has a function ``make_target``.

    Args:
        board: what the file says.
        real_hardware: whether a real port may be opened.
    """
    module = importlib.import_module(f"ipfi_hil.targets.{board.kind}")
    target: Target = module.make_target(board)
    if real_hardware and isinstance(target, OnTheBench):
        target.permit_real_hardware()
    return target


def find_target(name: str, files: Sequence[Path] = (), *, real_hardware: bool = False) -> Target:
    """Return a target by its name; arguments and errors of the two functions above."""
    return make_target(find_board(name, files), real_hardware=real_hardware)
