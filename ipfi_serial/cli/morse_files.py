"""Files that the Morse commands read and write: what is wrong with them is said before any work."""

from __future__ import annotations

import os
from pathlib import Path

from ipfi_serial.cli.failures import UsageError


def check_place(path: Path | None) -> None:
    """Tell whether a file can be written there; None is no file.

    Raises:
        UsageError: why not.
    """
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{path}: it is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.absolute().parent}")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise UsageError(f"{path}: you may not write there")


def check_there(path: Path) -> None:
    """Tell whether there is a file to read.

    Raises:
        UsageError: why not.
    """
    if path.is_dir():
        raise UsageError(f"{path}: it is a folder; name a WAV file")
    if not path.exists():
        raise UsageError(f"{path}: no such file")


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
