"""The floor: bytes to and fro over a pty with nothing but os.write, select and os.read.

The far end is a process that answers each request with as many bytes as the measured answer has.
"""

from __future__ import annotations

import os
import select
import signal
import time
import tty
from types import TracebackType
from typing import Final, Self

READ_BYTES: Final = 4096
STUCK_S: Final = 5.0


class Floor:
    """A ping-pong partner behind a pty.

    Args:
        request_bytes: size of what is sent.
        answer_bytes: size of what comes back.
    """

    def __init__(self, request_bytes: int, answer_bytes: int) -> None:
        self._request = b"\x55" * request_bytes
        self._answer_bytes = answer_bytes
        master, self._port = os.openpty()
        tty.setraw(master)
        tty.setraw(self._port)
        self._child = os.fork()
        if self._child == 0:
            _answer_for_ever(master, request_bytes, b"\xaa" * answer_bytes)
        os.close(master)

    def round_trip_s(self) -> float:
        """Make one round trip and return how long it took, in seconds."""
        begin_s = time.perf_counter()
        os.write(self._port, self._request)
        missing = self._answer_bytes
        while missing > 0:
            ready, _, _ = select.select((self._port,), (), (), STUCK_S)
            if not ready:
                raise TimeoutError("the far end of the floor has stopped")
            missing -= len(os.read(self._port, READ_BYTES))
        return time.perf_counter() - begin_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._port)


def _answer_for_ever(master: int, request_bytes: int, answer: bytes) -> None:
    """Be the far end, in the forked process; never returns."""
    try:
        missing = request_bytes
        while True:
            select.select((master,), (), ())
            missing -= len(os.read(master, READ_BYTES))
            if missing <= 0:
                missing += request_bytes
                os.write(master, answer)
    finally:
        os._exit(0)
