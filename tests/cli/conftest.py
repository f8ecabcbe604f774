"""Runs the command as people and programs do: in processes of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ipfi_serial.cli import main

PATIENCE_S = 30.0
COMMAND = [sys.executable, "-m", "ipfi_serial"]


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects on its output, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def object(self) -> dict[str, Any]:
        """The only one."""
        (found,) = self.objects
        return found


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CC")}
    return {**kept, "TERM": "xterm", **changes}


def ipfi(*words: str, stdin: bytes = b"", **changes: str) -> Outcome:
    """Run a command to its end."""
    done = subprocess.run(  # noqa: S603
        [*COMMAND, *words],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        env=environment(**changes),
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def here(*words: str) -> Outcome:
    """Run a command in this process: for tables of many."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(words)
            except SystemExit as wrong_usage:
                code = int(wrong_usage.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    for stream in (out, err):
        stream.seek(0)
    return Outcome(code, out.read(), err.read())


def on_a_terminal(*words: str, columns: int = 100, changes: Mapping[str, str] = {}) -> str:
    """Run a command whose output is a terminal; return what a person would see."""
    ours, theirs = pty.openpty()
    env = environment(COLUMNS=str(columns), **changes)
    process = subprocess.Popen([*COMMAND, *words], stdout=theirs, stderr=theirs, env=env)  # noqa: S603
    os.close(theirs)
    seen = b""
    until_s = time.monotonic() + PATIENCE_S
    try:
        while select.select([ours], [], [], max(0.0, until_s - time.monotonic()))[0]:
            try:
                seen += os.read(ours, 4096)
            except OSError:  # the process has ended
                break
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    return seen.decode().replace("\r\n", "\n")


class Running:
    """A command that runs until it is told to end."""

    def __init__(self, *words: str, **changes: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            [*COMMAND, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**changes),
        )
        self.out, self.err = self.process.stdout, self.process.stderr

    def line(self) -> str:
        """Wait for the next line of its output."""
        assert self.out is not None
        assert select.select([self.out], [], [], PATIENCE_S)[0], "it says nothing"
        return self.out.readline().rstrip("\n")

    def end(self, how: signal.Signals = signal.SIGINT) -> Outcome:
        """Send a signal and wait for the end."""
        self.process.send_signal(how)
        return self.finish()

    def finish(self) -> Outcome:
        """Wait for the end."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return Outcome(self.process.returncode, out, err)


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start commands; those that still run at the end of the test are killed."""
    running: list[Running] = []

    def begin(*words: str, **changes: str) -> Running:
        running.append(Running(*words, **changes))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


@pytest.fixture
def python_board(start: Start) -> str:
    """A port behind which the Python board serves."""
    return start("sim", "python").line()


@pytest.fixture
def served(tmp_path: Path) -> str:
    """A file that `ipfi serve` can serve."""
    path = tmp_path / "things.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from collections.abc import Iterator\n"
        "from dataclasses import dataclass\n"
        "from ipfi_serial import Interface\n"
        "print('loading')\n"
        "interface = Interface()\n"
        "@dataclass\n"
        "class Point:\n"
        "    x: int\n"
        "    y: int\n"
        "@interface.procedure(1)\n"
        "def add(a: int, b: int) -> int:\n"
        "    return a + b\n"
        "@interface.procedure(2)\n"
        "def fail() -> None:\n"
        "    raise ValueError('this is why')\n"
        "@interface.procedure(3)\n"
        "def count(n: int) -> Iterator[int]:\n"
        "    yield from range(n)\n"
        "@interface.procedure(4)\n"
        "def mirror(point: Point) -> Point:\n"
        "    return Point(point.y, point.x)\n"
        "@interface.procedure(5)\n"
        "def escape() -> str:\n"
        "    return '\\x1b[31mred\\x07'\n"
    )
    return str(path)
