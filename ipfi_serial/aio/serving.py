"""Runs the handlers of one connection: coroutines as tasks, ordinary functions in threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Generator
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

# the connection and, but for an event, the call that the current task serves: calls made there
# are nested
SERVED_FOR: Final[ContextVar[tuple[object, IncomingCall | None]]] = ContextVar(
    "ipfi_aio_served_for", default=(None, None)
)
_NO_ROOM: Final = asyncio.Event()

Outcome = tuple[Any, BaseException | None]  # what a thread returned, what it raised


class HandlerExitError(Exception):
    """Stands for what a handler in a thread raised to end the program: SystemExit and such."""


class NoThreadError(Exception):
    """The system gives no more threads, or the workers are closed."""


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
    """What the shell keeps of a call that a handler has.

    Attributes:
        deferred: whether the handler promised the answer for later.
        room: set when a stream may go on; one for all calls that are none.
        task: serves the call; None when it has ended.
        in_thread: whether a thread works for it, which goes on when the task is cancelled.
        leftover: an ordinary generator that is to be closed at the end.
    """

    __slots__ = ("deferred", "in_thread", "leftover", "room", "task")

    def __init__(self, room: asyncio.Event | None) -> None:
        self.deferred = False
        self.room = room or _NO_ROOM
        self.task: asyncio.Task[None] | None = None
        self.in_thread = False
        self.leftover: Generator[Value, None, None] | None = None


class Serving:
    """Serves the calls of one connection."""

    def __init__(
        self,
        pump: AioPump,
        interface: Interface,
        connection: object,
        max_depth: int,
        on_error: Callable[[BaseException], None],
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
        streams = self._interface.procedures[call.procedure].streams
        served = call.owner = ServedCall(asyncio.Event() if streams else None)
        served.task = task = self._loop.create_task(self._run(call, served))
        self._tasks.add(task)
        # not in the task itself: one that is cancelled before it begins runs nothing
        task.add_done_callback(partial(self._task_ended, call, served))

    def cancel(self, call: IncomingCall) -> None:
        """Cancel a call's handler: a coroutine gets CancelledError, a thread sees ``cancelled``."""
        served: ServedCall | None = call.owner
        if served is not None and served.task is not None:
            served.task.cancel()

    def cancel_all(self) -> None:
        """Cancel every handler but the one that calls this."""
        for task in self._others():
            task.cancel()

    def close(self) -> None:
        """Start no more threads, and let idle ones end."""
        self.workers.close()

    async def drain(self, timeout_s: float) -> None:
        """Wait for the ends of cancelled handlers, for at most so long."""
        tasks = self._others()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _others(self) -> set[asyncio.Task[None]]:
        try:
            return self._tasks - {asyncio.current_task()}
        except RuntimeError:  # no loop runs any more
            return set()

    def on_loop(self, job: Callable[[], None]) -> None:
        """Run ``job`` on the loop's thread, from whichever thread this is."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            job()
        else:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(job)

    def answer(
        self, procedure: Procedure, call: IncomingCall, value: Value, *, returned: bool = False
    ) -> None:
        """Send a result, or the error that it cannot travel; ``returned``: the handler has."""
        try:
            data = encode_result(procedure, value)
        except ValueEncodeError as error:
            self._report(procedure, call, error)
            return
        self._pump.command(partial(_answer, call, data, returned=returned), single=True)

    def fail(self, call: IncomingCall, code: ErrorCode, text: str, *, executed: bool) -> None:
        """Send an error."""
        self._pump.command(
            lambda wire, _: wire.callee.fail(call, code, text, may_have_executed=executed)
        )

    async def in_thread(self, function: Callable[[], Value]) -> Value:
        """Run blocking code in a thread of its own and return what it returns.

        Raises:
            HandlerExitError: in place of what would end more than the handler: SystemExit and such.
            NoThreadError: there is no thread.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._start_thread(function, partial(_settle, future))
        return _unpack(await future)

    def _start_thread(
        self, function: Callable[[], Value], on_end: Callable[[Outcome], None]
    ) -> None:
        """Run ``function`` in a thread and call ``on_end``, on the loop, when it has returned."""
        context = contextvars.copy_context()  # calls that it makes through the loop are nested too

        def job() -> None:
            value, failure = None, None
            try:
                value = context.run(function)
            except BaseException as error:  # noqa: BLE001 - handed to who waits
                failure = error
            self.on_loop(partial(on_end, (value, failure)))

        try:
            started = self.workers.run(job)
        except RuntimeError as error:
            raise NoThreadError(f"no thread for the handler: {error}") from error
        if not started:
            raise NoThreadError("the wire has closed")

    async def _run(self, call: IncomingCall, served: ServedCall) -> None:
        SERVED_FOR.set((self._connection, call))
        procedure = self._interface.procedures[call.procedure]
        try:
            await self._serve(procedure, call, served)
        except asyncio.CancelledError:
            if not call.cancelled:
                self.fail(call, ErrorCode.CANCELLED, "the handler was cancelled", executed=True)
        except NoThreadError as error:
            self.fail(call, ErrorCode.LIMIT, str(error), executed=False)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            self._report(procedure, call, error)
        except BaseException as error:  # it ends the loop, as asyncio has it
            self._report(procedure, call, error)
            raise

    def _task_ended(self, call: IncomingCall, served: ServedCall, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        served.task = None
        self._release(call, served)

    def _release(self, call: IncomingCall, served: ServedCall) -> None:
        """Free the worker's place (CALL-6) when neither task nor thread works for the call."""
        if served.task is None and not served.in_thread:
            self._close_generator(served)
            if call.worker_runs:
                self._pump.command(lambda wire, _: wire.callee.worker_done(call))

    async def _threaded(
        self, call: IncomingCall, served: ServedCall, function: Callable[[], Value]
    ) -> Value:
        """Run a part of a handler in a thread, which keeps its place until it returns."""
        future: asyncio.Future[Outcome] = self._loop.create_future()

        def ended(outcome: Outcome) -> None:
            served.in_thread = False
            self._release(call, served)
            _settle(future, outcome)

        self._start_thread(function, ended)
        served.in_thread = True
        return _unpack(await future)

    async def _serve(self, procedure: Procedure, call: IncomingCall, served: ServedCall) -> None:
        context: CallContext | None = None
        if procedure.signature.injected is not None:
            context = CallContext(
                self._connection, call, lambda: self._defer(procedure, call, served)
            )
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
            function = partial(procedure.function, *arguments, **keywords)
            result = await self._threaded(call, served, function)
        if not served.deferred:
            self.answer(procedure, call, result, returned=True)

    def _defer(self, procedure: Procedure, call: IncomingCall, served: ServedCall) -> Deferred:
        served.deferred = True
        self.on_loop(lambda: self._pump.command(lambda wire, _: wire.callee.defer(call)))
        return Deferred(self, procedure, call)

    async def _stream(
        self, procedure: Procedure, call: IncomingCall, served: ServedCall, values: Value
    ) -> None:
        """Send a generator's values as there is room for them."""
        source: AsyncGenerator[Value, None]
        source = values if procedure.is_async else self._from_thread(call, served, values)
        async with contextlib.aclosing(source):
            async for value in source:
                data = encode_result(procedure, value)
                if not self._pump.command(partial(_send, call, data)):
                    await served.room.wait()
                    served.room.clear()
        self._pump.command(lambda wire, _: wire.callee.end_stream(call))

    async def _from_thread(
        self, call: IncomingCall, served: ServedCall, values: Generator[Value, None, None]
    ) -> AsyncGenerator[Value, None]:
        """Take the values of an ordinary generator in a thread, and close it there."""
        end = object()
        served.leftover = values
        try:
            while (
                value := await self._threaded(call, served, partial(next, values, end))
            ) is not end:
                yield value
        finally:
            if not served.in_thread:  # or else it is closed when the thread has returned
                self._close_generator(served)

    def _close_generator(self, served: ServedCall) -> None:
        """Let the rest of a generator run that was left early: in a thread, if there is one."""
        values, served.leftover = served.leftover, None
        if values is None or inspect.getgeneratorstate(values) == inspect.GEN_CLOSED:
            return  # none, or it has come to its end
        if not self.workers.run(partial(_close, values)):
            _close(values)

    def _report(self, procedure: Procedure, call: IncomingCall, error: BaseException) -> None:
        """Tell the caller, the log and on_error that a handler failed."""
        if isinstance(error, HandlerExitError) and error.__cause__ is not None:
            error = error.__cause__
        log.warning("handler %s failed: %s", procedure.name, error, exc_info=error)
        self.fail(call, ErrorCode.HANDLER_FAILED, describe_failure(error), executed=True)
        self._on_error(error)


def _settle(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


def _unpack(outcome: Outcome) -> Value:
    value, error = outcome
    if error is None:
        return value
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        raise error
    raise HandlerExitError(describe_failure(error)) from error


def _close(values: Generator[Value, None, None]) -> None:
    try:
        values.close()
    except Exception:
        log.exception("a generator failed while it was closed")


def _answer(call: IncomingCall, data: bytes, wire: Wire, _now_s: float, *, returned: bool) -> None:
    wire.callee.answer(call, data)
    if returned:  # the worker's place is free in the same breath
        wire.callee.worker_done(call)


def _send(call: IncomingCall, data: bytes, wire: Wire, _now_s: float) -> bool:
    """Send one value of a stream; return whether the next may follow at once."""
    wire.callee.send_item(call, data)
    return wire.callee.has_room(call)
