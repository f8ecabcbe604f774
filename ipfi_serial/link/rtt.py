"""Round-trip samples in, a retransmission time-out out.  Pure arithmetic (RFC 6298, LINK-9)."""

from __future__ import annotations

from typing import Final

ALPHA: Final = 1 / 8  # RFC 6298, section 2.3
BETA: Final = 1 / 4
FIRST_RTO_S: Final = 0.25  # before a sample; outlasts an 85 ms flash stall and a 16 ms USB timer
ACK_DELAY_S: Final = 0.02  # LINK-8; the time-out stays above it, by the granularity
# A serial line has no queue of strangers to relieve: doubling only guards against a time-out that
# is too short, and a noisy line must be tried often within the patience time (LINK-13).
MOST_DOUBLINGS: Final = 3
BACKED_OFF_S: Final = 0.25
MIN_VARIANCE_TERM_S: Final = 0.01  # RFC 6298's clock granularity G


class RttEstimator:
    """Smoothed round-trip time of one session.

    Attributes:
        backoff: how often the time-out was doubled since something new was acknowledged.
        smoothed_s: SRTT in seconds, or None before the first sample.
    """

    __slots__ = ("_base_s", "_floor_s", "_rto_s", "_variance_s", "backoff", "smoothed_s")

    def __init__(self, ack_delay_s: float = ACK_DELAY_S) -> None:
        """Begin without a sample, towards an end that delays its ACKs by so much (LINK-8)."""
        self._floor_s = ack_delay_s + MIN_VARIANCE_TERM_S
        self._base_s = max(FIRST_RTO_S, 2 * ack_delay_s)  # it may be sending two frames itself
        self._rto_s = self._base_s  # after doubling
        self.smoothed_s: float | None = None
        self._variance_s = 0.0
        self.backoff = 0

    def sample(self, rtt_s: float) -> None:
        """Take one measurement, from a frame that was sent only once (Karn's rule)."""
        smoothed_s = self.smoothed_s
        if smoothed_s is None:
            self.smoothed_s = smoothed_s = rtt_s
            self._variance_s = rtt_s / 2
        else:
            error_s = rtt_s - smoothed_s
            self._variance_s += BETA * (abs(error_s) - self._variance_s)
            self.smoothed_s = smoothed_s = smoothed_s + ALPHA * error_s
        spread_s = 4 * self._variance_s
        if spread_s < MIN_VARIANCE_TERM_S:
            spread_s = MIN_VARIANCE_TERM_S
        base_s = smoothed_s + spread_s
        self._base_s = self._rto_s = max(self._floor_s, base_s)
        if self.backoff:
            self._double()

    def expired(self) -> None:
        """Double the time-out: it passed without an answer."""
        self.backoff = min(self.backoff + 1, MOST_DOUBLINGS)
        self._double()

    def progressed(self) -> None:
        """End the doubling: something new was acknowledged."""
        self.backoff = 0
        self._rto_s = self._base_s

    def rto_s(self, wire_s: float) -> float:
        """Return the time-out in seconds, given the wire time of what is under way."""
        return self._rto_s + wire_s

    def _double(self) -> None:
        base_s = self._base_s
        self._rto_s = min(base_s * (1 << self.backoff), max(base_s, BACKED_OFF_S))
