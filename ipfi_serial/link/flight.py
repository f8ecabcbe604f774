"""One DATA frame under way."""

from __future__ import annotations


class Flight:
    """One DATA frame that is not acknowledged yet."""

    __slots__ = (
        "again",
        "copies",
        "cut_at",
        "departure_s",
        "order",
        "payload",
        "sacked",
        "sequence",
        "times",
    )

    def __init__(self, sequence: int, payload: bytes) -> None:
        self.sequence = sequence
        self.payload = payload
        self.departure_s = 0.0  # estimated moment when its last byte leaves
        self.order = 0  # position among all transmissions
        self.times = 0  # transmissions so far
        self.again = False  # to be sent again
        self.cut_at = 0  # where its next piece begins (LINK-21)
        self.copies = 0  # of the repetition under way that have not left
        self.sacked = False
