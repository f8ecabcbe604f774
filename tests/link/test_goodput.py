"""Goodput at line rate in virtual time, and lines of every speed (LINK-9, LINK-12 to LINK-18)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

import pytest

from tests.harness.line import CLEAN, Line, Noise, evenly
from tests.harness.links import (
    BAUD_2M,
    BAUD_300,
    BAUD_115200,
    Pair,
    device_parameters,
    new_link,
    nonces,
    parameters,
)

WARM_UP_S: Final = 1.0
MEASURED_S: Final = 5.0
BITS_AT_RISK: Final = 8  # of the ten on the line; a flipped start or stop bit loses the byte anyway


@dataclass(frozen=True)
class Case:
    """One direction at full speed, the acknowledgements coming back."""

    name: str
    floor: float  # of goodput, as a share of the line's bytes
    bytes_per_s: float = BAUD_115200
    frame_payload: int = 1024
    crc_profiles: int = 0b11
    batch_s: float = 0.0
    bit_errors: float = 0.0


CASES: Final = [
    Case("115200, 32-byte frames", 0.70, frame_payload=32),
    Case("115200, 32-byte frames, reader every 16 ms", 0.70, frame_payload=32, batch_s=0.016),
    Case("115200, 32-byte frames, CRC-16", 0.70, frame_payload=32, crc_profiles=1),
    Case("115200, coalesced", 0.94),
    Case("115200, coalesced, reader every 16 ms", 0.94, batch_s=0.016),
    Case("115200, 128-byte frames, BER 1e-4", 0.70, frame_payload=128, bit_errors=1e-4),
    Case("115200, coalesced, BER 1e-4", 0.66, bit_errors=1e-4),
    Case("115200, coalesced, BER 1e-5", 0.85, bit_errors=1e-5),
    Case("2 Mbaud, coalesced", 0.94, bytes_per_s=BAUD_2M),
    Case("2 Mbaud, coalesced, reader every 16 ms", 0.60, bytes_per_s=BAUD_2M, batch_s=0.016),
]


def measure(case: Case) -> tuple[float, Pair]:
    """Return the share of the line's bytes that were stream bytes."""
    noise = Noise(flip=1 - (1 - case.bit_errors) ** BITS_AT_RISK) if case.bit_errors else CLEAN
    lines = tuple(
        Line(seed=seed, bytes_per_s=case.bytes_per_s, batch_s=case.batch_s, noise=noise)
        for seed in (1, 2)
    )
    size = int(case.bytes_per_s * (WARM_UP_S + MEASURED_S + 1))
    own = {"frame_payload": case.frame_payload, "crc_profiles": case.crc_profiles}
    pair = Pair(
        new_link(parameters(**own), bytes_per_s=case.bytes_per_s),
        new_link(
            parameters(flags=0, **own),
            active=False,
            bytes_per_s=case.bytes_per_s,
            new_nonce=nonces(5),
        ),
        (lines[0], lines[1]),
        to_send=(random.Random(3).randbytes(size), b""),  # noqa: S311
    )
    pair.connect()
    pair.run(lambda: False, for_s=WARM_UP_S)
    before = len(pair.programs[1].got)
    pair.run(lambda: False, for_s=MEASURED_S)
    return (len(pair.programs[1].got) - before) / (MEASURED_S * case.bytes_per_s), pair


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_goodput_has_a_floor(case: Case) -> None:
    """LINK-6, LINK-9, LINK-10, LINK-16, LINK-18: run with ``-s`` to see the figures."""
    share, pair = measure(case)
    pair.check()
    print(  # noqa: T201 - the figures are what people look for here
        f"\n{case.name}: {share:.1%} of the line, {pair.host.session_counts()[0]} frames again, "
        f"frame {pair.host._live.sender.size.frame_bytes if pair.host._live else 0} bytes"
    )
    assert share >= case.floor
    if not case.bit_errors:
        assert pair.host.session_counts()[0] == 0, "nothing is sent twice on a clean line"


SPEEDS: Final = [3.0, BAUD_300, 120.0, 960.0, BAUD_115200, BAUD_2M, 300_000.0]


@pytest.mark.parametrize("bytes_per_s", SPEEDS)
@pytest.mark.parametrize("small", [False, True])
def test_the_same_code_serves_every_speed(bytes_per_s: float, small: bool) -> None:
    """HS-1, LINK-8, LINK-9, LINK-12, LINK-13: no time-out is too short for a slow line."""
    lines = (Line(bytes_per_s=bytes_per_s), Line(bytes_per_s=bytes_per_s))
    device = device_parameters() if small else parameters(flags=0)
    size = 150 if bytes_per_s < 500 else 4000
    pair = Pair(
        new_link(bytes_per_s=bytes_per_s),
        new_link(device, active=False, bytes_per_s=bytes_per_s, new_nonce=nonces(5)),
        lines,
        to_send=(b"h" * size, b"d" * size),
    )
    assert pair.run(pair.delivered, for_s=30 + 40 * size / bytes_per_s + 200 / bytes_per_s)
    pair.check()
    assert [len(program.sessions) for program in pair.programs] == [1, 1]
    assert pair.host.session_counts() == (0, 0), pair.describe()
    assert pair.device.session_counts() == (0, 0), pair.describe()


@pytest.mark.parametrize("bytes_per_s", SPEEDS)
def test_work_that_takes_the_other_end_long_loses_no_session(bytes_per_s: float) -> None:
    """LINK-12, LINK-13: a call that is answered after a hundred frame times."""
    lines = (Line(bytes_per_s=bytes_per_s), Line(bytes_per_s=bytes_per_s))
    pair = Pair(
        new_link(bytes_per_s=bytes_per_s),
        new_link(parameters(flags=0), active=False, bytes_per_s=bytes_per_s),
        lines,
    )
    pair.connect(for_s=1000.0)
    pair.host.set_busy(True, pair.now_s)
    sent = lines[0].counters.frames
    wait_s = max(20.0, 130 * 77 / bytes_per_s)
    pair.run(lambda: False, for_s=wait_s)
    assert pair.programs[0].lost == []
    assert 4 <= lines[0].counters.frames - sent <= 20, "a PING per keepalive"
    pair.host.set_busy(False, pair.now_s)
    assert pair.run(for_s=1000.0)


@pytest.mark.parametrize("slow_s", [0.085, 0.4])
def test_a_stall_of_the_reader_costs_time_and_nothing_else(slow_s: float) -> None:
    """LINK-9: an erase of flash; what came in between waits in a large buffer."""
    there = Line(bytes_per_s=BAUD_115200, stall=(100.5, 100.5 + slow_s))
    pair = Pair(
        new_link(bytes_per_s=BAUD_115200),
        new_link(parameters(flags=0), active=False, bytes_per_s=BAUD_115200),
        (there, Line(bytes_per_s=BAUD_115200)),
        to_send=(bytes(20_000), bytes(20_000)),
    )
    assert pair.run(pair.delivered, for_s=20.0)
    pair.check()
    assert pair.programs[0].lost == []


@pytest.mark.parametrize("seed", range(3))
def test_one_percent_of_damaged_bytes_costs_time_and_nothing_else(seed: int) -> None:
    """LINK-10, LINK-11, LINK-16."""
    lines = tuple(Line(seed=seed + i, bytes_per_s=BAUD_115200, noise=evenly(0.01)) for i in (0, 9))
    pair = Pair(
        new_link(bytes_per_s=BAUD_115200),
        new_link(parameters(flags=0), active=False, bytes_per_s=BAUD_115200),
        (lines[0], lines[1]),
        to_send=(random.Random(1).randbytes(20_000), random.Random(2).randbytes(20_000)),  # noqa: S311
    )
    assert pair.run(pair.delivered, for_s=30.0), pair.describe()
    pair.check()
    assert [len(program.sessions) for program in pair.programs] == [1, 1]


@pytest.mark.parametrize("bytes_per_s", SPEEDS)
def test_small_messages_now_and_then_are_never_sent_twice(bytes_per_s: float) -> None:
    """LINK-8, LINK-9: after a bulk transfer, and before it; the ACK's delay is no loss."""
    lines = (Line(bytes_per_s=bytes_per_s), Line(bytes_per_s=bytes_per_s))
    pair = Pair(
        new_link(bytes_per_s=bytes_per_s),
        new_link(parameters(flags=0), active=False, bytes_per_s=bytes_per_s),
        lines,
    )
    pair.connect(for_s=1000.0)
    for _ in range(2):
        for _ in range(6):
            pair.push(0, b"0123456789")
            assert pair.run(pair.delivered, for_s=1000.0)
        pair.push(0, bytes(50 if bytes_per_s < 500 else 20_000))
        assert pair.run(pair.delivered, for_s=1000.0)
    assert pair.host.session_counts() == (0, 0)
    assert pair.device.session_counts() == (0, 0)


@pytest.mark.parametrize("delay_s", [0.1, 0.2, 0.3, 0.6])
def test_a_round_trip_that_is_longer_than_the_time_out_is_learnt(delay_s: float) -> None:
    """LINK-9, LINK-11: from the echoes of PINGs, since no frame is sent only once at first."""
    pair = Pair(
        new_link(),
        new_link(parameters(flags=0), active=False, new_nonce=nonces(5)),
        (Line(delay_s=delay_s), Line(delay_s=delay_s)),
    )
    pair.connect()
    again = []
    for _ in range(8):
        pair.push(0, bytes(1000))
        assert pair.run(pair.delivered)
        again.append(pair.host.session_counts()[0])
    assert again[4:] == [again[4]] * 4, "once it is learnt, nothing is sent twice"
    rtt_s = pair.host.smoothed_rtt_s()
    assert rtt_s is not None
    assert 1.9 * delay_s < rtt_s < 3 * delay_s + 0.1
