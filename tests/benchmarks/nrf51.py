"""The peripherals of the nRF51822 that the micro:bit's board uses, on a line as fast as wanted.

Registers are those of the nRF51 Series Reference Manual: chapters 12 (power), 14 (pins),
18 (timer), 20 (random numbers) and 29 (UART).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

FIFO_BYTES: Final = 6


class Uart:
    """The UART.  Bytes wait outside until the line is free.

    Attributes:
        overruns: bytes that found the receive FIFO full.
    """

    pages: Sequence[int] = (0x40002000,)
    irq: int | None = 2

    def __init__(self, byte_cycles: int) -> None:
        """Use a line on which a byte takes so long."""
        self.overruns = 0
        self._byte_cycles = byte_cycles
        self._waiting: deque[int] = deque()
        self._sent = bytearray()
        self.reset()

    def reset(self) -> None:
        """Forget what is in the chip."""
        self._cycle = 0
        self._received: deque[int] = deque()
        self._sending: int | None = None
        self._arrives: int | None = None
        self._leaves: int | None = None
        self._ready = self._error = self._overrun = self._taken = False
        self._mask = 0

    def give(self, data: bytes) -> None:
        """Send bytes to the chip."""
        self._waiting += data

    def take(self) -> bytes:
        """Return what the chip has sent since the last call."""
        sent = bytes(self._sent)
        self._sent.clear()
        return sent

    def read(self, address: int) -> int:
        """Return a register."""
        match address & 0xFFF:
            case 0x108:
                return self._ready
            case 0x11C:
                return self._taken
            case 0x124:
                return self._error
            case 0x480:
                return self._overrun
            case 0x518:
                byte = self._received.popleft() if self._received else 0
                self._ready = bool(self._received)
                return byte
            case _:
                return 0

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        match address & 0xFFF:
            case 0x108:
                self._ready = bool(value)
            case 0x11C:
                self._taken = bool(value)
            case 0x304:
                self._mask |= value
            case 0x124:
                self._error = bool(value)
            case 0x480:
                self._overrun = self._overrun and not value & 1
            case 0x51C:
                self._sending = value & 0xFF
                self._leaves = self._cycle + self._byte_cycles
            case _:
                pass

    def asserted(self) -> bool:
        """Tell whether an event that the firmware wants to know of has happened."""
        mask = self._mask
        ready, taken = self._ready and mask & 0x4, self._taken and mask & 0x80
        return bool(ready or taken or (self._error and mask & 0x200))

    def advance(self, cycle: int) -> int | None:
        """Move bytes in both directions; return when the next one is complete."""
        self._cycle = cycle
        while self._arrives is not None and self._arrives <= cycle:
            self._arrive()
        if self._arrives is None and self._waiting and self._mask:
            self._arrives = cycle + self._byte_cycles
        if self._leaves is not None and self._leaves <= cycle and self._sending is not None:
            self._sent.append(self._sending)
            self._sending = self._leaves = None
            self._taken = True
        events = [event for event in (self._arrives, self._leaves) if event is not None]
        return min(events, default=None)

    def _arrive(self) -> None:
        assert self._arrives is not None
        byte = self._waiting.popleft()
        if len(self._received) < FIFO_BYTES:
            self._received.append(byte)
            self._ready = True
        else:
            self.overruns += 1
            self._error = self._overrun = True
        self._arrives = self._arrives + self._byte_cycles if self._waiting else None


class Timer:
    """TIMER0, counting microseconds: its first compare wakes, its second captures."""

    pages: Sequence[int] = (0x40008000,)
    irq: int | None = 8

    def __init__(self, cycles_per_us: int) -> None:
        """Use a clock of so many megahertz."""
        self._cycles_per_us = cycles_per_us
        self.reset()

    def reset(self) -> None:
        """Stop."""
        self._cycle = 0
        self._compare = [0, 0]
        self._compared = False
        self._runs = False
        self._due: int | None = None

    def read(self, address: int) -> int:
        """Return a register."""
        match address & 0xFFF:
            case 0x140:
                return self._compared
            case 0x540:
                return self._compare[0]
            case 0x544:
                return self._compare[1]
            case _:
                return 0

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        match address & 0xFFF:
            case 0x000:
                self._runs = True
            case 0x044:
                self._compare[1] = self._cycle // self._cycles_per_us
            case 0x140:
                self._compared = bool(value)
            case 0x540:
                self._compare[0] = value
            case _:
                pass
        self._due = self._compare[0] * self._cycles_per_us if self._runs else None

    def asserted(self) -> bool:
        """Tell whether the time has come."""
        return self._compared

    def advance(self, cycle: int) -> int | None:
        """Count; return when the time will have come."""
        if self._due is not None and self._cycle < self._due <= cycle:
            self._compared = True
        self._cycle = cycle
        return self._due if self._due is not None and self._due > cycle else None


class Rest:
    """Power, clock, pins and random numbers: enough to start."""

    pages: Sequence[int] = (0x40000000, 0x4000D000, 0x50000000)
    irq: int | None = None

    def __init__(self) -> None:
        self._number = 1

    def reset(self) -> None:
        """Do nothing: it has no state that counts."""

    def read(self, address: int) -> int:
        """Return a register: a random number is always ready."""
        if address == 0x4000D508:
            self._number = self._number * 69069 + 1 & 0xFFFFFFFF
            return self._number >> 24
        return int(address == 0x4000D100)

    def write(self, address: int, value: int) -> None:
        """Forget it."""

    def asserted(self) -> bool:
        """Tell that it has no interrupt."""
        return False

    def advance(self, cycle: int) -> int | None:  # noqa: ARG002 - nothing happens by itself
        """Do nothing."""
        return None
