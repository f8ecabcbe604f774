"""The simulated board as a process, and a host of the model that talks to it."""

from __future__ import annotations

import os
import select
import subprocess
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.firmware import model


class Session:
    """The model host, driven over a file descriptor with a real clock."""

    def __init__(self, descriptor: int, host: model.Host) -> None:
        self.descriptor = descriptor
        self.host = host
        self.calls = 0
        self.damage: Callable[[bytes], bytes] = lambda data: data

    def step(self, wait_s: float) -> None:
        """Send what waits, then receive or let the next deadline pass, at most ``wait_s``."""
        out = self.damage(self.host.take_tx(time.monotonic()))
        while out:
            out = out[os.write(self.descriptor, out) :]
        due_s = self.host.deadline_s()
        if due_s is not None:
            wait_s = min(wait_s, max(0.0, due_s - time.monotonic()))
        if select.select([self.descriptor], [], [], wait_s)[0]:
            data = os.read(self.descriptor, 65536)
            self.host.receive(self.damage(data), time.monotonic())
        self.host.on_deadline(time.monotonic())

    def until(self, done: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Step until ``done``; fail after ``timeout_s``."""
        end_s = time.monotonic() + timeout_s
        while not done():
            left_s = end_s - time.monotonic()
            assert left_s > 0, f"timed out; state {self.host.state}, {len(self.host.messages)} left"
            self.step(min(left_s, 0.5))

    def connect(self, timeout_s: float = 10.0) -> None:
        """Make a session."""
        self.host.open(time.monotonic())
        self.until(lambda: self.host.state == "up", timeout_s)

    def take(self, kind: int, procedure: int, call: int, timeout_s: float = 10.0) -> model.Message:
        """The next message of a pair, whatever arrives in between."""

        def found() -> model.Message | None:
            for candidate in self.host.messages:
                pair = (candidate.procedure, candidate.call)
                if candidate.kind in (kind, model.ERROR) and pair == (procedure, call):
                    return candidate
            return None

        self.until(lambda: found() is not None, timeout_s)
        taken = found()
        assert taken is not None
        self.host.messages.remove(taken)
        return taken

    def start(self, procedure: int, args: bytes, ends: int = model.COMPLETE) -> int:
        """Send a Call, or the first part of one."""
        self.calls += 1
        self.host.send(model.message(model.CALL, procedure, self.calls, args, ends))
        return self.calls

    def finish(self, procedure: int, call: int, timeout_s: float = 10.0) -> model.Message:
        """All parts of one answer, joined."""
        payload = b""
        while True:
            part = self.take(model.RESPONSE, procedure, call, timeout_s)
            payload += part.payload
            if part.ends != model.NONE:
                return model.Message(part.kind, procedure, call, part.ends, payload)

    def call(self, procedure: int, args: bytes, timeout_s: float = 10.0) -> model.Message:
        """Make a call."""
        return self.finish(procedure, self.start(procedure, args), timeout_s)


@contextmanager
def running(binary: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [str(binary), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        word, path = process.stdout.readline().decode().split()
        assert word == "ready"
        yield process, path
    finally:
        assert process.stdin is not None
        process.stdin.close()
        code = process.wait(timeout=10)
        assert process.stdout is not None
        process.stdout.close()
        assert code == 0


def open_raw(path: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor, termios.TCSANOW)
    return descriptor


@contextmanager
def connected(binary: Path, *options: str, host: model.Host | None = None) -> Iterator[Session]:
    with running(binary, *options) as (_, path):
        descriptor = open_raw(path)
        try:
            session = Session(descriptor, host if host is not None else model.Host())
            session.connect()
            yield session
        finally:
            os.close(descriptor)
