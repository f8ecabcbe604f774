"""ipfi-simavr: pins and bytes at their cycles, and the clock that can be held."""

from __future__ import annotations

import itertools
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipfi_hil.target import TargetError, VirtualClock
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_control import CYCLES_PER_S, ChipControl, Edge, SentByte
from ipfi_hil.targets.simavr_lockstep import WiredChip
from ipfi_serial import connect
from tests.targets.chips import available

BYTE_CYCLES = 1360  # ten bits of 136 cycles
MS_CYCLES = CYCLES_PER_S // 1000
START_S = 60.0  # of a process, when all is well some milliseconds
INTERRUPT_CYCLES = range(10, 40)  # from an edge to the first output of its handler
GROUP = ("-mmcu=atmega328p", "-DF_CPU=16000000UL", "-Os", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    available("simavr-atmega328p")
    output = tmp_path_factory.mktemp("pins") / "pins.elf"
    source = Path(__file__).parent / "pins.c"
    subprocess.run(["avr-gcc", *GROUP, str(source), "-o", str(output)], check=True)  # noqa: S603, S607 - our own program
    return output


@pytest.fixture
def control(firmware: Path) -> Iterator[ChipControl]:
    with WiredChip(firmware) as chip:
        chip.control.run(MS_CYCLES)  # its first instructions
        yield chip.control


def edges(reports: list[Edge | SentByte], pin: str) -> list[Edge]:
    return [report for report in reports if isinstance(report, Edge) and report.pin == pin]


def test_a_timer_s_edges_are_as_far_apart_as_it_counts(control: ChipControl) -> None:
    control.watch("B1")
    seen = edges(control.run(100 * MS_CYCLES), "B1")
    apart = {later.cycle - earlier.cycle for earlier, later in itertools.pairwise(seen)}
    assert len(seen) == 100
    assert apart == {16000}


def test_an_input_is_driven_at_its_cycle_and_the_chip_answers_at_once(control: ChipControl) -> None:
    control.watch("B5")
    driven = [(2_000_000 + 16_123 * number, number % 2 == 0) for number in range(20)]
    for cycle, level in reversed(driven):  # the order of the commands does not matter
        control.drive(cycle, "D2", level)
    seen = edges(control.run(3_000_000), "B5")
    assert [edge.level for edge in seen] == [level for _, level in driven]
    delays = [edge.cycle - cycle for edge, (cycle, _) in zip(seen, driven, strict=True)]
    assert set(delays) <= set(INTERRUPT_CYCLES)


def test_bytes_take_as_long_as_the_baud_rate_says(control: ChipControl) -> None:
    begin = control.cycle + 1000
    control.receive(bytes(range(32)), begin)
    sent = [r for r in control.run(40 * BYTE_CYCLES) if isinstance(r, SentByte)]
    assert bytes(report.byte for report in sent) == bytes(range(32))
    apart = [b.cycle - a.cycle for a, b in itertools.pairwise(sent)]
    assert all(abs(cycles - BYTE_CYCLES) < 20 for cycles in apart)
    assert 0 <= sent[0].cycle - begin - 2 * BYTE_CYCLES < 100  # in, and out again


@pytest.mark.parametrize("kind", ["unix", "pty"])
def test_a_runner_replaces_what_another_one_left_but_no_file_of_somebody(
    firmware: Path, tmp_path: Path, kind: str
) -> None:
    runner = build_firmware("avr/ipfi-simavr")
    uart, control = tmp_path / "uart", tmp_path / "control"
    words = [str(runner), "--uart", f"{kind}:{uart}", "--control", f"unix:{control}", str(firmware)]
    for file in (uart, control):
        file.write_text("mine")
        done = subprocess.run(words, capture_output=True, text=True, timeout=START_S, check=False)  # noqa: S603 - our own program
        assert done.returncode != 0
        assert str(file) in done.stderr
        assert file.read_text() == "mine"
        file.unlink()
        if file is uart and kind == "pty":
            uart.symlink_to(tmp_path / "gone")
        else:
            leave_socket(file)
    with subprocess.Popen(words) as running, socket.socket(socket.AF_UNIX) as commands:  # noqa: S603 - as above
        until_s = time.monotonic() + START_S
        while commands.connect_ex(str(control)) != 0:
            assert running.poll() is None, "it did not start"
            assert time.monotonic() < until_s, "it does not listen"
            time.sleep(0.01)
        assert uart.is_socket() if kind == "unix" else uart.is_char_device()
        commands.sendall(b"quit\n")
        assert running.wait(START_S) == 0


def leave_socket(path: Path) -> None:
    """Leave a socket at this path, as a program does that is killed."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))


def test_what_is_no_command_is_an_error(control: ChipControl) -> None:
    with pytest.raises(TargetError, match="error"):
        control.watch("E9")
    assert control.read_cycle() > 0  # it goes on


def test_two_chips_do_the_same_at_the_same_cycles(firmware: Path) -> None:
    def trace() -> list[Edge | SentByte]:
        with WiredChip(firmware, seed=5) as chip:
            chip.control.watch("B1", "B5")
            chip.control.receive(b"the same", 100_000)
            chip.control.drive(123_456, "D2", True)
            return chip.control.run(20 * MS_CYCLES)

    first = trace()
    assert len(first) > 20
    assert first == trace()


def test_the_clock_stands_still_while_it_is_held_and_runs_afterwards() -> None:
    target = available("simavr-atmega328p")
    try:
        with connect(target.start()) as wire:
            clock = target.clock
            assert isinstance(clock, VirtualClock)
            assert wire.call("add", 40, 2) == 42
            clock.hold()
            held_s = clock.now_s
            assert clock.now_s == held_s
            clock.advance(2.0)
            assert clock.now_s == pytest.approx(held_s + 2.0, abs=0.001)
            clock.release()
            with pytest.raises(TargetError, match="hold"):
                clock.advance(1.0)
            assert wire.call("add", 1, 2) == 3
            assert clock.now_s > held_s + 2.0
    finally:
        target.stop()
