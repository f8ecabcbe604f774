"""The control socket of ipfi-simavr: the chip's time, pins and UART, cycle by cycle.

The protocol is in firmware-sim/ports/avr/host/README.md.  Nothing here runs by itself: reports of
the chip are kept until they are asked for.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import Final

from ipfi_hil.target import TargetError

CYCLES_PER_S: Final = 16_000_000
ANSWER_TIMEOUT_S: Final = (
    120.0  # a `run` of a minute of the chip's time takes 9 s of a busy processor
)


@dataclass(frozen=True, slots=True)
class Edge:
    """The chip changed an output pin.

    Attributes:
        cycle: when, in cycles since power-on.
        pin: port and bit, "B5".
        level: what it is now.
    """

    cycle: int
    pin: str
    level: bool


@dataclass(frozen=True, slots=True)
class SentByte:
    """The last bit of a byte has left the chip's UART.

    Attributes:
        cycle: when, in cycles since power-on.
        byte: 0 to 255.
    """

    cycle: int
    byte: int


@dataclass(slots=True)
class InterruptCost:
    """What an interrupt cost, from its response to its RETI.

    Attributes:
        count: how often it came.
        cycles: of all.
        longest: cycles of the longest.
    """

    count: int
    cycles: int
    longest: int


@dataclass(slots=True)
class Costs:
    """Where the processor's cycles went.

    Attributes:
        busy: cycles awake, interrupts' response times included.
        asleep: cycles asleep.
        interrupts_off: cycles of the longest time for which interrupts were off.
        at: byte address of an instruction -> cycles.
        interrupts: number of a vector -> its cost.
    """

    busy: int = 0
    asleep: int = 0
    interrupts_off: int = 0
    at: dict[int, int] = field(default_factory=dict)
    interrupts: dict[int, InterruptCost] = field(default_factory=dict)


class ChipControl:
    """A connection to a running ipfi-simavr.  Used by one thread at a time.

    Attributes:
        cycle: as of the last answer.
        overruns: bytes that the chip's receiver lost so far, as of the last answer.
        resets: cycles at which the chip started anew.
    """

    def __init__(self, line: socket.socket) -> None:
        """Use ``line``, a connected socket, which this then owns."""
        self.cycle = 0
        self.overruns = 0
        self.resets: list[int] = []
        self._reports: list[Edge | SentByte] = []
        self._costs = Costs()
        self._line = line
        self._line.settimeout(ANSWER_TIMEOUT_S)
        self._unread = bytearray()

    def run(self, cycles: int) -> list[Edge | SentByte]:
        """Let so many cycles pass, then hold; return what the chip did since the last call."""
        self._command(f"run {cycles}")
        reports, self._reports = self._reports, []
        return reports

    def hold(self) -> None:
        """Stop the chip's time."""
        self._command("hold")

    def release(self) -> None:
        """Let the chip's time follow the wall clock."""
        self._command("release")

    def read_cycle(self) -> int:
        """Return the cycle now."""
        self._command("time")
        return self.cycle

    def watch(self, *pins: str) -> None:
        """Report edges of output pins from now on."""
        self._command(f"watch {' '.join(pins)}")

    def drive(self, cycle: int, pin: str, level: bool) -> None:
        """Drive an input pin at a cycle; at once if that has passed."""
        self._command(f"pin {cycle} {pin} {int(level)}")

    def receive(self, data: bytes, cycle: int = 0) -> None:
        """Give bytes to the UART (a wired one), the first not before a cycle."""
        for at in range(0, len(data), 1024):
            self._command(f"rx {cycle} {data[at : at + 1024].hex()}")

    def profile(self) -> None:
        """Begin to count cycles, from zero."""
        self._command("profile")

    def costs(self) -> Costs:
        """Return where the cycles went since :meth:`profile`, and count no more."""
        self._costs = Costs()
        self._command("costs")
        return self._costs

    def reset(self) -> None:
        """Press the reset button."""
        self._command("reset")

    def close(self) -> None:
        """Leave; the chip is then switched off.  Idempotent."""
        self._line.close()

    def _command(self, command: str) -> None:
        try:
            self._line.sendall(command.encode() + b"\n")
            while not self._take(self._read_line()):
                pass
        except OSError as error:
            raise TargetError(f"ipfi-simavr does not answer {command[:20]!r}: {error}") from error

    def _take(self, line: str) -> bool:
        """Note one report; return whether it is the answer to a command."""
        word, *values = line.split()
        match word:
            case "edge":
                self._reports.append(Edge(int(values[0]), values[1], values[2] == "1"))
            case "tx":
                self._reports.append(SentByte(int(values[0]), int(values[1], 16)))
            case "reset":
                self.resets.append(int(values[0]))
            case "at" | "interrupt" | "spent":
                self._take_cost(word, [int(value) for value in values])
            case "ok" | "done":
                self.cycle, self.overruns = int(values[0]), int(values[1])
                return True
            case _:
                raise TargetError(f"ipfi-simavr said {line!r}")
        return False

    def _take_cost(self, word: str, values: list[int]) -> None:
        costs = self._costs
        match word:
            case "at":
                costs.at[values[0]] = values[1]
            case "interrupt":
                costs.interrupts[values[0]] = InterruptCost(*values[1:])
            case _:
                costs.busy, costs.asleep, costs.interrupts_off = values

    def _read_line(self) -> str:
        while (end := self._unread.find(b"\n")) < 0:
            data = self._line.recv(1 << 16)
            if not data:
                raise TargetError("ipfi-simavr has ended by itself; see the target's log")
            self._unread += data
        line = self._unread[:end].decode("ascii", "replace")
        del self._unread[: end + 1]
        return line


class ChipClock:
    """The chip's time for a test; see :class:`ipfi_hil.target.VirtualClock`."""

    def __init__(self, control: ChipControl) -> None:
        self._control = control
        self._held = False

    @property
    def now_s(self) -> float:
        """Seconds since the chip was switched on."""
        return self._control.read_cycle() / CYCLES_PER_S

    def hold(self) -> None:
        """Stop the time.  Idempotent."""
        if not self._held:
            self._control.hold()
            self._held = True

    def release(self) -> None:
        """Let it follow the wall clock.  Idempotent."""
        if self._held:
            with contextlib.suppress(TargetError):  # the chip is off: so is its clock
                self._control.release()
            self._held = False

    def advance(self, seconds: float) -> None:
        """Let so much time pass as fast as it can be computed."""
        if not self._held:
            raise TargetError("the clock runs by itself; hold() it before advance()")
        self._control.run(round(seconds * CYCLES_PER_S))
