"""The place of the link on a plain wire: bytes pass as they are.

For transports that lose nothing (TCP, Unix sockets, standard streams) and for the reference
implementation.  Never probes and never adds a byte.  docs/protocol.md, section 1.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ipfi_serial.errors import IpfiError, LinkMismatchError, LocalProtocolError, WireClosedError
from ipfi_serial.events import LinkEvent, SessionLost, SessionOpened
from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.link.counters import LinkCounters
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.states import LinkState

QUEUE_BYTES: Final = 256 << 10  # handed to the operating system in one go at most
SNIFF_BYTES: Final = 64  # a HELLO is shorter, delimiters included
SNIFF_S: Final = 0.25  # what may be a HELLO is held back for so long after its last byte


class PlainLink:
    """One end of a plain wire, with the methods of :class:`~ipfi_serial.link.session.Link`."""

    agreement = None
    frames_under_way = 0
    lossy_limit_bytes = 0

    def __init__(self) -> None:
        self.state = LinkState.CLOSED
        self.counters = LinkCounters()
        self.events: deque[LinkEvent] = deque()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._sniffing = True
        self._held = b""  # the first bytes, which may be a framed end's HELLO
        self._release_s: float | None = None

    def open(self, now_s: float) -> None:  # noqa: ARG002 - the link's signature
        """Begin; there is nothing to agree on."""
        self.state = LinkState.ESTABLISHED
        self.counters.sessions += 1
        self.events.append(SessionOpened())

    def close(self, reason: int = 0) -> None:  # noqa: ARG002 - the link's signature
        """Take no further part; what was queued still leaves."""
        if self.established:
            self.state = LinkState.CLOSED
            self.events.append(SessionLost(WireClosedError("this end closed the wire"), final=True))

    def abort(self, error: IpfiError, now_s: float) -> None:  # noqa: ARG002 - the link's signature
        """End for good: a plain stream cannot be trusted again after a bad message (MSG-6)."""
        if self.established:
            self.state = LinkState.CLOSED
            self.events.append(SessionLost(error, final=True))

    def push(self, data: bytes, now_s: float) -> None:  # noqa: ARG002 - the link's signature
        """Queue stream bytes."""
        self._queue.append(data)
        self._queued_bytes += len(data)

    def push_lossy(self, message: bytes) -> None:  # noqa: ARG002 - the link's signature
        """Refuse: there are no LOSSY frames without frames."""
        raise LocalProtocolError("a plain wire loses nothing: emit without lossy=True")

    def set_busy(self, busy: bool, now_s: float) -> None:
        """Ignore: on a plain wire the transport says when the other end is gone."""

    def describe_as(self, schema: int) -> None:
        """Ignore: nothing is announced on a plain wire."""

    def receive_bytes(self, data: bytes, now_s: float) -> None:
        """Take what the transport brought."""
        self.counters.bytes_received += len(data)
        if self._sniffing:
            data = self._sniff(data, now_s)
        if data and self.established:
            self.events.append(data)

    def _sniff(self, data: bytes, now_s: float) -> bytes:
        """Look for a framed end's HELLO, however it was split; return what is none."""
        self._held += data
        if _is_hello(self._held):
            self._sniffing = False
            self.abort(LinkMismatchError("plain"), now_s)
        elif _may_become_hello(self._held):
            self._release_s = now_s + SNIFF_S
            return b""
        return self._release()

    def _release(self) -> bytes:
        self._sniffing = False
        self._release_s = None
        held, self._held = self._held, b""
        return held

    def bytes_to_send(self, now_s: float, max_bytes: int = 65536) -> bytes:  # noqa: ARG002 - as above
        """Hand over what is queued, about ``max_bytes`` at most."""
        out: list[bytes] = []
        size = 0
        while self._queue and size < max_bytes:
            part = self._queue.popleft()
            out.append(part)
            size += len(part)
        self._queued_bytes -= size
        self.counters.bytes_sent += size
        return out[0] if len(out) == 1 else b"".join(out)

    def next_event(self) -> LinkEvent | None:
        """Hand over the oldest event, or None."""
        return self.events.popleft() if self.events else None

    def next_deadline_s(self) -> float | None:
        """Return when to stop waiting for the rest of what may be a HELLO."""
        return self._release_s

    def on_deadline(self, now_s: float) -> None:
        """Deliver what was held back: no HELLO comes so slowly."""
        if self._release_s is not None and now_s >= self._release_s:
            held = self._release()
            if self.established:
                self.events.append(held)

    @property
    def established(self) -> bool:
        """Whether the wire is open."""
        return self.state is LinkState.ESTABLISHED

    @property
    def room_bytes(self) -> int:
        """How many more stream bytes are worth queueing."""
        return max(0, QUEUE_BYTES - self._queued_bytes)

    @property
    def flushed(self) -> bool:
        """Whether everything queued was handed over."""
        return not self._queue

    def smoothed_rtt_s(self) -> float | None:
        """Return None: a plain wire measures nothing."""
        return None


def _is_hello(data: bytes) -> bool:
    """Tell whether a stream begins with a framed end's HELLO."""
    verdicts = FrameDecoder(128).receive(data) if data[:1] == b"\x00" else ()
    return any(type(v) is bytes and v[0] == FrameType.HELLO for v in verdicts)


def _may_become_hello(data: bytes) -> bool:
    """Tell whether a stream so far may be delimiters and the beginning of a HELLO."""
    if data[:1] != b"\x00" or len(data) > SNIFF_BYTES:
        return False
    frame = data.lstrip(b"\x00")
    # the COBS code is at least 2 (FRAME-4), then comes the type
    return 0 not in frame and frame[:1] != b"\x01" and frame[1:2] in (b"", b"\x81")
