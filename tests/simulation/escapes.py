"""Damaged frames whose checksum matches all the same: an independent look at what was delivered.

Shares no code with the package: COBS and checksums by their definitions, from the standard library.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

HANDSHAKE: Final = range(0x81, 0x84)  # always CRC-16 (FRAME-5)
SMALLEST: Final = 4  # bytes of content and checksum below which nothing is looked at


@dataclass(slots=True)
class Escapes:
    """What came of damage.

    Attributes:
        damaged: pieces that were not sent as they came.
        checked16: of these, pieces that reached a CRC-16 check.
        checked32: and a CRC-32 check.
        found: of these, pieces whose checksum matches.
    """

    damaged: int = 0
    checked16: int = 0
    checked32: int = 0
    found: int = 0

    def add(self, other: Escapes) -> None:
        """Count another's, too."""
        self.damaged += other.damaged
        self.checked16 += other.checked16
        self.checked32 += other.checked32
        self.found += other.found

    @property
    def expected(self) -> float:
        """Escapes by the arithmetic, if damage were random."""
        return self.checked16 / 65536 + self.checked32 / 4294967296


@dataclass(slots=True)
class Watch:
    """One direction: what was sent, and what came of it.

    Attributes:
        crc32: whether session frames carry CRC-32.
        heard: takes each piece that came as it was sent.
        escapes: where to count.
    """

    crc32: bool
    escapes: Escapes
    heard: Callable[[bytes], None] | None = None
    _sent: set[bytes] = field(default_factory=set)
    _rest: bytes = b""

    def sent(self, wire: bytes) -> None:
        """Note a frame as it was sent."""
        self._sent.add(wire.strip(b"\0"))

    def delivered(self, data: bytes) -> None:
        """Look at bytes that are being delivered."""
        pieces = (self._rest + data).split(b"\0")
        self._rest = pieces.pop()
        sent, heard = self._sent, self.heard
        for piece in pieces:
            if not piece:
                continue
            if piece not in sent:
                self._look(piece)
            elif heard is not None:
                heard(piece)

    def _look(self, piece: bytes) -> None:
        """Look at a piece, and at what follows each of its lines if it may be text (FRAME-8)."""
        self.escapes.damaged += 1
        self._check(piece)
        start = piece.find(b"\n") + 1
        while start:
            rest = piece[start:]
            if rest in self._sent:
                if self.heard is not None:
                    self.heard(rest)
            elif rest:
                self._check(rest)
            start = piece.find(b"\n", start) + 1

    def _check(self, piece: bytes) -> None:
        content = unstuffed(piece)
        if content is None or len(content) < SMALLEST or content[0] < 0x80:
            return
        if content[0] in HANDSHAKE or not self.crc32:
            self.escapes.checked16 += 1
            crc = binascii.crc_hqx(content[:-2], 0xFFFF) ^ 0xFFFF
            matches = content[-2:] == crc.to_bytes(2, "big")
        else:
            self.escapes.checked32 += 1
            matches = content[-4:] == zlib.crc32(content[:-4]).to_bytes(4, "little")
        self.escapes.found += matches


def unstuffed(data: bytes) -> bytes | None:
    """Undo COBS by its definition, or return None."""
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        run = data[at + 1 : at + code]
        if len(run) != code - 1:
            return None
        out += run
        at += code
        if code != 0xFF and at < len(data):
            out.append(0)
    return bytes(out)
