"""A stream, or a reader of events, that nobody has any more is cancelled, in both shells.

``for value in wire.stream(...)`` without a with block, left by ``break`` or by an error, is how
most programs read one.  Such a stream must not hold a call's place at the other end for ever, and
such a reader must not collect events until its queue is full.
"""

from __future__ import annotations

import gc
from typing import Any

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import Connection, WireConfig
from ipfi_serial.sync.readers import EventStream
from tests.shells.boards import PATIENCE_S, TICK
from tests.shells.ends import AioEnds, Ends, aio_test, ajoined, await_until, joined, wait_until

KINDS = ("loopback", "pty")
TIGHT = WireConfig(max_calls=2)  # places at the far end: fewer than the streams of a test
AGAIN = 3 * TIGHT.max_calls


def open_calls(wire: Connection | aio.Connection) -> int:
    """Return how many calls the wire has under way."""
    return wire._pump._wire.caller.open_calls


def leave_early(wire: Connection) -> None:
    """Read one value as a hurried program does."""
    for value in wire.stream(7):
        assert value == bytes(100)
        break


async def aleave_early(wire: aio.Connection) -> None:
    """Do the same in a task."""
    async for value in wire.stream(7):
        assert value == bytes(100)
        break


@pytest.mark.parametrize("kind", KINDS)
def test_streams_that_are_left_by_break_keep_no_place(kind: str) -> None:
    with joined(kind, config=TIGHT) as ends:
        for _ in range(AGAIN):
            leave_early(ends.host)
            assert ends.far.next_seen() == "streaming"
            assert ends.far.next_seen() == "stream closed"
        assert ends.host.call(1, 1, 1, timeout_s=PATIENCE_S) == 2
        assert open_calls(ends.host) == 0


@pytest.mark.parametrize("kind", KINDS)
@aio_test
async def test_streams_that_a_task_left_by_break_keep_no_place(kind: str) -> None:
    async with ajoined(kind, config=TIGHT) as ends:
        for _ in range(AGAIN):
            await aleave_early(ends.host)
            assert await ends.far.anext_seen() == "streaming"
            assert await ends.far.anext_seen() == "stream closed"
        assert await ends.host.call(1, 1, 1, timeout_s=PATIENCE_S) == 2
        assert open_calls(ends.host) == 0


def test_a_plain_wire_has_no_word_for_it_but_waits_no_longer() -> None:
    with joined("tcp", config=TIGHT) as ends:
        ends.host.stream(6)  # no byte comes and nothing is due that would wake this end
        assert ends.far.next_seen() == "holding"
        wait_until(lambda: open_calls(ends.host) == 0)
        ends.far.release.set()
        assert ends.far.next_seen() == "released"
        assert ends.host.call(1, 1, 1) == 2


@aio_test
async def test_an_asyncio_plain_wire_waits_no_longer_either() -> None:
    async with ajoined("tcp", config=TIGHT) as ends:
        await ends.host.stream(6)
        assert await ends.far.anext_seen() == "holding"
        await await_until(lambda: open_calls(ends.host) == 0)
        ends.far.release.set()
        assert await ends.host.call(1, 1, 1) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_nobody_took_and_that_brings_nothing_is_cancelled(kind: str) -> None:
    with joined(kind) as ends:
        ends.host.stream(6)  # unary, and waits: no byte comes that would wake this end
        assert ends.far.next_seen() == "holding"
        assert ends.far.next_seen() == "cancelled"
        wait_until(lambda: open_calls(ends.host) == 0)


@aio_test
async def test_a_stream_that_no_task_took_is_cancelled() -> None:
    async with ajoined() as ends:
        items = await ends.host.stream(25)
        assert await ends.far.anext_seen() == "holding"
        del items
        assert await ends.far.anext_seen() == "cancelled"
        await await_until(lambda: open_calls(ends.host) == 0)


def test_a_stream_in_a_reference_cycle_is_cancelled_when_that_is_collected() -> None:
    with joined() as ends:
        holder: dict[str, Any] = {"items": ends.host.stream(6)}
        holder["self"] = holder
        assert ends.far.next_seen() == "holding"
        del holder
        gc.collect()  # runs in the middle of whatever a thread does: it may take no lock
        assert ends.far.next_seen() == "cancelled"


def test_a_stream_that_someone_has_goes_on() -> None:
    with joined() as ends:
        kept = ends.host.stream(3, 2_000)
        assert list(ends.host.stream(3, 2)) == ["item 0", "item 1"]
        gc.collect()
        assert ends.host.call(1, 1, 1) == 2
        assert sum(1 for _ in kept) == 2_000


@aio_test
async def test_a_stream_that_a_task_has_goes_on() -> None:
    async with ajoined() as ends:
        kept = await ends.host.stream(24, 2_000)
        assert [item async for item in ends.host.stream(24, 2)] == [0, 1]
        gc.collect()
        assert await ends.host.call(1, 1, 1) == 2
        assert len([item async for item in kept]) == 2_000


def test_a_stream_that_outlives_its_wire_is_forgotten_in_peace() -> None:
    with joined() as ends:
        items = ends.host.stream(7)
        next(items)
    del items
    gc.collect()


def test_an_asyncio_stream_that_outlives_its_loop_is_forgotten_in_peace() -> None:
    left: list[Any] = []

    @aio_test
    async def leave_one() -> None:
        async with ajoined() as ends:
            left.append(await ends.host.stream(7))
            left[0]._intake.ended = False  # as if its end had not been told

    leave_one()
    left[0]._intake.ended = False
    left.clear()
    gc.collect()


def take_one_event(ends: Ends) -> None:
    """Read one event as a hurried program does."""
    for event in reader_with_one(ends.host, ends.device):
        assert event == (0,)
        break


def reader_with_one(host: Connection, device: Connection) -> EventStream:
    """Return a reader that nobody else has, and let an event come."""
    reader = host.events(TICK)
    device.emit(TICK, 0)
    return reader


def test_a_reader_of_events_that_nobody_has_takes_none() -> None:
    with joined(config=WireConfig(event_queue_size=2)) as ends:
        for _ in range(3):
            take_one_event(ends)
        gc.collect()
        with ends.host.events(TICK) as last:
            for number in range(5):
                ends.device.emit(TICK, number)
                assert last.get(PATIENCE_S) == (number,)
        assert ends.host.stats().events_dropped == 0


async def atake_one_event(ends: AioEnds) -> None:
    """Read one event in a task."""
    reader = await ends.host.events(TICK)
    await ends.device.emit(TICK, 0)
    async for event in reader:
        assert event == (0,)
        break


@aio_test
async def test_a_reader_of_events_that_no_task_has_takes_none() -> None:
    async with ajoined(config=WireConfig(event_queue_size=2)) as ends:
        for _ in range(3):
            await atake_one_event(ends)
        gc.collect()
        async with ends.host.events(TICK) as last:
            for number in range(5):
                await ends.device.emit(TICK, number)
                assert await last.get(PATIENCE_S) == (number,)
        assert ends.host.stats().events_dropped == 0
