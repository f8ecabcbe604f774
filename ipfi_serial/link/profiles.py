"""The CRC profiles that this end can compute, by their bits (FRAME-6)."""

from __future__ import annotations

from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.link.handshake import Agreement


class Profiles:
    """Finds the profiles of sessions.

    Attributes:
        mask: what HELLO may offer.
    """

    __slots__ = ("_known", "mask")

    def __init__(self, custom: CrcProfile | None) -> None:
        """Know both standard ones and ``custom``."""
        self._known = {0: CRC16, 1: CRC32}
        if custom is not None:
            self._known[custom.bit] = custom
        self.mask = sum(1 << bit for bit in self._known)

    def of(self, agreement: Agreement) -> CrcProfile:
        """Return the profile of a session's frames: the agreed one, begun from ``confirm``."""
        return self._known[agreement.profile].for_session(agreement.confirm)
