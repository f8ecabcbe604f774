"""Several threads, or tasks, may read the same stream or the same events; none sleeps for ever."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from ipfi_serial import CallRefusedError
from tests.shells.boards import PATIENCE_S, TICK
from tests.shells.ends import aio_test, ajoined, joined

READERS = 3


@pytest.mark.parametrize("_again", range(10))
def test_threads_share_the_values_of_a_stream_and_all_hear_its_end(_again: int) -> None:
    with joined() as ends:
        got: list[Any] = []
        failed: list[Exception] = []
        stream = ends.host.stream("sequence", 50)

        def read() -> None:
            try:
                got.extend(stream)
            except Exception as error:  # noqa: BLE001 - none is expected
                failed.append(error)

        threads = [threading.Thread(target=read, daemon=True) for _ in range(READERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in threads)
        assert failed == []
        assert Counter(got) == Counter(f"item {number}" for number in range(50))


def test_a_thread_that_hears_the_end_leaves_it_ready_for_the_others() -> None:
    with joined() as ends:
        stream = ends.host.stream("sequence", 1)
        assert list(stream) == ["item 0"]
        assert stream.ready
        assert list(stream) == []
        assert stream.ready
        events = ends.host.events(TICK)
        events.close()
        events.close()  # harmless
        assert events.get(0.0) is None
        assert events.ready


def test_a_value_that_another_thread_took_is_waited_for_again() -> None:
    with joined() as ends:
        stream = ends.host.stream("sequence", 0)
        assert list(stream) == []
        items: Any = stream._items

        class Contended:
            """Says that there is a value, which is gone when it is asked for."""

            def __init__(self) -> None:
                self.looks = 0

            def __len__(self) -> int:
                self.looks += 1
                return self.looks == 1

            def popleft(self) -> bytes:
                raise IndexError

        stream._items = Contended()  # type: ignore[assignment]
        with pytest.raises(StopIteration):
            next(stream)
        stream._items = items


@aio_test
async def test_tasks_share_the_values_of_a_stream_and_all_hear_its_end() -> None:
    async with ajoined() as ends:
        got: list[Any] = []
        stream = await ends.host.stream("sequence", 50)

        async def read() -> None:
            async for item in stream:
                got.append(item)
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(read() for _ in range(READERS)))
        assert Counter(got) == Counter(f"item {number}" for number in range(50))


@aio_test
async def test_tasks_that_wait_for_the_same_events_all_end_when_it_is_closed() -> None:
    async with ajoined() as ends:
        events = await ends.host.events("tick")
        tasks = [asyncio.create_task(_read_all(events)) for _ in range(READERS)]
        assert await events.get(0.01) is None
        assert len(events._waiting._wakeups) == READERS  # who has given up leaves nothing behind
        events.close()
        async with asyncio.timeout(PATIENCE_S):
            assert await asyncio.gather(*tasks) == [[]] * READERS


async def _read_all(events: Any) -> list[Any]:
    return [event async for event in events]


@aio_test
async def test_tasks_that_begin_the_same_stream_all_hear_that_it_cannot_begin() -> None:
    async with ajoined() as ends:
        ends.host._directory.manifest = None
        for reader in (ends.host.stream("nowhere"), ends.host.events("nowhere")):
            tasks = [asyncio.create_task(_next(reader)) for _ in range(READERS)]
            async with asyncio.timeout(PATIENCE_S):
                errors = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(error) for error in errors] == [CallRefusedError] * READERS
            ends.host._directory.manifest = None


async def _next(reader: Any) -> Any:
    return await anext(reader)
