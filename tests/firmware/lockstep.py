"""The C core as a shared object, on whatever clock the test has."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from pathlib import Path

STATES = ("CLOSED", "LISTENING", "CONNECTING", "UNCONFIRMED", "ESTABLISHED")
INPUTS = (
    "LISTEN",
    "CONNECT",
    "ANSWERED",
    "CONFIRMED",
    "ENTERED",
    "RETRY",
    "WAIT",
    "CLOSE",
)
UP, DOWN, REFUSED, ECHO = 1, 2, 3, 4
ANSWERED, VALUE, FAILED, TIMED_OUT, CANCELLED, TOO_LARGE, LOST = range(7)
STATS = (
    "frames_received",
    "frames_sent",
    "retransmissions",
    "noise",
    "oversized",
    "duplicates",
    "ahead",
    "strays",
    "bad_messages",
    "calls_served",
    "calls_refused",
    "events_handled",
    "events_dropped",
    "lossy_dropped",
    "sessions",
)


class Library:
    """Functions of the shared object that need no end of a wire."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        for name in ("size", "take_tx", "answer"):
            getattr(self.c, f"ipfi_lockstep_{name}").restype = ctypes.c_size_t
        for name in ("values", "ticks", "confirm"):
            getattr(self.c, f"ipfi_lockstep_{name}").restype = ctypes.c_uint32
        self.c.ipfi_lockstep_next_deadline_ms.restype = ctypes.c_int64
        self.c.ipfi_lockstep_emit.restype = ctypes.c_bool
        for name in ("frames", "encode", "head", "write_head", "skip"):
            getattr(self.c, f"ipfi_probe_{name}").restype = ctypes.c_size_t
        self.c.ipfi_probe_checksum.restype = ctypes.c_uint32

    def frames(self, wire: bytes, capacity: int = 4096) -> list[tuple[str, bytes]]:
        """Every verdict: ("F", content with checksum), ("N", b"") or ("O", b"")."""
        log = ctypes.create_string_buffer(2 * len(wire) + 4096)
        size = self.c.ipfi_probe_frames(
            wire,
            ctypes.c_size_t(len(wire)),
            ctypes.c_uint16(capacity),
            log,
            ctypes.c_size_t(len(log)),
        )
        raw, at, verdicts = log.raw[:size], 0, []
        while at < len(raw):
            kind, content = chr(raw[at]), b""
            at += 1
            if kind == "F":
                (length,) = struct.unpack_from("<H", raw, at)
                content = raw[at + 2 : at + 2 + length]
                at += 2 + length
            verdicts.append((kind, content))
        return verdicts

    def encode(self, content: bytes, profile: int, confirm: int = 0) -> bytes:
        """The bytes on the wire."""
        to = ctypes.create_string_buffer(2 * len(content) + 64)
        body = content[1:]
        size = self.c.ipfi_probe_encode(
            content[0],
            body,
            ctypes.c_size_t(len(body)),
            profile,
            ctypes.c_uint32(confirm),
            to,
            ctypes.c_uint16(len(to)),
        )
        return to.raw[:size]

    def head(self, data: bytes) -> tuple[int, list[int]]:
        """Bytes of a message's head, and its type, flag, procedure, call and length."""
        numbers = (ctypes.c_uint32 * 5)()
        size = self.c.ipfi_probe_head(data, ctypes.c_size_t(len(data)), numbers)
        return size, list(numbers)

    def write_head(self, kind: int, ends: int, procedure: int, call: int, size: int) -> bytes:
        """The head of a message, with the smallest widths."""
        to = ctypes.create_string_buffer(16)
        length = self.c.ipfi_probe_write_head(
            kind, ends, ctypes.c_uint32(procedure), ctypes.c_uint32(call), ctypes.c_uint16(size), to
        )
        return to.raw[:length]

    def skip(self, data: bytes) -> int:
        """Bytes of the first value; 0 if it is none."""
        return int(self.c.ipfi_probe_skip(data, ctypes.c_size_t(len(data))))

    def checksum(self, data: bytes, profile: int, confirm: int = 0) -> int:
        """The checksum as a number."""
        size = ctypes.c_size_t(len(data))
        return int(self.c.ipfi_probe_checksum(data, size, profile, ctypes.c_uint32(confirm)))

    def next_state(self, state: int, event: int) -> int:
        """The table: the next state, or -1."""
        return int(self.c.ipfi_lockstep_next_state(state, event))


@dataclass(frozen=True)
class Event:
    """One thing that happened to the link."""

    kind: int
    detail: int


class End:
    """One end of a wire: a board, or a host that calls it.  Times are milliseconds."""

    def __init__(
        self,
        library: Library,
        *,
        host: bool = False,
        small: bool = False,
        nonce: int = 1,
        us_per_byte: int = 0,
        now_ms: int = 0,
    ) -> None:
        self.c = library.c
        self._words = (ctypes.c_uint64 * (self.c.ipfi_lockstep_size() // 8 + 1))()
        self.at = ctypes.byref(self._words)
        self.c.ipfi_lockstep_init(
            self.at,
            host,
            small,
            ctypes.c_uint32(nonce),
            ctypes.c_uint32(us_per_byte),
            ctypes.c_uint32(now_ms),
        )
        self._out = ctypes.create_string_buffer(65536)

    def receive(self, data: bytes, now_ms: int) -> None:
        """Take bytes off the line."""
        self.c.ipfi_lockstep_receive(
            self.at, data, ctypes.c_size_t(len(data)), ctypes.c_uint32(now_ms)
        )

    def take_tx(self, now_ms: int, max_bytes: int = 65536) -> bytes:
        """Hand over bytes for the line."""
        size = self.c.ipfi_lockstep_take_tx(
            self.at, self._out, ctypes.c_size_t(max_bytes), ctypes.c_uint32(now_ms)
        )
        return self._out.raw[:size]

    def next_event(self) -> Event | None:
        """What happened next, if anything."""
        event = self.c.ipfi_lockstep_next_event(self.at)
        return None if event < 0 else Event(event >> 8, event & 0xFF)

    def events(self) -> list[Event]:
        """All that happened."""
        found = []
        while (event := self.next_event()) is not None:
            found.append(event)
        return found

    def deadline_ms(self) -> int | None:
        """When to call ``on_deadline``, if ever."""
        deadline = self.c.ipfi_lockstep_next_deadline_ms(self.at)
        return None if deadline < 0 else int(deadline)

    def on_deadline(self, now_ms: int) -> None:
        """Let time pass."""
        self.c.ipfi_lockstep_on_deadline(self.at, ctypes.c_uint32(now_ms))

    @property
    def state(self) -> str:
        """The state of the link, by name."""
        return STATES[self.c.ipfi_lockstep_state(self.at)]

    @property
    def confirm(self) -> int:
        """What the session's frames are sealed with (FRAME-10)."""
        return int(self.c.ipfi_lockstep_confirm(self.at))

    @property
    def stats(self) -> dict[str, int]:
        """The counters, by name."""
        numbers = (ctypes.c_uint32 * len(STATS))()
        self.c.ipfi_lockstep_stats(self.at, numbers)
        return dict(zip(STATS, numbers, strict=True))

    def restart(self, nonce: int, now_ms: int) -> None:
        """Start anew, as after a reset."""
        self.c.ipfi_lockstep_restart(self.at, ctypes.c_uint32(nonce), ctypes.c_uint32(now_ms))

    # --- a host's calls ---

    def call(self, procedure: int, args: bytes, now_ms: int, timeout_ms: int = 60000) -> int:
        """Make a call."""
        started = self.c.ipfi_lockstep_call(
            self.at,
            ctypes.c_uint16(procedure),
            args,
            ctypes.c_size_t(len(args)),
            ctypes.c_uint32(timeout_ms),
            ctypes.c_uint32(now_ms),
        )
        assert started >= 0, "no session, or too many calls at once"
        return int(started)

    def outcome(self, call: int) -> int | None:
        """How the call ended; None while it runs."""
        outcome = self.c.ipfi_lockstep_outcome(self.at, call)
        return None if outcome < 0 else int(outcome)

    def answer(self, call: int) -> bytes:
        """The answer; its place is free for another call then."""
        to = ctypes.create_string_buffer(32768)
        size = self.c.ipfi_lockstep_answer(self.at, call, to, ctypes.c_size_t(len(to)))
        return to.raw[:size]

    def values(self, call: int) -> int:
        """How many values of a stream came."""
        return int(self.c.ipfi_lockstep_values(self.at, call))

    def cancel(self, call: int) -> None:
        """Give a call up."""
        self.c.ipfi_lockstep_cancel(self.at, call)

    def emit(self, event: int, args: bytes, *, lossy: bool = False) -> bool:
        """Emit an event."""
        size = ctypes.c_size_t(len(args))
        return bool(self.c.ipfi_lockstep_emit(self.at, ctypes.c_uint16(event), args, size, lossy))

    def ticks(self, *, out_of_order: bool = False) -> int:
        """How many ticks came, or how many of them out of order."""
        return int(self.c.ipfi_lockstep_ticks(self.at, out_of_order))

    def close(self) -> None:
        """End the session with a BYE."""
        self.c.ipfi_lockstep_close(self.at)
