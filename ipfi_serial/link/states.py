"""The states of a link and every transition between them, and nothing else.

docs/states.md is generated from this table; a pair that is missing is illegal.
docs/protocol.md, section 3.3.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class LinkState(enum.Enum):
    """Where one end of a link stands."""

    CLOSED = enum.auto()  # not opened yet, or closed for good
    LISTENING = enum.auto()  # waits for the other end's HELLO
    CONNECTING = enum.auto()  # sends HELLO
    UNCONFIRMED = enum.auto()  # took a HELLO_ACK, sends READY
    ESTABLISHED = enum.auto()  # the stream flows both ways


class LinkInput(enum.Enum):
    """Everything that moves a link."""

    OPEN = enum.auto()  # our program opens actively
    LISTEN = enum.auto()  # our program waits
    HELLO_ACKED = enum.auto()  # a HELLO_ACK that answers our attempt (HS-4)
    CONFIRMED = enum.auto()  # the echo of our READY (HS-6)
    PEER_READY = enum.auto()  # READY for the pending session (HS-5)
    LOST_ACTIVE = enum.auto()  # no session (any more), HS-6 or LINK-19; this end opens actively
    LOST_PASSIVE = enum.auto()  # the same; this end waits
    CLOSE = enum.auto()  # our program closes, or the other end refused us


_S, _I = LinkState, LinkInput

TRANSITIONS: Final[Mapping[tuple[LinkState, LinkInput], LinkState]] = {
    (_S.CLOSED, _I.OPEN): _S.CONNECTING,
    (_S.CLOSED, _I.LISTEN): _S.LISTENING,
    (_S.CLOSED, _I.CLOSE): _S.CLOSED,
    (_S.LISTENING, _I.HELLO_ACKED): _S.UNCONFIRMED,  # its one HELLO of HS-11 was answered
    (_S.LISTENING, _I.PEER_READY): _S.ESTABLISHED,
    (_S.LISTENING, _I.CLOSE): _S.CLOSED,
    (_S.CONNECTING, _I.HELLO_ACKED): _S.UNCONFIRMED,
    (_S.CONNECTING, _I.PEER_READY): _S.ESTABLISHED,  # glare: the other end's attempt won
    (_S.CONNECTING, _I.CLOSE): _S.CLOSED,
    (_S.UNCONFIRMED, _I.HELLO_ACKED): _S.UNCONFIRMED,  # a later answer to the same attempt
    (_S.UNCONFIRMED, _I.CONFIRMED): _S.ESTABLISHED,
    (_S.UNCONFIRMED, _I.PEER_READY): _S.ESTABLISHED,
    (_S.UNCONFIRMED, _I.LOST_ACTIVE): _S.CONNECTING,
    (_S.UNCONFIRMED, _I.LOST_PASSIVE): _S.LISTENING,
    (_S.UNCONFIRMED, _I.CLOSE): _S.CLOSED,
    (_S.ESTABLISHED, _I.PEER_READY): _S.ESTABLISHED,  # a new session replaces this one
    (_S.ESTABLISHED, _I.LOST_ACTIVE): _S.CONNECTING,
    (_S.ESTABLISHED, _I.LOST_PASSIVE): _S.LISTENING,
    (_S.ESTABLISHED, _I.CLOSE): _S.CLOSED,
}
