"""Counted cycles are exact, and they see what makes a firmware slower."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from ipfi_serial.sim.firmware import find_sources
from tests.benchmarks import firmware_avr, firmware_load, firmware_m0
from tests.targets.chips import available

WORK: Final = firmware_load.echoing(38, 2)
FULL: Final = firmware_load.echoing(56, 3)
SECONDS: Final = 0.05
STEP: Final = r'"ld __tmp_reg__, %a[bytes]+'
SLOWER: Final = '"' + r"rjmp .+0\n\t" * 4 + STEP[1:]


def test_two_counts_are_the_same_to_the_cycle() -> None:
    available("simavr-atmega328p")

    def counted() -> tuple[object, ...]:
        bench = firmware_avr.Bench()
        measured = bench.measure(WORK, SECONDS)
        bench.close()
        assert measured.lost == 0
        return measured.traffic, measured.costs.busy, measured.costs.interrupts[18].longest

    assert counted() == counted()


def test_every_cycle_is_in_one_function_or_asleep() -> None:
    available("simavr-atmega328p")
    bench = firmware_avr.Bench()
    measured = bench.measure(WORK, SECONDS)
    bench.close()
    costs = measured.costs
    assert sum(measured.functions.values()) == costs.busy
    entered = 4 * sum(interrupt.count for interrupt in costs.interrupts.values())
    passed = measured.traffic.seconds * 16e6
    assert costs.busy + costs.asleep - entered == pytest.approx(passed, abs=100)
    received = costs.interrupts[firmware_avr.RECEIVE_VECTOR]
    assert received.count == measured.traffic.received
    assert received.cycles <= received.count * received.longest


def test_a_slower_checksum_is_seen(tmp_path: Path) -> None:
    available("simavr-atmega328p")
    sources = tmp_path / "firmware"
    for part in ("include", "src", "sim", "ports"):
        shutil.copytree(find_sources() / part, sources / part)
    for part in ("Makefile", "sources.txt"):
        shutil.copy(find_sources() / part, sources)
    checksum = sources / "src/crc.c"
    text = checksum.read_text()
    assert STEP in text
    checksum.write_text(text.replace(STEP, SLOWER))
    slower = tmp_path / "avr/board-1000000.elf"
    subprocess.run(  # noqa: S603 - our own Makefile
        ["make", "-s", "-C", sources, f"OUT={tmp_path}", slower],  # noqa: S607
        check=True,
        timeout=300,
    )
    pairs = [_pair(None), _pair(slower)]
    assert 10 < pairs[1] - pairs[0] < 25  # 8 cycles for each byte of content, both ways


def _pair(firmware: Path | None) -> float:
    bench = firmware_avr.Bench(1_000_000, firmware)
    measured = bench.measure(FULL, SECONDS)
    bench.close()
    return measured.costs.busy / measured.traffic.pairs


@pytest.mark.parametrize(
    ("code", "cycles"),
    [
        (0x1C40, 1),  # ADDS
        (0x6801, 2),  # LDR
        (0x4A01, 2),  # LDR, from the program
        (0x7001, 2),  # STRB
        (0xB5F0, 6),  # PUSH of four and LR
        (0xBDF0, 8),  # POP of four and PC
        (0xE7FE, 3),  # B
        (0x4770, 3),  # BX
        (0x46F7, 3),  # MOV to PC
        (0xD0FE, 1),  # BEQ that is not taken
        (0xC903, 3),  # LDM of two
        (0xF000, 4),  # BL
    ],
)
def test_the_cycles_of_an_instruction_are_those_of_the_manual(code: int, cycles: int) -> None:
    assert firmware_m0.cycles_of(code) == cycles


def test_a_cortex_m0_at_work_loses_nothing_and_is_counted_the_same_twice() -> None:
    available("unicorn")

    def counted() -> tuple[object, ...]:
        measured = firmware_m0.Bench().measure(WORK, 0.005)
        assert measured.overruns == 0
        assert measured.longest_interrupt > 2 * firmware_m0.ENTRY_CYCLES
        assert 1.4 < measured.cycles / measured.instructions < 2.2
        return measured.traffic, measured.instructions, measured.cycles

    assert counted() == counted()
