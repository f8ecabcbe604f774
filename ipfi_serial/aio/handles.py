"""What a task holds of a call while it waits."""

from __future__ import annotations

import asyncio

from ipfi_serial.aio.pump import AioPump
from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.serving import decode_result
from ipfi_serial.errors import CallTimeoutError, IpfiError


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
