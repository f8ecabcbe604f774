"""The host sends at full rate to an ATmega328P that is slow, in the chip's own time.

python -m tests.targets.full_rate [SECONDS]     a minute of the chip's time by default: about 20 s

Two calls are always under way: uploads of 200 bytes, and every fifth one a handler that is busy for
3 ms.  The chip looks at its line every 4 ms, its receive ring has 64 bytes.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Final

from ipfi_hil.targets.simavr_lockstep import WiredChip
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.engine.calls import CallEnded
from ipfi_serial.link.session import Link
from tests.targets.chips import CHECKSUM, PACE, STALL, Counters, VirtualHost

PACE_MS: Final = 4
BUSY_MS: Final = 3
UPLOAD: Final = bytes(range(200))
AT_ONCE: Final = 2  # calls that this chip serves
BUSY_EVERY: Final = 5
DEAF_EVERY: Final = 8


def fnv1a(data: bytes) -> bytes:
    """What the chip answers to an upload."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value.to_bytes(4, "little")


EXPECTED: Final = fnv1a(UPLOAD)


@dataclass(frozen=True)
class Outcome:
    """What happened.

    Attributes:
        calls: that were answered rightly.
        wrong: calls that failed, or were answered wrongly.
        counters: of the chip at the end.
        uart_overruns: bytes that its receiver lost.
        bytes_per_s: that the host sent.
        repeated: DATA frames that the host sent again.
    """

    calls: int
    wrong: int
    counters: Counters
    uart_overruns: int
    bytes_per_s: float
    repeated: int


def run(seconds: float, deaf_ms: int = 0, seed: int = 1) -> Outcome:
    """Send for so long; with ``deaf_ms``, every eighth call stops the chip and its interrupts."""
    with WiredChip(seed=seed) as chip:
        host = VirtualHost(chip.control)
        host.connect()
        host.call(PACE, PACE_MS)
        calls = wrong = begun = open_calls = 0
        start_s, start_bytes = host.now_s, host.sent_bytes
        while host.now_s < start_s + seconds or open_calls:
            while open_calls < AT_ONCE and host.now_s < start_s + seconds:
                begun += 1
                open_calls += 1
                if deaf_ms and begun % DEAF_EVERY == 0:
                    host.start(STALL, encode_arguments((deaf_ms, True)))
                elif begun % BUSY_EVERY == 0:
                    host.start(STALL, encode_arguments((BUSY_MS, False)))
                else:
                    host.start(CHECKSUM, UPLOAD)
            host.step()
            right = [is_right(event) for event in host.ended]
            host.ended.clear()
            open_calls -= len(right)
            calls += sum(right)
            wrong += len(right) - sum(right)
        rate = (host.sent_bytes - start_bytes) / (host.now_s - start_s)
        assert isinstance(host.wire.link, Link)
        repeated, _ = host.wire.link.session_counts()
        return Outcome(calls, wrong, host.counters(), chip.control.overruns, rate, repeated)


def is_right(event: CallEnded) -> bool:
    """Whether a call was answered as it should be."""
    if event.error is not None:
        return False
    return event.call.procedure != CHECKSUM or event.value == EXPECTED


def main() -> int:
    """Run it for a minute, and again with stalls."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    failed = False
    for deaf_ms in (0, 85):
        begin_s = time.monotonic()
        outcome = run(seconds, deaf_ms)
        took_s = time.monotonic() - begin_s
        seen = outcome.counters
        print(  # noqa: T201 - the command's report
            f"{seconds:.0f} s of the chip's time in {took_s:.1f} s, deaf for {deaf_ms} ms: "
            f"{outcome.calls} calls right, {outcome.wrong} wrong; "
            f"{outcome.bytes_per_s:.0f} bytes/s; "
            f"{seen.overruns} overflows counted ({outcome.uart_overruns} bytes), "
            f"{outcome.repeated} frames sent again, {seen.stack_bytes} bytes of stack"
        )
        failed = failed or outcome.wrong != 0 or (seen.overruns != 0) != (deaf_ms != 0)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
