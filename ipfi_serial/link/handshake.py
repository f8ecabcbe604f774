"""Who may talk, in which session: HELLO, HELLO_ACK and READY; docs/protocol.md 3.3.

Keeps the nonce of our attempt, the floor of the session ids and the one pending session.  It never
looks at a clock, and never ends a live session: :mod:`ipfi_serial.link.session` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from ipfi_serial.link.parameters import (
    HELLO_SIZE,
    Parameters,
    confirm_of,
    decode_hello_ack,
    encode_hello,
    encode_hello_ack,
    encode_refuse,
    hello_floor,
    later_floor,
    next_id,
)

ECHOES_TO_GIVE_UP: Final = 3  # HS-9


class Agreement(NamedTuple):
    """A session that both ends know the terms of.

    Attributes:
        session: its id, 1 to 65535.
        profile: bit number of its CRC profile (FRAME-6).
        ours: what we said of ourselves.
        theirs: what the other end said of itself.
        initiated: whether our HELLO began it.
        confirm: the last 4 bytes of the HELLO_ACK; READY repeats them (HS-5).
    """

    session: int
    profile: int
    ours: Parameters
    theirs: Parameters
    initiated: bool
    confirm: bytes


class Handshake:
    """The handshake's memory at one end.

    Attributes:
        hello: content of the HELLO of the current attempt.
        pending: the newest session that we offered as responder, not yet live (HS-3).
        echoes: how often our own HELLO came back in a row (HS-9).
    """

    __slots__ = ("_floor", "_new_nonce", "_own", "echoes", "hello", "pending")

    def __init__(self, own: Parameters, floor: int, new_nonce: Callable[[], int]) -> None:
        self._own = own
        self._floor = floor
        self._new_nonce = new_nonce
        self.pending: Agreement | None = None
        self.echoes = 0
        self.hello = b""
        self.begin_attempt()

    @property
    def own(self) -> Parameters:
        """Our parameters, with the nonce of the current attempt."""
        return self._own

    def describe_as(self, schema: int) -> None:
        """Say ``schema`` in later handshakes."""
        self._own = replace(self._own, schema=schema)
        self.hello = encode_hello(self._own, self._floor)

    def begin_attempt(self) -> None:
        """Start afresh as initiator: a new nonce, so answers to earlier attempts are stale."""
        self._own = replace(self._own, nonce=self._new_nonce() & 0xFFFFFFFF)
        self.hello = encode_hello(self._own, self._floor)

    def is_echo(self, theirs: Parameters) -> bool:
        """Tell whether a HELLO is our own that came back (HS-9)."""
        return theirs.rank == self._own.rank

    def answer(self, hello: bytes) -> bytes:
        """Answer a HELLO as responder: HELLO_ACK with a new pending session, or REFUSE."""
        theirs = Parameters.decode(hello)
        if theirs.version != self._own.version:
            return encode_refuse(1, theirs.nonce)
        if not theirs.valid:
            return encode_refuse(2, theirs.nonce)
        session = later_floor(hello_floor(hello), self._floor)
        self._floor = next_id(session)
        self.hello = encode_hello(self._own, self._floor)  # answers to what we said before are void
        profile = (theirs.crc_profiles & self._own.crc_profiles).bit_length() - 1
        ours = replace(self._own, nonce=self._new_nonce() & 0xFFFFFFFF)
        hello_ack = encode_hello_ack(hello, ours, session, profile)
        confirm = confirm_of(hello_ack)
        self.pending = Agreement(session, profile, ours, theirs, initiated=False, confirm=confirm)
        return hello_ack

    def accept(self, hello_ack: bytes) -> Agreement | None:
        """Take a HELLO_ACK to our current attempt; None if it is not one (HS-4)."""
        ack = decode_hello_ack(hello_ack, self.hello)
        if ack is None or ack.echo != self._own.nonce or not ack.parameters.valid:
            return None
        if ack.parameters.version != self._own.version:
            return None
        if not self._own.crc_profiles >> ack.profile & 1:
            return None
        if ack.session == 0 or later_floor(ack.session, self._floor) != ack.session:
            return None  # an id that we have used
        self._floor = next_id(ack.session)
        confirm = confirm_of(hello_ack)
        return Agreement(
            ack.session, ack.profile, self._own, ack.parameters, initiated=True, confirm=confirm
        )


def is_hello(content: bytes) -> bool:
    """Tell whether a HELLO's content has the right size."""
    return len(content) == HELLO_SIZE
