"""Runs an emulator as a process that never outlives this one, and keeps what it says."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ipfi_hil.target import TargetError

STOP_TIMEOUT_S: Final = 5.0
LOG_BYTES: Final = 1 << 16
# The shell waits for the end of its standard input, which is our end of a pipe: whatever happens to
# this program, the emulator ends with it.  Its own end is seen by its sockets.
_GUARD: Final = '"$@" </dev/null & child=$!; cat >/dev/null; kill $child 2>/dev/null; wait $child'


class Emulator:
    """A running process with a folder for its sockets."""

    def __init__(self, program: str, arguments: Sequence[str], folder: Path) -> None:
        """Start it.

        Args:
            program: looked for in PATH, or a path.
            arguments: of it.
            folder: where its output goes.

        Raises:
            TargetError: it is not there.
        """
        path = shutil.which(program)
        if path is None:
            raise TargetError(f"{program} is not installed")
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the emulator of the board file
                ["/bin/sh", "-c", _GUARD, "guard", path, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C in the terminal is for us: we stop it
            )

    def output(self) -> str:
        """Return the last of what it said."""
        with contextlib.suppress(OSError):
            return self._output.read_bytes()[-LOG_BYTES:].decode(errors="replace")
        return ""

    def stop(self) -> None:
        """End it, and wait until it has ended.  Idempotent."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()


def new_folder() -> Path:
    """Return a folder with a short path: a unix socket's has at most 107 characters."""
    return Path(tempfile.mkdtemp(prefix="ipfi-hil-"))
