"""A board as a process of its own behind a pseudo-terminal: the C board, or a firmware of yours.

It ends with its standard input, so it never outlives this program, whatever happens here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ipfi_serial.errors import PortBusyError, TransportError
from ipfi_serial.sim.firmware import build_board
from ipfi_serial.sim.output import Output
from ipfi_serial.sync.waits import wait_interruptibly

log = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 2.0
_EXPECTED: Final = "a board prints `ready` and its port as its first line: ready /dev/pts/3"


class BoardProcess:
    """A running board.

    Attributes:
        path: the port that a host opens.
    """

    def __init__(
        self,
        program: Path | None = None,
        *,
        link: str = "",
        small: bool = False,
        seed: int | None = None,
        on_line: Callable[[str], object] | None = None,
    ) -> None:
        """Start it.

        Args:
            program: what to run; built, or taken from the cache, if None.
            link: a symbolic link to make to the port; it stays the same when the board restarts.
            small: with the buffers of a small microcontroller.
            seed: of its nonces; random if None.
            on_line: is called, on a thread of its own, with each line that the program prints
                after it has named its port; if None they are logged, at DEBUG.

        Raises:
            BoardBuildError: it cannot be built.
            PortBusyError: the link is that of another board.
            TransportError: it does not start.
        """
        if link:
            _check_link(Path(link))
        self._command = [str(program if program is not None else build_board())]
        self._command += ["--link", link] if link else []
        self._command += ["--small"] if small else []
        self._command += ["--seed", str(seed)] if seed is not None else []
        self._name = program.name if program is not None else "the C board"
        self._link = link
        self._on_line = on_line or partial(log.debug, "%s: %s", self._name)
        self._output: Output | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.path = self._start()

    @property
    def pid(self) -> int | None:
        """Its process id, or None if it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def ending(self) -> str | None:
        """How it ended by itself, "with exit code 7" or "by SIGSEGV"; None if it has not."""
        code = self._process.poll() if self._process is not None else None
        return None if code is None else _ending(code)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it ends by itself; return whether it has."""
        if self._process is None:
            return True
        return wait_interruptibly(partial(_wait_for_end, self._process), timeout_s)

    def stop(self) -> None:
        """End it, and wait until it has ended.  Idempotent."""
        self._end(politely=True)

    def unplug(self) -> None:
        """Kill it, as if the cable were pulled out: its port dies with it."""
        self._end(politely=False)

    def restart(self) -> None:
        """Kill it if it runs, and start it anew; without a link its port may have another path."""
        self.unplug()
        self.path = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> str:
        try:
            self._process = process = subprocess.Popen(  # noqa: S603 - what we were asked to run
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,  # Ctrl-C in the terminal is for us: we stop it
            )
        except OSError as error:
            raise TransportError(f"{self._name} does not start: {error}") from error
        assert process.stdout is not None  # noqa: S101 - for the type checker: we asked for a pipe
        self._output = Output(process.stdout, self._on_line)
        try:
            port = self._read_port(process, self._output)
        except BaseException:
            self._end(politely=True)  # so that it removes its link
            raise
        return self._link or port

    def _read_port(self, process: subprocess.Popen[bytes], output: Output) -> str:
        """Return the path in the board's first line, ``ready /dev/pts/3``.

        Raises:
            TransportError: the line does not come.
        """
        line = output.first_line(START_TIMEOUT_S)
        if line is None:
            raise TransportError(
                f"{self._name} said nothing within {START_TIMEOUT_S:.0f} s; {_EXPECTED}"
            )
        word, _, path = line.partition(" ")
        if word == "ready" and path:
            return path
        if not line and _wait_for_end(process, STOP_TIMEOUT_S):
            ending = _ending(process.wait())
            raise TransportError(f"{self._name} ended at once, {ending}; {_EXPECTED}")
        raise TransportError(f"{self._name} said {line!r}; {_EXPECTED}")

    def _end(self, *, politely: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if not politely:
            process.kill()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if not _wait_for_end(process, STOP_TIMEOUT_S):
            process.kill()
            process.wait()
        if self._output is not None:
            self._output.join(STOP_TIMEOUT_S)  # not longer: it may have children that go on


def _ending(code: int) -> str:
    """Return the exit code of a process in words."""
    if code >= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"


def _wait_for_end(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait until a process ends; return whether it has."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _check_link(link: Path) -> None:
    """Refuse what is not ours; a link that leads nowhere was left behind by a board that died.

    Raises:
        PortBusyError: it leads to a device.
        TransportError: it cannot be made.
    """
    if link.exists() and link.is_symlink():
        from ipfi_serial.transport.ports import find_pty_server  # for those who fail only

        raise PortBusyError(str(link), find_pty_server(os.path.realpath(link)))
    if link.exists():
        raise TransportError(f"{link}: a file is in the way of the link; take another name")
    if not link.absolute().parent.is_dir():
        raise TransportError(f"{link}: there is no folder {link.absolute().parent} for the link")
