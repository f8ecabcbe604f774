"""What the far end of a test of the shells serves, and what its handlers saw."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from ipfi_serial import CallContext, Interface

PATIENCE_S: Final = 20.0  # of a test, for what must happen; never spent when all is well
TICK: Final = 32
LED: Final = 33


class Board:
    """What the far end serves, plain handlers only, and what they saw.

    Attributes:
        interface: the procedures.
        seen: what handlers put there, in order.
        release: lets the handlers of ``hold`` and ``stuck`` return.
    """

    def __init__(self) -> None:
        self.interface = Interface()
        self.seen: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.release = threading.Event()
        self._add_answers()
        self._add_streams()
        self._add_failures()
        self._add_waits()
        self._add_events()

    def next_seen(self) -> Any:
        """Wait for what a handler saw next."""
        return self.seen.get(timeout=PATIENCE_S)

    def _add_answers(self) -> None:
        """Those that answer at once."""
        interface, seen = self.interface, self.seen

        @interface.procedure(1)
        def add(a: int, b: int) -> int:
            return a + b

        @interface.procedure(2)
        def echo(value: Any) -> Any:
            return value

        @interface.raw_procedure(4)
        def reverse(data: bytes) -> bytes:
            return data[::-1]

        @interface.procedure(11)
        def nothing() -> None:
            seen.put("nothing")

    def _add_streams(self) -> None:
        """Streams, with and without an end."""
        interface, seen = self.interface, self.seen

        @interface.procedure(3)
        def sequence(n: int) -> Iterator[str]:
            for number in range(n):
                yield f"item {number}"

        @interface.procedure(7)
        def endless() -> Iterator[bytes]:
            seen.put("streaming")
            try:
                while True:
                    yield bytes(100)
            finally:
                seen.put("stream closed")

        @interface.procedure(12)
        def broken_stream(n: int) -> Iterator[int]:
            yield from range(n)
            raise ValueError("out of paper")

        @interface.raw_procedure(15)
        def chunks(data: bytes) -> Iterator[bytes]:
            for position in range(0, len(data), 3):
                yield data[position : position + 3]

    def _add_failures(self) -> None:
        """Those that fail, each in another way."""
        interface = self.interface

        @interface.procedure(5)
        def fail(text: str) -> None:
            raise ValueError(text)

        @interface.procedure(9)
        def leave(code: int) -> None:
            raise SystemExit(code)

        @interface.procedure(10)
        def strange() -> object:
            return object()

        @interface.procedure(13)
        def run_out() -> None:
            next(iter(()))

    def _add_waits(self) -> None:
        """Those that answer late, or never."""
        interface, seen, release = self.interface, self.seen, self.release

        @interface.procedure(6)
        def hold(context: CallContext) -> str:
            """Wait to be released or cancelled."""
            seen.put("holding")
            while not release.wait(0.002) and not context.cancelled:
                pass
            seen.put("cancelled" if context.cancelled else "released")
            return "held"

        @interface.procedure(8)
        def stuck() -> str:
            """Never look at anything: return when the test ends."""
            seen.put("stuck")
            release.wait(PATIENCE_S * 3)
            return "freed"

        @interface.procedure(14)
        def promise(context: CallContext) -> None:
            """Hand the deferred answer to the test."""
            seen.put(context.defer())

    def _add_events(self) -> None:
        interface, seen = self.interface, self.seen

        @interface.event(LED)
        def led(on: bool) -> None:
            seen.put(("led", on))

        interface.emits(TICK, "tick", "(count: int)")


class SyncBoard(Board):
    """A board for the blocking shell: handlers that call back block."""

    def __init__(self) -> None:
        super().__init__()
        interface, seen = self.interface, self.seen

        @interface.procedure(20)
        def callback(procedure: int, value: Any, context: CallContext) -> Any:
            return context.wire.call(procedure, value)

        @interface.procedure(21)
        def down(depth: int, context: CallContext) -> int:
            """Call the other end's ``down`` until the depth is used up."""
            return 0 if depth <= 0 else 1 + int(context.wire.call(21, depth - 1))

        @interface.procedure(22)
        def ticks(count: int, context: CallContext) -> None:
            for number in range(count):
                context.wire.emit("tick", number)

        _add_coroutines(interface, seen)


class AioBoard(Board):
    """A board for the asyncio shell: handlers that call back are coroutines."""

    def __init__(self) -> None:
        super().__init__()
        interface, seen = self.interface, self.seen

        @interface.procedure(20)
        async def callback(procedure: int, value: Any, context: CallContext) -> Any:
            return await context.wire.call(procedure, value)

        @interface.procedure(21)
        async def down(depth: int, context: CallContext) -> int:
            return 0 if depth <= 0 else 1 + int(await context.wire.call(21, depth - 1))

        @interface.procedure(22)
        async def ticks(count: int, context: CallContext) -> None:
            for number in range(count):
                await context.wire.emit("tick", number)

        _add_coroutines(interface, seen)

        @interface.procedure(27)
        async def give_up() -> None:
            raise asyncio.CancelledError

    async def anext_seen(self) -> Any:
        """Wait for what a handler saw next, on the loop."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(queue.Empty):
                    return self.seen.get_nowait()
                await asyncio.sleep(0.001)


def _add_coroutines(interface: Interface, seen: queue.SimpleQueue[Any]) -> None:
    """Handlers that are coroutines and do not call back: alike in both shells."""

    @interface.procedure(23)
    async def async_add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    @interface.procedure(24)
    async def async_sequence(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    @interface.procedure(25)
    async def async_hold() -> None:
        await _hold(seen)

    @interface.procedure(26)
    async def async_endless() -> AsyncIterator[int]:
        async for number in _endless(seen):
            yield number


async def _hold(seen: queue.SimpleQueue[Any]) -> None:
    seen.put("holding")
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        seen.put("cancelled")
        raise


async def _endless(seen: queue.SimpleQueue[Any]) -> AsyncIterator[int]:
    seen.put("streaming")
    try:
        for number in itertools.count():
            yield number
    finally:
        seen.put("stream closed")
