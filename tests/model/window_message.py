"""Numbers of window.pml in, the messages that stand for its frames out.

One message is one full frame.  The code's numbers go on from those of frames that went before the
trace, so that they wrap around within it; the model's small circle is not the code's.
"""

from __future__ import annotations

from typing import Final

from tests.model.ends import EVENT_AROUND, EVENT_HEAD

FRAME_BYTES: Final = 32  # of stream: LINK-16 never halves that
BEFORE: Final = 248  # frames before the trace; 0 comes after 255
CREDITS: Final = 32  # the model's circle of credit, in frames


def code_number(number: int) -> int:
    """Return the sequence number that stands for the model's."""
    return (BEFORE + number) & 0xFF


def payload_of(number: int) -> bytes:
    """Return the payload of the message that fills frame ``number``, and says which one it is."""
    head = (BEFORE + number).to_bytes(2, "little")
    rest = FRAME_BYTES - EVENT_AROUND - len(head)
    return head + bytes((number * 7 + i) & 0xFF for i in range(rest))


def stream_of(number: int) -> bytes:
    """Return the bytes of the stream that are frame ``number``."""
    payload = payload_of(number)
    return EVENT_HEAD + bytes((len(payload),)) + payload
