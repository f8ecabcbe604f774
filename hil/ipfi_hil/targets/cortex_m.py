"""A Cortex-M whose instructions Unicorn executes, with time as a number: no clock, no thread.

One instruction is one cycle.  Exceptions are entered and left by hand (ARMv7-M Architecture
Reference Manual, B1.5), one at a time: an interrupt waits until the one before it has returned.
What the core has itself is here (NVIC, SysTick, reset); peripherals are :class:`Device` objects.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Sequence
from typing import Any, Final, Protocol

from ipfi_hil.target import TargetError
from ipfi_hil.targets.elf import Segment

unicorn: Any = importlib.import_module("unicorn")  # its annotations are incomplete
arm: Any = importlib.import_module("unicorn.arm_const")

PAGE: Final = 0x1000
FLASH_BYTES: Final = 0x40000
RAM: Final = 0x20000000
RAM_BYTES: Final = 0x10000
SLICE_CYCLES: Final = 500  # 40 us at 12.5 MHz: how late an interrupt may be
MASKED_SLICE_CYCLES: Final = 4  # an interrupt waits for the firmware to allow it
_WFI: Final = b"\x30\xbf"
_EXC_RETURN: Final = 0xFFFFFFF9  # to thread mode, main stack
_LEFT: Final = _EXC_RETURN & ~1
_RETURN_CYCLES: Final = 40  # charged for an interrupt's last slice, which ends early
_NO_EVENT: Final = 1 << 62
_STACKED: Final = (
    arm.UC_ARM_REG_R0,
    arm.UC_ARM_REG_R1,
    arm.UC_ARM_REG_R2,
    arm.UC_ARM_REG_R3,
    arm.UC_ARM_REG_R12,
    arm.UC_ARM_REG_LR,
)
_FRAME: Final = struct.Struct("<8I")
_ALIGNED: Final = 0x200  # in the stacked xPSR: the stack was moved by four
_SYSTICK: Final = 15
_FIRST_IRQ: Final = 16


class Device(Protocol):
    """A peripheral: registers in pages of its own, and perhaps an interrupt.

    Attributes:
        pages: addresses of its register pages, 4 KiB each.
        irq: number of its interrupt, or None.
    """

    pages: Sequence[int]
    irq: int | None

    def read(self, address: int) -> int:
        """Return a register."""

    def write(self, address: int, value: int) -> None:
        """Write a register."""

    def asserted(self) -> bool:
        """Tell whether the interrupt line is active."""

    def advance(self, cycle: int) -> int | None:
        """Let time come to ``cycle``; return when something will happen by itself, if anything."""

    def reset(self) -> None:
        """Start anew, as the chip does."""


class CortexM:
    """A chip: processor, memory, devices.

    Attributes:
        cycle: cycles since it was switched on.
        resets: how often it was reset.
    """

    def __init__(
        self, segments: Sequence[Segment], devices: Sequence[Device], noise: bytes = b""
    ) -> None:
        """Switch it on.

        Args:
            segments: what is in its flash, which begins at 0 with the vectors.
            devices: its peripherals.
            noise: what its RAM holds after power-on; zeros behind it.
        """
        self.cycle = 0
        self.resets = -1
        self._devices = devices
        self._core = _Core()
        uc = self._uc = unicorn.Uc(
            unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
        )
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M3)
        uc.mem_map(0, FLASH_BYTES)
        uc.mem_map(RAM, RAM_BYTES)
        uc.mem_write(RAM, noise[:RAM_BYTES])
        for segment in segments:
            uc.mem_write(segment.address, segment.data)
        for device in [*devices, self._core]:
            for page in device.pages:
                self._map(device, page)
        uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupted)
        self.reset()

    def reset(self) -> None:
        """Reset processor and devices; the memory stays."""
        self.resets += 1
        self._handling = False
        self._returned = False
        for device in [*self._devices, self._core]:
            device.reset()
        stack, start = struct.unpack("<II", self._uc.mem_read(0, 8))
        self._uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self._uc.reg_write(arm.UC_ARM_REG_PRIMASK, 0)
        self._pc = start | 1

    def run(self, until: int) -> None:
        """Let time pass to the cycle ``until``, or a little further.

        Raises:
            TargetError: the firmware did what no chip allows.
        """
        while self.cycle < until:
            horizon = min(until, self._advance_devices())
            exception = self._pending()
            masked = bool(self._uc.reg_read(arm.UC_ARM_REG_PRIMASK) & 1)
            if exception is not None and not masked:
                self._enter(exception)
            waits = exception is not None and masked
            most = MASKED_SLICE_CYCLES if waits else SLICE_CYCLES
            self._execute(max(1, min(most, horizon - self.cycle)), horizon)
            if self._core.reset_requested:
                self.reset()

    def _map(self, device: Device, page: int) -> None:
        def read(_uc: object, offset: int, _size: int, _data: object) -> int:
            return device.read(page + offset)

        def write(_uc: object, offset: int, _size: int, value: int, _data: object) -> None:
            device.write(page + offset, value)
            if self._core.reset_requested:
                self._uc.emu_stop()

        self._uc.mmio_map(page, PAGE, read, None, write, None)

    def _advance_devices(self) -> int:
        """Return the cycle at which something happens by itself."""
        events = [device.advance(self.cycle) for device in [*self._devices, self._core]]
        return max(self.cycle + 1, min((e for e in events if e is not None), default=_NO_EVENT))

    def _pending(self) -> int | None:
        if self._handling:
            return None
        if self._core.asserted():
            return _SYSTICK
        for device in self._devices:
            if (
                device.irq is not None
                and self._core.enabled >> device.irq & 1
                and device.asserted()
            ):
                return _FIRST_IRQ + device.irq
        return None

    def _execute(self, cycles: int, horizon: int) -> None:
        self._returned = False
        try:
            self._uc.emu_start(self._pc, _LEFT, count=cycles)
        except unicorn.UcError as error:
            pc = self._uc.reg_read(arm.UC_ARM_REG_PC)
            raise TargetError(f"the firmware fails at address {pc:#x}: {error}") from error
        pc = self._uc.reg_read(arm.UC_ARM_REG_PC)
        if self._returned or pc & ~1 == _LEFT:
            self.cycle += min(cycles, _RETURN_CYCLES)
            self._leave()
            return
        self._pc = pc | 1
        self.cycle += cycles
        # Unicorn ends a slice behind WFI.  A slice that ended there by chance sleeps, too, at most
        # until the next tick; the firmware has to expect that anyway.
        if not self._handling and self._uc.mem_read(pc - 2, 2) == _WFI:
            self._advance_devices()
            if self._pending() is None:
                self.cycle = max(self.cycle, horizon)

    def _interrupted(self, _uc: object, number: int, _data: object) -> None:
        """BX to EXC_RETURN is interrupt 8 for Unicorn; nothing else raises one here."""
        if number == 8:
            self._returned = True
        self._uc.emu_stop()

    def _enter(self, exception: int) -> None:
        uc = self._uc
        if exception == _SYSTICK:
            self._core.tick_pending = False
        stack = uc.reg_read(arm.UC_ARM_REG_SP)
        values = [uc.reg_read(register) for register in _STACKED]
        status = uc.reg_read(arm.UC_ARM_REG_XPSR) & ~_ALIGNED
        if stack & 4:
            stack -= 4
            status |= _ALIGNED
        stack -= _FRAME.size
        uc.mem_write(stack, _FRAME.pack(*values, self._pc & ~1, status))
        uc.reg_write(arm.UC_ARM_REG_SP, stack)
        uc.reg_write(arm.UC_ARM_REG_LR, _EXC_RETURN)
        (handler,) = struct.unpack("<I", uc.mem_read(exception * 4, 4))
        self._pc = handler | 1
        self._handling = True

    def _leave(self) -> None:
        uc = self._uc
        stack = uc.reg_read(arm.UC_ARM_REG_SP)
        *values, pc, status = _FRAME.unpack(uc.mem_read(stack, _FRAME.size))
        for register, value in zip(_STACKED, values, strict=True):
            uc.reg_write(register, value)
        uc.reg_write(arm.UC_ARM_REG_SP, stack + _FRAME.size + (4 if status & _ALIGNED else 0))
        uc.reg_write(arm.UC_ARM_REG_XPSR, status & ~0x3FF)  # flags, and thread mode
        self._pc = pc | 1
        self._handling = False


class _Core:
    """The system control space: SysTick, NVIC, reset (ARMv7-M B3.2, B3.3, B3.4)."""

    pages: Sequence[int] = (0xE000E000,)
    irq: int | None = None

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.enabled = 0
        self.tick_pending = False
        self.reset_requested = False
        self._counted = False
        self._control = 0
        self._reload = 0
        self._due: int | None = None
        self._cycle = 0

    def read(self, address: int) -> int:
        if address == 0xE000E010:  # COUNTFLAG is cleared by reading it
            counted, self._counted = self._counted, False
            return self._control | counted << 16
        return {0xE000E014: self._reload, 0xE000E100: self.enabled}.get(address, 0)

    def write(self, address: int, value: int) -> None:
        match address:
            case 0xE000E010:
                self._control = value
                self._due = self._cycle + self._reload + 1 if value & 1 else None
            case 0xE000E014:
                self._reload = value & 0xFFFFFF
            case 0xE000E100:
                self.enabled |= value
            case 0xE000E180:
                self.enabled &= ~value
            case 0xE000ED0C:
                self.reset_requested = value >> 16 == 0x05FA and bool(value & 4)
            case _:
                pass

    def asserted(self) -> bool:
        return self.tick_pending

    def advance(self, cycle: int) -> int | None:
        self._cycle = cycle
        while self._due is not None and self._due <= cycle:
            self._due += self._reload + 1
            self._counted = True
            self.tick_pending = bool(self._control & 2)
        return self._due
