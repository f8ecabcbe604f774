"""A C board behind a pty that can be pulled out, killed, stopped and started again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import subprocess
import tempfile
import tty
from collections import Counter
from pathlib import Path
from typing import Final

from tests.firmware import build

SOURCE: Final = Path(__file__).parent / "witness.c"
RECORD: Final = struct.Struct("=I")  # one id in the board's log
FILLED_AT_MOST: Final = 1 << 20


def build_witness(place: Path) -> Path:
    """Compile the board."""
    output = place / "witness"
    command = [build.any_compiler(), *build.WARNINGS, "-O2", *build.INCLUDES]
    build.run([*command, SOURCE, *build.library_sources(), "-o", output])
    return output


class Plug:
    """A pty, the board behind it, and the log of what the board has executed.

    Attributes:
        path: what a host opens.
    """

    def __init__(self, program: Path, seed: int) -> None:
        self._program = program
        self._chance = random.Random(seed)  # noqa: S311 - a test wants it repeatable
        self._board, self._other = os.openpty()
        tty.setraw(self._other)
        self.path = os.ttyname(self._other)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the plug
        self._process: subprocess.Popen[bytes] | None = None
        self._is_in = True

    # --- the board ---

    def start(self) -> None:
        """Switch the board on, with a nonce that may be the one of its last life."""
        log = os.open(f"/proc/self/fd/{self._log.fileno()}", os.O_WRONLY | os.O_APPEND)
        nonce = self._chance.choice((7, self._chance.getrandbits(32)))
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [str(self._program), str(self._board), str(log), str(nonce)],
                stdin=subprocess.PIPE,
                pass_fds=(self._board, log),
            )
        finally:
            os.close(log)

    def kill(self) -> None:
        """Cut its power: SIGKILL, wherever it stands.  The pty and what is in it stay."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        if process.stdin is not None:
            process.stdin.close()
        process.wait()

    def freeze(self) -> None:
        """Let the board stand still: it reads and writes nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    # --- the line ---

    def unplug(self) -> None:
        """Pull the cable: the host's port is gone."""
        self.kill()
        if self._is_in:
            self._is_in = False
            os.close(self._board)
            os.close(self._other)

    def fill(self) -> int:
        """Fill the way to the board with idle bytes until it takes no more; return how many."""
        fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        filled = 0
        try:
            with contextlib.suppress(BlockingIOError):
                while filled < FILLED_AT_MOST:
                    filled += os.write(fd, bytes(1024))
            with contextlib.suppress(BlockingIOError):
                while filled < FILLED_AT_MOST:
                    filled += os.write(fd, b"\0")
        finally:
            os.close(fd)
        return filled

    def close(self) -> None:
        """Release everything."""
        self.unplug()
        self._log.close()

    # --- the truth ---

    def executions(self) -> Counter[int]:
        """Return how often each id was executed."""
        data = os.pread(self._log.fileno(), 1 << 26, 0)
        return Counter(each for (each,) in RECORD.iter_unpack(data))
