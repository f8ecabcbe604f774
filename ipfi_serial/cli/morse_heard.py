"""What one who only listens to a Morse line makes of its frames: which CRC holds, or why none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ipfi_serial.framing.cobs import DecodeError, decode
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import open_seal
from ipfi_serial.framing.verdict import HANDSHAKE_TYPES, SESSION_TYPES, SHORTEST_SESSION_FRAME
from ipfi_serial.link.heard import KNOWN, HeardSessions
from ipfi_serial.link.parameters import PROFILE_PLACE

Crc = Literal["CRC-32", "CRC-16", "none", "unknown"]

UNHEARD: Final = "of a session whose handshake was not heard"
_PLAIN: Final[tuple[CrcProfile, ...]] = (CRC32, CRC16)
_NO_SESSION: Final = 0  # of frames that stand alone, as `ipfi morse encode --frame` makes them
_SESSION_PLACE: Final = PROFILE_PLACE - 6  # in a HELLO_ACK: session u16, echo u32, profile


@dataclass(frozen=True, slots=True)
class Judged:
    """What a frame is.

    Attributes:
        content: type byte and body; None if no CRC is known to hold.
        crc: which one holds; "none": the frame is damaged; "unknown": it is of a session whose
            handshake was not heard, so nobody but its ends can check it (FRAME-10).
    """

    content: bytes | None
    crc: Crc


DAMAGED: Final = Judged(None, "none")


class HeardFrames:
    """Judges the frames of a line, both directions or one, in the order in which they came."""

    def __init__(self) -> None:
        """Know of no session."""
        self._heard = HeardSessions()
        self._sessions: tuple[int, ...] = ()

    def judge(self, frame: bytes) -> Judged:
        """Take the wire bytes of one frame, without delimiters."""
        try:
            sealed = decode(frame)
        except DecodeError:
            return DAMAGED
        profiles = _PLAIN
        if sealed[:1] and sealed[0] in SESSION_TYPES and len(sealed) >= SHORTEST_SESSION_FRAME:
            session = int.from_bytes(sealed[1:3], "little")
            if session in self._sessions:
                profiles = self._heard.profiles
            elif session != _NO_SESSION:
                return Judged(None, "unknown")
        if sealed[:1] and sealed[0] in HANDSHAKE_TYPES:
            profiles = (CRC16,)  # FRAME-5
        content = open_seal(sealed, profiles)
        if not isinstance(content, bytes):
            return DAMAGED
        self._note(content)
        return Judged(content, "CRC-32" if len(sealed) - len(content) == 4 else "CRC-16")

    def _note(self, content: bytes) -> None:
        """Learn from a HELLO_ACK how its session is sealed."""
        if self._heard.note(content):
            session = int.from_bytes(content[_SESSION_PLACE : _SESSION_PLACE + 2], "little")
            others = tuple(each for each in self._sessions if each != session)
            self._sessions = (session, *others)[:KNOWN]
