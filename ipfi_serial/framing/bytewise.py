"""The frame decoder one byte at a time: one byte in, at most one verdict out.

The specification of :class:`~ipfi_serial.framing.frame.FrameDecoder`, its oracle in the tests,
and what the firmware does.  Twenty times slower.  docs/protocol.md, section 2.
"""

from __future__ import annotations

from enum import Enum, auto

from ipfi_serial.framing.cobs import ByteUnstuffer
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import open_seal
from ipfi_serial.framing.verdict import (
    NEWLINE,
    TEXT_BELOW,
    TEXT_LINE_BYTES,
    FrameCounters,
    RejectReason,
    Verdict,
)


class _State(Enum):
    """What came since the last delimiter, or the newline of a text."""

    NOTHING = auto()
    ONE_LOW_BYTE = auto()  # a text if another one follows (FRAME-8)
    FRAME = auto()
    TEXT = auto()


class ByteFrameDecoder:
    """Takes a line's bytes one at a time.

    Attributes:
        profiles: CRC profiles that a session frame may have.
        counters: what was seen so far.
    """

    def __init__(
        self,
        max_content_bytes: int,
        *,
        profiles: tuple[CrcProfile, ...] = (CRC32, CRC16),
        text_line_bytes: int = TEXT_LINE_BYTES,
    ) -> None:
        """Take content of at most ``max_content_bytes``, lines of at most ``text_line_bytes``."""
        self.profiles = profiles
        self.counters = FrameCounters()
        self._max_content = max_content_bytes
        self._text_line = text_line_bytes
        self._state = _State.NOTHING
        self._line = bytearray()
        self._unstuffer = ByteUnstuffer(max_content_bytes)
        self._wire_bytes = 0

    def push(self, byte: int) -> Verdict | None:
        """Take one byte; return the verdict that it completes, if any."""
        if not byte:
            return self._delimiter()
        if self._state is _State.TEXT:
            return self._text(byte)
        if self._state is _State.ONE_LOW_BYTE and byte < TEXT_BELOW:
            self._state = _State.TEXT
            if self._line[0] == NEWLINE:
                self._line.clear()
                verdict = self._end_line()
                self.push(byte)
                return verdict
            return self._text(byte)
        if self._state is _State.NOTHING and byte < TEXT_BELOW:
            self._state = _State.ONE_LOW_BYTE
            self._line.append(byte)
            return None
        self._frame(byte)
        return None

    def _frame(self, byte: int) -> None:
        for code in (*self._line, byte):
            self._unstuffer.push(code)
            self._wire_bytes += 1
        self._line.clear()
        self._state = _State.FRAME

    def _text(self, byte: int) -> Verdict | None:
        if byte == NEWLINE:
            return self._end_line()
        verdict = None
        if len(self._line) == self._text_line:
            verdict = self.counters.read_text(self._line)
            self._line.clear()
        self._line.append(byte)
        return verdict

    def _end_line(self) -> Verdict:
        verdict = self.counters.read_text(self._line)
        self._line.clear()
        self._state = _State.NOTHING
        return verdict

    def _delimiter(self) -> Verdict | None:
        if self._state is _State.NOTHING:
            return None
        if self._state is _State.FRAME:
            return self._end_frame()
        if self._state is _State.ONE_LOW_BYTE and self._line[0] == NEWLINE:
            self._line.clear()
        return self._end_line()

    def _end_frame(self) -> Verdict:
        verdict = self._judge()
        wire_bytes = self._wire_bytes
        self._unstuffer = ByteUnstuffer(self._max_content)
        self._wire_bytes = 0
        self._state = _State.NOTHING
        if isinstance(verdict, bytes):
            self.counters.frames += 1
            return verdict
        return self.counters.reject(verdict, wire_bytes)

    def _judge(self) -> bytes | RejectReason:
        if self._unstuffer.overflowed:
            return RejectReason.OVERSIZED
        if not self._unstuffer.whole:
            return RejectReason.COBS
        return open_seal(bytes(self._unstuffer.content), self.profiles)
