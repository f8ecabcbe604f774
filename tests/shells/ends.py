"""Two ends of a wire for the tests of the shells, and what the far one serves and sees."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import ipfi_serial.aio as aio
from ipfi_serial import CallContext, Connection, Interface, WireConfig, connect, listen

PATIENCE_S: Final = 20.0  # of a test, for what must happen; never spent when all is well
SOON_S: Final = 1.0  # the promise: whatever waits ends within this when the line dies
TICK: Final = 32
LED: Final = 33

_numbers = itertools.count()


def fresh_name() -> str:
    """Return the endpoint of a loopback that nobody uses yet."""
    return f"loopback:shells-{next(_numbers)}"


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
        self._add_plain()

    def next_seen(self) -> Any:
        """Wait for what a handler saw next."""
        return self.seen.get(timeout=PATIENCE_S)

    def _add_plain(self) -> None:
        interface, seen, release = self.interface, self.seen, self.release

        @interface.procedure(1)
        def add(a: int, b: int) -> int:
            return a + b

        @interface.procedure(2)
        def echo(value: Any) -> Any:
            return value

        @interface.procedure(3)
        def sequence(n: int) -> Iterator[str]:
            for number in range(n):
                yield f"item {number}"

        @interface.raw_procedure(4)
        def reverse(data: bytes) -> bytes:
            return data[::-1]

        @interface.procedure(5)
        def fail(text: str) -> None:
            raise ValueError(text)

        @interface.procedure(6)
        def hold(context: CallContext) -> str:
            """Wait to be released or cancelled."""
            seen.put("holding")
            while not release.wait(0.002) and not context.cancelled:
                pass
            seen.put("cancelled" if context.cancelled else "released")
            return "held"

        @interface.procedure(7)
        def endless() -> Iterator[bytes]:
            seen.put("streaming")
            try:
                while True:
                    yield bytes(100)
            finally:
                seen.put("stream closed")

        @interface.procedure(8)
        def stuck() -> str:
            """Never look at anything: return when the test ends."""
            seen.put("stuck")
            release.wait(PATIENCE_S * 3)
            return "freed"

        @interface.procedure(9)
        def leave(code: int) -> None:
            raise SystemExit(code)

        @interface.procedure(10)
        def strange() -> object:
            return object()

        @interface.procedure(11)
        def nothing() -> None:
            seen.put("nothing")

        @interface.procedure(12)
        def broken_stream(n: int) -> Iterator[int]:
            yield from range(n)
            raise ValueError("out of paper")

        @interface.procedure(13)
        def run_out() -> None:
            next(iter(()))

        @interface.procedure(14)
        def promise(context: CallContext) -> None:
            """Hand the deferred answer to the test."""
            seen.put(context.defer())

        @interface.raw_procedure(15)
        def chunks(data: bytes) -> Iterator[bytes]:
            for position in range(0, len(data), 3):
                yield data[position : position + 3]

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


class Ends:
    """A host and a device that are connected, in the blocking shell."""

    def __init__(self, host: Connection, device: Connection, far: SyncBoard, near: SyncBoard):
        self.host = host
        self.device = device
        self.far = far
        self.near = near

    def close(self) -> None:
        """Release every handler and close both."""
        self.far.release.set()
        self.near.release.set()
        self.host.close()
        self.device.close()


@contextlib.contextmanager
def joined(
    kind: str = "loopback",
    *,
    config: WireConfig | None = None,
    far: SyncBoard | None = None,
    host_config: WireConfig | None = None,
) -> Iterator[Ends]:
    """Join two blocking ends: "loopback", "pty" (both framed) or "tcp" (plain)."""
    far, near = far or SyncBoard(), SyncBoard()
    host_config = host_config or config
    with contextlib.ExitStack() as stack:
        if kind == "tcp":
            address = "tcp:127.0.0.1:0"
            server = stack.enter_context(listen(address, far.interface, config=config))
            host = connect(server.address, near.interface, config=host_config)
            device = server.accept(PATIENCE_S)
        else:
            endpoint = fresh_name() if kind == "loopback" else "pty:"
            device = connect(endpoint, far.interface, role="device", config=config)
            stack.callback(device.close)
            host = connect(
                device.endpoint,
                near.interface,
                config=host_config,
                connect_timeout_s=PATIENCE_S,
            )
        ends = Ends(host, device, far, near)
        stack.callback(ends.close)
        yield ends


class AioEnds:
    """The same in the asyncio shell."""

    def __init__(self, host: aio.Connection, device: aio.Connection, far: AioBoard, near: AioBoard):
        self.host = host
        self.device = device
        self.far = far
        self.near = near

    async def close(self) -> None:
        """Release every handler and close both."""
        self.far.release.set()
        self.near.release.set()
        await self.host.close()
        await self.device.close()


@contextlib.asynccontextmanager
async def ajoined(
    kind: str = "loopback",
    *,
    config: WireConfig | None = None,
    host_config: WireConfig | None = None,
) -> AsyncIterator[AioEnds]:
    """Join two asyncio ends; as :func:`joined`."""
    far, near = AioBoard(), AioBoard()
    host_config = host_config or config
    async with contextlib.AsyncExitStack() as stack:
        if kind == "tcp":
            address = "tcp:127.0.0.1:0"
            server = await stack.enter_async_context(
                aio.listen(address, far.interface, config=config)
            )
            host = await aio.connect(server.address, near.interface, config=host_config)
            device = await server.accept(PATIENCE_S)
        else:
            endpoint = fresh_name() if kind == "loopback" else "pty:"
            device = await aio.connect(endpoint, far.interface, role="device", config=config)
            stack.push_async_callback(device.close)
            host = await aio.connect(
                device.endpoint,
                near.interface,
                config=host_config,
                connect_timeout_s=PATIENCE_S,
            )
        ends = AioEnds(host, device, far, near)
        stack.push_async_callback(ends.close)
        yield ends


def aio_test(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine as a test, with a limit; no task may be left when it ends."""

    @functools.wraps(test)
    def run_it(*arguments: Any, **keywords: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(3 * PATIENCE_S):
                await test(*arguments, **keywords)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"left behind: {left}"

        asyncio.run(limited())

    return run_it


class Background:
    """Runs a function in a thread; ``result()`` returns or raises what it did."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._value: Any = None
        self._error: BaseException | None = None
        self.ended_s = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001 handed to the test
            self._error = error
        self.ended_s = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether the function has not ended."""
        return self._thread.is_alive()

    def result(self, timeout_s: float = PATIENCE_S) -> Any:
        """Wait for the function's end."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "still running"
        if self._error is not None:
            raise self._error
        return self._value

    def error(self, timeout_s: float = PATIENCE_S) -> BaseException:
        """Wait for the function's end and return what it raised."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "still running"
        assert self._error is not None, f"it returned {self._value!r}"
        return self._error


def wait_until(condition: Callable[[], bool], what: str = "it did not happen") -> None:
    """Poll for what another thread brings about."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, what
        time.sleep(0.001)


async def await_until(condition: Callable[[], bool], what: str = "it did not happen") -> None:
    """Poll for what another task brings about."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, what
        await asyncio.sleep(0.001)


def count_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def our_threads() -> list[str]:
    """Return the names of the threads that connections and servers have started."""
    return [t.name for t in threading.enumerate() if t.name.startswith("ipfi")]
