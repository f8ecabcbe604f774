"""What a caller says to the other end: arguments, grants, cancellation.

docs/protocol.md, CALL-4, CALL-7, CALL-8 and STREAM-3.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ipfi_serial.codec.message import MessageKind, Terminator
from ipfi_serial.engine.calls import OutgoingCall
from ipfi_serial.engine.outbox import Outbox
from ipfi_serial.link.handshake import Agreement
from ipfi_serial.link.parameters import Extension

_encode_number: Final = msgspec.msgpack.Encoder().encode
_CALL: Final = MessageKind.CALL  # a global is found faster than a member of an Enum
_NONE: Final = Terminator.NONE
_COMPLETE: Final = Terminator.COMPLETE


class Requests:
    """Puts a caller's messages into the outbox.

    Args:
        outbox: where messages go.

    Attributes:
        stream_credit: unread bytes that a stream may send ahead; 0: no Grants on this wire.
    """

    __slots__ = ("_cancels", "_outbox", "stream_credit")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._cancels = False
        self.stream_credit = 0

    def session_opened(self, agreement: Agreement) -> None:
        """Take which extensions the other end knows (MSG-7)."""
        extensions = agreement.theirs.extensions
        self._cancels = bool(extensions & Extension.CANCEL)
        grants = extensions & Extension.GRANT
        self.stream_credit = agreement.ours.stream_credit_bytes if grants else 0

    def send_arguments(self, call: OutgoingCall, arguments: bytes) -> None:
        """Send a part of a call's arguments, the last one unless they are open."""
        terminator = _NONE if call.arguments_open else _COMPLETE
        self._outbox.put(call, _CALL, call.procedure, call.call, terminator, arguments, call)

    def stop(self, call: OutgoingCall) -> bool:
        """Send no more arguments, but a Cancel (CALL-7); False: the other end never heard of it."""
        if not call.handed_over:
            self._outbox.withdraw(call, call)
        if call.sent and self._cancels:
            procedure, index = call.key
            lane = ("cancel", call)
            self._outbox.put(lane, MessageKind.CANCEL, procedure, index, Terminator.COMPLETE, b"")
        return call.sent

    def grant(self, call: OutgoingCall) -> None:
        """Grant more of a stream if that is half the credit or more (STREAM-3)."""
        credit = self.stream_credit
        target = call.wanted_bytes(credit)
        if not credit or target - call.granted_bytes < credit // 2:
            return
        call.granted_bytes = target
        self._outbox.put(
            call,
            MessageKind.GRANT,
            call.procedure,
            call.call,
            Terminator.COMPLETE,
            _encode_number(target & 0xFFFFFFFF),
        )
