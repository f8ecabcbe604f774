"""The reference peer against itself and against bytes written by hand, without our library.

If one of these fails, the matrix of ``test_reference_peer.py`` says nothing about Python.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.interop.peer import PATIENCE_S, Peer, pty_pair

pytestmark = pytest.mark.timeout(900)  # the first test builds the peer

SCRIPTS: Final = (
    "unary",
    "values",
    "streams",
    "raw",
    "partial-bytes",
    "partial-values",
    "interleaved-partials",
    "thousand",
    "out-of-order",
    "callbacks",
    "end-of-input",
    "mixed",
    "termination",
    "await-termination",
)
LINES: Final = ("tcp", "unix", "stdio", "pty")
MANY_CALLS: Final = ("--max-ongoing", "1100")


@contextmanager
def two_peers(
    program: Path, directory: Path, line: str, *drive: str
) -> Iterator[tuple[Peer, Peer]]:
    """Join one that serves and one that drives."""
    if line == "stdio":
        (a_reads, b_writes), (b_reads, a_writes) = os.pipe(), os.pipe()
        server = Peer(program, "serve", "stdio", *MANY_CALLS, stdin=a_reads, stdout=a_writes)
        driver = Peer(
            program, "drive", "stdio", *drive, *MANY_CALLS, stdin=b_reads, stdout=b_writes
        )
        for descriptor in (a_reads, b_writes, b_reads, a_writes):
            os.close(descriptor)
        yield from _killed_at_last(server, driver)
    elif line == "pty":
        with pty_pair() as pair:
            server = Peer(program, "serve", f"serial:{pair.ours}", *MANY_CALLS)
            driver = Peer(program, "drive", f"serial:{pair.theirs}", *drive, *MANY_CALLS)
            yield from _killed_at_last(server, driver)
    else:
        place = "tcp-listen:127.0.0.1:0" if line == "tcp" else f"unix-listen:{directory / 'peer'}"
        server = Peer(program, "serve", place, *MANY_CALLS)
        driver = Peer(program, "drive", server.address(), *drive, *MANY_CALLS)
        yield from _killed_at_last(server, driver)


def _killed_at_last(server: Peer, driver: Peer) -> Iterator[tuple[Peer, Peer]]:
    try:
        yield server, driver
    finally:
        driver.kill()
        server.kill()


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_reference_peer_passes_its_own_scripts(
    reference_peer: Path, tmp_path: Path, line: str, script: str
) -> None:
    with two_peers(reference_peer, tmp_path, line, "--script", script) as (server, driver):
        assert driver.finish()["finished"]
        if script != "await-termination":  # there it leaves work undone, and may say so
            assert server.finish()["errors"] == []


@contextmanager
def served_socket(program: Path, *options: str) -> Iterator[tuple[Peer, socket.socket]]:
    """Connect to a serving peer without any library."""
    peer = Peer(program, "serve", "tcp-listen:127.0.0.1:0", *options)
    try:
        host, port = peer.address().removeprefix("tcp:").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as wire:
            yield peer, wire
    finally:
        peer.kill()


def receive(wire: socket.socket, size: int) -> bytes:
    """Return so many bytes, or fewer if the peer closes."""
    data = b""
    while len(data) < size and (more := wire.recv(size - len(data))):
        data += more
    return data


def test_the_examples_of_the_protocol_are_what_the_reference_says(reference_peer: Path) -> None:
    with served_socket(reference_peer) as (_, wire):
        wire.sendall(bytes.fromhex("01c0000000 01c00100022802"))
        assert receive(wire, 12) == bytes.fromhex("02c00000012a 02c00100012a")


def test_the_reference_closes_for_an_unknown_procedure(reference_peer: Path) -> None:
    with served_socket(reference_peer) as (_, wire):
        wire.sendall(bytes.fromhex("01c0630000"))
        assert receive(wire, 1) == b""


def test_the_reference_drops_the_eleventh_ongoing_call(reference_peer: Path) -> None:
    with served_socket(reference_peer) as (_, wire):
        for call in range(11):
            wire.sendall(bytes((1, 0xC0, 7, call, 3, 0xCD, 1, 0x2C)))  # sleep(300)
        answered = {receive(wire, 8)[3] for _ in range(10)}
        wire.sendall(bytes.fromhex("01c0000000"))  # magic()
        assert receive(wire, 6) == bytes.fromhex("02c00000012a")
        assert answered == set(range(10))


def test_a_peer_that_outlives_its_deadline_says_what_it_was_doing(reference_peer: Path) -> None:
    peer = Peer(
        reference_peer, "drive", "stdio", "--script", "unary", deadline_s=1, stdin=subprocess.PIPE
    )
    try:
        report = peer.next_report()
        assert report["error"] == "not done after 1 s, while calling procedure 0"
        assert report["bytes_read"] == 0
    finally:
        peer.kill()
