"""Two ends of a wire for the tests of the shells."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import ipfi_serial.aio as aio
from ipfi_serial import Connection, WireConfig, connect, listen
from tests.shells.boards import PATIENCE_S, AioBoard, SyncBoard

SOON_S: Final = 1.0  # the promise: whatever waits ends within this when the line dies

_numbers = itertools.count()


def fresh_name() -> str:
    """Return the endpoint of a loopback that nobody uses yet."""
    return f"loopback:shells-{next(_numbers)}"


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


def let_time_run_out(wire: Connection | aio.Connection) -> None:
    """Time out the calls that are under way, as if the hour of each had come."""
    wire._pump.command(lambda core, now_s: core.caller.on_deadline(now_s + 3600))


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
