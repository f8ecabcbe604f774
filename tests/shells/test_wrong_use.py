"""What a newcomer writes by mistake is refused at once, in words that help; in both shells."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from pathlib import Path
from typing import Any

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import (
    CallRefusedError,
    CallTimeoutError,
    ConfigError,
    LocalProtocolError,
    TransportError,
    connect,
    listen,
)
from ipfi_serial.transport import open_async_transport, open_transport
from tests.shells.boards import TICK
from tests.shells.ends import aio_test, ajoined, fresh_name, joined

WRONG: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (None, {}, ConfigError, "None is no endpoint: use a string like '/dev/ttyACM0'"),
    (5, {}, ConfigError, "5 is no endpoint"),
    (b"/dev/ttyACM0", {}, ConfigError, "no endpoint"),
    (Path("/dev/nope"), {}, TransportError, "no port '/dev/nope'"),
    ("sim:python", {"link": "fraymed"}, ConfigError, "link is 'fraymed'"),
    ("sim:python", {"role": "slave"}, ConfigError, "role is 'slave'"),
    ("sim:python", {"connect_timeout_s": "5"}, ConfigError, "connect_timeout_s is '5'"),
    ("sim:python", {"interface": "mine"}, ConfigError, "interface is 'mine'"),
    ("sim:python", {"config": {}}, ConfigError, "config is {}"),
    ("/dev/null", {"baud": "9600"}, ConfigError, "baud is '9600'; it must be a number"),
    ("/dev/null", {"baudrate": 9600}, TypeError, "no setting 'baudrate'; did you mean 'baud'?"),
    ("/dev/null", {"colour": 1}, TypeError, "no setting 'colour'; there are baud, bytesize"),
    ("/dev/null", {"bytesize": 9}, ConfigError, "bytesize is 9; it is one of 5, 6, 7, 8"),
    ("tcp:127.0.0.1:1", {"baudrate": 1}, TypeError, "no setting 'baudrate'; did you mean 'baud'?"),
]
NOT_SERIAL = (
    "tcp:127.0.0.1:1",
    "tcp:127.0.0.1:1?link=framed",
    "tcp-listen:0",
    "unix:/nowhere",
    "unix-listen:/nowhere/socket",
    "stdio:",
    "socket://127.0.0.1:1",
    "morse:sim:test?wpm=1200",
)
# a compiled wheel checks types by itself, in its own words
DEADLINE_WORDS = "timeout_s is .*; it takes seconds, or None|float or None object expected"
LINK_WORDS = "link is 'fraymed'; it is 'framed' or 'plain'"


@pytest.mark.parametrize(("endpoint", "settings", "kind", "message"), WRONG)
def test_a_wrong_argument_of_connect_is_named(
    endpoint: Any, settings: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        connect(endpoint, **settings)

    async def open_it() -> None:
        await aio.connect(endpoint, **settings)

    with pytest.raises(kind, match=re.escape(message)):
        asyncio.run(open_it())


def refusals(endpoint: Any, **settings: Any) -> list[ConfigError]:
    """Return the ConfigErrors of both shells' connect()."""
    with pytest.raises(ConfigError) as sync:
        connect(endpoint, **settings).close()

    async def open_it() -> None:
        await (await aio.connect(endpoint, **settings)).close()

    with pytest.raises(ConfigError) as async_:
        asyncio.run(open_it())
    return [sync.value, async_.value]


@pytest.mark.parametrize("endpoint", NOT_SERIAL)
def test_settings_of_a_serial_port_are_refused_where_there_is_none(endpoint: str) -> None:
    for error in refusals(endpoint, baud=9600, rtscts=True):
        assert str(error).startswith(
            f"endpoint {endpoint!r}: baud and rtscts would set a serial port, and this is none; "
        )
        assert str(error).endswith("or check the endpoint")


@pytest.mark.parametrize("endpoint", ["sim:python", "pty:", "loopback:settings"])
def test_what_stands_in_for_a_serial_port_takes_its_settings(endpoint: str) -> None:
    with contextlib.closing(open_transport(endpoint, baud=9600, rtscts=True)) as line:
        assert line.bytes_per_s is None


def test_settings_beside_an_open_line_are_refused() -> None:
    refusal = r"dtr would set a serial port, .* is open already"
    with (
        contextlib.closing(open_transport(fresh_name())) as line,
        pytest.raises(ConfigError, match=refusal),
    ):
        connect(line, dtr=False)

    async def open_it() -> None:
        line = await open_async_transport(fresh_name())
        with contextlib.closing(line):
            await aio.connect(line, dtr=False)

    with pytest.raises(ConfigError, match=refusal):
        asyncio.run(open_it())


@pytest.mark.parametrize("endpoint", ["sim:python", "tcp:127.0.0.1:0"])
def test_a_wrong_link_is_refused_in_the_same_words_wherever_it_stands(endpoint: str) -> None:
    in_string = f"{endpoint}?link=fraymed"
    for error in refusals(endpoint, link="fraymed"):
        assert (type(error), str(error)) == (ConfigError, LINK_WORDS)
    for error in refusals(in_string):
        assert (type(error), str(error)) == (ConfigError, f"endpoint {in_string!r}: {LINK_WORDS}")
    with pytest.raises(ConfigError, match=LINK_WORDS):
        listen("tcp:127.0.0.1:0?link=fraymed")
    with pytest.raises(ConfigError, match=LINK_WORDS):
        listen("tcp:127.0.0.1:0", link="fraymed")  # type: ignore[arg-type]


async def listen_async(endpoint: Any, settings: dict[str, Any]) -> None:
    """Listen in the asyncio shell."""
    await (await aio.listen(endpoint, **settings)).close()


def test_a_wrong_argument_of_listen_is_named() -> None:
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (None, {}, "no string"),
        ("tcp:127.0.0.1:0", {"role": "x"}, "role is 'x'"),
        ("tcp:127.0.0.1:0", {"link": "x"}, "link is 'x'"),
    ]
    for endpoint, settings, message in wrong:
        with pytest.raises(ConfigError, match=message):
            listen(endpoint, **settings)
        with pytest.raises(ConfigError, match=message):
            asyncio.run(listen_async(endpoint, settings))


def test_a_line_of_the_other_shell_is_refused() -> None:
    async def cross() -> None:
        blocking = open_transport(fresh_name())
        line: Any = await open_async_transport(fresh_name())
        with contextlib.closing(blocking), contextlib.closing(line):
            with pytest.raises(ConfigError, match="a line for the other shell"):
                await aio.connect(blocking)  # type: ignore[arg-type]
            with pytest.raises(ConfigError, match="a line for the other shell"):
                connect(line)

    asyncio.run(cross())


def test_what_cannot_be_called_is_not_registered() -> None:
    wrong: Any = 5
    with joined() as ends:
        with pytest.raises(TypeError, match="5 cannot be called"):
            ends.host.on(TICK, wrong)
        with pytest.raises(TypeError, match="5 cannot be called"):
            ends.host.on_reset(wrong)


@aio_test
async def test_what_cannot_be_called_is_not_registered_in_asyncio() -> None:
    wrong: Any = 5
    async with ajoined() as ends:
        with pytest.raises(TypeError, match="5 cannot be called"):
            ends.host.on_reset(wrong)
        with pytest.raises(TypeError, match="5 cannot be called"):
            await ends.host.on(TICK, wrong)


def test_an_event_that_does_not_fit_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ipfi_serial"), connect("sim:python") as wire:
        wire.emit("led", "on", "and on")
        wire.call("magic")
        for _ in range(500):
            if caplog.records:
                break
            wire.call("magic")
    (record,) = caplog.records
    assert "set_led() takes 1 argument" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("link", ["framed", "plain"])
@pytest.mark.parametrize("index", [-1, 1 << 64])
def test_an_index_that_no_message_can_have_leaves_nothing_begun(
    link: Any, index: int, caplog: pytest.LogCaptureFixture
) -> None:
    with joined(link) as ends:
        for use in (ends.host.call, ends.host.start, ends.host.stream, ends.host.emit):
            with pytest.raises(LocalProtocolError, match=f"index {index} does not fit a message"):
                use(index)
        assert ends.host.stats().open_calls == 0
    assert "lost" not in caplog.text


def test_a_deadline_that_is_no_number_is_refused() -> None:
    with joined() as ends, pytest.raises(ConfigError, match="timeout_s is nan"):
        ends.host.call("add", 1, 2, timeout_s=float("nan"))


@aio_test
async def test_a_deadline_that_is_no_number_is_refused_in_asyncio() -> None:
    async with ajoined() as ends:
        with pytest.raises(ConfigError, match="timeout_s is nan"):
            await ends.host.call("add", 1, 2, timeout_s=float("nan"))


@pytest.mark.parametrize("left_s", [0, -0.0, -3])
def test_a_call_without_time_left_is_not_sent(left_s: float) -> None:
    """A program that shares out the time of several calls may ask for one when it is over."""
    with joined() as ends:
        for use in (ends.host.call, ends.host.start, ends.host.start_partial, ends.host.stream):
            with pytest.raises(CallTimeoutError, match=r"11 was not called, .* no time") as caught:
                use(11, timeout_s=left_s)
            assert caught.value.may_have_executed is False
        assert ends.host.call(1, 1, 2) == 3
        assert ends.far.seen.empty()
        assert ends.host.stats().open_calls == 0


@aio_test
async def test_a_call_without_time_left_is_not_sent_in_asyncio() -> None:
    async with ajoined() as ends:
        for use in (ends.host.call, ends.host.start, ends.host.start_partial, ends.host.stream):
            with pytest.raises(CallTimeoutError, match=r"11 was not called, .* no time") as caught:
                await use(11, timeout_s=0)
            assert caught.value.may_have_executed is False
        assert await ends.host.call(1, 1, 2) == 3
        assert ends.far.seen.empty()


@pytest.mark.parametrize("wrong", ["1", b"1", [1]])
def test_a_deadline_of_another_kind_is_named(wrong: Any) -> None:
    with joined() as ends, pytest.raises((ConfigError, TypeError), match=DEADLINE_WORDS):
        ends.host.call(1, 1, 2, timeout_s=wrong)
    assert ends.host.stats().open_calls == 0


@aio_test
async def test_a_deadline_of_another_kind_is_named_in_asyncio() -> None:
    wrong: Any = "1"
    async with ajoined() as ends:
        with pytest.raises((ConfigError, TypeError), match=DEADLINE_WORDS):
            await ends.host.call(1, 1, 2, timeout_s=wrong)


SIGNATURE = re.escape("bad arguments; it is add(a: u32, b: u32) -> u32")


def test_arguments_that_a_small_board_refuses_are_beside_what_it_takes() -> None:
    with connect("sim:c") as wire:
        for procedure in ("add", 1):
            with pytest.raises(CallRefusedError, match=SIGNATURE):
                wire.call(procedure, "four")


@aio_test
async def test_arguments_that_a_small_board_refuses_are_beside_what_it_takes_in_asyncio() -> None:
    async with await aio.connect("sim:c") as wire:
        with pytest.raises(CallRefusedError, match=SIGNATURE):
            await wire.call("add", "four")
