"""Frames that go before all others: those of the handshake, and BYE.

docs/protocol.md 3.3.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.framing.crc import CRC16, CrcProfile
from ipfi_serial.link.parameters import FrameType

_SPOKEN: Final = frozenset((FrameType.HELLO, FrameType.READY))
_ANSWERED: Final = frozenset((FrameType.HELLO_ACK, FrameType.REFUSE))


class ControlQueue(deque[tuple[bytes, CrcProfile]]):
    """Their contents and CRCs, oldest first."""

    __slots__ = ()

    def append_newest(self, content: bytes, copies: int) -> None:
        """Queue a handshake frame in place of one that has not left: only the newest counts."""
        alike = _SPOKEN if content[0] in _SPOKEN else _ANSWERED
        for frame in [frame for frame in self if frame[0][0] in alike]:
            self.remove(frame)
        self.extend([(content, CRC16)] * copies)
