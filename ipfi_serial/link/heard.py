"""What one who only listens to a line can check: frames of sessions whose handshake it heard."""

from __future__ import annotations

from typing import Final

from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.link.parameters import (
    HELLO_ACK_SIZE,
    PROFILE_PLACE,
    FrameType,
    confirm_of,
)

KNOWN: Final = 4  # sessions offered or live: a HELLO may be answered several times
_PROFILES: Final = {profile.bit: profile for profile in (CRC16, CRC32)}


class HeardSessions:
    """The CRCs that session frames of a line may carry, as its handshakes tell (FRAME-10).

    Attributes:
        profiles: of the newest sessions, the newest first: what a ``FrameDecoder`` of either
            direction of the line is to be given.
    """

    def __init__(self, profiles: tuple[CrcProfile, ...] = ()) -> None:
        """Know these before the first handshake; none: session frames are foreign until then."""
        self.profiles = profiles

    def note(self, content: bytes) -> bool:
        """Take a frame of either direction; return whether :attr:`profiles` are others now."""
        if content[0] != FrameType.HELLO_ACK or len(content) != HELLO_ACK_SIZE:
            return False
        plain = _PROFILES.get(content[PROFILE_PLACE])
        if plain is None:  # a custom one, of which nobody told us
            return False
        newest = plain.for_session(confirm_of(content))
        others = tuple(each for each in self.profiles if each != newest)
        self.profiles = (newest, *others)[:KNOWN]
        return True
