"""LOSSY and LOG frames that wait to be sent, and whose turn it is.

A short queue that drops its oldest entry.  docs/protocol.md: LINK-20.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.link.parameters import FRAME_OVERHEAD_BYTES, FrameType

_LOSSY: Final = bytes((FrameType.LOSSY,))
_LOG: Final = bytes((FrameType.LOG,))


class LossyQueue:
    """Frames that are not numbered, acknowledged or repeated, without their session id.

    Attributes:
        contents: what waits, the oldest first.
        turn: whether one may go before the next DATA frame: at most every second frame does.
    """

    __slots__ = ("contents", "turn")

    def __init__(self, size: int) -> None:
        self.contents: deque[bytes] = deque(maxlen=size)
        self.turn = True

    def __len__(self) -> int:
        return len(self.contents)

    def push(self, message: bytes, limit_bytes: int) -> bool:
        """Queue a LOSSY frame; return whether nothing was dropped: it, or the oldest for it."""
        return self._push(_LOSSY + message, limit_bytes)

    def push_log(self, level: int, text: str, limit_bytes: int) -> bool:
        """Queue a LOG frame, cut to the limit; return whether nothing was dropped."""
        cut = text.encode()[: limit_bytes - 1]
        whole = cut.decode("utf-8", "ignore").encode()  # no half character
        return self._push(_LOG + bytes((level,)) + whole, limit_bytes)

    def _push(self, content: bytes, limit_bytes: int) -> bool:
        if len(content) > 1 + limit_bytes:
            return False
        room = len(self.contents) != self.contents.maxlen
        self.contents.append(content)
        return room

    def fits(self, room_bytes: float) -> bool:
        """Whether there is one, and the other end's ring has room for it."""
        contents = self.contents
        return bool(contents) and len(contents[0]) + FRAME_OVERHEAD_BYTES <= room_bytes

    def pop(self) -> bytes:
        """Hand over the oldest; DATA comes next."""
        self.turn = False
        return self.contents.popleft()

    def clear(self) -> None:
        """Forget all: the session has ended."""
        self.contents.clear()
