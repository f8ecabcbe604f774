"""Work for a firmware that runs in an emulator: the same calls, in the chip's own time.

What comes out does not depend on the machine: two runs are the same to the cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ipfi_serial.codec.values import encode_arguments
from tests.targets.chips import ADD, BLOB, CHECKSUM, ECHO, VirtualHost

UPLOAD: Final = bytes(range(1, 201))  # no zeros, as in most data
DRAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Work:
    """Calls that are made over and over again.

    Attributes:
        procedure: of the board.
        arguments: encoded.
        at_once: how many are under way.
    """

    procedure: int
    arguments: bytes
    at_once: int


ADDING: Final = Work(ADD, encode_arguments((1000, 2000)), 1)
RECEIVING: Final = Work(CHECKSUM, UPLOAD, 2)
SENDING: Final = Work(BLOB, encode_arguments((1500,)), 2)


def echoing(size: int, at_once: int) -> Work:
    """Both ways: the argument comes back, and nobody copies it."""
    return Work(ECHO, encode_arguments(("x" * size,)), at_once)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over the wire, frames and all.

    Attributes:
        received: bytes that the chip got.
        sent: bytes that it sent.
        calls: that ended, each rightly.
        seconds: of the chip's time.
    """

    received: int
    sent: int
    calls: int
    seconds: float

    @property
    def pairs(self) -> float:
        """A received and a sent byte, so many times."""
        return (self.received + self.sent) / 2


def run(host: VirtualHost, work: Work, seconds: float) -> Traffic:
    """Keep the chip at work for so long, and let what is under way come to its end."""
    start_s, sent, received = host.now_s, host.received_bytes, host.sent_bytes
    calls = open_calls = 0
    while host.now_s < start_s + seconds or open_calls:
        while open_calls < work.at_once and host.now_s < start_s + seconds:
            host.start(work.procedure, work.arguments)
            open_calls += 1
        host.step()
        calls += len(host.ended)
        open_calls -= len(host.ended)
        _check(host)
        if host.now_s > start_s + seconds + DRAIN_S:
            raise AssertionError(f"{open_calls} calls are not answered")
    took_s = host.now_s - start_s
    return Traffic(host.sent_bytes - received, host.received_bytes - sent, calls, took_s)


def rest(host: VirtualHost, seconds: float) -> None:
    """Let the wire be idle for so long."""
    until_s = host.now_s + seconds
    while host.now_s < until_s:
        host.step()


def _check(host: VirtualHost) -> None:
    for event in host.ended:
        if event.error is not None:
            raise AssertionError(f"a call failed: {event.error}")
    host.ended.clear()
