"""Answers that leave in the order of their calls; docs/protocol.md, CALL-9.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ipfi_serial.engine.calls import IncomingCall


class AnswerOrder:
    """The calls of a plain wire whose answers must not overtake each other."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: deque[IncomingCall] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def enter(self, call: IncomingCall) -> None:
        """Give a call its place: behind all others."""
        call.ordered = True
        self._calls.append(call)

    def leave(self, call: IncomingCall) -> None:
        """Let the others overtake a call; harmless if it has no place."""
        if call.ordered:
            call.ordered = False
            self._calls.remove(call)

    def leave_unanswered(self) -> None:
        """Let every call that has no answer yet be overtaken."""
        for call in [one for one in self._calls if one.answer is None]:
            self.leave(call)

    def take_ready(self) -> Iterator[tuple[IncomingCall, bytes]]:
        """Hand over the answers whose turn it is."""
        while self._calls and (answer := self._calls[0].answer) is not None:
            call = self._calls.popleft()
            call.ordered = False
            yield call, answer

    def clear(self) -> None:
        """Forget everything: the session ended."""
        self._calls.clear()
