"""The C board as a process of its own behind a pseudo-terminal.

It ends with its standard input, so it never outlives this program, whatever happens here.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ipfi_serial.errors import PortBusyError, TransportError
from ipfi_serial.sim.firmware import build_board
from ipfi_serial.sync.waits import wait_interruptibly

START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 2.0


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
    ) -> None:
        """Start it.

        Args:
            program: what to run; built, or taken from the cache, if None.
            link: a symbolic link to make to the port; it stays the same when the board restarts.
            small: with the buffers of a small microcontroller.
            seed: of its nonces; random if None.

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
        self._link = link
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
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,  # Ctrl-C in the terminal is for us: we stop it
            )
        except OSError as error:
            raise TransportError(f"the C board does not start: {error}") from error
        try:
            port = _read_port(self._process)
        except BaseException:
            self._end(politely=True)  # so that it removes its link
            raise
        return self._link or port

    def _end(self, *, politely: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if not politely:
            process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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


def _read_port(process: subprocess.Popen[bytes]) -> str:
    """Return the path in the board's first line, ``ready /dev/pts/3``.

    Raises:
        TransportError: the line does not come.
    """
    assert process.stdout is not None  # noqa: S101 - for the type checker: we asked for a pipe
    until_s = time.monotonic() + START_TIMEOUT_S
    line = b""
    while not line.endswith(b"\n"):
        left_s = until_s - time.monotonic()
        if not select.select([process.stdout], [], [], max(0.0, left_s))[0]:
            raise TransportError(f"the C board said nothing within {START_TIMEOUT_S:.0f} s")
        data = os.read(process.stdout.fileno(), 4096)
        if not data:
            code = process.wait(STOP_TIMEOUT_S)
            raise TransportError(f"the C board ended at once, with exit code {code}")
        line += data
    word, _, path = line.decode(errors="replace").strip().partition(" ")
    if word != "ready" or not path:
        raise TransportError(f"the C board said {line!r} where its port was expected")
    return path
