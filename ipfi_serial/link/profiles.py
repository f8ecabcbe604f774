"""The CRC profiles that this end can compute, by their bits (FRAME-6)."""

from __future__ import annotations

from collections.abc import Iterable

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

    def of(self, agreement: Agreement | None) -> CrcProfile:
        """Return a session's profile, or without one that of a handshake frame (FRAME-5)."""
        return CRC16 if agreement is None else self._known[agreement.profile]

    def expected(self, agreements: Iterable[Agreement | None]) -> tuple[CrcProfile, ...]:
        """Return which CRCs a session frame may carry while these sessions live or may come."""
        profiles = {self.of(agreement) for agreement in agreements if agreement is not None}
        expected = profiles or self._known.values()  # without a session: those of a lost one
        return tuple(sorted(expected, key=lambda profile: -profile.bit))
