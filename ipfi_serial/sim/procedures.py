"""What the simulated board offers, in Python: the same fifteen entries as the C board.

The procedures of one boot and what they remember; they know nothing of the line.  firmware-sim/sim
has the C side of each; docs/guide/cli.md says where the two differ.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, NewType, TypeAlias

import msgspec

from ipfi_serial.codec.names import Value
from ipfi_serial.engine.context import CallContext
from ipfi_serial.engine.interface import Interface
from ipfi_serial.errors import IpfiError
from ipfi_serial.sim.timers import Timers

if TYPE_CHECKING:
    from ipfi_serial.sync.connection import Connection

    u16: TypeAlias = int
    u32: TypeAlias = int
    i64: TypeAlias = int
else:  # names that the description shows, ranges that arguments are checked against
    u16 = NewType("u16", Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)])
    u32 = NewType("u32", Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)])
    i64 = NewType("i64", Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)])

TICK: Final = 32
LED: Final = 33
LARGEST_BLOB_BYTES: Final = 16 << 20  # a host takes no more by default; here it is made in memory
_PATTERN: Final = bytes(range(251))
_U32: Final = 0xFFFFFFFF
_FNV_START: Final = 2166136261  # FNV-1a with 32 bits, as its authors publish it
_FNV_PRIME: Final = 16777619


class Procedures:
    """The procedures of one boot of the board.

    Args:
        timers: run what is to happen later; closed by whoever ends the boot.
        reboot: restarts the board, after the answer has left.
        say: prints raw text on the line.
    """

    def __init__(
        self, timers: Timers, reboot: Callable[[], None], say: Callable[[bytes], None]
    ) -> None:
        self._timers = timers
        self._reboot = reboot
        self._say = say
        self._led = False
        self._booted_s = time.monotonic()
        self._lock = threading.Lock()
        self._ticks = 0
        self._ticking = 0  # which start_ticks() is in force

    def magic(self) -> u32:
        """Return 42."""
        return 42

    def add(self, a: u32, b: u32) -> u32:
        """Add two numbers, wrapping at 2**32."""
        return (a + b) & _U32

    def echo(self, text: str) -> str:
        """Return the text."""
        return text

    def sequence(self, n: u32) -> Iterator[str]:
        """Stream "item 0" to "item n-1"."""
        for number in range(n):
            yield f"item {number}"

    def reverse(self, data: bytes) -> bytes:
        """Return the bytes in reverse order (raw)."""
        return data[::-1]

    def blob(self, n: u32, context: CallContext) -> bytes:
        """Return n bytes; byte i is i % 251."""
        if n > LARGEST_BLOB_BYTES:
            context.defer().fail(f"this board makes at most {LARGEST_BLOB_BYTES} bytes")
            return b""
        return (_PATTERN * (n // len(_PATTERN) + 1))[:n]

    def divide(self, a: i64, b: i64, context: CallContext) -> i64:
        """Divide, towards zero; fails on zero."""
        if b == 0:
            context.defer().fail("division by zero")
            return 0
        quotient = abs(a) // abs(b)
        if (a < 0) != (b < 0):
            quotient = -quotient
        if quotient >= 2**63:
            context.defer().fail("the quotient does not fit in 64 bits")
        return quotient

    def sleep(self, ms: u32, context: CallContext) -> u32:
        """Answer ms after that many milliseconds."""
        answer = context.defer()
        self._timers.at(time.monotonic() + ms / 1000, lambda: answer.reply(ms))
        return ms

    def callback(self, procedure: u16, text: str, context: CallContext) -> Value:
        """Call the host's procedure with the text."""
        try:
            return context.wire.call(procedure, text)
        except IpfiError as error:
            context.defer().fail(str(error))
            return None

    def start_ticks(self, period_ms: u32, context: CallContext) -> None:
        """Emit tick every period_ms; 0 stops."""
        with self._lock:
            self._ticking += 1
            ticking = self._ticking
        if period_ms:
            self._schedule(ticking, time.monotonic() + period_ms / 1000, period_ms, context.wire)

    def reboot(self, context: CallContext) -> None:
        """Restart the board."""
        context.defer().reply(None)  # so that the answer is on its way before the board stops
        self._reboot()

    def say(self, text: str) -> None:
        """Print the text on the line, between frames."""
        self._say(text.encode())

    def led(self) -> bool:
        """Whether the lamp is on."""
        return self._led

    def counters(self, context: CallContext) -> list[u32]:
        """Return what link and chip have counted."""
        seen = context.wire.stats()
        noise = seen.crc_errors + seen.rejected
        counts = (seen.frames_received, seen.frames_sent, seen.retransmissions)
        return [*counts, noise, seen.duplicates, seen.sessions, 0, 0, 0]

    def stall(self, ms: u32, deaf: bool) -> None:  # noqa: ARG002 - it has no interrupts
        """Keep the processor busy for so long; deaf: without interrupts."""
        time.sleep(ms / 1000)  # of this call's thread: the board goes on

    def pace(self, ms: u32) -> None:
        """Serve the line every ms only; 0 ends that."""

    def checksum(self, data: bytes) -> bytes:
        """Return the FNV-1a hash of the bytes (raw; 4 bytes, the lowest first)."""
        value = _FNV_START
        for byte in data:
            value = (value ^ byte) * _FNV_PRIME & _U32
        return value.to_bytes(4, "little")

    def set_led(self, on: bool) -> None:
        """Switch the lamp."""
        self._led = on

    def _schedule(self, ticking: int, due_s: float, period_ms: int, wire: Connection) -> None:
        self._timers.at(due_s, lambda: self._tick(ticking, due_s, period_ms, wire))

    def _tick(self, ticking: int, due_s: float, period_ms: int, wire: Connection) -> None:
        """Emit one tick, unless start_ticks() was called again meanwhile, and plan the next."""
        with self._lock:
            if ticking != self._ticking:
                return
            uptime_ms = int((time.monotonic() - self._booted_s) * 1000) & _U32
            with contextlib.suppress(IpfiError):  # no host just now: nobody misses it
                wire.emit(TICK, self._ticks, uptime_ms)
                self._ticks = (self._ticks + 1) & _U32
        self._schedule(ticking, due_s + period_ms / 1000, period_ms, wire)


def board_interface(procedures: Procedures) -> Interface:
    """Return the interface that serves ``procedures``, with the indices of the C board."""
    interface = Interface()
    unary_and_streaming: dict[int, Callable[..., Any]] = {
        0: procedures.magic,
        1: procedures.add,
        2: procedures.echo,
        3: procedures.sequence,
        5: procedures.blob,
        6: procedures.divide,
        7: procedures.sleep,
        8: procedures.callback,
        9: procedures.start_ticks,
        10: procedures.reboot,
        11: procedures.say,
        12: procedures.led,
        13: procedures.counters,
        14: procedures.stall,
        15: procedures.pace,
    }
    for index, function in unary_and_streaming.items():
        interface.procedure(index)(function)
    interface.raw_procedure(4)(procedures.reverse)
    interface.raw_procedure(16)(procedures.checksum)
    interface.emits(TICK, "tick", "(count: u32, uptime_ms: u32)", "Emitted while ticks are on.")
    interface.event(LED, "led")(procedures.set_led)
    return interface
