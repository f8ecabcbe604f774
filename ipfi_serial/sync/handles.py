"""What a program holds of a call, a stream or an event queue while it waits."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.serving import decode_result
from ipfi_serial.engine.subscriptions import EventArguments, EventQueue
from ipfi_serial.errors import CallTimeoutError, IpfiError, WireClosedError
from ipfi_serial.pump import Pump


class CallHandle:
    """A call under way.

    Attributes:
        ready: whether it has ended.
    """

    __slots__ = ("_call", "_error", "_pump", "_raw", "_result_type", "_value", "ready")

    def __init__(self, pump: Pump, *, raw: bool, result_type: TypeForm) -> None:
        self._pump = pump
        self._raw = raw
        self._result_type = result_type
        self._value = b""
        self._error: IpfiError | None = None
        self._call: OutgoingCall | None = None  # while it is under way
        self.ready = False

    def result(self, timeout_s: float | None = None) -> Value:
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
        if not self.ready and not self._pump.wait(self, timeout_s):
            call = self._call  # the leader forgets it after it has set ready
            if not self.ready:
                raise CallTimeoutError(
                    f"no answer within {timeout_s} s of waiting; "
                    "the call goes on until its deadline",
                    may_have_executed=call is not None and call.handed_over,
                )
        if self._error is not None:
            raise self._error
        if self._raw:
            return self._value
        return decode_result(self._value, self._result_type)

    def cancel(self) -> None:
        """Ask the other end to stop; :meth:`result` then raises CallCancelledError."""
        call = self._call
        if call is not None:
            self._pump.command(lambda wire, _: wire.caller.cancel(call))

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.ready

    def attach(self, call: OutgoingCall) -> None:
        """Tie the handle to its call, before that is started."""
        self._call = call

    def finish(self, value: bytes | None, error: IpfiError | None) -> None:
        """Take the end of the call; on the leader's thread."""
        self._value = value or b""
        self._error = error
        self.ready = True
        self._call = None  # it knows us: a cycle would wait for the garbage collector


class PartialCall:
    """A call whose arguments are sent in pieces."""

    __slots__ = ("_call", "_handle", "_pump")

    def __init__(self, pump: Pump, handle: CallHandle, call: OutgoingCall) -> None:
        self._pump = pump
        self._handle = handle
        self._call = call

    def send(self, *values: Value) -> None:
        """Send whole argument values.

        Raises:
            ValueCodecError: a value cannot travel.
            LocalProtocolError: the arguments were finished.
        """
        self.send_bytes(encode_arguments(values))

    def send_bytes(self, data: bytes) -> None:
        """Send the next bytes of the encoded arguments, cut anywhere.

        Raises:
            LocalProtocolError: the arguments were finished.
        """
        self._pump.command(lambda wire, _: wire.caller.add_arguments(self._call, data, more=True))

    def finish(self, *values: Value) -> CallHandle:
        """Send the last values, if any, and return the handle to wait on.

        Raises:
            ValueCodecError: a value cannot travel.
            LocalProtocolError: the arguments were finished before.
        """
        data = encode_arguments(values)
        self._pump.command(lambda wire, _: wire.caller.add_arguments(self._call, data, more=False))
        return self._handle

    def cancel(self) -> None:
        """Give the call up."""
        self._handle.cancel()


class Stream:
    """The values of a streaming call, as they come; leaving early cancels it.

    Attributes:
        ready: whether a value waits or the stream has ended.
    """

    def __init__(self, pump: Pump, *, raw: bool, result_type: TypeForm, report_bytes: int) -> None:
        self._pump = pump
        self._raw = raw
        self._result_type = result_type
        self._report_bytes = report_bytes
        self._unreported_bytes = 0
        self._items: deque[bytes] = deque()
        self._ended = False
        self._error: IpfiError | None = None
        self._call: OutgoingCall
        self.ready = False

    def __iter__(self) -> Iterator[Value]:
        return self

    def __next__(self) -> Value:
        """Return the next value; waits for it.

        Raises:
            StopIteration: the stream has ended.
            IpfiError: it failed; what :meth:`CallHandle.result` raises.
        """
        while True:
            while not self._items:
                self._wait()
            try:
                value = self._items.popleft()
            except IndexError:  # another thread took it first
                continue
            self._report(len(value))
            return value if self._raw else decode_result(value, self._result_type)

    def _wait(self) -> None:
        """Wait for a value; raise the end.  What is here already is ready for other threads too."""
        self.ready = False  # before the look below: what comes after it sets it again
        if self._ended and not self._items:
            self.ready = True
            if self._error is not None:
                raise self._error
            raise StopIteration
        if self._items:
            self.ready = True
        else:
            self._pump.wait(self, None)

    def close(self) -> None:
        """Cancel the stream if it has not ended."""
        if not self._ended:
            self._pump.command(lambda wire, _: wire.caller.cancel(self._call))

    def __enter__(self) -> Self:
        return self

    def __exit__(
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
        """Take a value; on the leader's thread."""
        self._items.append(value)
        self.ready = True

    def finish(self, value: bytes | None, error: IpfiError | None) -> None:  # noqa: ARG002 - as a handle
        """Take the end of the stream; on the leader's thread."""
        self._error = error
        self._ended = True
        self.ready = True

    def _report(self, size_bytes: int) -> None:
        """Tell the core in batches what was taken, so that it grants more (STREAM-3)."""
        self._unreported_bytes += size_bytes
        if self._unreported_bytes >= self._report_bytes and not self._ended:
            size, self._unreported_bytes = self._unreported_bytes, 0
            self._pump.command(lambda wire, _: wire.caller.consumed(self._call, size))


class EventStream(EventQueue):
    """Events as they come; ends when the wire closes.

    Attributes:
        ready: whether one waits or the wire has closed.
    """

    def __init__(
        self, pump: Pump, index: int | None, limit: int, detach: Callable[[EventStream], None]
    ) -> None:
        super().__init__(index, limit)
        self._pump = pump
        self._detach = detach
        self._ended: IpfiError | None = None
        self.ready = False

    def __iter__(self) -> Iterator[EventArguments]:
        return self

    def __next__(self) -> EventArguments:
        """Return the next event; waits for it, and ends when the wire has closed."""
        while (event := self.get(None)) is None:
            if self._ended is not None:
                raise StopIteration
        return event

    def get(self, timeout_s: float | None) -> EventArguments | None:
        """Return the next event; None if the time ran out, the wire closed or another took it."""
        self.ready = False  # before the look below: what comes after it sets it again
        if len(self) or self._ended is not None:
            self.ready = True  # for other threads that wait
        else:
            self._pump.wait(self, timeout_s)
        with contextlib.suppress(IndexError):  # another thread may take it first
            return self.take()
        return None

    @property
    def ended(self) -> IpfiError | None:
        """Why no more will come, or None."""
        return self._ended

    def put(self, event: EventArguments) -> bool:
        """Queue one event; on the leader's thread."""
        kept = super().put(event)
        self.ready = True
        return kept

    def finish(self, reason: IpfiError) -> None:
        """Note that the wire has closed; on the leader's thread."""
        if self._ended is None:
            self._ended = reason
        self.ready = True

    def close(self) -> None:
        """Stop listening; what waits for the next event, in any thread, ends."""
        self._detach(self)
        self.finish(WireClosedError("this reader of events was closed"))
        self._pump.look()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
