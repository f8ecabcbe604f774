"""Sequential calls: one ``add`` against a bare ping-pong of the same bytes, over a pty."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

from ipfi_serial import Connection, connect
from tests.benchmarks.figures import Figure, at_most, interleaved, median_ratio
from tests.benchmarks.floor import Floor

ROUNDS = 15
REPEATS = 200
IN_FLIGHT = 16
RATIO_LIMIT = 2.0  # of the first milestone; the speed milestone asks for 1.3


def measure() -> list[Figure]:
    """Measure, and return the figures."""
    with connect("sim:c") as wire:
        one_call = _timed_call(wire)
        request_bytes, answer_bytes = _wire_bytes(wire, one_call)
        with Floor(request_bytes, answer_bytes) as floor:
            medians = interleaved(ROUNDS, REPEATS, floor=floor.round_trip_s, add=one_call)
        together = _in_flight(wire)
    ratio = median_ratio(medians["add"], medians["floor"])
    return [
        Figure("ping-pong of the same bytes, p50", statistics.median(medians["floor"]) * 1e6, "us"),
        Figure("add, sequential, p50", statistics.median(medians["add"]) * 1e6, "us"),
        at_most("add against the ping-pong", ratio, RATIO_LIMIT),
        Figure(f"add, {IN_FLIGHT} in flight", together, "/s"),
        Figure("bytes of one request on the wire", request_bytes, "B"),
        Figure("bytes of one answer on the wire", answer_bytes, "B"),
    ]


def _timed_call(wire: Connection) -> Callable[[], float]:
    numbers = itertools.count()
    wire.call("add", 0, 0)  # the description is asked for here

    def once() -> float:
        k = next(numbers)
        begin_s = time.perf_counter()
        answer = wire.call("add", k, 1)
        took_s = time.perf_counter() - begin_s
        if answer != k + 1:
            raise AssertionError(f"add({k}, 1) answered {answer}")
        return took_s

    return once


def _wire_bytes(wire: Connection, one_call: Callable[[], float]) -> tuple[int, int]:
    """Return the bytes of a call and of its answer, both with what the link adds."""
    before = wire.stats()
    count = 100
    for _ in range(count):
        one_call()
    after = wire.stats()
    sent = (after.bytes_sent - before.bytes_sent) / count
    received = (after.bytes_received - before.bytes_received) / count
    return round(sent), round(received)


def _in_flight(wire: Connection) -> float:
    """Return calls a second with a constant number of them in flight."""
    count = 5000
    begin_s = time.perf_counter()
    handles = [wire.start("add", k, 1) for k in range(IN_FLIGHT)]
    for k in range(IN_FLIGHT, count):
        handles.append(wire.start("add", k, 1))
        handles.pop(0).result()
    for handle in handles:
        handle.result()
    return count / (time.perf_counter() - begin_s)
