"""The peripherals of a TI LM3S6965 that the firmware uses: its UART at a true baud rate, its clock.

Registers are those of the data sheet, chapters 6, 8 and 12 (an ARM PL011).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

CLOCK_HZ: Final = 12_500_000
FIFO_BYTES: Final = 16
_BITS: Final = 10  # 8N1


class Uart:
    """UART0.  Bytes wait outside until the line is free, as in a USB adapter.

    Attributes:
        overruns: bytes that found the receive FIFO full.
    """

    pages: Sequence[int] = (0x4000C000,)
    irq: int | None = 5

    def __init__(self) -> None:
        self.overruns = 0
        self._waiting: deque[int] = deque()
        self._sent = bytearray()
        self._cycle = 0
        self.reset()

    def reset(self) -> None:
        """Forget what is in the chip."""
        self._received: deque[int] = deque()
        self._sending: deque[int] = deque()
        self._arrives: int | None = None  # when the byte on the line is complete
        self._leaves: int | None = None
        self._on = False
        self._mask = 0
        self._divisor = [0, 0]

    def give(self, data: bytes) -> None:
        """Send bytes to the chip."""
        self._waiting += data

    def take(self) -> bytes:
        """Return what the chip has sent since the last call."""
        sent = bytes(self._sent)
        self._sent.clear()
        return sent

    @property
    def backlog(self) -> int:
        """How many bytes wait to be sent to the chip."""
        return len(self._waiting)

    def read(self, address: int) -> int:
        """Return a register."""
        match address & 0xFFF:
            case 0x000:
                return self._received.popleft() if self._received else 0
            case 0x018:
                empty = 0 if self._received else 1 << 4
                full = 1 << 5 if len(self._sending) >= FIFO_BYTES else 0
                return empty | full
            case _:
                return 0

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        match address & 0xFFF:
            case 0x000:
                if len(self._sending) < FIFO_BYTES:
                    self._sending.append(value & 0xFF)
            case 0x024:
                self._divisor[0] = value
            case 0x028:
                self._divisor[1] = value
            case 0x030:
                self._on = bool(value & 1)
            case 0x038:
                self._mask = value
            case _:
                pass

    def asserted(self) -> bool:
        """Tell whether bytes wait that the firmware wants to know of."""
        return bool(self._received) and self._mask & 0x50 != 0

    def advance(self, cycle: int) -> int | None:
        """Move bytes in both directions; return when the next one is complete."""
        self._cycle = cycle
        if not self._on:
            return None
        while self._arrives is not None and self._arrives <= cycle:
            self._arrive()
        if self._arrives is None and self._waiting:
            self._arrives = cycle + self._byte_cycles()
        while self._leaves is not None and self._leaves <= cycle:
            self._leave()
        if self._leaves is None and self._sending:
            self._leaves = cycle + self._byte_cycles()
        events = [event for event in (self._arrives, self._leaves) if event is not None]
        return min(events, default=None)

    def _byte_cycles(self) -> int:
        """16 x divisor cycles a bit; the divisor has a fraction of 64ths (data sheet, 12.3.2)."""
        return max(1, _BITS * (self._divisor[0] * 64 + self._divisor[1]) // 4)

    def _arrive(self) -> None:
        assert self._arrives is not None  # noqa: S101 - for the type checker: asked before
        byte = self._waiting.popleft()
        if len(self._received) < FIFO_BYTES:
            self._received.append(byte)
        else:
            self.overruns += 1
            self._received[-1] |= 1 << 11  # the firmware sees it with the last byte that got in
        self._arrives = self._arrives + self._byte_cycles() if self._waiting else None

    def _leave(self) -> None:
        assert self._leaves is not None  # noqa: S101 - for the type checker: asked before
        self._sent.append(self._sending.popleft())
        self._leaves = self._leaves + self._byte_cycles() if self._sending else None


class System:
    """Clock, reset cause and pins: registers that are remembered, and a PLL that is locked at once.

    Args:
        cause: what the reset cause register says after power-on.
    """

    pages: Sequence[int] = (0x400FE000, 0x40004000)
    irq: int | None = None

    def __init__(self) -> None:
        self._registers: dict[int, int] = {0x400FE05C: 2}  # power-on

    def reset(self) -> None:
        """Start anew; the reset cause stays."""
        self._registers = {0x400FE05C: self._registers.get(0x400FE05C, 0)}

    def read(self, address: int) -> int:
        """Return a register."""
        return 1 << 6 if address == 0x400FE050 else self._registers.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        self._registers[address] = value

    def asserted(self) -> bool:
        """Tell that it has no interrupt."""
        return False

    def advance(self, cycle: int) -> int | None:  # noqa: ARG002 - nothing happens by itself
        """Do nothing."""
        return None
