"""What a program pays before its first call: the import, the connection, the memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from typing import Final

from ipfi_serial.sim.process import BoardProcess
from tests.benchmarks.figures import Figure, at_most, missing, plain
from tests.benchmarks.peers import OURS, OURS_COMPILED, Peer, Unavailable

_IMPORT: Final = """
import time
begin, cpu = time.perf_counter(), time.process_time()
import ipfi_serial
print((time.perf_counter() - begin) * 1e3, (time.process_time() - cpu) * 1e3)
"""
_CONNECT: Final = """
import sys, time
from ipfi_serial import connect
begin = time.perf_counter()
with connect(sys.argv[1]) as wire:
    wire.describe()
    print((time.perf_counter() - begin) * 1e3)
"""
_MEMORY: Final = """
import sys
from ipfi_serial import connect
with connect(sys.argv[1]) as wire:
    assert wire.call("add", 40, 2) == 42
    print(next(int(s.split()[1]) for s in open("/proc/self/status") if s[:5] == "VmHWM") / 1024)
"""
_FIGURES: Final[tuple[tuple[str, float | None, str], ...]] = (
    ("import ipfi_serial", 80, "ms"),
    ("import ipfi_serial, CPU", None, "ms"),
    ("connect, handshake and describe on a pty", 20, "ms"),
    ("peak memory of a simple client", 25, "MiB"),
)
_BARE: Final = """
print(next(int(s.split()[1]) for s in open("/proc/self/status") if s[:5] == "VmHWM") / 1024)
"""


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    builds = {"": _Build(OURS), "compiled: ": _Build(OURS_COMPILED)}
    bare: list[float] = []
    with BoardProcess() as board, tempfile.TemporaryDirectory() as cache:
        environment = dict(os.environ, PYTHONPYCACHEPREFIX=cache)  # compiled, as if installed
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(-1, rounds):  # the first is to warm up
            for build in builds.values():
                build.take(environment, board.path, keep=number >= 0)
            if number >= 0:
                bare += _run(sys.executable, environment, _BARE)
    return [
        *(figure for name, build in builds.items() for figure in build.figures(name)),
        plain("peak memory of Python alone", bare, "MiB"),
    ]


class _Build:
    """What one build of the package takes."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._why = ""
        self._samples: list[tuple[float, float, float, float]] = []

    def take(self, environment: dict[str, str], path: str, *, keep: bool) -> None:
        """Measure once."""
        try:
            python = self._peer.python
        except Unavailable as error:
            self._why = str(error)
            return
        if self._peer.packages:
            environment = {k: v for k, v in environment.items() if k != "PYTHONPATH"}
        run = partial(_run, python, environment)
        took_ms, cpu_ms = run(_IMPORT)
        (connect_ms,) = run(_CONNECT, path)
        (memory_mib,) = run(_MEMORY, path)
        if keep:
            self._samples.append((took_ms, cpu_ms, connect_ms, memory_mib))

    def figures(self, build: str) -> list[Figure]:
        """Return the figures; each with the reason if there is nothing."""
        figures: list[Figure] = []
        for column, (name, limit, unit) in enumerate(_FIGURES):
            values = [sample[column] for sample in self._samples]
            if self._why:
                target = "" if limit is None else f"<= {limit:g}"
                figures.append(missing(build + name, unit, target, self._why))
            elif limit is None:
                figures.append(plain(build + name, values, unit))
            else:
                figures.append(at_most(build + name, values, limit, unit))
        return figures


def _run(python: str, environment: dict[str, str], program: str, *arguments: str) -> list[float]:
    command = [python, "-c", program, *arguments]
    done = subprocess.run(  # noqa: S603 - our own program
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
        cwd=tempfile.gettempdir(),  # not the clone: -c would import from there
    )
    return [float(word) for word in done.stdout.split()]
