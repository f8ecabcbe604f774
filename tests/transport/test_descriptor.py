"""Descriptors as blocking transports."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from ipfi_serial.errors import TransportError
from ipfi_serial.transport import Transport
from ipfi_serial.transport.descriptor import DescriptorTransport
from tests.transport.lines import PATIENCE_S, Background, count_descriptors, fill, read_exactly


@pytest.fixture
def ends() -> Iterator[tuple[DescriptorTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    with DescriptorTransport(ours.fileno(), "test", release=ours.close) as transport, theirs:
        yield transport, theirs


Ends = tuple[DescriptorTransport, socket.socket]


def test_it_is_a_transport(ends: Ends) -> None:
    assert isinstance(ends[0], Transport)


def test_bytes_go_both_ways(ends: Ends) -> None:
    transport, theirs = ends
    assert transport.write(b"ping") == 4
    assert theirs.recv(100) == b"ping"
    theirs.sendall(b"pong")
    assert transport.read(PATIENCE_S) == b"pong"


def test_a_read_returns_nothing_when_its_time_is_up(ends: Ends) -> None:
    started_s = time.monotonic()
    assert ends[0].read(0.02) == b""
    assert time.monotonic() - started_s >= 0.019


@pytest.mark.parametrize("timeout_s", [0, -1.0])
def test_a_read_without_time_does_not_wait(ends: Ends, timeout_s: float) -> None:
    assert ends[0].read(timeout_s) == b""


def test_a_timeout_beyond_all_bounds_waits(ends: Ends) -> None:
    transport, theirs = ends
    reader = Background(lambda: transport.read(float("inf")))
    theirs.sendall(b"x")
    assert reader.result() == b"x"


def test_one_read_returns_at_most_64_kib(ends: Ends) -> None:
    transport, theirs = ends
    theirs.setblocking(False)
    theirs.send(b"x" * 200_000)
    assert len(transport.read(PATIENCE_S)) <= 65536


def test_a_wake_ends_a_read_that_waits_without_limit(ends: Ends) -> None:
    transport, _ = ends
    reader = Background(lambda: transport.read(None))
    transport.wake()
    assert reader.result() == b""


def test_a_wake_before_the_read_ends_the_next_one(ends: Ends) -> None:
    transport, _ = ends
    transport.wake()
    transport.wake()
    assert transport.read(None) == b""
    assert transport.read(0.0) == b""


def test_a_wake_loses_no_data(ends: Ends) -> None:
    transport, theirs = ends
    theirs.sendall(b"data")
    transport.wake()
    assert transport.read(None) == b"data"
    assert transport.read(None) == b""


def test_a_short_write_takes_what_fits_and_a_read_tells_of_the_room(ends: Ends) -> None:
    transport, theirs = ends
    total = fill(transport)
    assert transport.read(0.0) == b""
    reader = Background(lambda: transport.read(None))
    received = 0
    while received < total:
        received += len(theirs.recv(65536))
    assert reader.result() == b""
    assert transport.write(b"more") == 4


def test_data_is_read_while_a_write_waits_for_room(ends: Ends) -> None:
    transport, theirs = ends
    fill(transport)
    theirs.sendall(b"in")
    assert read_exactly(transport, 2) == b"in"
    assert transport.read(0.01) == b""


def test_a_short_write_from_another_thread_reaches_a_read_that_waits_already(ends: Ends) -> None:
    transport, theirs = ends
    reader = Background(lambda: transport.read(None))
    total = fill(transport)
    while total > 0:
        total -= len(theirs.recv(65536))
    assert reader.result() == b""


def test_the_end_of_the_other_side_is_an_error_with_advice_again_and_again(ends: Ends) -> None:
    transport, theirs = ends
    theirs.sendall(b"last words")
    theirs.close()
    assert transport.read(PATIENCE_S) == b"last words"
    for _ in range(3):
        with pytest.raises(TransportError, match="unplugged, or the other end closed"):
            transport.read(None)


def test_a_write_to_a_dead_line_raises_and_ends_the_reading_too(ends: Ends) -> None:
    transport, theirs = ends
    theirs.close()
    for _ in range(2):
        with pytest.raises(TransportError, match="Broken pipe"):
            transport.write(b"x")
    with pytest.raises(TransportError):
        transport.read(None)


def test_close_ends_a_waiting_read_and_everything_after_it(ends: Ends) -> None:
    transport, _ = ends
    reader = Background(lambda: transport.read(None))
    transport.close()
    with pytest.raises(TransportError, match="closed by this program"):
        reader.result()
    with pytest.raises(TransportError, match="closed by this program"):
        transport.read(0)
    with pytest.raises(TransportError, match="closed by this program"):
        transport.write(b"x")


def test_close_and_wake_may_come_again_after_close(ends: Ends) -> None:
    transport, _ = ends
    transport.close()
    transport.close()
    transport.wake()


def test_close_in_a_signal_handler_of_the_reading_thread_comes_to_an_end(ends: Ends) -> None:
    transport, theirs = ends

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        transport.close()

    before = signal.signal(signal.SIGUSR1, on_signal)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(TransportError, match="closed by this program"):
            transport.read(PATIENCE_S)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert theirs.recv(1) == b""


def test_no_descriptor_is_left_open() -> None:
    before = count_descriptors()
    for _ in range(3):
        ours, theirs = socket.socketpair()
        transport = DescriptorTransport(ours.detach(), "test")
        transport.close()
        theirs.close()
    assert count_descriptors() == before


def test_a_transport_that_is_forgotten_is_warned_of_and_closed() -> None:
    ours, theirs = socket.socketpair()
    held = [DescriptorTransport(ours.detach(), "left behind")]
    with pytest.warns(ResourceWarning, match="left behind was not closed"):
        held.clear()
    assert theirs.recv(1) == b""
    theirs.close()


def test_descriptors_above_1023_work() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limits[1]), limits[1]))
    try:
        ours, theirs = socket.socketpair()
        high = os.dup2(ours.fileno(), 2000)
        ours.close()
        with DescriptorTransport(high, "high") as transport, theirs:
            theirs.sendall(b"x")
            assert transport.read(PATIENCE_S) == b"x"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_two_descriptors_make_one_line() -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    with DescriptorTransport(in_read, "pipes", write_fd=out_write) as transport:
        os.write(in_write, b"in")
        assert transport.read(PATIENCE_S) == b"in"
        total = fill(transport)
        reader = Background(lambda: transport.read(None))
        while total > 0:
            total -= len(os.read(out_read, 65536))
        assert reader.result() == b""
        os.close(in_write)
        with pytest.raises(TransportError, match="end of file"):
            transport.read(None)
    os.close(out_read)


def test_many_closes_race_with_reads_and_writes_without_touching_foreign_descriptors() -> None:
    for _ in range(50):
        ours, theirs = socket.socketpair()
        transport = DescriptorTransport(ours.detach(), "race")

        def work(transport: DescriptorTransport = transport) -> str:
            try:
                while True:
                    transport.write(b"x")
                    transport.read(0.001)
            except TransportError as error:
                return str(error)

        worker = Background(work)
        theirs.recv(1)
        transport.close()
        assert "closed by this program" in worker.result()
        theirs.close()
