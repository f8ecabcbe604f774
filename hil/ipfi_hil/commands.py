"""Runs what a board file says: to build, to flash, to reset.  Every command has a time limit."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ipfi_hil.target import TargetError

_LINES_SHOWN: Final = 20


def run_command(
    what: str, command: Sequence[object], folder: Path, timeout_s: float, target: str
) -> str:
    """Run a command of a board file and return what it was and said.

    Args:
        what: the setting that holds it: "build", "flash".
        command: program and arguments, of which each must be text.
        folder: to run it in.
        timeout_s: how long it may take, in seconds.
        target: the name of the target, for messages.

    Raises:
        TargetError: it cannot be run, fails, or takes too long.
    """
    words = [word for word in command if isinstance(word, str)]
    if not words or len(words) != len(command):
        raise TargetError(f'target {target}: {what} is a list of words: ["make", "-s"]')
    shown = shlex.join(words)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own board file says so
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(
            f"target {target}: {what} ({shown}) took more than {timeout_s:.0f} s"
        ) from error
    except OSError as error:
        raise TargetError(f"target {target}: {what} ({shown}) cannot be run: {error}") from error
    said = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0:
        tail = "\n".join(said.splitlines()[-_LINES_SHOWN:])
        raise TargetError(
            f"target {target}: {what} ({shown}) failed with exit code {done.returncode}\n{tail}"
        )
    return f"{what}: {shown}\n{said}".strip()
