"""Which targets the tests here use, and a host in an emulated chip's own time."""

from __future__ import annotations

from typing import Any, Final

import pytest

from ipfi_hil.target import Target, find_target
from ipfi_hil.targets.simavr_control import CYCLES_PER_S, ChipControl, SentByte
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


class VirtualHost:
    """The host's end of the wire, a millisecond of the chip's time at a step.

    Attributes:
        wire: the Python core.
        now_s: the chip's time.
        ended: calls that ended and were not looked at.
    """

    def __init__(self, control: ChipControl) -> None:
        self.ended: list[CallEnded] = []
        self.now_s = 0.0
        self.sent_bytes = 0
        self._control = control
        self._nonce = 0
        self.wire: Wire = build_wire(
            Interface(),
            WireConfig(),
            framed=True,
            role="host",
            bytes_per_s=BYTES_PER_S,
            random_u32=self._number,
        )
        self.wire.open(0.0)

    def step(self) -> None:
        """Let a millisecond pass."""
        while data := self.wire.bytes_to_send(self.now_s):
            self._control.receive(data)
            self.sent_bytes += len(data)
        reports = self._control.run(STEP_CYCLES)
        self.now_s = self._control.cycle / CYCLES_PER_S
        if received := bytes(report.byte for report in reports if isinstance(report, SentByte)):
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
