"""Leaves the library's own frames out of the traceback of an error that the library raised.

Its sentence says what to check, and the test says where: what is between them is no news to the
author of a test.  ``--full-trace`` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

import ipfi_serial

_LIBRARY: Final = (Path(ipfi_serial.__file__).parent, Path(__file__).parent)


def leave_library_out(error: BaseException) -> None:
    """Cut the traceback of an IpfiError down to what is not ours, if anything of it is not."""
    if not isinstance(error, ipfi_serial.IpfiError):
        return
    theirs: TracebackType | None = None
    for entry in reversed(list(_entries(error.__traceback__))):
        if not _is_ours(Path(entry.tb_frame.f_code.co_filename)):
            theirs = TracebackType(theirs, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    error.__traceback__ = theirs or error.__traceback__


def _entries(first: TracebackType | None) -> Iterator[TracebackType]:
    while first is not None:
        yield first
        first = first.tb_next


def _is_ours(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _LIBRARY)
