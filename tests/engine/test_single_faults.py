"""A short scenario with each of its frames lost, doubled or damaged, one at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import OutgoingCall
from tests.engine.lines import Direction, Pair
from tests.engine.wires import COUNT, ECHO, LED, End, answer, assert_empty

CONFIG = WireConfig(stream_buffer_bytes=256, frame_payload_bytes=64)
Damage = Callable[[bytes], list[bytes]]


def lose(frame: bytes) -> list[bytes]:
    """Lose it."""
    del frame
    return []


def double(frame: bytes) -> list[bytes]:
    """Let it arrive twice."""
    return [frame, frame]


def flip(frame: bytes) -> list[bytes]:
    """Damage one bit."""
    middle = len(frame) // 2
    damaged = frame[middle] ^ 0x10 or 1
    return [frame[:middle] + bytes([damaged]) + frame[middle + 1 :]]


def scenario(pair: Pair) -> None:
    """Calls both ways, a stream above its credit, a cancellation, a refusal, events."""
    a, b = pair.a, pair.b
    a.handlers[ECHO] = b.handlers[ECHO] = answer
    for end in (a, b):
        for n in range(5):
            end.emit(LED, bytes([n]) * (60 * n))
    small, large, back = a.start(ECHO, b"s"), a.start(ECHO, bytes(700)), b.start(ECHO, bytes(300))
    partial = a.start(ECHO, b"in ", more=True)
    refused = a.start(99, bytes(400))
    stream, left = a.stream(COUNT), a.stream(COUNT)
    pair.run(until=lambda: len(b.received) == 2)
    a.add(partial, b"parts", more=False)
    produced, cancelled = b.received
    values = [bytes([n]) * 50 for n in range(10)]
    b.produce(cancelled, [b"left"] * 3)
    pair.run(until=lambda: len(a.values(left)) == 3)
    a.cancel(left)
    while not a.is_over(stream):
        b.produce(produced, values)
        if not values:
            b.wire.callee.end_stream(produced)
        pair.run(until=lambda: a.is_over(stream) or unread(a, stream) > 0)
        a.wire.caller.consumed(stream, unread(a, stream))
    pair.run(until=lambda: all(a.is_over(c) for c in a.started) and bool(b.cancelled))
    pair.run(until=lambda: b.is_over(back))
    for received in b.received:
        b.wire.callee.worker_done(received)
    pair.run(2)
    assert (a.value(small), a.value(large), b.value(back)) == (b"s", bytes(700), bytes(300))
    assert a.value(partial) == b"in parts"
    assert a.values(stream) == [bytes([n]) * 50 for n in range(10)]
    assert type(a.error(refused)).__name__ == "CallRefusedError"
    expected = [(LED, bytes([n]) * (60 * n)) for n in range(5)]
    assert a.events == b.events == expected
    assert not a.lost
    assert not b.lost
    assert_empty(a, b)


def unread(end: End, stream: OutgoingCall) -> int:
    """How many bytes of a stream came and were not taken."""
    return sum(map(len, end.values(stream))) - stream.consumed_bytes


@cache
def frames() -> list[tuple[Direction, int]]:
    """Every frame of the scenario on a good line."""
    pair = Pair(config=CONFIG)
    pair.fault = lambda _, __, frame: [frame]
    pair.carried.clear()
    scenario(pair)
    return [(d, n) for d, total in sorted(pair.carried.items()) for n in range(total)]


def test_the_scenario_has_enough_frames_to_be_worth_it() -> None:
    assert len(frames()) > 40


@pytest.mark.parametrize("damage", [lose, double, flip])
def test_every_single_fault_leaves_the_outcome_as_it_was(damage: Damage) -> None:
    for direction, number in frames():
        pair = Pair(config=CONFIG)
        hit = (direction, number)
        pair.fault = lambda d, n, frame, hit=hit: damage(frame) if (d, n) == hit else [frame]
        pair.carried.clear()
        try:
            scenario(pair)
        except AssertionError as error:
            raise AssertionError(f"{damage.__name__} frame {number} {direction}") from error


@pytest.mark.parametrize("seed", range(8))
def test_a_line_that_loses_and_doubles_at_random_leaves_the_outcome_as_it_was(seed: int) -> None:
    pair = Pair(config=CONFIG)
    chance = random.Random(seed)  # noqa: S311 - a seeded line, no secret
    pair.fault = lambda _, __, frame: [frame] * chance.choice((0, 0, 1, 1, 1, 1, 2))
    scenario(pair)


@pytest.mark.parametrize("framed", [True, False])
def test_a_line_that_brings_one_byte_at_a_time_leaves_the_outcome_as_it_was(framed: bool) -> None:
    pair = Pair(config=CONFIG, framed=framed)
    pair.byte_by_byte = True
    pair.a.handlers[ECHO] = pair.b.handlers[ECHO] = answer
    if framed:
        scenario(pair)
        return
    calls = [pair.a.start(ECHO, bytes([n]) * n * 20) for n in range(20)]
    pair.settle()
    assert [pair.a.value(call) for call in calls] == [bytes([n]) * n * 20 for n in range(20)]
