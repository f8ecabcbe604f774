"""Runs the handlers of one connection: coroutines as tasks, ordinary functions in threads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from ipfi_serial.aio.pump import AioPump
from ipfi_serial.codec.names import Value
from ipfi_serial.codec.values import ArgumentError, ValueEncodeError
from ipfi_serial.engine.calls import ErrorCode, IncomingCall
from ipfi_serial.engine.context import CallContext
from ipfi_serial.engine.interface import Interface, Procedure
from ipfi_serial.engine.serving import decode_arguments, describe_failure, encode_result
from ipfi_serial.engine.wire import Wire
from ipfi_serial.workers import Workers

log = logging.getLogger("ipfi_serial")

# the connection whose call the current task serves: calls made there are nested
SERVED_FOR: Final[ContextVar[object | None]] = ContextVar("ipfi_aio_served_for", default=None)


class Deferred:
    """The answer to a call, to be given later, on the loop's thread or on any other."""

    def __init__(self, serving: Serving, procedure: Procedure, call: IncomingCall) -> None:
        self._serving = serving
        self._procedure = procedure
        self._call = call

    def reply(self, value: Value = None) -> None:
        """Answer with a value; ignored if the call has ended."""
        self._serving.on_loop(lambda: self._serving.answer(self._procedure, self._call, value))

    def fail(self, message: str) -> None:
        """Answer with an error, which reaches the caller as RemoteCallError."""
        self._serving.on_loop(
            lambda: self._serving.fail(self._call, ErrorCode.HANDLER_FAILED, message, executed=True)
        )


class ServedCall:
    """What the shell keeps of a call that a handler has."""

    __slots__ = ("deferred", "room", "task")

    def __init__(self) -> None:
        self.deferred = False
        self.room = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Serving:
    """Serves the calls of one connection."""

    def __init__(
        self,
        pump: AioPump,
        interface: Interface,
        connection: object,
        max_depth: int,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._pump = pump
        self._interface = interface
        self._connection = connection
        self._max_depth = max_depth
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.workers = Workers("ipfi aio worker")

    def start(self, call: IncomingCall) -> None:
        """Begin to serve a call."""
        served = call.owner = ServedCall()
        served.task = self._loop.create_task(self._run(call, served))
        self._tasks.add(served.task)
        served.task.add_done_callback(self._tasks.discard)

    def cancel(self, call: IncomingCall) -> None:
        """Cancel a call's handler: a coroutine gets CancelledError, a thread sees ``cancelled``."""
        served: ServedCall | None = call.owner
        if served is not None and served.task is not None:
            served.task.cancel()

    def close(self) -> None:
        """Cancel every handler."""
        for task in list(self._tasks):
            task.cancel()
        self.workers.close()

    def on_loop(self, job: Callable[[], None]) -> None:
        """Run ``job`` on the loop's thread, from whichever thread this is."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            job()
        else:
            self._loop.call_soon_threadsafe(job)

    def answer(self, procedure: Procedure, call: IncomingCall, value: Value) -> None:
        """Send a result, or the error that it cannot travel."""
        try:
            data = encode_result(procedure, value)
        except ValueEncodeError as error:
            self._report(procedure, call, error)
            return
        self._pump.command(lambda wire, _: wire.callee.answer(call, data))

    def fail(self, call: IncomingCall, code: ErrorCode, text: str, *, executed: bool) -> None:
        """Send an error."""
        self._pump.command(
            lambda wire, _: wire.callee.fail(call, code, text, may_have_executed=executed)
        )

    async def in_thread(self, function: Callable[[], Value]) -> Value:
        """Run blocking code in a thread of its own and return what it returns."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def job() -> None:
            try:
                outcome, failed = function(), False
            except BaseException as error:  # noqa: BLE001 - handed to the waiting task
                outcome, failed = error, True
            with contextlib.suppress(RuntimeError):  # the loop has closed
                self._loop.call_soon_threadsafe(_settle, future, outcome, failed)

        self.workers.run(job)
        return await future

    async def _run(self, call: IncomingCall, served: ServedCall) -> None:
        SERVED_FOR.set(self._connection)
        procedure = self._interface.procedures[call.procedure]
        try:
            await self._serve(procedure, call, served)
        except asyncio.CancelledError:
            if not call.cancelled:
                self.fail(call, ErrorCode.CANCELLED, "the handler was cancelled", executed=True)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            self._report(procedure, call, error)
        finally:
            self._pump.command(lambda wire, _: wire.callee.worker_done(call))

    async def _serve(self, procedure: Procedure, call: IncomingCall, served: ServedCall) -> None:
        context = CallContext(self._connection, call, lambda: self._defer(procedure, call, served))
        try:
            arguments, keywords = decode_arguments(
                procedure, bytes(call.arguments), context, self._max_depth
            )
        except ArgumentError as error:
            self.fail(call, ErrorCode.BAD_ARGUMENTS, str(error), executed=False)
            return
        if procedure.streams:
            await self._stream(procedure, call, served, procedure.function(*arguments, **keywords))
            return
        if procedure.is_async:
            result = await procedure.function(*arguments, **keywords)
        else:
            result = await self.in_thread(lambda: procedure.function(*arguments, **keywords))
        if not served.deferred:
            self.answer(procedure, call, result)

    def _defer(self, procedure: Procedure, call: IncomingCall, served: ServedCall) -> Deferred:
        served.deferred = True
        self.on_loop(lambda: self._pump.command(lambda wire, _: wire.callee.defer(call)))
        return Deferred(self, procedure, call)

    async def _stream(
        self, procedure: Procedure, call: IncomingCall, served: ServedCall, values: Value
    ) -> None:
        """Send a generator's values as there is room for them."""
        source: AsyncGenerator[Value, None]
        source = values if procedure.is_async else self._from_thread(values)
        async with contextlib.aclosing(source):
            async for value in source:
                data = encode_result(procedure, value)
                if not self._pump.command(partial(_send, call, data)):
                    await served.room.wait()
                    served.room.clear()
        self._pump.command(lambda wire, _: wire.callee.end_stream(call))

    async def _from_thread(self, values: Iterator[Value]) -> AsyncGenerator[Value, None]:
        """Take the values of an ordinary generator in a thread."""
        end = object()
        while (value := await self.in_thread(partial(next, values, end))) is not end:
            yield value

    def _report(self, procedure: Procedure, call: IncomingCall, error: Exception) -> None:
        """Tell the caller, the log and on_error that a handler failed."""
        log.warning("handler %s failed: %s", procedure.name, error, exc_info=error)
        self.fail(call, ErrorCode.HANDLER_FAILED, describe_failure(error), executed=True)
        self._on_error(error)


def _settle(future: asyncio.Future[Any], outcome: Value, failed: bool) -> None:
    if future.done():
        return
    if failed:
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _send(call: IncomingCall, data: bytes, wire: Wire, _now_s: float) -> bool:
    """Send one value of a stream; return whether the next may follow at once."""
    wire.callee.send_item(call, data)
    return wire.callee.has_room(call)
