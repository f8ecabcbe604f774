"""Two processes at the ends of a line, and what the runner asks and sees of them."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import tempfile
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.benchmarks.peers import ENDS, Peer, Unavailable

START_S: Final = 20.0
ORDER_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one order gave.

    Attributes:
        p50_us: median time of a call.
        p99_us: its 99th percentile.
        wall_us: time of all by their number.
        cpu_us: CPU time of a call, both ends.
        client_us: of that, at the client.
        client_mib: peak memory of the client.
        server_mib: peak memory of the server.
    """

    p50_us: float
    p99_us: float
    wall_us: float
    cpu_us: float
    client_us: float
    client_mib: float
    server_mib: float


class Pair:
    """Starts both ends; use it in a with block.

    Raises:
        Unavailable: why it cannot be measured.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._stack = contextlib.ExitStack()
        self._server: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise

    def _start(self) -> None:
        peer, python = self.peer, self.peer.python
        script = str(ENDS / peer.script)
        where, keep = peer.place, None
        if peer.medium == "unix":
            where = self._stack.enter_context(tempfile.TemporaryDirectory()) + "/bench"
        elif where is None:
            keep = self._stack.enter_context(_Pty())
            where = keep.path
        if peer.place is None:
            self._server = self._popen(python, script, "server", where, keep)
        self._client = self._popen(python, script, "client", where, None)
        stdout = self._client.stdout
        assert stdout is not None
        os.set_blocking(stdout.fileno(), False)
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self._selector.register(stdout, selectors.EVENT_READ)
        hello = self._reply(START_S)
        self.can: list[str] = hello["ready"]
        self.together: bool = hello["together"]
        self._server_pid = hello["server_pid"] or (self._server.pid if self._server else 0)
        _place(self._server_pid, "server")

    def _popen(
        self, python: str, script: str, role: str, where: str, pty: _Pty | None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own scripts
            [python, script, role, where if pty is None else str(pty.far)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[] if pty is None else [pty.far],
            env=self.peer.variables,
        )
        _place(process.pid, role)
        self._stack.callback(_end, process)
        return process

    def ask(self, what: str, count: int, together: int = 1, size: int | None = None) -> Sample:
        """Let the client make ``count`` calls, and measure.

        Args:
            what: which of those that it can make.
            count: how many.
            together: how many at once.
            size: what each is made with; a running number if None.

        Raises:
            Unavailable: it stopped; says how.
        """
        stdin = self._client.stdin
        assert stdin is not None
        before_s = _cpu_s(self._server_pid)
        order = {"what": what, "count": count, "together": together, "size": size}
        try:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise Unavailable(f"stopped: {error}") from error
        reply = self._reply(ORDER_S)
        server_us = (_cpu_s(self._server_pid) - before_s) / count * 1e6
        return Sample(
            p50_us=reply["p50_us"],
            p99_us=reply["p99_us"],
            wall_us=reply["wall_us"],
            cpu_us=reply["cpu_us"] + server_us,
            client_us=reply["cpu_us"],
            client_mib=reply["rss_kib"] / 1024,
            server_mib=_peak_mib(self._server_pid),
        )

    def _reply(self, timeout_s: float) -> dict[str, Any]:
        until_s = time.monotonic() + timeout_s
        stdout = self._client.stdout
        assert stdout is not None
        while b"\n" not in self._buffer:
            if not self._selector.select(max(0.0, until_s - time.monotonic())):
                raise Unavailable(f"no answer within {timeout_s:.0f} s")
            data = stdout.read()
            if not data:
                raise Unavailable(self._last_words())
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self) -> str:
        """Say why the client ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._client.wait(2)
        stderr = self._client.stderr
        assert stderr is not None
        os.set_blocking(stderr.fileno(), False)
        lines = (stderr.read() or b"").decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"its client ended with {self._client.returncode}"

    def close(self) -> None:
        """End both processes."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Pty:
    """A raw pty that stays open while this lives.

    Attributes:
        far: descriptor of the far side.
        path: of the near side.
    """

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        for side in (self.far, self._near):
            tty.setraw(side)
        self.path = os.ttyname(self._near)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.far)
        os.close(self._near)


def _place(pid: int, role: str) -> None:
    """Give each end its own core, or how the scheduler places them is what is measured."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[0] if role == "client" else cores[-1]})


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process: its clock has the number that clock_getcpuclockid gives."""
    return time.clock_gettime(~pid << 3 | 2)


def _peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
