"""Runs the reference peer as a process and joins it to a wire.  Every wait has a deadline."""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

PATIENCE_S: Final = 30.0  # for anything that a test waits for; many times what a slow machine needs
PEER_DEADLINE_S: Final = 45  # the peer ends itself, with a message, before pytest gives up


class Peer:
    """One process of the reference peer.

    Attributes:
        log: every line that it printed.
    """

    def __init__(
        self,
        program: Path,
        *arguments: str,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.PIPE,
        deadline_s: int = PEER_DEADLINE_S,
    ) -> None:
        command = [str(program), *arguments, "--deadline-s", str(deadline_s)]
        self._process = subprocess.Popen(  # noqa: S603 - the program that we built
            command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, bufsize=0
        )
        self._reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.log: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(pipe,), daemon=True)
            for pipe in (self._process.stdout, self._process.stderr)
            if pipe is not None
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self.log.append(line.decode(errors="replace").rstrip())
                if line.startswith(b"{"):
                    self._reports.put(json.loads(line))

    def next_report(self) -> dict[str, Any]:
        """Return the next line of JSON that it prints: where it listens, or what came out."""
        try:
            return self._reports.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"the peer said nothing; its log: {self.log}") from None

    def address(self) -> str:
        """Return where a listening peer listens."""
        return str(self.next_report()["listening"])

    def finish(self) -> dict[str, Any]:
        """Wait until it ends by itself and return its last report; each must say ok."""
        self._process.wait(PEER_DEADLINE_S + PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        report = {}
        while not self._reports.empty():
            report = self.next_report()
            assert report["ok"], f"the peer failed: {report}; its log: {self.log}"
        assert self._process.returncode == 0, self.log
        return report

    def kill(self) -> None:
        """End it now, whatever it does; harmless afterwards."""
        self._process.kill()
        self._process.wait(PATIENCE_S)
        if self._process.stdin is not None:
            self._process.stdin.close()
        for reader in self._readers:
            reader.join(PATIENCE_S)


@dataclass(frozen=True)
class PtyPair:
    """Two virtual serial ports joined back to back."""

    ours: str
    theirs: str


@contextmanager
def pty_pair() -> Iterator[PtyPair]:
    """Make a pair and carry its bytes both ways until the end of the block."""
    (master_a, slave_a), (master_b, slave_b) = os.openpty(), os.openpty()
    for slave in (slave_a, slave_b):
        tty.setraw(slave)
    for master in (master_a, master_b):
        os.set_blocking(master, False)
    pair = PtyPair(os.ttyname(slave_a), os.ttyname(slave_b))
    stop_reading, stop = os.pipe()
    carriers = [
        threading.Thread(target=_carry, args=(source, target, stop_reading), daemon=True)
        for source, target in ((master_a, master_b), (master_b, master_a))
    ]
    for carrier in carriers:
        carrier.start()
    try:
        yield pair
    finally:
        os.close(stop)
        for carrier in carriers:
            carrier.join(PATIENCE_S)
        # The slaves stay open until here, so that no master ever reads "nobody there".
        for descriptor in (master_a, slave_a, master_b, slave_b, stop_reading):
            os.close(descriptor)


def _carry(source: int, target: int, stop: int) -> None:
    """Copy until ``stop`` is closed; neither a silent source nor a full target holds it up then."""
    while True:
        if stop in select.select([source, stop], [], [])[0]:
            return
        data = os.read(source, 4096)
        while data:
            if stop in select.select([stop], [target], [])[0]:
                return
            data = data[os.write(target, data) :]
