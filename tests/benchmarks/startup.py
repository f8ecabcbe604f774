"""What a program pays before its first call: the import, the connection, the memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from typing import Final

from ipfi_serial.sim.process import BoardProcess
from tests.benchmarks.figures import Figure, at_most, plain

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
_BARE: Final = """
print(next(int(s.split()[1]) for s in open("/proc/self/status") if s[:5] == "VmHWM") / 1024)
"""


def measure(rounds: int) -> list[Figure]:
    """Measure, and return the figures."""
    imports: list[float] = []
    import_cpu: list[float] = []
    connects: list[float] = []
    memories: list[float] = []
    bare: list[float] = []
    with BoardProcess() as board, tempfile.TemporaryDirectory() as cache:
        environment = dict(os.environ, PYTHONPYCACHEPREFIX=cache)  # compiled, as if installed
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        run = partial(_run, environment)
        run(_MEMORY, board.path)
        for _ in range(rounds):
            took_ms, cpu_ms = run(_IMPORT)
            imports.append(took_ms)
            import_cpu.append(cpu_ms)
            connects += run(_CONNECT, board.path)
            memories += run(_MEMORY, board.path)
            bare += run(_BARE)
    return [
        at_most("import ipfi_serial", imports, 80, "ms"),
        plain("import ipfi_serial, CPU", import_cpu, "ms"),
        at_most("connect, handshake and describe on a pty", connects, 20, "ms"),
        at_most("peak memory of a simple client", memories, 25, "MiB"),
        plain("peak memory of Python alone", bare, "MiB"),
    ]


def _run(environment: dict[str, str], program: str, *arguments: str) -> list[float]:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    return [float(word) for word in done.stdout.split()]
