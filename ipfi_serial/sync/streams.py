"""What a thread reads while it comes: the values of a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ipfi_serial.codec.names import TypeForm, Value
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.serving import decode_result
from ipfi_serial.errors import IpfiError
from ipfi_serial.pump import Pump


class Intake:
    """What a stream has brought and the program has not taken.

    The core knows this, and only the program knows the :class:`Stream`: so a forgotten one is
    noticed, and cancelled.

    Attributes:
        items: values, encoded, the oldest first.
        ended: whether no more will come.
        error: why it ended, if not well.
        ready: whether a value waits or the stream has ended.
    """

    def __init__(self) -> None:
        self.items: deque[bytes] = deque()
        self.ended = False
        self.error: IpfiError | None = None
        self.ready = False

    def put(self, value: bytes) -> None:
        """Take a value; on the leader's thread."""
        self.items.append(value)
        self.ready = True

    def finish(self, value: bytes | None, error: IpfiError | None) -> None:  # noqa: ARG002 - as a handle
        """Take the end of the stream; on the leader's thread."""
        self.error = error
        self.ended = True
        self.ready = True


class Stream:
    """The values of a streaming call, as they come; leaving early cancels it.

    In a with block it is cancelled at the end of the block; without one, when nobody has it any
    more, within a second of that.

    Attributes:
        ready: whether a value waits or the stream has ended.
    """

    def __init__(
        self,
        pump: Pump,
        intake: Intake,
        *,
        raw: bool,
        result_type: TypeForm,
        report_bytes: int,
    ) -> None:
        self._pump = pump
        self._intake = intake
        self._items = intake.items
        self._raw = raw
        self._result_type = result_type
        self._report_bytes = report_bytes
        self._unreported_bytes = 0
        self._call: OutgoingCall | None = None  # since it was started

    @property
    def ready(self) -> bool:
        """Whether a value waits or the stream has ended."""
        return self._intake.ready

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
        intake = self._intake
        intake.ready = False  # before the look below: what comes after it sets it again
        if intake.ended and not self._items:
            intake.ready = True
            if intake.error is not None:
                raise intake.error
            raise StopIteration
        if self._items:
            intake.ready = True
        else:
            self._pump.wait(intake, None)

    def close(self) -> None:
        """Cancel the stream if it has not ended."""
        call = self._call
        if call is not None and not self._intake.ended:
            self._pump.command(lambda wire, _: wire.caller.cancel(call))

    def __enter__(self) -> Self:
        return self

    def __exit__(
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
        if self._unreported_bytes < self._report_bytes:
            return
        size, self._unreported_bytes = self._unreported_bytes, 0
        call = self._call
        if call is not None and not self._intake.ended:
            self._pump.command(lambda wire, _: wire.caller.consumed(call, size))
