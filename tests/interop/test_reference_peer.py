"""Python and the reference implementation as each other's peer, over every kind of plain wire.

``reference_peer/`` is a program of ours on the crate ``ipfi`` 0.1.0-rc.2.  docs/protocol.md, section 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from ipfi_serial import Connection, Interface, connect, listen
from tests.interop.interop_interface import Index, State, make_interface
from tests.interop.peer import PATIENCE_S, Peer, pty_pair
from tests.interop.scenarios import SCENARIOS, Side

pytestmark = pytest.mark.timeout(900)  # the first test builds the peer; each wait has its own deadline

ROOT: Final = Path(__file__).parents[2]
LINES: Final = ("tcp", "unix", "stdio", "pty")
LINES_THAT_TELL_WHEN_THE_PEER_IS_GONE: Final = ("tcp", "unix", "stdio")

Run = Callable[..., Peer]


@pytest.fixture
def run(reference_peer: Path, tmp_path: Path) -> Run:
    """Return a function that runs one scenario against one peer and returns the peer, ended."""

    def run_one(line: str, scenario: str, mode: str, *options: str, **wire_options: Any) -> Peer:
        if line == "stdio":
            return _run_on_standard_streams(reference_peer, scenario, mode, options)
        with _peer_and_wire(reference_peer, tmp_path, line, mode, options, wire_options) as (
            peer,
            side,
        ):
            SCENARIOS[scenario](side)
        peer.report = peer.finish()
        return peer

    return run_one


def _run_on_standard_streams(
    program: Path, scenario: str, mode: str, options: tuple[str, ...]
) -> Peer:
    (peer_reads, we_write), (we_read, peer_writes) = os.pipe(), os.pipe()
    peer = Peer(program, mode, "stdio", *options, stdin=peer_reads, stdout=peer_writes)
    child = subprocess.Popen(
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
        peer.report = peer.finish()
    finally:
        child.kill()
        child.wait(PATIENCE_S)
        peer.kill()
    return peer


@contextmanager
def _peer_and_wire(
    program: Path,
    directory: Path,
    line: str,
    mode: str,
    options: tuple[str, ...],
    wire_options: dict[str, Any],
) -> Iterator[tuple[Peer, Side]]:
    state = State()
    interface = make_interface(state)
    if line == "pty":
        with pty_pair() as pair:
            peer = Peer(program, mode, f"serial:{pair.theirs}", *options)
            with _killed_at_last(peer), _opened(pair.ours, interface, state, **wire_options) as wire:
                yield peer, Side(wire, state)
            peer.finish()
        return
    place = "tcp-listen:127.0.0.1:0" if line == "tcp" else f"unix-listen:{directory / 'peer'}"
    peer = Peer(program, mode, place, *options)
    with _killed_at_last(peer), _opened(peer.address(), interface, state, **wire_options) as wire:
        yield peer, Side(wire, state)
