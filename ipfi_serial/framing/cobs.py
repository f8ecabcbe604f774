"""Byte stuffing: any bytes to bytes without 0x00, and back.

``encode`` and ``decode`` are those of the distribution cobs, which has them in C, but installs
without a word in pure Python where there was no compiler: ``ACCELERATED`` says which it is.
:class:`ByteUnstuffer` is the specification, one byte at a time, as the firmware does it.
docs/protocol.md, section 2 (FRAME-1); S. Cheshire, M. Baker: Consistent Overhead Byte Stuffing
(1999).
"""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Final

from cobs import cobs

FULL_BLOCK: Final = 0xFF  # a code of 254 bytes that no zero follows

encode: Final[Callable[[bytes], bytes]] = cobs.encode
decode: Final[Callable[[bytes], bytes]] = cobs.decode
DecodeError: Final[type[Exception]] = cobs.DecodeError
ACCELERATED: Final = isinstance(cobs.encode, BuiltinFunctionType)


def max_stuffed_bytes(size_bytes: int) -> int:
    """Return the most bytes that ``size_bytes`` bytes of content take, without the delimiter.

    One for each block of 254 begun, and one more for the encoders that end a full last block
    with an empty one.
    """
    return size_bytes + size_bytes // 254 + 1


def stuff(content: bytes) -> bytes:
    """Return what :func:`encode` returns, written to be read (FRAME-1)."""
    stuffed = bytearray()
    block = bytearray()
    for position, byte in enumerate(content):
        if byte:
            block.append(byte)
            if len(block) == FULL_BLOCK - 1 and position + 1 < len(content):
                stuffed += bytes([FULL_BLOCK]) + block
                block.clear()
        else:
            stuffed += bytes([len(block) + 1]) + block
            block.clear()
    return bytes(stuffed + bytes([len(block) + 1]) + block)


class ByteUnstuffer:
    """Takes the bytes between two delimiters, one at a time.

    Attributes:
        content: what they stand for so far.
        overflowed: whether ``content`` would have become longer than allowed; it stays as it was.
    """

    __slots__ = ("_code", "_left", "_max_bytes", "content", "overflowed")

    def __init__(self, max_bytes: int) -> None:
        """Store at most ``max_bytes`` bytes of content."""
        self._max_bytes = max_bytes
        self._code = FULL_BLOCK  # of the block before: a full one is followed by no zero
        self._left = 0  # bytes that the block still lacks
        self.content = bytearray()
        self.overflowed = False

    @property
    def whole(self) -> bool:
        """Whether the last block is complete, so that a delimiter may come."""
        return not self._left

    def push(self, byte: int) -> None:
        """Take one byte, 1 to 255."""
        if self._left:
            self._left -= 1
            self._store(byte)
            return
        if self._code != FULL_BLOCK:
            self._store(0)
        self._code = byte
        self._left = byte - 1

    def _store(self, byte: int) -> None:
        if len(self.content) < self._max_bytes:
            self.content.append(byte)
        else:
            self.overflowed = True


def unstuffed_size(stuffed: bytes) -> int:
    """Return how many bytes of content ``stuffed`` gives, its last block complete or not.

    Args:
        stuffed: bytes 1 to 255.
    """
    size = position = 0
    code = FULL_BLOCK
    while position < len(stuffed):
        if code != FULL_BLOCK:
            size += 1
        code = stuffed[position]
        size += min(code - 1, len(stuffed) - position - 1)
        position += code
    return size
