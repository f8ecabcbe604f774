"""Damaged frames whose checksum matches all the same: an independent look at what was delivered.

Shares no code with the package: COBS and checksums by their definitions, from the standard library.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

HANDSHAKE: Final = range(0x81, 0x85)  # always CRC-16 (FRAME-5)
HELLO_ACK: Final = 0x82
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
        confirms: of the sessions that either end has offered, by id: their frames' checksums begin
            from it (FRAME-10).
    """

    crc32: bool
    escapes: Escapes
    confirms: dict[bytes, set[int]] = field(default_factory=dict)
    heard: Callable[[bytes], None] | None = None
    _sent: set[bytes] = field(default_factory=set)
    _rest: bytes = b""

    def sent(self, wire: bytes) -> None:
        """Note a frame as it was sent."""
        piece = wire.strip(b"\0")
        self._sent.add(piece)
        content = unstuffed(piece)
        if content is not None and content[0] == HELLO_ACK:
            of_id = self.confirms.setdefault(content[30:32], set())
            of_id.add(int.from_bytes(content[-6:-2], "little"))

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
        if content[0] in HANDSHAKE:
            self._check_for(content, 0, crc32=False)
            return
        for confirm in self.confirms.get(content[1:3], ()):
            self._check_for(content, confirm, crc32=self.crc32)

    def _check_for(self, content: bytes, confirm: int, *, crc32: bool) -> None:
        if crc32:
            self.escapes.checked32 += 1
            crc = zlib.crc32(content[:-4], confirm)
            matches = content[-4:] == crc.to_bytes(4, "little")
        else:
            self.escapes.checked16 += 1
            crc = binascii.crc_hqx(content[:-2], 0xFFFF ^ confirm & 0xFFFF) ^ 0xFFFF
            matches = content[-2:] == crc.to_bytes(2, "big")
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
