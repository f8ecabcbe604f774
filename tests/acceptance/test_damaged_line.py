"""The main job on a line that damages one byte in a hundred each way: everything right, once.

Flipped, dropped, inserted and doubled bytes, several calls in one frame; against both boards.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from ipfi_serial import Connection, Interface, WireConfig, connect
from ipfi_serial.transport import open_transport
from ipfi_serial.transport.impaired import ImpairedTransport, LineFaults

CALLS = 10_000
THREADS = 16
EACH_KIND = 0.01 / 4
# generous: the deadline is not what is tested, and the machine may be busy
PATIENT = WireConfig(call_timeout_s=100)


class CountingHost:
    """A host whose one procedure counts how often each text was brought."""

    def __init__(self) -> None:
        self.interface = Interface()
        self.seen: dict[str, int] = {}
        self.interface.procedure(50)(self.greet)

    def greet(self, text: str) -> str:
        """Count the text and greet back."""
        self.seen[text] = self.seen.get(text, 0) + 1
        return f"hello {text}"


@pytest.fixture
def host() -> CountingHost:
    return CountingHost()


@pytest.fixture(params=["sim:c", "sim:python"])
def wire(request: pytest.FixtureRequest, host: CountingHost) -> Iterator[Connection]:
    faults = LineFaults(
        byte_flip=EACH_KIND,
        byte_drop=EACH_KIND,
        byte_insert=EACH_KIND,
        byte_double=EACH_KIND,
        seed=20261122,
    )
    logging.getLogger("ipfi_serial.device").setLevel(logging.CRITICAL)  # noise that looks like text
    line = ImpairedTransport(open_transport(request.param), faults)
    with connect(line, host.interface, config=PATIENT, connect_timeout_s=60) as connection:
        yield connection
        assert line.outgoing.counts.flipped > 0
        assert line.incoming.counts.doubled > 0


def test_ten_thousand_calls_in_flight_together_are_all_right(wire: Connection) -> None:
    wrong: list[object] = []

    def call(first: int) -> None:
        for k in range(first, CALLS, THREADS):
            answer = wire.call("add", k, k)
            if answer != 2 * k:
                wrong.append((k, answer))

    threads = [threading.Thread(target=call, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = wire.stats()
    assert wrong == []
    assert stats.retransmissions > 0
    assert stats.crc_errors + stats.rejected > 0
    assert (stats.sessions, stats.resets, stats.open_calls) == (1, 0, 0)


def test_a_blob_far_larger_than_a_frame_arrives_whole(wire: Connection) -> None:
    assert wire.call("blob", 20_000) == bytes(i % 251 for i in range(20_000))


def test_a_stream_arrives_in_order_without_gaps(wire: Connection) -> None:
    with wire.stream("sequence", 200) as items:
        assert list(items) == [f"item {i}" for i in range(200)]


def test_the_board_calls_back_exactly_once_for_each_call(
    wire: Connection, host: CountingHost
) -> None:
    texts = [f"number {k}" for k in range(200)]
    handles = [wire.start("callback", 50, text) for text in texts]
    assert [handle.result() for handle in handles] == [f"hello {text}" for text in texts]
    assert host.seen == dict.fromkeys(texts, 1)
