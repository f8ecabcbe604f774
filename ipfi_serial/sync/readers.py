"""What a thread reads as they come: events.

Interpreted in compiled wheels too: :mod:`ipfi_serial.engine.subscriptions` holds readers by weak
references, which a compiled object leaves behind, pointing to nothing, when it goes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from ipfi_serial.engine.subscriptions import EventArguments, EventQueue
from ipfi_serial.errors import IpfiError, WireClosedError
from ipfi_serial.pump import Pump


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
