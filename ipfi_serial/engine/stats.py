"""What a wire has counted, as one value for people and programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ipfi_serial.engine.wire import Wire
from ipfi_serial.framing.cobs import ACCELERATED
from ipfi_serial.framing.verdict import FrameCounters
from ipfi_serial.link.session import Link


@dataclass(frozen=True, slots=True)
class WireStats:
    """A snapshot of a wire's counters since it was opened.

    Attributes:
        state: the link's state: "ESTABLISHED", "CONNECTING" ...
        sessions: sessions that stood.
        resets: sessions that ended because the other end restarted.
        frames_sent: frames handed to the transport, repetitions included; 0 on a plain wire.
        frames_received: good frames.
        bytes_sent: wire bytes handed to the transport.
        bytes_received: wire bytes that came in.
        retransmissions: DATA frames sent again.
        duplicates: DATA frames received again.
        crc_errors: frames whose CRC did not hold.
        rejected: what else was no frame: cut off, too long, noise.
        noise_bytes: wire bytes of all that was no frame or is of another session.
        stale_frames: frames of no live session; of session frames the CRC is not checked then.
        text_lines: lines of text between frames.
        lossy_dropped: lossy events and log lines that were never sent.
        events_dropped: events dropped because their queue was full.
        strays: answers to unknown calls.
        refused: calls of the other end that were refused or failed.
        skipped: messages that were skipped as unknown or too large.
        open_calls: calls waiting for their answer now.
        rtt_s: smoothed round-trip time in seconds, or None.
        cobs_accelerated: False if the cobs package has no C extension here, which costs speed.
    """

    state: str
    sessions: int
    resets: int
    frames_sent: int
    frames_received: int
    bytes_sent: int
    bytes_received: int
    retransmissions: int
    duplicates: int
    crc_errors: int
    rejected: int
    noise_bytes: int
    stale_frames: int
    text_lines: int
    lossy_dropped: int
    events_dropped: int
    strays: int
    refused: int
    skipped: int
    open_calls: int
    rtt_s: float | None
    cobs_accelerated: bool


class LossReport:
    """Tells a transport that adapts its speed to the line how many frames failed.

    Args:
        wire: whose frames count.
        note_losses: the transport's; gets frames handed over and repetitions since the last call.
        speed: how fast the transport sends then, in bytes a second; the link is told of a change.
    """

    def __init__(
        self,
        wire: Wire,
        note_losses: Callable[[int, int], None],
        speed: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._wire = wire
        self._note_losses = note_losses
        self._speed = speed
        self._bytes_per_s = speed()
        self._frames = 0
        self._repeats = 0

    def tell(self) -> None:
        """Tell it, if frames were handed over since the last time."""
        link = self._wire.link
        frames = link.counters.frames_sent
        if frames == self._frames or not isinstance(link, Link):
            return
        repeats = link.counters.retransmissions + link.session_counts()[0]
        self._note_losses(frames - self._frames, repeats - self._repeats)
        self._frames, self._repeats = frames, repeats
        bytes_per_s = self._speed()
        if bytes_per_s is not None and bytes_per_s != self._bytes_per_s:
            link.set_speed(bytes_per_s)
            self._bytes_per_s = bytes_per_s


def loss_report(wire: Wire, transport: object) -> LossReport | None:
    """Return the report for a transport that has ``note_losses``; None for any other."""
    note_losses = getattr(transport, "note_losses", None)
    if note_losses is None:
        return None
    return LossReport(wire, note_losses, lambda: getattr(transport, "bytes_per_s", None))


def take_stats(wire: Wire, events_dropped: int) -> WireStats:
    """Return the counters of a wire as they stand."""
    link = wire.link
    counters = link.counters
    frames, repeated, doubled = FrameCounters(), 0, 0
    if isinstance(link, Link):
        frames = link.decoder.counters
        repeated, doubled = link.session_counts()
    return WireStats(
        state=link.state.name,
        sessions=counters.sessions,
        resets=counters.resets,
        frames_sent=counters.frames_sent,
        frames_received=counters.frames_received,
        bytes_sent=counters.bytes_sent,
        bytes_received=counters.bytes_received,
        retransmissions=counters.retransmissions + repeated,
        duplicates=counters.duplicates + doubled,
        crc_errors=frames.crc_errors,
        rejected=frames.cobs_errors + frames.oversized + frames.noise,
        noise_bytes=frames.noise_bytes,
        stale_frames=counters.stale_frames,
        text_lines=frames.text_lines,
        lossy_dropped=counters.lossy_dropped,
        events_dropped=events_dropped,
        strays=wire.caller.strays,
        refused=wire.callee.refused,
        skipped=wire.skipped_messages,
        open_calls=wire.caller.open_calls,
        rtt_s=link.smoothed_rtt_s(),
        cobs_accelerated=ACCELERATED,
    )
