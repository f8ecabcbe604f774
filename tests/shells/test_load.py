"""Many threads and tasks, both directions at once, nested: every answer right."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import connect
from tests.shells.boards import PATIENCE_S, TICK, AioBoard, SyncBoard
from tests.shells.ends import Background, aio_test, ajoined, fresh_name, joined

CALLS = 10_000
THREADS = 8
TASKS = 100


def test_eight_threads_make_ten_thousand_nested_calls_both_ways_on_one_wire() -> None:
    """Each round is a call that calls back into a call: A -> B -> A -> B, three calls."""
    with joined() as ends:
        rounds = CALLS // 3 // THREADS + 1

        def work(number: int) -> int:
            wire = ends.host if number % 2 else ends.device
            for each in range(rounds):
                assert wire.call(21, 2) == 2
                if each % 50 == 0:
                    assert list(wire.stream(3, 3)) == ["item 0", "item 1", "item 2"]
            return rounds * 3

        working = [Background(partial(work, number)) for number in range(THREADS)]
        assert sum(each.result(60.0) for each in working) >= CALLS
        for wire in (ends.host, ends.device):
            stats = wire.stats()
            assert (stats.strays, stats.refused, stats.open_calls) == (0, 0, 0)


@aio_test
async def test_a_hundred_tasks_make_ten_thousand_nested_calls_both_ways_on_one_wire() -> None:
    async with ajoined() as ends:
        rounds = CALLS // 3 // TASKS + 1

        async def work(number: int) -> int:
            wire = ends.host if number % 2 else ends.device
            for _ in range(rounds):
                assert await wire.call(21, 2) == 2
            return rounds * 3

        counts = await asyncio.gather(*(work(number) for number in range(TASKS)))
        assert sum(counts) >= CALLS
        for wire in (ends.host, ends.device):
            stats = wire.stats()
            assert (stats.strays, stats.refused, stats.open_calls) == (0, 0, 0)


def test_threads_on_a_plain_wire_get_their_own_answers() -> None:
    with joined("tcp") as ends:

        def work(number: int) -> None:
            wire = ends.host if number % 2 else ends.device
            for each in range(100):
                assert wire.call(1, number * 1000, each) == number * 1000 + each
                assert wire.call(20, 2, each) == each

        for each in [Background(partial(work, number)) for number in range(THREADS)]:
            each.result(60.0)


def test_threads_that_call_cancel_stream_and_emit_at_once_disturb_nobody() -> None:
    with joined() as ends:
        ends.host.on(TICK, lambda _: None)

        def call() -> None:
            for number in range(150):
                assert ends.host.call(1, number, 1) == number + 1

        def cancel() -> None:
            for _ in range(100):
                ends.host.start(6).cancel()

        def stream() -> None:
            for _ in range(20):
                with ends.host.stream(7) as items:
                    next(items)
                assert len(list(ends.host.stream(3, 50))) == 50

        def emit() -> None:
            for number in range(150):
                ends.device.emit(TICK, number)

        def listen() -> None:
            for _ in range(10):
                ends.host.wait_event(TICK, timeout_s=PATIENCE_S)

        listening = Background(listen)
        jobs: list[Callable[[], None]] = [call, call, cancel, stream, emit]
        for each in [Background(job) for job in jobs]:
            each.result(60.0)
        while listening.running:
            ends.device.emit(TICK, 0)
        listening.result()
        assert ends.host.stats().open_calls == 0


@pytest.mark.parametrize("kind", ["loopback", "pty"])
def test_a_blocking_end_and_an_asyncio_end_understand_each_other(kind: str) -> None:
    far, near = AioBoard(), SyncBoard()

    async def serve(endpoint: str, started: Any, stop: asyncio.Event) -> None:
        async with aio.connect(endpoint, far.interface, role="device") as device:
            started.set_result((device.endpoint, device, asyncio.get_running_loop(), stop))
            await stop.wait()

    started: concurrent.futures.Future[Any] = concurrent.futures.Future()
    endpoint = fresh_name() if kind == "loopback" else "pty:"
    serving = Background(lambda: asyncio.run(serve(endpoint, started, asyncio.Event())))
    path, device, loop, stop = started.result(PATIENCE_S)
    with connect(path, near.interface, connect_timeout_s=PATIENCE_S) as host:
        assert host.call("add", 1, 2) == 3
        assert host.call(21, 6) == 6
        assert list(host.stream("async_sequence", 100)) == list(range(100))
        assert host.call(23, 1, 1) == 2
        host.on("tick", near.seen.put)
        host.call(22, 3)
        assert [near.next_seen() for _ in range(3)] == [0, 1, 2]
        with host.stream(26) as items:
            next(items)
        assert far.next_seen() == "streaming"
        assert far.next_seen() == "stream closed"
        asked = asyncio.run_coroutine_threadsafe(device.call(21, 6), loop)
        assert asked.result(PATIENCE_S) == 6
    loop.call_soon_threadsafe(stop.set)
    serving.result()


@pytest.mark.parametrize(
    "script",
    [
        """
        host.call("add", 1, 2)
        """,
        """
        host.start("stuck")
        assert begun.wait(20)
        """,
        """
        host.on("tick", lambda _: threading.Event().wait())
        device.emit("tick", 1)
        threading.Thread(target=host.call, args=("stuck",), daemon=True).start()
        assert begun.wait(20)
        """,
        """
        server = ipfi_serial.listen("tcp:127.0.0.1:0", interface)
        plain = ipfi_serial.connect(server.address)
        plain.start(1)
        assert begun.wait(20)
        """,
    ],
    ids=["open", "stuck handler", "stuck callback", "server"],
)
def test_the_interpreter_ends_promptly_whatever_is_open(script: str) -> None:
    program = textwrap.dedent(
        """
        import threading
        import ipfi_serial
        begun = threading.Event()
        interface = ipfi_serial.Interface()
        interface.emits(32, "tick")
        @interface.procedure(1)
        def stuck():
            begun.set()
            threading.Event().wait()
        @interface.procedure(2)
        def add(a, b):
            return a + b
        device = ipfi_serial.connect("loopback:exit", interface, role="device")
        host = ipfi_serial.connect("loopback:exit")
        """
    ) + textwrap.dedent(script)
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
