"""What a task reads as they come: events.

Interpreted in compiled wheels too: :mod:`ipfi_serial.engine.subscriptions` holds readers by weak
references, which a compiled object leaves behind, pointing to nothing, when it goes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Self

from ipfi_serial.aio.streams import Waiting
from ipfi_serial.engine.subscriptions import EventArguments, EventQueue
from ipfi_serial.errors import IpfiError, WireClosedError


class EventStream(EventQueue):
    """Events as they come; ends when the wire closes."""

    def __init__(
        self,
        begin: Callable[[EventStream], Awaitable[None]] | None,
        limit: int,
        detach: Callable[[EventStream], None],
    ) -> None:
        super().__init__(None, limit)
        self._begin = begin
        self._detach = detach
        self._waiting = Waiting()
        self._ended: IpfiError | None = None

    async def start(self) -> Self:
        """Begin to listen now rather than when the first event is asked for; so does ``await``."""
        begin, self._begin = self._begin, None
        if begin is not None:
            try:
                await begin(self)
            except BaseException:
                self._begin = begin  # nothing was started: the next one who asks tries again
                self._waiting.wake()
                raise
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.start().__await__()

    def __aiter__(self) -> AsyncIterator[EventArguments]:
        return self

    async def __anext__(self) -> EventArguments:
        """Return the next event; waits for it, and ends when the wire has closed."""
        while (event := await self.get(None)) is None:
            if self._ended is not None:
                raise StopAsyncIteration
        return event

    async def get(self, timeout_s: float | None) -> EventArguments | None:
        """Return the next event; None if the time ran out, the wire closed or another took it."""
        if self._begin is not None:
            await self.start()
        if not len(self) and self._ended is None:
            await self._waiting.sleep(timeout_s)
        return self.take() if len(self) else None

    @property
    def ended(self) -> IpfiError | None:
        """Why no more will come, or None."""
        return self._ended

    def put(self, event: EventArguments) -> bool:
        """Queue one event."""
        kept = super().put(event)
        self._waiting.wake()
        return kept

    def finish(self, reason: IpfiError) -> None:
        """Note that the wire has closed."""
        if self._ended is None:
            self._ended = reason
        self._waiting.wake()

    def close(self) -> None:
        """Stop listening; a task that waits for the next event ends."""
        self._detach(self)
        self.finish(WireClosedError("this reader of events was closed"))

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
