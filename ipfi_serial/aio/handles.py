"""What a task holds of a call, a stream or an event queue while it waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Self

from ipfi_serial.aio.pump import AioPump
from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.serving import decode_result
from ipfi_serial.engine.subscriptions import EventArguments, EventQueue
from ipfi_serial.errors import CallTimeoutError, IpfiError, WireClosedError


class CallHandle:
    """A call under way."""

    __slots__ = ("_call", "_future", "_pump", "_raw", "_result_type")

    def __init__(self, pump: AioPump, *, raw: bool, result_type: TypeForm) -> None:
        self._pump = pump
        self._raw = raw
        self._result_type = result_type
        self._future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._call: OutgoingCall | None = None  # while it is under way

    async def result(self, timeout_s: float | None = None) -> Value:
        """Wait for the answer and return it.

        Args:
            timeout_s: how long to wait here, in seconds; the call itself goes on until its own
                deadline.  None waits for that.

        Raises:
            CallTimeoutError: no answer yet (the call goes on), or its deadline has passed.
            CallRefusedError: the other end did not start it.
            RemoteCallError: its handler raised.
            CallCancelledError: it was cancelled.
            IpfiError: the session or the line ended; ``may_have_executed`` tells what that means.
        """
        if timeout_s is not None and not self._future.done():
            await asyncio.wait((self._future,), timeout=timeout_s)
            if not self._future.done():
                raise CallTimeoutError(
                    f"no answer within {timeout_s} s; the call goes on until its deadline",
                    may_have_executed=self._call is not None and self._call.handed_over,
                )
        value = await asyncio.shield(self._future)
        return value if self._raw else decode_result(value, self._result_type)

    async def result_or_cancel(self) -> Value:
        """Wait for the answer; a cancelled task cancels the call at the other end."""
        try:
            value = await self._future
        except asyncio.CancelledError:
            self.cancel()
            raise
        return value if self._raw else decode_result(value, self._result_type)

    def cancel(self) -> None:
        """Ask the other end to stop; :meth:`result` then raises CallCancelledError."""
        call = self._call
        if call is not None:
            self._pump.command(lambda wire, _: wire.caller.cancel(call))

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._future.done()

    def attach(self, call: OutgoingCall) -> None:
        """Tie the handle to its call, before that is started."""
        self._call = call

    def finish(self, value: bytes | None, error: IpfiError | None) -> None:
        """Take the end of the call."""
        self._call = None  # it knows us: a cycle would wait for the garbage collector
        if self._future.done():
            return  # the waiting task was cancelled
        if error is not None:
            self._future.set_exception(error)
            self._future.exception()  # a handle that nobody asks is not worth a warning
        else:
            self._future.set_result(value or b"")


class PartialCall:
    """A call whose arguments are sent in pieces."""

    __slots__ = ("_call", "_handle", "_pump")

    def __init__(self, pump: AioPump, handle: CallHandle, call: OutgoingCall) -> None:
        self._pump = pump
        self._handle = handle
        self._call = call

    async def send(self, *values: Value) -> None:
        """Send whole argument values.

        Raises:
            ValueEncodeError: a value cannot travel.
            LocalProtocolError: the arguments were finished.
        """
        await self.send_bytes(encode_arguments(values))

    async def send_bytes(self, data: bytes) -> None:
        """Send the next bytes of the encoded arguments, cut anywhere.

        Raises:
            LocalProtocolError: the arguments were finished.
        """
        self._pump.command(lambda wire, _: wire.caller.add_arguments(self._call, data, more=True))

    async def finish(self, *values: Value) -> CallHandle:
        """Send the last values, if any, and return the handle to wait on.

        Raises:
            ValueEncodeError: a value cannot travel.
            LocalProtocolError: the arguments were finished before.
        """
        data = encode_arguments(values)
        self._pump.command(lambda wire, _: wire.caller.add_arguments(self._call, data, more=False))
        return self._handle

    def cancel(self) -> None:
        """Give the call up."""
        self._handle.cancel()


class _Waiting:
    """Lets tasks sleep until something has come; each then looks whether it is left for it."""

    _wakeups: tuple[asyncio.Future[None], ...] = ()

    async def _sleep(self, timeout_s: float | None = None) -> None:
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

    def _wake(self) -> None:
        if self._wakeups:
            wakeups, self._wakeups = self._wakeups, ()
            for wakeup in wakeups:
                if not wakeup.done():
                    wakeup.set_result(None)


class Stream(_Waiting):
    """The values of a streaming call, as they come; leaving early cancels it."""

    def __init__(
        self,
        pump: AioPump,
        begin: Callable[[Stream], Awaitable[bool]],
        *,
        result_type: TypeForm,
        report_bytes: int,
    ) -> None:
        self._pump = pump
        self._begin: Callable[[Stream], Awaitable[bool]] | None = begin
        self._raw = False
        self._result_type = result_type
        self._report_bytes = report_bytes
        self._unreported_bytes = 0
        self._items: deque[bytes] = deque()
        self._ended = False
        self._error: IpfiError | None = None
        self._call: OutgoingCall | None = None

    async def start(self) -> Self:
        """Make the call now, not when the first value is asked for; ``await`` does the same."""
        begin, self._begin = self._begin, None
        if begin is not None:
            try:
                self._raw = await begin(self)
            except BaseException:
                self._begin = begin  # nothing was started: the next one who asks tries again
                self._wake()
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
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            try:
                await self._sleep()
            except asyncio.CancelledError:
                self.close()
                raise
        value = self._items.popleft()
        self._report(len(value))
        return value if self._raw else decode_result(value, self._result_type)

    def close(self) -> None:
        """Cancel the stream if it has not ended."""
        call = self._call
        if call is not None and not self._ended:
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

    def attach(self, call: OutgoingCall) -> None:
        """Tie the stream to its call, before that is started."""
        self._call = call

    def put(self, value: bytes) -> None:
        """Take a value."""
        self._items.append(value)
        self._wake()

    def finish(self, value: bytes | None, error: IpfiError | None) -> None:  # noqa: ARG002 - as a handle
        """Take the end of the stream."""
        self._error = error
        self._ended = True
        self._wake()

    def _report(self, size_bytes: int) -> None:
        """Tell the core in batches what was taken, so that it grants more (STREAM-3)."""
        self._unreported_bytes += size_bytes
        call = self._call
        if call is not None and self._unreported_bytes >= self._report_bytes and not self._ended:
            size, self._unreported_bytes = self._unreported_bytes, 0
            self._pump.command(lambda wire, _: wire.caller.consumed(call, size))


class EventStream(EventQueue, _Waiting):
    """Events as they come; ends when the wire closes."""

    def __init__(
        self,
        begin: Callable[[EventStream], Awaitable[None]] | None,
        limit: int,
        detach: Callable[[EventStream], None],
    ) -> None:
        super().__init__(None, limit)
        self._begin = begin
        self._detach = detach
        self._ended: IpfiError | None = None

    async def start(self) -> Self:
        """Begin to listen now rather than when the first event is asked for; so does ``await``."""
        begin, self._begin = self._begin, None
        if begin is not None:
            try:
                await begin(self)
            except BaseException:
                self._begin = begin  # nothing was started: the next one who asks tries again
                self._wake()
                raise
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.start().__await__()

    def __aiter__(self) -> AsyncIterator[EventArguments]:
        return self

    async def __anext__(self) -> EventArguments:
        """Return the next event; waits for it, and ends when the wire has closed."""
        while (event := await self.get(None)) is None:
            if self._ended is not None:
                raise StopAsyncIteration
        return event

    async def get(self, timeout_s: float | None) -> EventArguments | None:
        """Return the next event; None if the time ran out, the wire closed or another took it."""
        if self._begin is not None:
            await self.start()
        if not len(self) and self._ended is None:
            await self._sleep(timeout_s)
        return self.take() if len(self) else None

    @property
    def ended(self) -> IpfiError | None:
        """Why no more will come, or None."""
        return self._ended

    def put(self, event: EventArguments) -> bool:
        """Queue one event."""
        kept = super().put(event)
        self._wake()
        return kept

    def finish(self, reason: IpfiError) -> None:
        """Note that the wire has closed."""
        if self._ended is None:
            self._ended = reason
        self._wake()

    def close(self) -> None:
        """Stop listening; a task that waits for the next event ends."""
        self._detach(self)
        self.finish(WireClosedError("this reader of events was closed"))

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
