"""One connection, for tasks on one event loop."""

from __future__ import annotations

import asyncio
import copy
import time
from types import TracebackType
from typing import Any, Self

from ipfi_serial.aio.events import EventShell
from ipfi_serial.aio.handles import CallHandle, PartialCall
from ipfi_serial.aio.notifications import Notifications
from ipfi_serial.aio.pump import AioPump
from ipfi_serial.aio.serving import SERVED_FOR, Serving
from ipfi_serial.aio.streams import Intake, Stream
from ipfi_serial.codec.manifest import Entry, Manifest
from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.advice import line_sort
from ipfi_serial.engine.calls import IncomingCall, OutgoingCall
from ipfi_serial.engine.deadlines import deadline_of
from ipfi_serial.engine.directory import Target
from ipfi_serial.engine.failures import describing_elsewhere, restarted_meanwhile
from ipfi_serial.engine.interface import DESCRIBE_INDEX, Interface
from ipfi_serial.engine.serving import raw_payload
from ipfi_serial.engine.setup import default_call_timeout_s
from ipfi_serial.engine.stats import WireStats, take_stats
from ipfi_serial.engine.wire import Wire
from ipfi_serial.errors import IpfiError, LocalProtocolError
from ipfi_serial.transport.base import AsyncTransport


class Connection(EventShell):
    """One end of a wire.

    Made by :func:`ipfi_serial.aio.connect` or a :class:`Server`; close it, or use it in an
    ``async with`` block.  Not thread-safe: use it on its event loop.

    Attributes:
        endpoint: what was opened; for a virtual port, what the other end can open.
        interface: what this end serves.
    """

    def __init__(
        self, transport: AsyncTransport, wire: Wire, interface: Interface, config: WireConfig
    ) -> None:
        endpoint: str = getattr(transport, "path", None) or transport.endpoint
        super().__init__(
            endpoint, wire, interface, config, line_sort(transport.endpoint, transport.bytes_per_s)
        )
        self._default_timeout_s = default_call_timeout_s(config, transport.bytes_per_s)
        self._pump = AioPump(wire, transport, self._deliver)
        self._notifications = Notifications(self, config)
        self._serving = Serving(
            self._pump, interface, self, config.max_depth, self._notifications.error
        )
        self._notifications.use(self._serving)
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session_change = asyncio.Event()  # it stands, or none ever will
        self._describing = asyncio.Lock()
        self._resolving: set[asyncio.Task[None]] = set()
        self._pump.start()

    # --- calls ---

    async def call(
        self,
        procedure: str | int,
        *arguments: Value,
        timeout_s: float | None = None,
        result_type: TypeForm = Any,
        raw: bool | None = None,
    ) -> Value:
        """Call a procedure of the other end and return its answer.

        Args:
            procedure: its name or its index.
            *arguments: what it takes; one bytes object for a raw procedure.
            timeout_s: deadline in seconds; the configured default plus wire time if None.  When it
                passes, or this task is cancelled, the other end is asked to stop.
            result_type: annotation that the answer is checked against and converted to.
            raw: whether bytes go in and out; None looks it up.

        Raises:
            CallTimeoutError: the deadline passed.
            CallRefusedError: unknown procedure, wrong arguments, or a limit.
            RemoteCallError: the handler raised.
            CallCancelledError: the other end cancelled it.
            ValueEncodeError: an argument cannot travel.
            ValueCodecError: the answer is not a ``result_type``.
            IpfiError: the session or the line ended; ``may_have_executed`` tells what that means.
        """
        target = None if raw is not None else self._directory.procedure(procedure)
        if target is None:
            target, timeout_s = await self._look_up(procedure, raw, timeout_s)
        handle = self._begin(target, arguments, timeout_s, result_type)
        return await handle.result_or_cancel()

    async def start(
        self,
        procedure: str | int,
        *arguments: Value,
        timeout_s: float | None = None,
        result_type: TypeForm = Any,
        raw: bool | None = None,
    ) -> CallHandle:
        """Begin a call and return a handle; as :meth:`call`, without waiting for the answer."""
        target, timeout_s = await self._look_up(procedure, raw, timeout_s)
        return self._begin(target, arguments, timeout_s, result_type)

    async def start_partial(
        self,
        procedure: str | int,
        *arguments: Value,
        timeout_s: float | None = None,
        result_type: TypeForm = Any,
        raw: bool | None = None,
    ) -> PartialCall:
        """Begin a call whose arguments follow in pieces; see :class:`PartialCall`."""
        target, timeout_s = await self._look_up(procedure, raw, timeout_s)
        handle = CallHandle(self._pump, raw=target.raw, result_type=result_type)
        call = self._new_call(target, timeout_s, handle, streaming=False)
        handle.attach(call)
        payload = encode_arguments(arguments)
        self._pump.command(lambda wire, now_s: wire.start_call(call, payload, now_s, more=True))
        return PartialCall(self._pump, handle, call)

    def stream(
        self,
        procedure: str | int,
        *arguments: Value,
        timeout_s: float | None = None,
        result_type: TypeForm = Any,
        raw: bool | None = None,
    ) -> Stream:
        """Call a streaming procedure: ``async for item in wire.stream("sequence", 5):``.

        Leaving early cancels it at the other end: at once in an ``async with`` block, or else when
        nobody has it any more.  Args are those of :meth:`call`; ``timeout_s`` is for the whole
        stream and None means that it may last for ever as long as the line lives.
        """

        async def begin(stream: Stream, intake: Intake) -> bool:
            limit_s = float("inf") if timeout_s is None else timeout_s
            target, left_s = await self._look_up(procedure, raw, limit_s)
            payload = raw_payload(arguments) if target.raw else encode_arguments(arguments)
            call = self._new_call(target, left_s, intake, streaming=True)
            self._pump.command(lambda wire, now_s: wire.start_call(call, payload, now_s))
            stream.attach(call)
            return target.raw

        report_bytes = self._config.stream_buffer_bytes // 4
        return Stream(self._pump, begin, result_type=result_type, report_bytes=report_bytes)

    # --- the wire ---

    async def describe(self) -> list[Entry]:
        """Return what the other end serves, asking it once.

        Raises:
            LocalProtocolError: a plain wire cannot be asked.
            IpfiError: what :meth:`call` raises.
        """
        return list((await self._ask(self._default_timeout_s)).entries)

    async def end_of_input(self) -> None:
        """Tell the other end that nothing more comes for now; the wire stays usable."""
        self._pump.command(lambda wire, now_s: wire.end_of_input(now_s))

    def stats(self) -> WireStats:
        """Return what this wire has counted."""
        return take_stats(self._wire, self._notifications.events_dropped)

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued has left (framed: was acknowledged); tell if it did.

        Args:
            timeout_s: how long to wait at most, in seconds.
        """
        return await self._pump.flush(timeout_s)

    async def wait_opened(self, timeout_s: float | None) -> bool:
        """Wait for the first session, for :func:`connect`; return whether it has stood."""
        await asyncio.wait((self._opened,), timeout=timeout_s)
        if self._opened.done():
            self._opened.result()
        return self._opened.done()

    async def wait_established(self, timeout_s: float | None) -> None:
        """Wait until a session stands; return at once if one does.

        With ``role="device"``, for the host: the first one, or the next one after a goodbye.  With
        ``role="host"``, for the new session after DeviceResetError or LinkLostError.

        Args:
            timeout_s: how long to wait at most, in seconds; None waits for ever.

        Raises:
            ConnectTimeoutError: no session in time; says what was heard, and what to check.  The
                wire stays open: waiting again is fine.
            IpfiError: the wire has closed, and why: WireClosedError, TransportError ...
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self.standing and self._closed is None:
                    self._session_change.clear()
                    await self._session_change.wait()
        except TimeoutError:
            raise self.no_session(self.stats(), timeout_s or 0.0) from None
        if self._closed is not None:
            raise copy.copy(self._closed)

    async def close(self) -> None:
        """Send what is queued, say goodbye and release the port.  Idempotent."""
        patience_s = self._config.close_timeout_s
        try:
            if self._closed is None:
                await self._pump.flush(patience_s)
            self._pump.close()
            await self._notifications.drain(patience_s)
            self._serving.cancel_all()
            await self._serving.drain(patience_s)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Release the port at once, without waiting for what is queued."""
        self._pump.close()
        self._serving.cancel_all()
        self._serving.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # --- inside ---

    def _begin(
        self,
        target: Target,
        arguments: tuple[Value, ...],
        timeout_s: float | None,
        result_type: TypeForm,
    ) -> CallHandle:
        handle = CallHandle(self._pump, raw=target.raw, result_type=result_type)
        payload = raw_payload(arguments) if target.raw else encode_arguments(arguments)
        call = self._new_call(target, timeout_s, handle, streaming=False)
        handle.attach(call)
        self._pump.command(lambda wire, now_s: wire.start_call(call, payload, now_s), single=True)
        return handle

    async def _look_up(
        self, procedure: str | int, raw: bool | None, timeout_s: float | None
    ) -> tuple[Target, float | None]:
        """Resolve a procedure, within the deadline of its call; return what is left of that."""
        target = self._directory.procedure(procedure)
        if target is None:
            timeout_s = await self._describe_for(procedure, timeout_s)
            target = self._directory.procedure(procedure)
        if target is None:
            raise restarted_meanwhile()
        target = target if raw is None else Target(target.index, raw=raw, name=target.name)
        return target, timeout_s

    async def _ask(self, timeout_s: float) -> Manifest:
        """Return the other end's description, known or asked for within ``timeout_s`` seconds."""
        if not self._wire.framed:
            raise LocalProtocolError(
                "a plain wire does not describe itself: nothing is asked there"
            )
        until_s = time.monotonic() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._describing.acquire()
        except TimeoutError:
            raise describing_elsewhere() from None
        try:
            manifest = self._directory.manifest
            if manifest is None:
                schema = self._wire.peer_schema
                left_s = until_s - time.monotonic()
                async with self.stream(DESCRIBE_INDEX, timeout_s=left_s, raw=True) as items:
                    values = [value async for value in items]
                if schema != self._wire.peer_schema:
                    raise restarted_meanwhile()
                manifest = self._directory.learn(values, schema)
        finally:
            self._describing.release()
        return manifest

    def _new_call(
        self,
        target: Target,
        timeout_s: float | None,
        owner: CallHandle | Intake,
        *,
        streaming: bool,
    ) -> OutgoingCall:
        if timeout_s is None:
            timeout_s = self._default_timeout_s
        deadline_s = deadline_of(target, timeout_s, time.monotonic())
        served_for, served = SERVED_FOR.get()
        nested = served_for is self
        if nested and served is not None and served.ordered:
            # the answer may need answers behind it: it leaves the order (CALL-9)
            self._pump.command(lambda wire, _: wire.callee.defer(served))
        return OutgoingCall(
            target.index,
            deadline_s,
            streaming=streaming,
            nested=nested,
            owner=owner,
            name=target.name,
        )

    # --- what the common part asks for ---

    @property
    def _news(self) -> Notifications:
        return self._notifications

    def _serve(self, call: IncomingCall) -> None:
        self._serving.start(call)

    def _cancel_served(self, call: IncomingCall) -> None:
        self._serving.cancel(call)

    def _peer_schema(self) -> int:
        return self._wire.peer_schema

    def _session_news(self, failure: IpfiError | None) -> None:
        self._session_change.set()
        if self._opened.done():
            return
        if failure is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(failure)
            self._opened.exception()  # connect() may have given up already
