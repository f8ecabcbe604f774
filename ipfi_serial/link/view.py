"""What can be asked of a link; asking changes nothing."""

from __future__ import annotations

from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.line import Line
from ipfi_serial.link.opening import Opening
from ipfi_serial.link.states import LinkState
from ipfi_serial.link.transfer import Transfer


class LinkView:
    """The questions that :class:`ipfi_serial.link.session.Link` answers."""

    _line: Line
    _live: Transfer | None
    _opening: Opening

    @property
    def state(self) -> LinkState:
        """Where this end stands."""
        return self._opening.state

    @property
    def established(self) -> bool:
        """Whether a session stands."""
        return self._live is not None

    @property
    def agreement(self) -> Agreement | None:
        """Terms of the live session."""
        return self._live.agreement if self._live is not None else None

    @property
    def room_bytes(self) -> int:
        """How many more stream bytes are worth queueing: two windows; small messages overtake."""
        return self._live.sender.room_bytes if self._live is not None else 0

    @property
    def frames_under_way(self) -> int:
        """How many DATA frames wait for their ACK."""
        return len(self._live.sender.flights) if self._live is not None else 0

    @property
    def flushed(self) -> bool:
        """Whether everything queued was handed over and acknowledged."""
        return not self._line.control and (self._live is None or self._live.sender.idle)

    @property
    def lossy_limit_bytes(self) -> int:
        """Largest message that fits a LOSSY frame now."""
        return self._live.largest_frame if self._live is not None else 0

    def session_counts(self) -> tuple[int, int]:
        """Return retransmissions and duplicates of the live session."""
        if self._live is None:
            return 0, 0
        return self._live.sender.retransmissions, self._live.receiver.duplicates

    def smoothed_rtt_s(self) -> float | None:
        """Return the smoothed round-trip time, or None before the first sample."""
        return self._live.sender.rtt.smoothed_s if self._live is not None else None
