"""Events and callbacks in the asyncio shell."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from ipfi_serial import (
    CallRefusedError,
    CallTimeoutError,
    IpfiError,
    LocalProtocolError,
    WireClosedError,
    WireConfig,
)
from tests.shells.boards import LED, PATIENCE_S, TICK
from tests.shells.ends import AioEnds, aio_test, ajoined, await_until


async def emit_ticks(ends: AioEnds, count: int) -> None:
    """Let the device emit numbered ticks, and wait until they have arrived."""
    for number in range(count):
        await ends.device.emit(TICK, number)
    await ends.device.call(1, 0, 0)


@pytest.mark.parametrize("kind", ["loopback", "tcp"])
@aio_test
async def test_events_are_handled_in_order_one_at_a_time_and_may_call(kind: str) -> None:
    async with ajoined(kind) as ends:
        ends.near.interface.event(TICK)(lambda _: None)
        got: list[int] = []
        done = asyncio.Event()
        busy = False

        async def handler(count: int) -> None:
            nonlocal busy
            assert not busy
            busy = True
            got.append(await ends.host.call(1, count, 1000))
            busy = False
            if count == 199:
                done.set()

        await ends.host.on(TICK, handler)
        await emit_ticks(ends, 200)
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        assert got == [1000 + number for number in range(200)]


@aio_test
async def test_handlers_may_be_plain_functions_coroutines_or_return_an_awaitable() -> None:
    async with ajoined() as ends:
        seen = ends.near.seen

        async def coroutine(count: int) -> None:
            seen.put(("coroutine", count))

        ends.host.on(TICK, lambda count: seen.put(("plain", count)))
        ends.host.on(TICK, coroutine)
        ends.host.on(TICK, lambda count: coroutine(count + 1))
        await emit_ticks(ends, 1)
        got = [await ends.near.anext_seen() for _ in range(3)]
        assert got == [("plain", 0), ("coroutine", 0), ("coroutine", 1)]
        await ends.host.off(TICK, coroutine)
        ends.host.off("tick", coroutine)
        await emit_ticks(ends, 1)
        assert await ends.near.anext_seen() == ("plain", 0)
        assert await ends.near.anext_seen() == ("coroutine", 1)


@aio_test
async def test_an_event_whose_name_must_be_asked_for_is_registered_when_awaited(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ajoined() as ends:
        ends.host._directory.manifest = None
        await ends.host.on("tick", ends.near.seen.put)
        await emit_ticks(ends, 1)
        assert await ends.near.anext_seen() == 0
        ends.host._directory.manifest = None
        with pytest.raises(CallRefusedError, match="no event"):
            await ends.host.on("tock", ends.near.seen.put)
        await ends.host.emit("led", True)
        assert await ends.far.anext_seen() == ("led", True)
    assert "an event handler was not registered" in caplog.text


@aio_test
async def test_wait_event_and_events_give_the_arguments() -> None:
    async with ajoined() as ends:
        waiting = asyncio.create_task(ends.host.wait_event("tick", timeout_s=PATIENCE_S))
        everything = await ends.host.events()
        await await_until(lambda: len(ends.host._notifications.subscriptions.all_queues) == 2)
        await emit_ticks(ends, 1)
        await ends.device.emit(99, "unknown")
        event = await waiting
        assert (tuple(event), event.name, event.event_index) == ((0,), "tick", TICK)
        async with everything as events:
            assert [(await anext(events)).name for _ in range(2)] == ["tick", None]
            with pytest.raises(CallTimeoutError, match="no event 'tick'"):
                await ends.host.wait_event("tick", timeout_s=0.02)
        with pytest.raises(CallRefusedError):
            await anext(ends.host.events("tock"))
        assert ends.host._notifications.subscriptions.all_queues == []


@aio_test
async def test_readers_end_when_they_or_the_wire_are_closed() -> None:
    async with ajoined() as ends:

        async def read(stream: Any) -> list[Any]:
            return [event async for event in stream]

        closed, left = await ends.host.events(TICK), await ends.host.events()
        reading = [asyncio.create_task(read(each)) for each in (closed, left)]
        waiting = asyncio.create_task(ends.host.wait_event(TICK))
        await await_until(lambda: len(ends.host._notifications.subscriptions.all_queues) == 3)
        closed.close()
        assert await reading[0] == []
        await ends.host.close()
        assert await reading[1] == []
        assert isinstance(left.ended, WireClosedError)
        with pytest.raises(WireClosedError):
            await waiting


@aio_test
async def test_a_full_reader_and_a_slow_handler_drop_the_oldest_and_count_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ajoined(config=WireConfig(event_queue_size=5)) as ends:
        ticks = await ends.host.events(TICK)
        await emit_ticks(ends, 12)
        assert ticks.dropped == ends.host.stats().events_dropped == 7
        assert [(await anext(ticks))[0] for _ in range(5)] == [7, 8, 9, 10, 11]
        ticks.close()

        seen, go = ends.near.seen, asyncio.Event()

        async def slow(count: int) -> None:
            await go.wait()
            seen.put(count)

        await ends.host.on(TICK, slow)
        ends.host.on_end_of_input(lambda: seen.put("end of input"))
        await emit_ticks(ends, 1)
        await ends.device.end_of_input()
        await emit_ticks(ends, 10)
        go.set()
        got = [await ends.near.anext_seen() for _ in range(6)]
        assert got == [0, "end of input", 6, 7, 8, 9]
    assert "events dropped so far" in caplog.text


@pytest.mark.parametrize(
    "exception", [ValueError("bad"), SystemExit(1), asyncio.CancelledError(), StopIteration()]
)
@pytest.mark.parametrize("plain", [True, False])
@aio_test
async def test_callbacks_may_raise_anything_and_the_next_one_still_runs(
    exception: BaseException, *, plain: bool
) -> None:
    if isinstance(exception, SystemExit) and not plain:
        return  # a coroutine that raises it ends the loop: asyncio's rule
    async with ajoined() as ends:
        seen = ends.near.seen

        def broken(_: Any) -> None:
            raise exception

        async def broken_coroutine(_: Any) -> None:
            raise exception

        def broken_too(_: Any) -> None:
            raise ValueError("never ending")

        await ends.host.on(TICK, broken if plain else broken_coroutine)
        await ends.host.on(TICK, seen.put)
        ends.host.on_error(broken_too)  # called once for each error, and never for its own
        ends.host.on_error(lambda _: seen.put("error"))
        await emit_ticks(ends, 2)
        got = [await ends.near.anext_seen() for _ in range(4)]
        assert sorted(g for g in got if isinstance(g, int)) == [0, 1]
        assert got.count("error") == 2
        ends.host.on_end_of_input(lambda: seen.put("no more"))
        await ends.device.end_of_input()
        assert await ends.near.anext_seen() == "no more"
        assert seen.empty()


@aio_test
async def test_text_reaches_its_callbacks_and_is_dropped_when_nobody_takes_it() -> None:
    async with ajoined(config=WireConfig(event_queue_size=3)) as ends:
        seen, go = ends.near.seen, threading.Event()

        def slow(text: str) -> None:
            go.wait(PATIENCE_S)
            seen.put(text)

        ends.host.on_text(slow)
        for number in range(10):
            ends.device._pump.command(lambda wire, _, n=number: wire.link.push_log(1, f"{n}"))  # type: ignore[misc]
            await ends.device.call(1, 0, 0)
        go.set()
        got = [await ends.near.anext_seen() for _ in range(4)]
        assert got[1:] == ["7", "8", "9"]
        ends.host.on_text(lambda: seen.put("without an argument"))
        ends.device._pump.command(lambda wire, _: wire.link.push_log(1, "x"))  # type: ignore[union-attr]
        assert [await ends.near.anext_seen() for _ in range(2)] == ["x", "without an argument"]


@aio_test
async def test_events_that_do_not_fit_are_logged_and_reach_on_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ajoined() as ends:
        ends.device.on_error(ends.far.seen.put)
        await ends.host.emit("led", "not a bool")
        assert "must be bool" in str(await ends.far.anext_seen())
    async with ajoined("tcp") as ends:
        with pytest.raises(LocalProtocolError, match="lossy"):
            await ends.host.emit(LED, True, lossy=True)
    assert "a callback failed" in caplog.text


@aio_test
async def test_on_close_is_called_before_close_returns_even_if_it_comes_late() -> None:
    async with ajoined() as ends:
        seen = ends.near.seen
        ends.host.on_close(seen.put)
        ends.host.on_close(lambda: seen.put("closed"))
        await ends.host.close()
        assert isinstance(seen.get_nowait(), WireClosedError)
        assert seen.get_nowait() == "closed"

        async def late(reason: IpfiError) -> None:
            seen.put(reason)

        ends.host.on_close(late)
        assert isinstance(await ends.near.anext_seen(), WireClosedError)


@aio_test
async def test_an_event_that_cannot_be_read_and_a_fault_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ajoined("tcp") as ends:
        ends.near.interface.event(TICK)(ends.near.seen.put)
        ticks = await ends.host.events(TICK)
        ends.device._pump.command(lambda wire, now_s: wire.emit(TICK, b"\xc1", now_s))
        with pytest.raises(CallTimeoutError):
            await ends.host.call(77, timeout_s=0.05)
        await ends.device.emit(TICK, 1)
        assert tuple(await anext(ticks)) == (1,)
        ends.host._deliver("something new")  # type: ignore[arg-type]
    assert "cannot be read" in caplog.text
    assert "no procedure 77" in caplog.text
    assert "nobody takes 'something new'" in caplog.text


@aio_test
async def test_a_full_queue_of_what_must_run_takes_one_event_more() -> None:
    async with ajoined(config=WireConfig(event_queue_size=1)) as ends:
        seen, go = ends.near.seen, asyncio.Event()

        async def slow(_: Any = None) -> None:
            await go.wait()
            seen.put("slow")

        await ends.host.on(TICK, seen.put)
        ends.host.on_end_of_input(slow)
        for _ in range(2):
            await ends.device.end_of_input()
        await emit_ticks(ends, 1)
        go.set()
        assert [await ends.near.anext_seen() for _ in range(3)] == ["slow", "slow", 0]
