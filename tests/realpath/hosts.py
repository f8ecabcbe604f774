"""A program that calls the board without pause, in either shell, and notes how every call ends."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, Protocol

from ipfi_serial import Interface, aio, connect
from ipfi_serial.errors import CallError, IpfiError
from ipfi_serial.transport import (
    AsyncImpairedTransport,
    ImpairedTransport,
    LineFaults,
    open_async_transport,
    open_transport,
)
from tests.realpath.ledger import Ledger

MARK, LATE, ITEMS, SWALLOW, REBOOT, TICKING = 1, 2, 3, 4, 5, 6
TICK: Final = 32
CALLERS: Final = 4
CONNECT_S: Final = 30.0
CALL_S: Final = 20.0
JOIN_S: Final = 40.0  # patience (5 s), a deadline, and a machine with other things to do


class Plan:
    """What one caller does next: the same for both shells."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a test wants it repeatable

    def next(self) -> tuple[int, tuple[int, ...], float]:
        """Return a procedure, its arguments behind the id, and a deadline in seconds."""
        kind = self._chance.randrange(10)
        if kind < 5:
            return MARK, (), CALL_S
        if kind < 7:
            return LATE, (self._chance.randrange(20),), CALL_S
        if kind < 8:
            return LATE, (self._chance.randrange(40),), 0.01  # too late for many
        return ITEMS, (self._chance.randrange(60),), CALL_S


class Host(Protocol):
    """A program with a connection."""

    ledger: Ledger
    ended_s: float  # when the last caller ended

    def open(self, path: str, faults: LineFaults) -> None:
        """Connect."""

    def begin(self, seed: int) -> None:
        """Let the callers begin; each ends when the session does, or when it is told."""

    def stop(self) -> None:
        """Tell the callers to end after their current call."""

    def join(self) -> None:
        """Wait until all have ended."""

    def call(self, procedure: int, *arguments: Any, timeout_s: float = CALL_S) -> Any:
        """Make one call."""

    @property
    def closed(self) -> bool:
        """Whether the wire is."""

    def close(self) -> None:
        """Close the wire."""

    def left(self) -> list[str]:
        """Name what is left of a connection that was closed."""


class SyncHost:
    """A program with threads."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.interface = Interface()
        self.ended_s = 0.0
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()

    def open(self, path: str, faults: LineFaults) -> None:
        """See Host."""
        line = ImpairedTransport(open_transport(path), faults)
        self.wire = connect(line, self.interface, connect_timeout_s=CONNECT_S)

    def begin(self, seed: int) -> None:
        """See Host."""
        self._stopped.clear()
        self._threads = [
            threading.Thread(target=self._call_on, args=(Plan(seed * 100 + number),), daemon=True)
            for number in range(CALLERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """See Host."""
        self._stopped.set()

    def join(self) -> None:
        """See Host."""
        until_s = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
            if thread.is_alive():
                self.ledger.fail("a caller hangs")

    def call(self, procedure: int, *arguments: Any, timeout_s: float = CALL_S) -> Any:
        """See Host."""
        raw = procedure == SWALLOW
        return self.wire.call(procedure, *arguments, timeout_s=timeout_s, raw=raw)

    @property
    def closed(self) -> bool:
        """See Host."""
        return self.wire.closed

    def close(self) -> None:
        """See Host."""
        self.wire.close()

    def left(self) -> list[str]:
        """See Host."""
        names = [each.name for each in threading.enumerate() if each.name.startswith("ipfi")]
        open_calls = self.wire.stats().open_calls
        return names + [f"{open_calls} calls"] * bool(open_calls)

    def _call_on(self, plan: Plan) -> None:
        while not self._stopped.is_set():
            procedure, more, timeout_s = plan.next()
            number = self.ledger.begin()
            try:
                self._one(procedure, number, more, timeout_s)
            except IpfiError as error:
                self.ledger.end(number, error)
                if not isinstance(error, CallError):
                    break
            else:
                self.ledger.end(number, None)
        self.ended_s = max(self.ended_s, time.monotonic())

    def _one(self, procedure: int, number: int, more: tuple[int, ...], timeout_s: float) -> None:
        if procedure != ITEMS:
            answer = self.wire.call(procedure, number, *more, timeout_s=timeout_s)
            if answer != number + 1:
                self.ledger.fail(f"call {number} was answered with {answer}")
            return
        with self.wire.stream(procedure, number, *more, timeout_s=timeout_s) as items:
            if list(items) != list(range(*more)):
                self.ledger.fail(f"stream {number} brought other values")


class AioHost:
    """A program with tasks, on an event loop in a thread of its own."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.interface = Interface()
        self.ended_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopped = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._thread.start()

    def _do(self, job: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(2 * JOIN_S)

    def open(self, path: str, faults: LineFaults) -> None:
        """See Host."""

        async def go() -> Any:
            line = AsyncImpairedTransport(await open_async_transport(path), faults)
            return await aio.connect(line, self.interface, connect_timeout_s=CONNECT_S)

        self.wire = self._do(go())

    def begin(self, seed: int) -> None:
        """See Host."""

        async def go() -> None:
            self._is_stopped = False
            plans = [Plan(seed * 100 + number) for number in range(CALLERS)]
            self._tasks = [asyncio.ensure_future(self._call_on(plan)) for plan in plans]

        self._do(go())

    def stop(self) -> None:
        """See Host."""
        self._is_stopped = True

    def join(self) -> None:
        """See Host."""

        async def go() -> None:
            done, pending = await asyncio.wait(self._tasks, timeout=JOIN_S)
            for task in done:
                task.result()
            for task in pending:
                self.ledger.fail("a caller hangs")
                task.cancel()

        self._do(go())

    def call(self, procedure: int, *arguments: Any, timeout_s: float = CALL_S) -> Any:
        """See Host."""
        raw = procedure == SWALLOW
        return self._do(self.wire.call(procedure, *arguments, timeout_s=timeout_s, raw=raw))

    @property
    def closed(self) -> bool:
        """See Host."""
        return bool(self.wire.closed)

    def close(self) -> None:
        """See Host."""
        self._do(self.wire.close())

    def left(self) -> list[str]:
        """See Host."""

        async def go() -> list[str]:
            return [
                repr(each) for each in asyncio.all_tasks() if each is not asyncio.current_task()
            ]

        open_calls = self.wire.stats().open_calls
        return list(self._do(go())) + [f"{open_calls} calls"] * bool(open_calls)

    def end(self) -> None:
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_S)
        self._loop.close()

    async def _call_on(self, plan: Plan) -> None:
        while not self._is_stopped:
            procedure, more, timeout_s = plan.next()
            number = self.ledger.begin()
            try:
                await self._one(procedure, number, more, timeout_s)
            except IpfiError as error:
                self.ledger.end(number, error)
                if not isinstance(error, CallError):
                    break
            else:
                self.ledger.end(number, None)
        self.ended_s = max(self.ended_s, time.monotonic())

    async def _one(
        self, procedure: int, number: int, more: tuple[int, ...], timeout_s: float
    ) -> None:
        if procedure != ITEMS:
            answer = await self.wire.call(procedure, number, *more, timeout_s=timeout_s)
            if answer != number + 1:
                self.ledger.fail(f"call {number} was answered with {answer}")
            return
        async with self.wire.stream(procedure, number, *more, timeout_s=timeout_s) as items:
            if [item async for item in items] != list(range(*more)):
                self.ledger.fail(f"stream {number} brought other values")


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
