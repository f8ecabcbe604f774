"""What the firmware costs on each chip: measured, and written to docs/sizes.md.

python -m tests.targets.sizes            prints the page
python -m tests.targets.sizes --write    writes docs/sizes.md

Flash and static RAM are in the ELF file.  The stack is painted by the start-up code; the chip is
then used (calls, streams, callbacks, a blob, noise on the line) and tells how deep it came.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ipfi_hil.target import find_target
from ipfi_hil.targets import elf
from ipfi_serial import Connection, Interface, connect
from ipfi_serial.sim.firmware import find_sources
from ipfi_serial.transport import ImpairedTransport, LineFaults, open_transport
from tests.firmware import build
from tests.targets import demo
from tests.targets.chips import EMULATED, Counters

PAGE: Final = Path(__file__).parents[2] / "docs/sizes.md"
KIB: Final = 1024
PATIENCE_S: Final = 20.0


@dataclass(frozen=True)
class Library:
    """One way to link the library on a Cortex-M0, with start-up code and port.

    Attributes:
        title: what is linked.
        flags: of the compiler.
        flash_limit: in bytes; growth beyond it is a decision.
    """

    title: str
    flags: tuple[str, ...]
    flash_limit: int


LIBRARIES: Final = (
    Library("empty interface, link-time optimisation", ("-flto",), 8 * KIB),
    Library("empty interface", (), 8 * KIB + 512),
    Library(
        "empty interface, without what the small program below goes without",
        (
            "-DIPFI_WITH_COUNTERS=0",
            "-DIPFI_WITH_LOSSY=0",
            "-DIPFI_WITH_CRC32=0",
            "-DIPFI_WITH_LARGE_INDICES=0",
        ),
        8 * KIB + 256,
    ),
    Library(
        "one procedure, link-time optimisation", ("-flto", "-DWITH_A_PROCEDURE"), 11 * KIB + 512
    ),
    Library("one procedure", ("-DWITH_A_PROCEDURE",), 12 * KIB + 256),
)


@dataclass(frozen=True)
class Budget:
    """What a program may cost on a chip, in bytes."""

    flash: int
    ram: int


BUDGETS: Final = {
    "qemu-microbit": Budget(20 * KIB, 2 * KIB),
    "qemu-lm3s6965": Budget(20 * KIB, 12 * KIB),
    "qemu-riscv": Budget(24 * KIB, 5 * KIB),
    "simavr-atmega328p": Budget(28 * KIB + 768, 1536),
}
PORT: Final = {
    "qemu-microbit": ("nRF51822, Cortex-M0", "microbit"),
    "qemu-lm3s6965": ("LM3S6965, Cortex-M3", "lm3s6965"),
    "qemu-riscv": ("RV32IMAC", "riscv"),
    "simavr-atmega328p": ("ATmega328P", "avr"),
}
MEASURED: Final = tuple(name for name in EMULATED if name in PORT)


DEMO: Final = Budget(20 * KIB, 1536)
DEMO_TITLE: Final = "ATmega328P, small program"
DEMO_STEPS: Final = (
    ("nothing", ()),
    ("its configuration in a variable", ("-DIPFI_ONLY_CONFIG=demo_config",)),
    ("counters", ("-DIPFI_WITH_COUNTERS=0",)),
    ("lossy events and log lines", ("-DIPFI_WITH_LOSSY=0",)),
    ("CRC-32", ("-DIPFI_WITH_CRC32=0",)),
    ("indices of 32 bits", ("-DIPFI_WITH_LARGE_INDICES=0",)),
)
"""What the small program goes without, one after the other; all of it is in the Makefile."""


@dataclass(frozen=True)
class Cost:
    """What was measured, in bytes, and what the sizes.h of the port says."""

    flash: int
    data: int
    stack: int
    settings: dict[str, int]


def link_library(library: Library, output: Path) -> tuple[int, int]:
    """Flash and static RAM in bytes."""
    port = build.FIRMWARE / "ports/cortex_m"
    options: list[str | Path] = [
        "-nostdlib",
        "-Wl,--gc-sections",
        f"-L{port}",
        "-T",
        port / "link.ld",
    ]
    own = [port / name for name in ("startup.c", "memory.c", "empty.c")]
    flags = [*build.CORTEX_M0, *build.FRESH_LINK, *library.flags, *build.WARNINGS]
    compiler = build.compiler("arm-none-eabi-gcc")
    sources = [*build.library_sources(), *own]
    build.run([compiler, *flags, *build.INCLUDES, *options, *sources, "-lgcc", "-o", output])
    cost = elf.footprint(output)
    return cost.flash or 0, cost.ram or 0


def exercise(wire: Connection) -> None:
    """Use everything that the board has."""
    for number in range(20):
        assert wire.call("add", number, 1, timeout_s=PATIENCE_S) == number + 1
        wire.call("echo", "x" * number, timeout_s=PATIENCE_S)
    assert len(list(wire.stream("sequence", 20))) == 20
    assert len(wire.call("blob", 1000, timeout_s=PATIENCE_S)) == 1000
    wire.call("callback", 50, "quiet", timeout_s=PATIENCE_S)
    wire.call("reverse", b"bytes", timeout_s=PATIENCE_S)
    wire.call("checksum", bytes(range(200)), timeout_s=PATIENCE_S)
    wire.call("divide", -(2**40), 7, timeout_s=PATIENCE_S)
    wire.call("say", "text", timeout_s=PATIENCE_S)
    wire.call("start_ticks", 5, timeout_s=PATIENCE_S)
    wire.call("sleep", 50, timeout_s=PATIENCE_S)
    wire.call("start_ticks", 0, timeout_s=PATIENCE_S)
    wire.emit("led", True)
    assert len(wire.describe()) == 19


def measure(name: str) -> Cost:
    """Run the board on a chip, first on a good line and then on a bad one."""
    host = Interface()

    @host.procedure(50)
    def shout(text: str) -> str:
        return text.upper()

    target = find_target(name)
    try:
        endpoint = target.start()
        with connect(endpoint, host, connect_timeout_s=PATIENCE_S) as wire:
            exercise(wire)
        faults = LineFaults(byte_flip=0.002, seed=1)
        line = ImpairedTransport(open_transport(endpoint), faults, faults)
        with connect(line, host, connect_timeout_s=PATIENCE_S) as wire:
            exercise(wire)
            counters = Counters(wire.call("counters", timeout_s=PATIENCE_S))
        footprint = target.footprint()
    finally:
        target.stop()
    assert footprint is not None
    assert counters.noise > 0
    return Cost(footprint.flash or 0, counters.static_bytes, counters.stack_bytes, settings(name))


def settings(name: str) -> dict[str, int]:
    """What the port's sizes.h says of the board that the Makefile makes by itself."""
    header = find_sources() / "ports" / PORT[name][1] / "sizes.h"
    text = build.run([build.any_compiler(), "-E", "-P", header])
    return {word: int(value) for word, value in re.findall(r"BOARD_(\w+) = (\d+)", text)}


def library_rows() -> list[str]:
    """A line of the table for each way to link the library."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for library in LIBRARIES:
            flash, ram = link_library(library, Path(folder) / "out.elf")
            rows.append(f"| {library.title} | {flash} | {library.flash_limit} | {ram} |")
    return rows


def chip_rows(names: Sequence[str]) -> list[str]:
    """A line of the table for each chip."""
    rows = []
    for name in names:
        cost, budget, kept = measure(name), BUDGETS[name], settings(name)
        rows.append(
            f"| {PORT[name][0]} | {cost.flash} | {budget.flash} | {cost.data} | {cost.stack} "
            f"| {cost.data + cost.stack} | {budget.ram} | {kept['PAYLOAD']} x {kept['WINDOW']} "
            f"| {kept['RING']} | {kept['CALLS']} x {kept['VALUE']} |"
        )
    return rows


def measure_demo() -> Cost:
    """Run the small program, first on a good line and then on a bad one."""
    target = demo.demo_target()
    try:
        endpoint = target.start()
        with connect(endpoint, demo.host_interface(), connect_timeout_s=PATIENCE_S) as wire:
            demo.exercise(wire)
        faults = LineFaults(byte_flip=0.002, seed=1)
        line = ImpairedTransport(open_transport(endpoint), faults, faults)
        with connect(line, demo.host_interface(), connect_timeout_s=PATIENCE_S) as wire:
            demo.exercise(wire)
            data, stack = demo.memory(wire)
        footprint = target.footprint()
    finally:
        target.stop()
    assert footprint is not None
    return Cost(footprint.flash or 0, data, stack, {})


def demo_row() -> str:
    """The line of the table for the small program."""
    cost = measure_demo()
    return (
        f"| {DEMO_TITLE} | {cost.flash} | {DEMO.flash} | {cost.data} | {cost.stack} "
        f"| {cost.data + cost.stack} | {DEMO.ram} | 32 x 2 | 64 | 2 x 40 |"
    )


def build_demo(flags: Sequence[str], folder: Path) -> int:
    """Build the small program with other options; bytes of flash."""
    output = folder / demo.PRODUCT
    output.unlink(missing_ok=True)
    options = f"DEMO_OPTIONS={shlex.join(flags)}"
    build.run(["make", "-s", "-C", build.FIRMWARE, f"OUT={folder}", options, output])
    return elf.footprint(output).flash or 0


def step_rows() -> list[str]:
    """A line of the table for each thing that the small program goes without."""
    rows: list[str] = []
    flags: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        before = 0
        for title, more in DEMO_STEPS:
            flags += more
            flash = build_demo(flags, Path(folder))
            rows.append(f"| {title} | {flash} | {before - flash if rows else ''} |")
            before = flash
    return rows


def page() -> str:
    """docs/sizes.md as it should be."""
    libraries, chips = "\n".join(library_rows()), "\n".join(chip_rows(MEASURED))
    small, steps = demo_row(), "\n".join(step_rows())
    return TEXT.format(libraries=libraries, columns=COLUMNS, chips=chips, small=small, steps=steps)


TEXT: Final = """\
# Sizes

What the C library costs, in bytes. `python -m tests.targets.sizes --write` measures all of it and
writes this page; a test fails when a budget is exceeded or the page is out of date.

## The library on a Cortex-M0

`arm-none-eabi-gcc -Os`, with start-up code, vectors, `memcpy` and its like, and a port of forty
lines. An end with an empty interface emits events and calls the other end; what serves calls is
not linked. 64-byte frames, a window of 2, a ring of 256 bytes, 160 bytes of stream, 2 calls of
96 bytes each.

| linked | flash | budget | static RAM |
|---|---|---|---|
{libraries}

The aim is 8 KiB for the empty interface. All of the library meets it with link-time optimisation.

## The board of the conformance suite on each chip

Its seventeen procedures and two events with all that the library has, the port, the start-up code.
Names and documentation are in flash. The stack is the deepest that was seen while it was used on a
good line and on one that damages two bytes in a thousand.

{columns}
{chips}

On the ATmega328P it fits next to a boot loader. A processor of 8 bits takes half as much flash
again for arithmetic with 32 bits as a Cortex-M0.

## A small program on the ATmega328P

`firmware-sim/ports/avr/demo.c` is what a person would write first: a call (`add`), a call that is
answered later (`blink`, when the lamp has blinked), a stream (`count`), a call that calls the
computer and answers what that returned (`ask`), an event each way (`lamp`, `button`), and
`memory`, which tells how much RAM was in use. Names, signatures and documentation of all of them
are in flash and can be asked for. Sessions, acknowledgements, repetition and the reports of resets
are those of the board above.

{columns}
{small}

It goes without some of the library, by `include/ipfi/options.h`; the rest of the savings is the
smaller table of procedures. From line to line, one more is left out:

| left out | flash | saved |
|---|---|---|
{steps}

Counters are what `wire.stats` of the firmware would tell. Where lossy events and CRC-32 are not
offered, the computer does not use them. A message with an index above 65535 is skipped; neither a
procedure (DESC-1) nor a call (CALL-2) has one.
"""
COLUMNS: Final = (
    "| chip | flash | budget | static RAM | stack | RAM in all | budget "
    "| frames x window | ring | calls x arguments |\n" + "|---" * 10 + "|"
)


def main() -> int:
    """Print the page, or write it."""
    text = page()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text)
    else:
        print(text)  # noqa: T201 - the command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
