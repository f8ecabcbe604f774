"""Runs the handlers of one connection, short ones on the thread that read their calls."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ipfi_serial.codec.names import Value
from ipfi_serial.codec.values import ArgumentError, ValueEncodeError
from ipfi_serial.engine.calls import ErrorCode, IncomingCall
from ipfi_serial.engine.context import CallContext
from ipfi_serial.engine.interface import Interface, Procedure
from ipfi_serial.engine.serving import decode_arguments, describe_failure, encode_result
from ipfi_serial.engine.wire import Wire
from ipfi_serial.pump import Pump

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("ipfi_serial")

# the connection and, but for an event, the call that the current thread serves: calls made there
# are nested
SERVED_FOR: Final[ContextVar[tuple[object, IncomingCall | None]]] = ContextVar(
    "ipfi_served_for", default=(None, None)
)
ROOM_LOOK_S: Final = 1.0
SHORT_S: Final = 0.001  # a handler that lasts longer gets a thread of its own the next time
_NO_ROOM: Final = threading.Event()
_NOBODY: Final = (None, None)


class Deferred:
    """The answer to a call, to be given later."""

    def __init__(self, serving: Serving, procedure: Procedure, call: IncomingCall) -> None:
        self._serving = serving
        self._procedure = procedure
        self._call = call

    def reply(self, value: Value = None) -> None:
        """Answer with a value; ignored if the call has ended."""
        self._serving.answer(self._procedure, self._call, value)

    def fail(self, message: str) -> None:
        """Answer with an error, which reaches the caller as RemoteCallError."""
        self._serving.fail(self._call, ErrorCode.HANDLER_FAILED, message, executed=True)


class ServedCall:
    """What the shell keeps of a call that a handler has.

    Attributes:
        deferred: whether the handler promised the answer for later.
        room: set when a stream may go on, or should look whether it was cancelled; one for all
            calls that are none: an Event takes longer to build than such a call to serve.
        cancel: interrupts the handler, if it is a coroutine that waits.
    """

    __slots__ = ("cancel", "deferred", "room")

    def __init__(self, room: threading.Event | None) -> None:
        self.deferred = False
        self.room = room or _NO_ROOM
        self.cancel: Callable[[], object] | None = None


class Serving:
    """Serves the calls of one connection."""

    def __init__(
        self,
        pump: Pump,
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
        self._long: set[int] = set()  # procedures whose handlers lasted longer than SHORT_S

    def is_short(self, call: IncomingCall) -> bool:
        """Whether the call's handler will probably return at once."""
        procedure = self._interface.procedures[call.procedure]
        return not (procedure.streams or procedure.is_async or call.procedure in self._long)

    def run(self, call: IncomingCall) -> None:
        """Run a call's handler and answer; never raises."""
        SERVED_FOR.set((self._connection, call))
        begin_s = time.monotonic()
        answer: bytes | None = None
        try:
            if not call.cancelled:
                answer = self._run(call)
        finally:
            SERVED_FOR.set(_NOBODY)
            if time.monotonic() - begin_s > SHORT_S:
                self._long.add(call.procedure)
            elif self._long:
                self._long.discard(call.procedure)
            self._pump.command(partial(_done, call, answer))

    def cancel(self, call: IncomingCall) -> None:
        """Tell a handler that its call was cancelled; one that has not begun never begins."""
        served: ServedCall | None = call.owner
        if served is not None:
            served.room.set()
            if served.cancel is not None:
                served.cancel()

    def refuse(self, call: IncomingCall, text: str) -> None:
        """Refuse a call for which there is no worker."""
        self.fail(call, ErrorCode.LIMIT, text, executed=False)
        self._pump.command(lambda wire, _: wire.callee.worker_done(call))

    def answer(self, procedure: Procedure, call: IncomingCall, value: Value) -> None:
        """Send a result, or the error that it cannot travel."""
        data = self._encoded(procedure, call, value)
        if data is not None:
            self._pump.command(lambda wire, _: wire.callee.answer(call, data))

    def fail(self, call: IncomingCall, code: ErrorCode, text: str, *, executed: bool) -> None:
        """Send an error."""
        self._pump.command(
            lambda wire, _: wire.callee.fail(call, code, text, may_have_executed=executed)
        )

    def _run(self, call: IncomingCall) -> bytes | None:
        """Run the handler; return the answer, unless it was given or will be."""
        procedure = self._interface.procedures[call.procedure]
        served = call.owner = ServedCall(threading.Event() if procedure.streams else None)
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
            return None
        try:
            result = procedure.function(*arguments, **keywords)
            if procedure.streams:
                values = _iterate(result, call, served) if procedure.is_async else result
                self._stream(procedure, call, served, values)
                return None
            if procedure.is_async:
                result = run_coroutine(_cancellable(result, call, served))
        except BaseException as failure:  # noqa: BLE001 - a handler may raise anything
            if not (call.cancelled and _is_cancellation(failure)):
                self._report(procedure, call, failure)
            return None
        return None if served.deferred else self._encoded(procedure, call, result)

    def _encoded(self, procedure: Procedure, call: IncomingCall, value: Value) -> bytes | None:
        """Return a result for the wire, or report that it cannot travel."""
        try:
            return encode_result(procedure, value)
        except ValueEncodeError as error:
            self._report(procedure, call, error)
            return None

    def _defer(self, procedure: Procedure, call: IncomingCall, served: ServedCall) -> Deferred:
        served.deferred = True
        self._pump.command(lambda wire, _: wire.callee.defer(call))
        return Deferred(self, procedure, call)

    def _stream(
        self,
        procedure: Procedure,
        call: IncomingCall,
        served: ServedCall,
        values: Generator[Value, None, None],
    ) -> None:
        """Send a generator's values as there is room for them."""
        with contextlib.closing(values):
            for value in values:
                if call.cancelled:
                    return
                data = encode_result(procedure, value)
                if not self._pump.command(partial(_send, call, data), bulk=True):
                    self._wait_for_room(call, served)
                    if call.cancelled:
                        return
        self._pump.command(lambda wire, _: wire.callee.end_stream(call))

    def _wait_for_room(self, call: IncomingCall, served: ServedCall) -> None:
        while not call.cancelled and not call.answered:
            if served.room.wait(ROOM_LOOK_S):
                served.room.clear()
                return

    def _report(self, procedure: Procedure, call: IncomingCall, error: BaseException) -> None:
        """Tell the caller, the log and on_error that a handler failed."""
        log.warning("handler %s failed: %s", procedure.name, error, exc_info=error)
        self.fail(call, ErrorCode.HANDLER_FAILED, describe_failure(error), executed=True)
        self._on_error(error)


def _done(call: IncomingCall, answer: bytes | None, wire: Wire, _now_s: float) -> None:
    """Send a handler's answer, if there is one, and note that it has returned."""
    if answer is not None:
        wire.callee.answer(call, answer)
    wire.callee.worker_done(call)


def _send(call: IncomingCall, data: bytes, wire: Wire, _now_s: float) -> bool:
    """Send one value of a stream; return whether the next may follow at once."""
    wire.callee.send_item(call, data)
    return wire.callee.has_room(call)


def run_coroutine(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine to its end and return what it returns."""
    import asyncio  # not before it is needed: it takes 40 ms

    return asyncio.run(coroutine)


def _is_cancellation(error: BaseException) -> bool:
    import asyncio  # as above

    return isinstance(error, asyncio.CancelledError)


async def awaited(result: Awaitable[Value]) -> Value:
    """Make a coroutine of anything awaitable, for asyncio.run()."""
    return await result


async def _cancellable(result: Awaitable[Value], call: IncomingCall, served: ServedCall) -> Value:
    """Await ``result`` and let a cancelled call interrupt that."""
    import asyncio  # not before it is needed: it takes 40 ms

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        served.cancel = partial(_cancel, loop, task)
    try:
        if call.cancelled and task is not None:
            task.cancel()
        return await result
    finally:
        served.cancel = None


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Value]) -> None:
    with contextlib.suppress(RuntimeError):  # the handler has just returned
        loop.call_soon_threadsafe(task.cancel)


def _iterate(
    values: AsyncGenerator[Value, None], call: IncomingCall, served: ServedCall
) -> Generator[Value, None, None]:
    """Run an async generator from blocking code."""
    import asyncio  # not before it is needed: it takes 40 ms

    with asyncio.Runner() as runner:
        try:
            while True:
                try:
                    yield runner.run(_cancellable(anext(values), call, served))
                except StopAsyncIteration:
                    return
        finally:
            runner.run(awaited(values.aclose()))
