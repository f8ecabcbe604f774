"""Turns bytes from a line into verdicts, and a frame's content into bytes for the line.

Works a chunk at a time: splits at the delimiters and leaves every byte to C.  What it decides is
specified by :class:`~ipfi_serial.framing.bytewise.ByteFrameDecoder`.  Never raises because of
what came in, never stores more than its bounds.  docs/protocol.md, section 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from ipfi_serial.errors import ConfigError
from ipfi_serial.framing.cobs import (
    DecodeError,
    decode,
    encode,
    max_stuffed_bytes,
    unstuffed_size,
)
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.verdict import (
    FIRST_TYPE,
    HANDSHAKE_TYPES,
    NEWLINE,
    SESSION_TYPES,
    SHORTEST_SESSION_FRAME,
    TEXT_BELOW,
    TEXT_LINE_BYTES,
    FrameCounters,
    RejectReason,
    Verdict,
)

DELIMITER: Final = b"\x00"
_LAST_HANDSHAKE_TYPE: Final = max(HANDSHAKE_TYPES)
_NO_PROFILE: Final = replace(CRC16, residue=-1)  # holds for nothing


def encode_frame(content: bytes, profile: CrcProfile) -> bytes:
    """Return the wire bytes of one frame, the delimiter behind it included (FRAME-1).

    Args:
        content: type byte (0x80 or above) and body.
        profile: CRC-16 for handshake types, else the session's (FRAME-5, FRAME-10).
    """
    return encode(profile.append(content)) + DELIMITER


class _Mode(Enum):
    """What the bytes since the last delimiter are."""

    FRESH = auto()  # nothing yet, or one byte that may begin a text
    FRAME = auto()
    TEXT = auto()
    OVERSIZED = auto()  # a frame above the bound: nothing of it is stored


_FRESH: Final = _Mode.FRESH  # a global is found faster than a member of an Enum
_FRAME: Final = _Mode.FRAME


class FrameDecoder:
    """Bytes in, verdicts out, however the bytes are split.

    Attributes:
        counters: what was seen so far.
    """

    __slots__ = (
        "_buffer",
        "_hot",
        "_max_content",
        "_max_stuffed",
        "_mode",
        "_profiles",
        "_text_line",
        "counters",
    )

    def __init__(
        self,
        max_content_bytes: int,
        *,
        profiles: tuple[CrcProfile, ...] = (CRC32, CRC16),
        text_line_bytes: int = TEXT_LINE_BYTES,
    ) -> None:
        """Wait for the first delimiter, or whatever comes.

        Args:
            max_content_bytes: longest content taken, type and CRC included: the advertised
                frame payload plus 64 (FRAME-7).
            profiles: see :attr:`profiles`.
            text_line_bytes: longest line of text; a longer one is delivered in pieces (FRAME-8).

        Raises:
            ConfigError: a bound is below 1 byte.
        """
        if max_content_bytes < 1 or text_line_bytes < 1:
            raise ConfigError("the bounds of a frame decoder are 1 byte or more")
        self._max_content = max_content_bytes
        self._max_stuffed = max_stuffed_bytes(max_content_bytes)
        self._text_line = text_line_bytes
        self._mode = _FRESH
        self._buffer = bytearray()
        self.counters = FrameCounters()
        self.profiles = profiles

    @property
    def profiles(self) -> tuple[CrcProfile, ...]:
        """The CRC profiles that a session frame may have, the likeliest first.

        Handshake frames have CRC-16 whatever stands here (FRAME-5).  An end gives that of its
        session (FRAME-10), or none: then session frames are foreign.  The standard ones as they
        are fit frames of no session, such as recorded text.
        """
        return self._profiles

    @profiles.setter
    def profiles(self, profiles: tuple[CrcProfile, ...]) -> None:
        self._profiles = profiles
        first = profiles[0] if profiles else _NO_PROFILE
        self._hot = first.compute, first.initial, first.residue, -first.size_bytes

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of an unfinished frame or line are stored."""
        return len(self._buffer)

    def reset(self) -> None:
        """Forget the unfinished frame or line, as if a delimiter had come; count nothing."""
        self._mode = _FRESH
        self._buffer.clear()

    def receive(self, data: bytes | bytearray | memoryview) -> list[Verdict]:
        """Take the next bytes of the line; return a verdict on each frame and line they complete.

        Returns:
            For each good frame its content as ``bytes``, type byte first and CRC removed; else a
            ``Rejected`` or a ``Text``.
        """
        if type(data) is not bytes:
            data = bytes(data)
        if self._mode is _FRAME and 0 not in data:  # the middle of a frame
            buffer = self._buffer
            buffer += data
            if len(buffer) > self._max_stuffed:
                self._drop()
            return []
        verdicts: list[Verdict] = []
        limit = self._max_content
        if len(data) <= limit:  # so nothing that begins and ends in it can be oversized
            self._split(data, verdicts)
        else:
            for start in range(0, len(data), limit):
                self._split(data[start : start + limit], verdicts)
        return verdicts

    def _split(self, data: bytes, verdicts: list[Verdict]) -> None:
        """Judge ``data``, not longer than the bound, one delimiter after the other."""
        segments = data.split(DELIMITER)
        rest = segments.pop()
        if not segments:
            self._store(rest, verdicts)
            return
        if self._buffer or self._mode is not _FRESH:
            segments[0] = self._join(segments[0], verdicts)
        before = len(verdicts)
        slow = 0
        append = verdicts.append
        compute, initial, residue, end = self._hot
        for segment in segments:
            if not segment:
                continue
            try:
                sealed = decode(segment)
                if sealed[0] > _LAST_HANDSHAKE_TYPE and compute(sealed, initial) == residue:
                    content = sealed[:end]
                    if content:
                        append(content)
                        continue
            except (DecodeError, IndexError):
                pass
            slow -= len(verdicts)
            self._finish(segment, verdicts)
            slow += len(verdicts)
        self.counters.frames += len(verdicts) - before - slow
        if len(rest) > 1 and rest[1] >= TEXT_BELOW:
            self._buffer += rest
            self._mode = _FRAME
        elif rest:
            self._store(rest, verdicts)

    def _join(self, segment: bytes, verdicts: list[Verdict]) -> bytes:
        """Return what is stored with ``segment`` behind it; nothing if that had to be judged."""
        if self._mode is _FRAME and len(self._buffer) + len(segment) <= self._max_content:
            segment = bytes(self._buffer) + segment
            self.reset()
            return segment
        self._finish(segment, verdicts)
        return b""

    def _store(self, data: bytes, verdicts: list[Verdict]) -> None:
        """Take bytes without a delimiter."""
        start = 0
        while start < len(data):
            if self._mode is _Mode.TEXT:
                start = self._store_text(data, start, verdicts)
                continue
            if self._mode is _Mode.OVERSIZED:
                self.counters.noise_bytes += len(data) - start
                return
            self._buffer += data[start:]
            if self._mode is _FRESH:
                first = self._buffer[0]
                if len(self._buffer) > 1 and first < TEXT_BELOW and self._buffer[1] < TEXT_BELOW:
                    data, start = bytes(self._buffer), 0
                    self._buffer.clear()
                    self._mode = _Mode.TEXT
                    continue
                if len(self._buffer) > 1 or first >= TEXT_BELOW:
                    self._mode = _FRAME
            if len(self._buffer) > self._max_stuffed:
                self._drop()
            return

    def _store_text(self, data: bytes, start: int, verdicts: list[Verdict]) -> int:
        """Take bytes of a text up to and including a newline; return where the rest begins."""
        newline = data.find(NEWLINE, start)
        end = len(data) if newline < 0 else newline
        line = self._buffer
        line += data[start:end]
        while len(line) > self._text_line:
            verdicts.append(self.counters.read_text(line[: self._text_line]))
            del line[: self._text_line]
        if newline < 0:
            return end
        self._end_line(verdicts)
        return newline + 1

    def _end_line(self, verdicts: list[Verdict]) -> None:
        verdicts.append(self.counters.read_text(self._buffer))
        self.reset()

    def _drop(self) -> None:
        """Store no more of a frame that is longer than any of the content allowed."""
        self.counters.noise_bytes += len(self._buffer)
        self._buffer.clear()
        self._mode = _Mode.OVERSIZED

    def _finish(self, segment: bytes, verdicts: list[Verdict]) -> None:
        """Take ``segment`` and the delimiter behind it."""
        self._store(segment, verdicts)
        if self._mode is _Mode.OVERSIZED:
            verdicts.append(self.counters.reject(RejectReason.OVERSIZED, 0))
            self.reset()
        elif self._mode is _FRAME:
            verdicts.append(self._judge(bytes(self._buffer)))
            self.reset()
        elif self._buffer:  # a text, or one byte below 0x80: the delimiter is below 0x80, too
            self._buffer = self._buffer.removesuffix(b"\n")
            self._end_line(verdicts)

    def _judge(self, segment: bytes) -> Verdict:
        """Return the verdict on the bytes of one frame."""
        try:
            sealed = decode(segment)
        except DecodeError:
            size = unstuffed_size(segment)
            reason = RejectReason.OVERSIZED if size > self._max_content else RejectReason.COBS
            return self.counters.reject(reason, len(segment))
        if len(sealed) > self._max_content:
            return self.counters.reject(RejectReason.OVERSIZED, len(segment))
        verdict = open_seal(sealed, self._profiles)
        if isinstance(verdict, bytes):
            self.counters.frames += 1
            return verdict
        return self.counters.reject(verdict, len(segment))


def open_seal(sealed: bytes, profiles: tuple[CrcProfile, ...]) -> bytes | RejectReason:
    """Return a frame's content if its CRC is right by one of ``profiles`` (FRAME-5)."""
    if not sealed or sealed[0] < FIRST_TYPE:
        return RejectReason.NOISE
    if not profiles and sealed[0] in SESSION_TYPES and len(sealed) >= SHORTEST_SESSION_FRAME:
        return RejectReason.FOREIGN
    reason = RejectReason.NOISE
    for profile in (CRC16,) if sealed[0] in HANDSHAKE_TYPES else profiles:
        if len(sealed) > profile.size_bytes:
            if profile.check(sealed):
                return sealed[: -profile.size_bytes]
            reason = RejectReason.CRC
    return reason


def cut_behind_delimiters(data: bytes) -> Iterator[bytes]:
    """Cut what a line brought, so that each piece completes one frame at most."""
    *ended, rest = data.split(DELIMITER)
    for frame in ended:
        yield frame + DELIMITER
    if rest:
        yield rest
