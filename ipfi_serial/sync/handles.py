"""What a program holds of a call while it waits."""

from __future__ import annotations

from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.serving import decode_result
from ipfi_serial.errors import CallTimeoutError, IpfiError
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
