"""One end framed and the other plain: both get the error that says so, in both shells."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ipfi_serial import (
    Interface,
    LinkMismatchError,
    RemoteCallError,
    ValueCodecError,
    aio,
    connect,
    listen,
)

WAIT_S = 10.0


def test_a_framed_end_against_a_plain_listener_is_told() -> None:
    with (
        listen("tcp:127.0.0.1:0") as server,
        pytest.raises(LinkMismatchError, match="link='plain'"),
    ):
        connect(server.address, link="framed", connect_timeout_s=WAIT_S)


def test_asyncio_a_framed_end_against_a_plain_listener_is_told() -> None:
    async def scenario() -> None:
        async with aio.listen("tcp:127.0.0.1:0") as server:
            with pytest.raises(LinkMismatchError, match="link='plain'"):
                await aio.connect(server.address, link="framed", connect_timeout_s=WAIT_S)

    asyncio.run(scenario())


def test_an_answer_of_another_type_says_that_the_call_was_executed() -> None:
    with connect("sim:python") as wire:
        with pytest.raises(ValueCodecError) as caught:
            wire.call("add", 1, 2, result_type=str)
        assert caught.value.may_have_executed is True


def test_a_nested_failure_keeps_the_words_of_its_root() -> None:
    host = Interface()

    @host.procedure(50)
    def fails(_text: str) -> None:
        raise ValueError("the root of it")

    with connect("sim:python", host) as wire:
        with pytest.raises(RemoteCallError, match="the root of it") as caught:
            wire.call("callback", 50, "x")
        assert "RemoteCallError" not in str(caught.value)


def test_a_coroutine_handles_an_event_in_the_blocking_shell_too() -> None:
    host, seen = Interface(), threading.Event()

    @host.event(32)
    async def tick(_count: int, _uptime_ms: int) -> None:
        await asyncio.sleep(0)
        seen.set()

    with connect("sim:python", host) as wire:
        with wire.events("tick") as ticks:
            wire.call("start_ticks", 1)
            assert ticks.get(WAIT_S) is not None
            assert ticks.get(WAIT_S) is not None
        wire.call("start_ticks", 0)
        assert seen.wait(WAIT_S)
