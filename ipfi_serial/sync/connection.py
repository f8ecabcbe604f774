"""One connection, for ordinary blocking code; safe from any number of threads."""

from __future__ import annotations

import copy
import threading
import time
from functools import partial
from types import TracebackType
from typing import Any, Self

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
from ipfi_serial.pump import Pump
from ipfi_serial.sync.events import EventShell
from ipfi_serial.sync.handles import CallHandle, PartialCall
from ipfi_serial.sync.notifications import Notifications
from ipfi_serial.sync.serving import SERVED_FOR, Serving
from ipfi_serial.sync.streams import Intake, Stream
from ipfi_serial.sync.waits import Opened, Standing, wait_interruptibly
from ipfi_serial.transport.base import Transport
from ipfi_serial.workers import Job, Workers


class Connection(EventShell):
    """One end of a wire.

    Made by :func:`ipfi_serial.connect` or a :class:`Server`; close it, or use it in a with block.

    Attributes:
        endpoint: what was opened; for a virtual port, what the other end can open.
        interface: what this end serves.
    """

    def __init__(
        self, transport: Transport, wire: Wire, interface: Interface, config: WireConfig
    ) -> None:
        endpoint: str = getattr(transport, "path", None) or transport.endpoint
        super().__init__(
            endpoint, wire, interface, config, line_sort(transport.endpoint, transport.bytes_per_s)
        )
        self._default_timeout_s = default_call_timeout_s(config, transport.bytes_per_s)
        self._workers = Workers(f"ipfi worker {self.endpoint}")
        self._pump = Pump(wire, transport, self._deliver)
        self._notifications = Notifications(self, self._workers, config)
        self._serving = Serving(
            self._pump, interface, self, config.max_depth, self._notifications.error
        )
        self._opened = Opened()
        self._describing = threading.Lock()
        self._pump.start()

    # --- calls ---

    def call(
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
                passes, the other end is asked to stop; with 0 or less nothing is sent.
            result_type: annotation that the answer is checked against and converted to.
            raw: whether bytes go in and out; None looks it up.

        Raises:
            CallTimeoutError: the deadline passed.
            CallRefusedError: unknown procedure, wrong arguments, or a limit.
            RemoteCallError: the handler raised.
            CallCancelledError: the other end cancelled it.
            ValueCodecError: an argument cannot travel, or the answer is not a ``result_type``.
            IpfiError: the session or the line ended; ``may_have_executed`` tells what that means.
        """
        target = None if raw is not None else self._directory.procedure(procedure)
        if target is None:
            target, timeout_s = self._look_up(procedure, raw, timeout_s)
        handle = CallHandle(self._pump, raw=target.raw, result_type=result_type)
        try:
            self._start(handle, target, arguments, timeout_s)
            return handle.result()
        except IpfiError:
            raise
        except BaseException:
            if not handle.ready:  # Ctrl-C, or what another signal handler raised
                handle.cancel()
            raise

    def start(
        self,
        procedure: str | int,
        *arguments: Value,
        timeout_s: float | None = None,
        result_type: TypeForm = Any,
        raw: bool | None = None,
    ) -> CallHandle:
        """Begin a call and return a handle; as :meth:`call`, without waiting."""
        target, timeout_s = self._look_up(procedure, raw, timeout_s)
        handle = CallHandle(self._pump, raw=target.raw, result_type=result_type)
        self._start(handle, target, arguments, timeout_s)
        return handle

    def start_partial(
        self,
        procedure: str | int,
        *arguments: Value,
        timeout_s: float | None = None,
        result_type: TypeForm = Any,
        raw: bool | None = None,
    ) -> PartialCall:
        """Begin a call whose arguments follow in pieces; see :class:`PartialCall`."""
        target, timeout_s = self._look_up(procedure, raw, timeout_s)
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
        """Call a streaming procedure; iterate over what this returns.

        Leaving early cancels it at the other end: at once in a with block, or else within a second
        after nobody has it any more.  Args are those of :meth:`call`; ``timeout_s`` is for the
        whole stream and None means that it may last for ever as long as the line lives.
        """
        timeout_s = float("inf") if timeout_s is None else timeout_s
        target, timeout_s = self._look_up(procedure, raw, timeout_s)
        intake = Intake()
        stream = Stream(
            self._pump,
            intake,
            raw=target.raw,
            result_type=result_type,
            report_bytes=self._config.stream_buffer_bytes // 4,
        )
        payload = raw_payload(arguments) if target.raw else encode_arguments(arguments)
        call = self._new_call(target, timeout_s, intake, streaming=True)

        def begin(wire: Wire, now_s: float) -> None:
            wire.start_call(call, payload, now_s)
            stream.attach(call)

        self._pump.command(begin)
        return stream

    # --- the wire ---

    def describe(self) -> list[Entry]:
        """Return what the other end serves, asking it once.

        Raises:
            LocalProtocolError: a plain wire cannot be asked.
            IpfiError: what :meth:`call` raises.
        """
        return list(self._ask(self._default_timeout_s).entries)

    def end_of_input(self) -> None:
        """Tell the other end that nothing more comes for now; the wire stays usable."""
        self._pump.command(lambda wire, now_s: wire.end_of_input(now_s))

    def stats(self) -> WireStats:
        """Return what this wire has counted."""
        dropped = self._notifications.events_dropped
        return self._pump.command(lambda wire, _: take_stats(wire, dropped))

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was queued has left (framed: was acknowledged); tell if it did.

        Args:
            timeout_s: how long to wait at most, in seconds.
        """
        return self._pump.flush(timeout_s)

    def wait_opened(self, timeout_s: float | None) -> bool:
        """Wait for the first session, for :func:`connect`; return whether it has stood."""
        self._pump.wait(self._opened, timeout_s)
        if self._opened.failure is not None:
            raise self._opened.failure
        return self._opened.ready

    def wait_established(self, timeout_s: float | None) -> None:
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
        is_standing = self._pump.wait(Standing(self), timeout_s)
        if self._closed is not None:
            raise copy.copy(self._closed)
        if not is_standing:
            raise self.no_session(self.stats(), timeout_s or 0.0)

    def close(self) -> None:
        """Send what is queued, say goodbye and release the port.  Idempotent."""
        try:
            if self._closed is None:
                self._pump.flush(self._config.close_timeout_s)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Release the port at once, without waiting for what is queued."""
        if self._pump.close():
            self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- inside ---

    def _look_up(
        self, procedure: str | int, raw: bool | None, timeout_s: float | None
    ) -> tuple[Target, float | None]:
        """Resolve a procedure, within the deadline of its call; return what is left of that."""
        target = self._directory.procedure(procedure)
        if target is None:
            timeout_s = self._describe_for(procedure, timeout_s)
            target = self._directory.procedure(procedure)
        if target is None:
            raise restarted_meanwhile()
        target = target if raw is None else Target(target.index, raw=raw, name=target.name)
        return target, timeout_s

    def _ask(self, timeout_s: float) -> Manifest:
        """Return the other end's description, known or asked for within ``timeout_s`` seconds."""
        if not self._wire.framed:
            raise LocalProtocolError(
                "a plain wire does not describe itself: nothing is asked there"
            )
        until_s = time.monotonic() + timeout_s
        if not wait_interruptibly(lambda s: self._describing.acquire(timeout=s), timeout_s):
            raise describing_elsewhere()
        try:
            manifest = self._directory.manifest
            if manifest is None:
                schema = self._peer_schema()
                left_s = until_s - time.monotonic()
                values = list(self.stream(DESCRIBE_INDEX, timeout_s=left_s, raw=True))
                if schema != self._peer_schema():
                    raise restarted_meanwhile()
                manifest = self._directory.learn(values, schema)
        finally:
            self._describing.release()
        return manifest

    def _start(
        self,
        handle: CallHandle,
        target: Target,
        arguments: tuple[Value, ...],
        timeout_s: float | None,
    ) -> None:
        payload = raw_payload(arguments) if target.raw else encode_arguments(arguments)
        call = self._new_call(target, timeout_s, handle, streaming=False)
        handle.attach(call)
        self._pump.command(lambda wire, now_s: wire.start_call(call, payload, now_s))

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
        job = partial(self._serving.run, call)
        may_stay = self._serving.is_short(call) and self._notifications.idle
        if not may_stay or not self._pump.serve(job, partial(self._serve_on_worker, call, job)):
            self._serve_on_worker(call, job)

    def _serve_on_worker(self, call: IncomingCall, job: Job) -> None:
        try:
            self._workers.run(job)
        except RuntimeError as error:  # the system gives no more threads
            self._serving.refuse(call, f"no thread for the handler: {error}")

    def _cancel_served(self, call: IncomingCall) -> None:
        self._serving.cancel(call)

    def _peer_schema(self) -> int:
        return self._pump.command(lambda wire, _: wire.peer_schema)

    def _session_news(self, failure: IpfiError | None) -> None:
        if failure is None:
            self._opened.open()
        else:
            self._opened.fail(failure)
