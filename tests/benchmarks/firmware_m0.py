"""Instructions of the board on a Cortex-M0, counted in Unicorn; its cycles, by the manual's table.

The micro:bit's board for a fast line: CRC-16, frames of 128 bytes, a window of 4, a ring of 640.
The cycles of an instruction are those of the Cortex-M0 Technical Reference
Manual (ARM DDI 0432C, table 3-1), memory without wait states, the single-cycle multiplier.

python -m tests.benchmarks.firmware_m0      where the cycles go, by function
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipfi_hil.targets import elf
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_control import SentByte
from tests.benchmarks import firmware_load as load
from tests.benchmarks.firmware_avr import functions
from tests.benchmarks.nrf51 import Rest, Timer, Uart
from tests.targets.chips import VirtualHost

PRODUCT: Final = "microbit/board-1000000.elf"
CLOCK_HZ: Final = 48_000_000
INSTRUCTIONS_PER_US: Final = 30  # about 1.6 cycles each
BYTE_INSTRUCTIONS: Final = 100  # 3,000,000 baud: the chip is what is slow
STEP_INSTRUCTIONS: Final = 3000
SECONDS: Final = 0.05
ENTRY_CYCLES: Final = 16  # of an interrupt (DDI 0432C, 3.7); its return takes about as long
BRANCH_CYCLES: Final = 3
UART_EXCEPTION: Final = 16 + 2
HASH: Final = ("board_take_for_checksum",)
"""The board's own work with what it receives."""


def cycles_of(code: int) -> int:
    """Return the cycles of an instruction; of a conditional branch, those of one not taken."""
    top = code >> 8
    if code >> 11 == 0b11110:  # 32 bits: BL, MSR, MRS, barriers
        return 4
    if code >> 12 == 0b1100:  # LDM, STM
        return 1 + (code & 0xFF).bit_count()
    if top in (0xB4, 0xB5):  # PUSH
        return 1 + (code & 0x1FF).bit_count()
    if top == 0xBC:  # POP
        return 1 + (code & 0xFF).bit_count()
    if top == 0xBD:  # POP with PC
        return 4 + (code & 0xFF).bit_count()
    if code >> 11 == 0b01001 or code >> 12 in range(0b0101, 0b1010):  # LDR, STR of all sizes
        return 2
    if code >> 11 == 0b11100 or top == 0x47:  # B, BX, BLX
        return BRANCH_CYCLES
    if top in (0x44, 0x46) and code & 0x87 == 0x87:  # ADD PC, MOV PC
        return BRANCH_CYCLES
    return 2 if code == 0xBF30 else 1  # WFI


def conditional(code: int) -> bool:
    """Tell whether it is a branch that may be taken or not."""
    return code >> 12 == 0b1101 and code >> 8 & 0xF < 0xE


@dataclass(frozen=True, slots=True)
class Measured:
    """What one kind of work cost.

    Attributes:
        traffic: what was done.
        instructions: executed.
        cycles: that these take, interrupts' entries and returns included.
        longest_interrupt: cycles of the UART's.
        functions: name -> cycles, the greatest first, without what taken branches add.
        overruns: bytes that the UART lost.
    """

    traffic: load.Traffic
    instructions: int
    cycles: int
    longest_interrupt: int
    functions: dict[str, int]
    overruns: int


class _Counter:
    """Counts executions of each instruction, and jumps."""

    def __init__(self, flash: bytes) -> None:
        self.counts = [0] * (len(flash) // 2)
        self._halfwords = struct.unpack(f"<{len(flash) // 2}H", flash)
        self._conditional = [conditional(code) for code in self._halfwords]
        self._cycles = [cycles_of(code) for code in self._halfwords]
        self.cycles = 0
        self._next = -1
        self._last = 0

    def executed(self, _uc: object, address: int, size: int, _data: object) -> None:
        if address != self._next and self._conditional[self._last]:
            self.cycles += BRANCH_CYCLES - 1  # it was taken, or an interrupt came: rare
        self._last = address >> 1
        self.counts[self._last] += 1
        self.cycles += self._cycles[self._last]
        self._next = address + size

    def at(self) -> dict[int, int]:
        """Cycles by address, without taken branches."""
        rows = enumerate(zip(self.counts, self._cycles, strict=True))
        return {index * 2: count * cycles for index, (count, cycles) in rows if count}


class Bench:
    """A chip that is switched on and connected."""

    def __init__(self, firmware: Path | None = None) -> None:
        """Switch it on; needs Unicorn."""
        from ipfi_hil.targets.cortex_m import CortexM, Device, unicorn

        self._firmware = firmware or build_firmware(PRODUCT)
        segments = elf.load_segments(self._firmware)
        self._flash = bytearray(0x10000)
        for segment in segments:
            end = segment.address + len(segment.data)
            self._flash[segment.address : end] = segment.data
        self._uart = Uart(BYTE_INSTRUCTIONS)
        self._interrupts: list[int] = []
        bench = self

        class Counted(CortexM):
            """Tells when interrupts begin and end."""

            def hook(self, counter: _Counter) -> Any:
                handle = self._uc.hook_add(unicorn.UC_HOOK_CODE, counter.executed)
                self._uc.ctl_flush_tb()  # what was translated before would not be counted
                return handle

            def unhook(self, handle: Any) -> None:
                self._uc.hook_del(handle)
                self._uc.ctl_flush_tb()

            def _enter(self, exception: int) -> None:
                bench.enter(exception)
                super()._enter(exception)

            def _leave(self) -> None:
                super()._leave()
                bench.leave()

        devices: list[Device] = [self._uart, Timer(INSTRUCTIONS_PER_US), Rest()]
        self._chip = Counted(segments, devices)
        self._counter: _Counter | None = None
        self._exception = self._entered_at = 0
        self._host = VirtualHost(
            self,
            cycles_per_s=INSTRUCTIONS_PER_US * 1_000_000,
            step_cycles=STEP_INSTRUCTIONS,
            bytes_per_s=INSTRUCTIONS_PER_US * 1e6 / BYTE_INSTRUCTIONS,
        )
        self._host.connect()
        load.rest(self._host, 0.01)

    # ---- the chip, for the host ----

    @property
    def cycle(self) -> int:
        """Return its time, in instructions."""
        return self._chip.cycle

    @cycle.setter
    def cycle(self, value: int) -> None:
        raise AttributeError(f"the chip's time is its own: {value}")

    def receive(self, data: bytes) -> None:
        """Send bytes to the chip."""
        self._uart.give(data)

    def run(self, cycles: int) -> list[SentByte]:
        """Let so many instructions pass."""
        self._chip.run(self._chip.cycle + cycles)
        return [SentByte(self._chip.cycle, byte) for byte in self._uart.take()]

    # ---- counting ----

    def enter(self, exception: int) -> None:
        """Note that an interrupt begins."""
        if self._counter is not None:
            self._exception, self._entered_at = exception, self._counter.cycles
            self._counter.cycles += ENTRY_CYCLES

    def leave(self) -> None:
        """Note that it has ended."""
        if self._counter is not None:
            self._counter.cycles += ENTRY_CYCLES
            if self._exception == UART_EXCEPTION:
                self._interrupts.append(self._counter.cycles - self._entered_at)

    def measure(self, work: load.Work, seconds: float = SECONDS) -> Measured:
        """Do so much work, and tell what it cost."""
        load.rest(self._host, 0.005)
        counter = self._counter = _Counter(bytes(self._flash))
        self._interrupts.clear()
        handle = self._chip.hook(counter)
        overruns = self._uart.overruns
        traffic = load.run(self._host, work, seconds)
        self._chip.unhook(handle)
        self._counter = None
        return Measured(
            traffic,
            sum(counter.counts),
            counter.cycles,
            max(self._interrupts, default=0),
            functions(self._firmware, counter.at(), "arm-none-eabi-nm"),
            self._uart.overruns - overruns,
        )


def main() -> int:
    """Print where the cycles go: both ways, and one way."""
    bench = Bench()
    both = bench.measure(load.echoing(110, 4))
    receiving = bench.measure(load.RECEIVING)
    for title, by_name, per in (
        ("a byte in and one out", both.functions, both.traffic.pairs),
        ("a received byte", receiving.functions, receiving.traffic.received),
    ):
        sys.stdout.write(f"{title}, without interrupts' entries and returns\n")
        for name, cycles in list(by_name.items())[:16]:
            sys.stdout.write(f"{cycles / per:7.1f}  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
