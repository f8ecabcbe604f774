"""Which targets the tests here use, and a host in an emulated chip's own time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import pytest

from ipfi_hil.target import Target, find_target
from ipfi_hil.targets.simavr_control import CYCLES_PER_S, Edge, SentByte
from ipfi_serial import Interface, WireConfig
from ipfi_serial.codec.values import decode_value, encode_arguments
from ipfi_serial.engine.calls import CallEnded, OutgoingCall
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.engine.wire import Wire

EMULATED: Final = (
    "qemu-lm3s6965",
    "qemu-microbit",
    "qemu-riscv",
    "simavr-atmega328p",
    "unicorn",
)
BYTES_PER_S: Final = 11520.0  # 115200 baud, 8N1
STEP_CYCLES: Final = CYCLES_PER_S // 1000  # a USB adapter hands over once a millisecond
CALL_LIMIT_S: Final = 30.0

(MAGIC, ADD, ECHO, SEQUENCE, BLOB, COUNTERS, STALL, PACE, CHECKSUM) = (
    0,
    1,
    2,
    3,
    5,
    13,
    14,
    15,
    16,
)


def available(name: str) -> Target:
    """The target, or the reason why the test is skipped."""
    target = find_target(name)
    why = target.why_unavailable()
    if why is not None:
        pytest.skip(why)
    return target


class Counters:
    """What procedure 13 answers.

    Attributes:
        retransmissions, noise, duplicates: of the chip's link.
        overruns: bytes that the chip lost before its library saw them.
        static_bytes: of RAM.
        stack_bytes: at the deepest.
    """

    def __init__(self, values: list[int]) -> None:
        _, _, self.retransmissions, self.noise, self.duplicates, self.sessions, *rest = values
        self.overruns, self.static_bytes, self.stack_bytes = rest


class Line(Protocol):
    """A chip that runs when it is told to, as far as its UART is concerned.

    Attributes:
        cycle: its time.
    """

    cycle: int

    def receive(self, data: bytes) -> None:
        """Send bytes to the chip."""

    def run(self, cycles: int) -> Sequence[Edge | SentByte]:
        """Let so many cycles pass; return what the chip did."""


class VirtualHost:
    """The host's end of the wire, a millisecond of the chip's time at a step.

    Attributes:
        wire: the Python core.
        now_s: the chip's time.
        ended: calls that ended and were not looked at.
        sent_bytes, received_bytes: on the wire.
    """

    def __init__(
        self,
        control: Line,
        *,
        cycles_per_s: int = CYCLES_PER_S,
        step_cycles: int = STEP_CYCLES,
        bytes_per_s: float = BYTES_PER_S,
    ) -> None:
        """Begin.

        Args:
            control: the chip.
            cycles_per_s: of its clock.
            step_cycles: how long it is left alone.
            bytes_per_s: what the line carries.
        """
        self.ended: list[CallEnded] = []
        self.now_s = 0.0
        self.sent_bytes = 0
        self.received_bytes = 0
        self._control = control
        self._cycles_per_s = cycles_per_s
        self._step_cycles = step_cycles
        self._nonce = 0
        self.wire: Wire = build_wire(
            Interface(),
            WireConfig(),
            framed=True,
            role="host",
            bytes_per_s=bytes_per_s,
            random_u32=self._number,
        )
        self.wire.open(0.0)

    def step(self) -> None:
        """Let a step pass."""
        while data := self.wire.bytes_to_send(self.now_s):
            self._control.receive(data)
            self.sent_bytes += len(data)
        reports = self._control.run(self._step_cycles)
        self.now_s = self._control.cycle / self._cycles_per_s
        if received := bytes(report.byte for report in reports if isinstance(report, SentByte)):
            self.received_bytes += len(received)
            self.wire.receive_bytes(received, self.now_s)
        self.wire.on_deadline(self.now_s)
        while (event := self.wire.next_event()) is not None:
            if isinstance(event, CallEnded):
                self.ended.append(event)

    def connect(self) -> None:
        """Wait for the session."""
        while not self.wire.established:
            self.step()
            assert self.now_s < CALL_LIMIT_S, "no session"

    def start(self, procedure: int, arguments: bytes) -> OutgoingCall:
        """Begin a call."""
        call = OutgoingCall(
            procedure,
            deadline_s=self.now_s + CALL_LIMIT_S,
            streaming=False,
            nested=False,
            owner=None,
        )
        self.wire.start_call(call, arguments, self.now_s)
        return call

    def call(self, procedure: int, *arguments: object) -> Any:
        """Make a call and wait for what it answers."""
        call = self.start(procedure, encode_arguments(arguments))
        while True:
            for event in self.ended:
                if event.call is call:
                    self.ended.remove(event)
                    assert event.error is None, event.error
                    return None if event.value is None else decode_value(event.value)
            self.step()

    def counters(self) -> Counters:
        """What the chip has counted."""
        return Counters(self.call(COUNTERS))

    def _number(self) -> int:
        self._nonce += 1000003
        return self._nonce
