"""Cycles of the firmware: counted in simulators, not timed, so that two runs give the same.

The chips are kept at work on a line that is faster than they are, so that they hardly ever wait;
cycles asleep do not count.
"""

from __future__ import annotations

from typing import Final

from ipfi_hil.target import TargetError, find_target
from tests.benchmarks import firmware_avr, firmware_load, firmware_m0
from tests.benchmarks.figures import Figure, at_least, at_most, missing, plain

UNO: Final = "ATmega328P"
M0: Final = "Cortex-M0"
BOTH_WAYS: Final = "cycles of one byte in and one out"
DUPLEX_UNO: Final = 280  # of the 320 that pass at 500,000 baud and 16 MHz
DUPLEX_M0: Final = 480  # that pass at 1,000,000 baud and 48 MHz
ONE_WAY_M0: Final = 160  # that pass at 3,000,000
FULL_LINE: Final = 0.95  # of what a line carries
SUSTAINED_BAUD: Final = 250_000
ECHO_UNO: Final = firmware_load.echoing(56, 3)
"""A call of 64 bytes, which is what a frame of this board holds: 2 around the text, 6 of head."""
ECHO_CUT: Final = firmware_load.echoing(58, 3)
"""Two bytes more: each call takes two frames each way."""
ECHO_M0: Final = firmware_load.echoing(110, 4)


def measure(rounds: int) -> list[Figure]:  # noqa: ARG001 - nothing is repeated: counts are exact
    """Count, and return the figures."""
    return [*_uno(), *_m0()]


def _uno() -> list[Figure]:
    names = [f"{UNO}: {BOTH_WAYS}", f"{UNO} at 500,000 baud: of the line, both ways"]
    why = find_target("simavr-atmega328p").why_unavailable()
    if why is not None:
        return [missing(name, "", "", why) for name in names]
    try:
        return [*_uno_cycles(), *_uno_lines()]
    except TargetError as error:
        return [missing(name, "", "", str(error)) for name in names]


def _uno_cycles() -> list[Figure]:
    """On a line of 1,000,000 baud, where the processor is what is slow."""
    bench = firmware_avr.Bench(1_000_000)
    try:
        both = bench.measure(ECHO_UNO)
        cut = bench.measure(ECHO_CUT)
        receiving = bench.measure(firmware_load.RECEIVING)
        sending = bench.measure(firmware_load.SENDING)
        call = bench.call_cycles()
    finally:
        bench.close()
    hashing = sum(receiving.functions.get(name, 0) for name in firmware_avr.HASH)
    received = (receiving.costs.busy - hashing) / receiving.traffic.received
    interrupt = both.costs.interrupts[firmware_avr.RECEIVE_VECTOR].longest
    return [
        at_most(f"{UNO}: {BOTH_WAYS}", [both.costs.busy / both.traffic.pairs], DUPLEX_UNO, ""),
        plain(
            f"{UNO}: the same, calls of 66 bytes, in two frames",
            [cut.costs.busy / cut.traffic.pairs],
            "",
        ),
        plain(f"{UNO}: cycles of a received byte", [received], ""),
        plain(f"{UNO}: cycles of a sent byte", [sending.costs.busy / sending.traffic.sent], ""),
        plain(f"{UNO}: cycles of a call", [call], ""),
        plain(f"{UNO}: receive interrupt at the longest, cycles", [interrupt], ""),
        plain(f"{UNO}: interrupts off at the longest, cycles", [both.costs.interrupts_off], ""),
    ]


def _uno_lines() -> list[Figure]:
    """How full the chip keeps a line of a true baud rate, and what is lost on it."""
    figures = []
    lost = 0
    for baud in (firmware_avr.BAUD, SUSTAINED_BAUD):
        bench = firmware_avr.Bench(baud)
        try:
            measured = bench.measure(ECHO_UNO)
        finally:
            bench.close()
        lost += measured.lost
        share = measured.traffic.pairs / measured.traffic.seconds / (baud / 10)
        name = f"{UNO} at {baud:,} baud: of the line, both ways"
        figures.append(
            at_least(name, [share], FULL_LINE)
            if baud == firmware_avr.BAUD
            else plain(name, [share], "x")
        )
    name = f"{UNO}: bytes lost and frames repeated at both rates"
    return [*figures, at_most(name, [lost], 0, "")]


def _m0() -> list[Figure]:
    names = [
        f"{M0}: {BOTH_WAYS}, at 1,000,000 baud and 48 MHz",
        f"{M0}: cycles of a received byte, at 3,000,000 baud",
    ]
    why = find_target("unicorn").why_unavailable()
    if why is not None:
        return [missing(name, "", "", why) for name in names]
    try:
        bench = firmware_m0.Bench()
    except TargetError as error:
        return [missing(name, "", "", str(error)) for name in names]
    both = bench.measure(ECHO_M0)
    receiving = bench.measure(firmware_load.RECEIVING)
    sending = bench.measure(firmware_load.SENDING)
    call = bench.measure(firmware_load.ADDING)
    hashing = sum(receiving.functions.get(name, 0) for name in firmware_m0.HASH)
    received = (receiving.cycles - hashing) / receiving.traffic.received
    lost = both.overruns + receiving.overruns
    return [
        at_most(names[0], [both.cycles / both.traffic.pairs], DUPLEX_M0, ""),
        at_most(names[1], [received], ONE_WAY_M0, ""),
        plain(f"{M0}: cycles of a sent byte", [sending.cycles / sending.traffic.sent], ""),
        plain(
            f"{M0}: instructions of one byte in and one out",
            [both.instructions / both.traffic.pairs],
            "",
        ),
        plain(f"{M0}: cycles of a call", [call.cycles / call.traffic.calls], ""),
        plain(f"{M0}: UART interrupt at the longest, cycles", [both.longest_interrupt], ""),
        at_most(f"{M0}: bytes lost", [lost], 0, ""),
    ]
