"""The chip inside this process: its time, its line, its faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ipfi_hil.target import TargetError, VirtualClock
from ipfi_hil.targets import elf
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.unicorn import Chip
from ipfi_serial import connect
from tests.targets.chips import available


@pytest.fixture(scope="module")
def firmware() -> Path:
    available("unicorn")
    return build_firmware("lm3s6965/board.elf")


def test_two_chips_say_the_same_at_the_same_time(firmware: Path) -> None:
    def said() -> tuple[bytes, int]:
        chip = Chip(firmware, seed=7)
        chip.uart.give(b"\x00noise that is answered with nothing\x00")
        chip.advance(0.5)
        return chip.uart.take(), chip.cpu.cycle

    first = said()
    assert first[0]  # its HELLO
    assert first == said()
    other = Chip(firmware, seed=8)
    other.advance(0.5)
    assert other.uart.take() != first[0]  # another nonce


def test_its_time_is_that_of_its_baud_rate(firmware: Path) -> None:
    chip = Chip(firmware, seed=1)
    chip.advance(0.2)
    chip.uart.give(bytes(1152))  # a tenth of a second at 115200 baud
    chip.advance(0.05)
    assert 500 < chip.uart.backlog < 650
    chip.advance(0.06)
    assert chip.uart.backlog == 0
    assert chip.uart.overruns == 0
    assert chip.now_s == pytest.approx(0.31, abs=0.001)


def test_a_firmware_that_goes_astray_is_a_named_error(
    firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = b"\x00\x80\x00\x20\x09\x00\x00\x00" + b"\x00\x48\x00\x68" + b"\x00\x00\x00\x90"
    load: Callable[[Path], list[elf.Segment]] = lambda _path: [elf.Segment(0, code)]  # noqa: E731
    monkeypatch.setattr(elf, "load_segments", load)
    chip = Chip(firmware, seed=1)  # it reads an address where nothing is
    with pytest.raises(TargetError, match="the firmware fails at address"):
        chip.advance(0.001)


def test_the_clock_is_held_and_released() -> None:
    target = available("unicorn")
    try:
        with connect(target.start()) as wire:
            clock = target.clock
            assert isinstance(clock, VirtualClock)
            clock.hold()
            held_s = clock.now_s
            clock.advance(1.0)
            assert clock.now_s == pytest.approx(held_s + 1.0, abs=0.002)
            clock.release()
            with pytest.raises(TargetError, match="hold"):
                clock.advance(1.0)
            assert wire.call("add", 40, 2) == 42
    finally:
        target.stop()
