"""What the other end says before a callback is registered is not lost."""

from __future__ import annotations

import asyncio
import threading

from ipfi_serial import aio, connect, listen
from ipfi_serial.engine.subscriptions import EARLY_NEWS, EarlyNews

WAIT_S = 10.0


def test_an_end_of_input_that_came_before_its_callback_is_told_to_it() -> None:
    with listen("tcp:127.0.0.1:0") as server, connect(server.address) as wire:
        server.accept(timeout_s=WAIT_S).end_of_input()
        while wire.stats().bytes_received == 0:
            wire.flush(0.01)
        told = threading.Event()
        wire.on_end_of_input(told.set)
        assert told.wait(WAIT_S)


def test_asyncio_an_end_of_input_that_came_before_its_callback_is_told_to_it() -> None:
    async def scenario() -> None:
        async with aio.listen("tcp:127.0.0.1:0") as server, aio.connect(server.address) as wire:
            peer = await server.accept(timeout_s=WAIT_S)
            await peer.end_of_input()
            while wire.stats().bytes_received == 0:
                await asyncio.sleep(0)
            told = asyncio.Event()

            async def tell() -> None:
                told.set()

            wire.on_end_of_input(tell)
            await asyncio.wait_for(told.wait(), WAIT_S)

    asyncio.run(scenario())


def test_text_from_before_the_first_callback_comes_to_it_in_order_and_only_once() -> None:
    with connect("sim:python") as wire:
        for k in range(3):
            wire.call("say", f"line {k}")
        lines: list[str] = []
        done = threading.Event()

        def first(text: str) -> None:
            lines.append(text)
            if text == "last":
                done.set()

        late: list[str] = []
        wire.on_text(first)
        wire.on_text(late.append)
        wire.call("say", "last")
        assert done.wait(WAIT_S)
        assert lines == ["line 0", "line 1", "line 2", "last"]
    assert "line 0" not in late


def test_only_so_much_early_news_is_kept_and_the_oldest_goes() -> None:
    news = EarlyNews()
    for k in range(EARLY_NEWS + 5):
        news.keep("text", k)
    assert news.take("text") == list(range(5, EARLY_NEWS + 5))
    assert news.take("text") == []


def test_a_wire_says_whether_it_is_framed() -> None:
    with listen("tcp:127.0.0.1:0") as server, connect(server.address) as plain:
        assert not plain.framed
    with connect("sim:python") as framed:
        assert framed.framed
