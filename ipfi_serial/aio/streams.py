"""What a task reads while it comes: the values of a stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Self

from ipfi_serial.aio.pump import AioPump
from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.serving import decode_result
from ipfi_serial.errors import IpfiError


class Waiting:
    """Lets tasks sleep until something has come; each then looks whether it is left for it."""

    _wakeups: tuple[asyncio.Future[None], ...] = ()

    async def sleep(self, timeout_s: float | None = None) -> None:
        """Wait until something has come, for at most so long."""
        wakeup: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wakeups += (wakeup,)
        try:
            if timeout_s is None:
                await wakeup
            else:
                await asyncio.wait((wakeup,), timeout=timeout_s)
        finally:
            if self._wakeups:
                self._wakeups = tuple(each for each in self._wakeups if each is not wakeup)

    def wake(self) -> None:
        """Let them look."""
        if self._wakeups:
            wakeups, self._wakeups = self._wakeups, ()
            for wakeup in wakeups:
                if not wakeup.done():
                    wakeup.set_result(None)


class Intake(Waiting):
    """What a stream has brought and the program has not taken.

    The core knows this, and only the program knows the :class:`Stream`: so a forgotten one is
    noticed, and cancelled.

    Attributes:
        items: values, encoded, the oldest first.
        ended: whether no more will come.
        error: why it ended, if not well.
    """

    def __init__(self) -> None:
        self.items: deque[bytes] = deque()
        self.ended = False
        self.error: IpfiError | None = None

    def put(self, value: bytes) -> None:
        """Take a value."""
        self.items.append(value)
        self.wake()

    def finish(self, value: bytes | None, error: IpfiError | None) -> None:  # noqa: ARG002 - as a handle
        """Take the end of the stream."""
        self.error = error
        self.ended = True
        self.wake()


class Stream:
    """The values of a streaming call, as they come; leaving early cancels it.

    In an ``async with`` block it is cancelled at the end of the block; without one, when nobody has
    it any more.
    """

    def __init__(
        self,
        pump: AioPump,
        begin: Callable[[Stream, Intake], Awaitable[bool]],
        *,
        result_type: TypeForm,
        report_bytes: int,
    ) -> None:
        self._pump = pump
        self._begin: Callable[[Stream, Intake], Awaitable[bool]] | None = begin
        self._intake = Intake()
        self._items = self._intake.items
        self._raw = False
        self._result_type = result_type
        self._report_bytes = report_bytes
        self._unreported_bytes = 0
        self._call: OutgoingCall | None = None  # since it was started

    async def start(self) -> Self:
        """Make the call now, not when the first value is asked for; ``await`` does the same."""
        begin, self._begin = self._begin, None
        if begin is not None:
            try:
                self._raw = await begin(self, self._intake)
            except BaseException:
                self._begin = begin  # nothing was started: the next one who asks tries again
                self._intake.wake()
                raise
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.start().__await__()

    def __aiter__(self) -> AsyncIterator[Value]:
        return self

    async def __anext__(self) -> Value:
        """Return the next value; waits for it.

        Raises:
            StopAsyncIteration: the stream has ended.
            IpfiError: it failed; what :meth:`CallHandle.result` raises.
        """
        while not self._items:
            if self._begin is not None:
                await self.start()
                continue
            if self._intake.ended:
                if self._intake.error is not None:
                    raise self._intake.error
                raise StopAsyncIteration
            try:
                await self._intake.sleep()
            except asyncio.CancelledError:
                self.close()
                raise
        value = self._items.popleft()
        self._report(len(value))
        return value if self._raw else decode_result(value, self._result_type)

    def close(self) -> None:
        """Cancel the stream if it has not ended."""
        call = self._call
        if call is not None and not self._intake.ended:
            self._pump.command(lambda wire, _: wire.caller.cancel(call))

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        call = self._call
        if call is not None and not self._intake.ended:
            self._pump.forget(call)

    def attach(self, call: OutgoingCall) -> None:
        """Tie the stream to its call, when that was started."""
        self._call = call

    def _report(self, size_bytes: int) -> None:
        """Tell the core in batches what was taken, so that it grants more (STREAM-3)."""
        self._unreported_bytes += size_bytes
        call = self._call
        if (
            call is not None
            and self._unreported_bytes >= self._report_bytes
            and not self._intake.ended
        ):
            size, self._unreported_bytes = self._unreported_bytes, 0
            self._pump.command(lambda wire, _: wire.caller.consumed(call, size))
