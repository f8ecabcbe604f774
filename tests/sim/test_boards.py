"""Both boards answer the same to the same calls, and do what issue 2 lists."""

from __future__ import annotations

import queue
import time
from typing import Any

import pytest

from ipfi_serial import (
    CallCancelledError,
    CallError,
    CallRefusedError,
    CallTimeoutError,
    Connection,
    DeviceResetError,
    EntryKind,
    RemoteCallError,
    connect,
)
from tests.sim.conftest import PATIENCE_S, switch_lamp

U32 = 2**32 - 1
I64_MIN, I64_MAX = -(2**63), 2**63 - 1

ANSWERS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("magic", (), 42),
    ("add", (40, 2), 42),
    ("add", (0, 0), 0),
    ("add", (U32, 1), 0),
    ("add", (U32, U32), U32 - 1),
    ("echo", ("",), ""),
    ("echo", ("hello",), "hello"),
    ("echo", ("æ — 🐍 \x00\n",), "æ — 🐍 \x00\n"),
    ("echo", ("x" * 8000,), "x" * 8000),
    ("reverse", (b"",), b""),
    ("reverse", (b"abc",), b"cba"),
    ("reverse", (bytes(range(256)) * 8,), (bytes(range(256)) * 8)[::-1]),
    ("blob", (0,), b""),
    ("blob", (1,), b"\0"),
    ("blob", (300,), bytes(i % 251 for i in range(300))),
    ("blob", (20_000,), bytes(i % 251 for i in range(20_000))),
    ("blob", (100_000,), bytes(i % 251 for i in range(100_000))),
    ("divide", (7, 2), 3),
    ("divide", (-7, 2), -3),
    ("divide", (7, -2), -3),
    ("divide", (-7, -2), 3),
    ("divide", (0, -5), 0),
    ("divide", (I64_MIN, 1), I64_MIN),
    ("divide", (I64_MAX, -1), -I64_MAX),
    ("divide", (I64_MIN, 2), I64_MIN // 2),
    ("divide", (I64_MAX, I64_MIN), 0),
    ("sleep", (0,), 0),
    ("sleep", (20,), 20),
    ("callback", (50, "you"), "hello you"),
    ("callback", (51, "me"), {"name": "me", "length": 2, "parts": [1, 2.5, None, True]}),
    ("start_ticks", (0,), None),
    ("say", ("",), None),
    ("led", (), False),
]

REFUSED: list[tuple[str | int, tuple[Any, ...], str]] = [
    ("magic", (1,), "bad arguments"),
    ("add", (1,), "bad arguments"),
    ("add", (1, 2, 3), "bad arguments"),
    ("add", (1, "2"), "bad arguments"),
    ("add", (1, -1), "bad arguments"),
    ("add", (1, 2**32), "bad arguments"),
    ("add", (1, 1.5), "bad arguments"),
    ("add", (1, None), "bad arguments"),
    ("echo", (5,), "bad arguments"),
    ("echo", (b"bytes",), "bad arguments"),
    ("blob", (-1,), "bad arguments"),
    ("divide", (1, 2**63), "bad arguments"),
    ("sleep", (2**32,), "bad arguments"),
    ("callback", (2**16, "x"), "bad arguments"),
    ("callback", (50,), "bad arguments"),
    ("led", (True,), "bad arguments"),
    ("nope", (), "unknown procedure"),
    (19, (), "unknown procedure"),
    (0xFFF0, (), "unknown procedure"),
    ("echo", ("x" * 10_000,), "limit"),
]

FAILED: list[tuple[str, tuple[Any, ...], str]] = [
    ("divide", (1, 0), "division by zero"),
    ("divide", (0, 0), "division by zero"),
    ("divide", (I64_MIN, -1), "the quotient does not fit in 64 bits"),
    ("callback", (52, "cat"), "ValueError: no cat here"),
    ("callback", (53, "x"), "there is no procedure 53 here"),
]

# the C board names types as C does and the Python board as Python does
SAME_IN_C_AND_PYTHON = {
    "stream[str]": "Iterator[str]",
    "any": "Any",
    "(on: bool)": "(on: bool) -> None",
}


@pytest.mark.parametrize(("name", "arguments", "answer"), ANSWERS)
def test_a_call_is_answered(
    wire: Connection, name: str, arguments: tuple[Any, ...], answer: Any
) -> None:
    assert wire.call(name, *arguments) == answer


@pytest.mark.parametrize(("name", "arguments", "reason"), REFUSED)
def test_a_wrong_call_is_refused_with_its_reason(
    wire: Connection, name: str | int, arguments: tuple[Any, ...], reason: str
) -> None:
    with pytest.raises(CallRefusedError) as caught:
        wire.call(name, *arguments)
    assert (caught.value.reason, caught.value.may_have_executed) == (reason, False)
    assert wire.call("magic") == 42


@pytest.mark.parametrize(("name", "arguments", "text"), FAILED)
def test_a_call_that_fails_says_why(
    wire: Connection, name: str, arguments: tuple[Any, ...], text: str
) -> None:
    with pytest.raises(RemoteCallError) as caught:
        wire.call(name, *arguments)
    assert (str(caught.value), caught.value.may_have_executed) == (text, True)


def test_a_callback_that_does_not_suit_the_host_fails_with_the_hosts_reason(
    wire: Connection,
) -> None:
    wire.interface.procedure(54)(lambda: None)
    with pytest.raises(RemoteCallError, match="takes 0 arguments"):
        wire.call("callback", 54, "one too many")


@pytest.mark.parametrize("count", [0, 1, 5, 500])
def test_a_stream_brings_every_item_in_order(wire: Connection, count: int) -> None:
    with wire.stream("sequence", count) as items:
        assert list(items) == [f"item {k}" for k in range(count)]


def test_a_stream_that_is_left_early_stops_at_the_board(wire: Connection) -> None:
    with wire.stream("sequence", U32) as items:
        assert [next(items) for _ in range(3)] == ["item 0", "item 1", "item 2"]
    assert wire.call("magic") == 42


def test_ticks_are_counted_and_stop(wire: Connection) -> None:
    with wire.events("tick") as ticks:
        began_s = time.monotonic()
        wire.call("start_ticks", 10)
        seen = [ticks.get(PATIENCE_S) for _ in range(5)]
        assert time.monotonic() - began_s >= 0.045, "a tick may be late, but not early"
        wire.call("start_ticks", 0)
        while ticks.get(0.1) is not None:  # those that were on their way
            pass
        assert ticks.get(0.1) is None
    counts, uptimes = zip(*(tick for tick in seen if tick is not None), strict=True)
    assert counts == (0, 1, 2, 3, 4)
    assert list(uptimes) == sorted(uptimes)


def test_a_new_period_takes_the_place_of_the_old_one(wire: Connection) -> None:
    with wire.events("tick") as ticks:
        wire.call("start_ticks", 3_600_000)
        wire.call("start_ticks", 10)
        assert ticks.get(PATIENCE_S) is not None


def test_the_lamp_is_switched_by_an_event(wire: Connection) -> None:
    for on in (True, False):
        switch_lamp(wire, on=on)


@pytest.mark.parametrize("text", ["hello", "two\nlines", "it is 20 °C", "x" * 900, ""])
def test_what_the_board_says_arrives_as_text(wire: Connection, text: str) -> None:
    lines: queue.Queue[str] = queue.Queue()
    wire.on_text(lines.put)
    wire.call("say", text)
    wire.call("say", "the end")
    seen = [lines.get(timeout=PATIENCE_S)]
    while seen[-1] != "the end":
        seen.append(lines.get(timeout=PATIENCE_S))
    assert [line for line in seen[:-1] if line] == [line for line in text.split("\n") if line]
    stats = wire.stats()
    assert (stats.crc_errors, stats.rejected) == (0, 0)


def test_text_in_the_middle_of_traffic_disturbs_no_frame(wire: Connection) -> None:
    lines: queue.Queue[str] = queue.Queue()
    wire.on_text(lines.put)
    blobs = [wire.start("blob", 5_000) for _ in range(8)]
    for k in range(16):
        wire.call("say", f"line {k}")
    assert all(len(blob.result()) == 5_000 for blob in blobs)
    missing = {f"line {k}" for k in range(16)}
    while missing:
        line = lines.get(timeout=PATIENCE_S)
        assert line in missing | {""}  # C's newline comes alone if a frame came in between
        missing.discard(line)
    assert (wire.stats().crc_errors, wire.stats().rejected) == (0, 0)


def test_a_sleeping_call_holds_up_no_other(wire: Connection) -> None:
    slow = wire.start("sleep", 60_000)
    assert [wire.call("add", k, 1) for k in range(20)] == list(range(1, 21))
    assert not slow.done
    slow.cancel()
    with pytest.raises(CallCancelledError):
        slow.result(PATIENCE_S)


def test_sleepers_wake_in_the_order_of_their_times(wire: Connection) -> None:
    slow, middle, quick = (wire.start("sleep", ms) for ms in (60_000, 150, 20))
    assert quick.result(PATIENCE_S) == 20
    assert middle.result(PATIENCE_S) == 150
    assert not slow.done
    slow.cancel()
    with pytest.raises(CallCancelledError):
        slow.result(PATIENCE_S)


def test_a_call_that_takes_too_long_times_out_and_the_board_goes_on(wire: Connection) -> None:
    with pytest.raises(CallTimeoutError) as caught:
        wire.call("sleep", 60_000, timeout_s=0.05)
    assert caught.value.may_have_executed
    assert wire.call("magic") == 42


def test_many_calls_at_once_are_all_answered(wire: Connection) -> None:
    handles = [wire.start("add", k, k) for k in range(300)]
    assert [handle.result() for handle in handles] == [2 * k for k in range(300)]


def test_a_reboot_is_answered_and_then_forgets_everything(wire: Connection) -> None:
    resets: queue.Queue[DeviceResetError] = queue.Queue()
    wire.on_reset(resets.put)
    switch_lamp(wire, on=True)
    in_flight = wire.start("sleep", 60_000)
    wire.call("start_ticks", 10)
    assert wire.wait_event("tick", timeout_s=PATIENCE_S) is not None
    assert wire.call("reboot") is None
    with pytest.raises(DeviceResetError) as caught:
        in_flight.result(PATIENCE_S)
    assert (caught.value.cause, caught.value.may_have_executed) == ("software", True)
    assert resets.get(timeout=PATIENCE_S).cause == "software"
    assert wire.call("led") is False
    with wire.events("tick") as ticks:
        assert ticks.get(0.1) is None
        wire.call("start_ticks", 10)
        tick = ticks.get(PATIENCE_S)
    assert tick is not None
    assert tick[0] == 0
    assert tick[1] < 10_000


def test_handlers_outlive_a_reboot(wire: Connection) -> None:
    ticks: queue.Queue[int] = queue.Queue()
    resets: queue.Queue[DeviceResetError] = queue.Queue()
    wire.on_reset(resets.put)
    wire.on("tick", lambda count, _uptime_ms: ticks.put(count))
    for _ in range(2):
        wire.call("reboot")
        resets.get(timeout=PATIENCE_S)
        wire.call("start_ticks", 10)
        while ticks.get(timeout=PATIENCE_S) != 0:  # those of the boot before
            pass
    assert wire.call("callback", 50, "again") == "hello again"


def test_two_boards_are_two_boards(endpoint: str) -> None:
    with connect(endpoint) as one, connect(endpoint) as other:
        switch_lamp(one, on=True)
        assert (one.call("led"), other.call("led")) == (True, False)


def test_both_boards_describe_themselves_alike(program: object) -> None:
    assert program
    with connect("sim:c") as c, connect("sim:python") as python:
        ours, theirs = python.describe(), c.describe()
    for mine, its in zip(ours, theirs, strict=True):
        assert (mine.index, mine.kind, mine.name, mine.doc) == (
            its.index,
            its.kind,
            its.name,
            its.doc,
        )
        as_python = its.signature
        for c_name, python_name in SAME_IN_C_AND_PYTHON.items():
            if as_python.endswith(c_name):
                as_python = as_python.removesuffix(c_name) + python_name
        assert mine.signature == as_python
    assert [entry.index for entry in ours] == [*range(17), 32, 33]
    kinds = {entry.name: entry.kind for entry in ours if not entry.kind.is_event}
    assert kinds["sequence"] is EntryKind.STREAMING
    assert kinds["reverse"] is EntryKind.RAW


def test_a_blob_beyond_every_limit_is_an_error_and_no_harm(wire: Connection) -> None:
    # Python's board refuses to make it; C's streams until the host has had enough
    with pytest.raises(CallError):
        wire.call("blob", 17 << 20, timeout_s=60)
    assert wire.call("magic") == 42
