"""A name is looked up within the deadline of its call, and who cannot do so has sent nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import (
    CallRefusedError,
    CallTimeoutError,
    Connection,
    Entry,
    EntryKind,
    IpfiError,
    WireClosedError,
    WireConfig,
)
from ipfi_serial.codec.manifest import encode_entry
from ipfi_serial.engine.calls import IncomingCall
from ipfi_serial.engine.interface import DESCRIBE_INDEX
from tests.harness.builds import about_to_replace_parts
from tests.shells.ends import aio_test, ajoined, joined

SHORT_S = 0.3
LONG = WireConfig(call_timeout_s=30.0)

USES: list[Callable[[Any], Any]] = [
    lambda wire: wire.call("add", 1, 2, timeout_s=SHORT_S),
    lambda wire: wire.start("add", 1, 2, timeout_s=SHORT_S),
    lambda wire: wire.start_partial("add", timeout_s=SHORT_S),
    lambda wire: wire.stream("sequence", 2, timeout_s=SHORT_S),
    lambda wire: wire.wait_event("other", timeout_s=SHORT_S),
]


@contextmanager
def silent(host: Connection | aio.Connection, device: Connection | aio.Connection) -> Iterator[Any]:
    """Let the device take the call of its description and never answer it."""
    about_to_replace_parts()
    callee = device._wire.callee
    asked: list[IncomingCall] = []
    end_stream = callee.end_stream

    def never(call: IncomingCall) -> None:
        if call.procedure == DESCRIBE_INDEX:
            asked.append(call)
        else:
            end_stream(call)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(callee, "end_stream", never)
        host._directory.manifest = None
        yield asked


def check(error: IpfiError, began_s: float) -> None:
    """Check that it was kept, and that nobody is told of a call which may have run."""
    assert time.monotonic() - began_s < LONG.call_timeout_s / 2
    assert error.may_have_executed is False
    assert "was not looked up before its deadline" in str(error)
    assert "65535" not in str(error)


@pytest.mark.parametrize("use", USES)
def test_a_look_up_keeps_the_deadline_of_its_call(use: Callable[[Connection], Any]) -> None:
    with joined(host_config=LONG) as ends, silent(ends.host, ends.device):
        began_s = time.monotonic()
        with pytest.raises(CallTimeoutError) as raised:
            use(ends.host)
        check(raised.value, began_s)


@pytest.mark.parametrize("use", USES)
@aio_test
async def test_a_look_up_keeps_the_deadline_of_its_call_in_asyncio(
    use: Callable[[aio.Connection], Any],
) -> None:
    async with ajoined(host_config=LONG) as ends:
        with silent(ends.host, ends.device):
            began_s = time.monotonic()
            with pytest.raises(CallTimeoutError) as raised:
                await use(ends.host)
            check(raised.value, began_s)


def test_who_waits_for_the_look_up_of_another_thread_keeps_its_deadline_too() -> None:
    with joined(host_config=LONG) as ends, silent(ends.host, ends.device) as asked:
        errors: list[IpfiError] = []

        def ask() -> None:
            try:
                ends.host.describe()
            except IpfiError as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not asked:
            time.sleep(0.001)
        began_s = time.monotonic()
        with pytest.raises(CallTimeoutError) as raised:
            ends.host.call("add", 1, 2, timeout_s=SHORT_S)
        check(raised.value, began_s)
        ends.host.abandon()
        thread.join(LONG.call_timeout_s)
    assert isinstance(errors[0], WireClosedError)


@aio_test
async def test_who_waits_for_the_look_up_of_another_task_keeps_its_deadline_too() -> None:
    async with ajoined(host_config=LONG) as ends:
        with silent(ends.host, ends.device) as asked:
            task = asyncio.create_task(ends.host.describe())
            while not asked:
                await asyncio.sleep(0.001)
            began_s = time.monotonic()
            with pytest.raises(CallTimeoutError) as raised:
                await ends.host.call("add", 1, 2, timeout_s=SHORT_S)
            check(raised.value, began_s)
            ends.host.abandon()
            with pytest.raises(WireClosedError):
                await task


def test_a_call_whose_look_up_fails_did_certainly_not_run() -> None:
    """Not the look-up's own ``may_have_executed``: that is of procedure 0xFFFF."""
    with joined(host_config=LONG) as ends, silent(ends.host, ends.device) as asked:
        errors: list[IpfiError] = []

        def call() -> None:
            try:
                ends.host.call("add", 1, 2)
            except IpfiError as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        while not asked:
            time.sleep(0.001)
        ends.host.abandon()
        thread.join(LONG.call_timeout_s)
    assert isinstance(errors[0], WireClosedError)
    assert errors[0].may_have_executed is False


def test_the_time_of_a_look_up_counts_for_its_call() -> None:
    with joined(host_config=LONG) as ends:
        ends.host._directory.manifest = None
        began_s = time.monotonic()
        with pytest.raises(CallTimeoutError, match="was not answered"):
            ends.host.call("stuck", timeout_s=SHORT_S)
        assert time.monotonic() - began_s < LONG.call_timeout_s / 2
        ends.host._directory.manifest = None
        target, left_s = ends.host._look_up("add", None, SHORT_S)
        assert target.name == "add"
        assert left_s is not None
        assert left_s < SHORT_S
        assert ends.host._look_up("add", None, None) == (target, None)


def test_a_description_that_is_refused_is_no_refusal_of_the_procedure() -> None:
    with joined(host_config=LONG) as ends:
        callee = ends.device._wire.callee
        callee.description = [encode_entry(Entry(1, EntryKind.UNARY, "n" * 300))]
        callee._max_message = 256
        ends.host._directory.manifest = None
        with pytest.raises(CallRefusedError) as raised:
            ends.host.call("add", 1, 2)
        assert raised.value.may_have_executed is False
        assert str(raised.value).startswith("'add' cannot be looked up, the description of the")
        assert str(raised.value).endswith("use its index")
