"""Joins the reference peer and a scenario by each kind of plain wire; waits until both ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipfi_serial import connect
from tests.interop.interop_interface import State, make_interface
from tests.interop.peer import PATIENCE_S, Peer, pty_pair
from tests.interop.scenarios import SCENARIOS, Side

LINES: Final = ("tcp", "unix", "stdio", "pty")
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What is left of a peer: its last report, and what it said for people."""

    report: dict[str, Any]
    log: list[str]


@dataclass(frozen=True)
class Runner:
    """Runs scenarios against new peers.

    Attributes:
        program: the reference peer.
        directory: where sockets may be made.
    """

    program: Path
    directory: Path

    def start_peer(self, *arguments: str) -> Peer:
        """Start a peer on an endpoint of your choice."""
        return Peer(self.program, *arguments)

    def run(self, line: str, scenario: str, mode: str, *options: str) -> Ended:
        """Run one scenario against one peer; both must end well."""
        if line == "stdio":
            return self._run_on_standard_streams(scenario, mode, *options)
        with _peer_endpoint(line, self.directory) as (theirs, ours):
            peer = self.start_peer(mode, theirs, *options)
            try:
                run_scenario(ours or peer.address(), scenario)
                return Ended(peer.finish(), peer.log)
            except BaseException as error:
                error.add_note(f"the peer's log: {peer.log}")
                raise
            finally:
                peer.kill()

    def _run_on_standard_streams(self, scenario: str, mode: str, *options: str) -> Ended:
        (peer_reads, we_write), (we_read, peer_writes) = os.pipe(), os.pipe()
        peer = Peer(self.program, mode, "stdio", *options, stdin=peer_reads, stdout=peer_writes)
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "tests.interop.stdio_program", scenario],
            stdin=we_read,
            stdout=we_write,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for descriptor in (peer_reads, we_write, we_read, peer_writes):
            os.close(descriptor)
        try:
            complaint = child.communicate(timeout=2 * PATIENCE_S)[1]
            assert child.returncode == 0, f"{complaint}\nthe peer's log: {peer.log}"
            return Ended(peer.finish(), peer.log)
        finally:
            child.kill()
            child.wait(PATIENCE_S)
            peer.kill()


@contextmanager
def _peer_endpoint(line: str, directory: Path) -> Iterator[tuple[str, str]]:
    """Give the peer's endpoint, and ours unless the peer has to say it."""
    if line == "pty":
        with pty_pair() as pair:
            yield f"serial:{pair.theirs}", pair.ours
    elif line == "tcp":
        yield "tcp-listen:127.0.0.1:0", ""
    else:
        yield f"unix-listen:{directory / 'peer'}", ""


def run_scenario(endpoint: str, scenario: str) -> None:
    """Open the wire, plain whatever carries it, and run the scenario on it."""
    state = State()
    with connect(
        endpoint, make_interface(state), link="plain", connect_timeout_s=PATIENCE_S
    ) as wire:
        wire.on_close(lambda *_: state.closed.set())
        wire.on_end_of_input(state.count_end_of_input)
        if wire.closed:
            state.closed.set()
        SCENARIOS[scenario](Side(wire, state))
