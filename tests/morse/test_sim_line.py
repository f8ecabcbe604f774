"""The transport on a simulated line, in real time: both shells, one process and two.

The line's times are exact whatever the machine does, so these are fast and do not depend on it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import ipfi_serial.aio
from ipfi_serial import Interface, connect
from ipfi_serial.errors import PortBusyError, TransportError
from ipfi_serial.morse.modem import ModemSettings
from ipfi_serial.morse.quality import Damage
from ipfi_serial.transport import Transport, open_async_transport, open_transport
from ipfi_serial.transport.morse import MorseSource, MorseTransport
from ipfi_serial.transport.morse_pins import Heard
from ipfi_serial.transport.morse_sim import SimulatedPins
from tests.morse.keyed import keyed

FAST = "wpm=24000"  # a unit of 50 us: 770 bytes a second
FRAME = b"\x05\x85abc\x00"


@pytest.fixture
def name() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def served(name: str) -> Iterator[str]:
    """A program that adds, in this process, behind a Morse line."""
    table = Interface()
    table.procedure(1, "add")(lambda a, b: a + b)
    with connect(f"morse:sim:{name}?{FAST}&seed=1", table, role="device"):
        yield name


def read_frame(line: Transport, limit_s: float = 10.0) -> bytes:
    data, end_s = b"", time.monotonic() + limit_s
    while not data.endswith(b"\0") and time.monotonic() < end_s:
        data += line.read(0.5)
    return data


@pytest.mark.parametrize("options", ["", "&duplex=half&seed=2", "&alphabet=itu"])
def test_what_one_end_writes_the_other_one_reads(name: str, options: str) -> None:
    endpoint = f"morse:sim:{name}?{FAST}{options}"
    with closing(open_transport(endpoint)) as one, closing(open_transport(endpoint)) as two:
        for source, target in ((one, two), (two, one)):
            assert source.write(FRAME) == len(FRAME)
            assert read_frame(target) == FRAME
        assert isinstance(one, MorseTransport)
        assert one.describe().startswith("readable: unit 0.05 ms")
        assert one.quality.frames == 1
        assert one.bytes_per_s is not None
        assert 200 < one.bytes_per_s < 800


def test_the_speed_that_it_tells_follows_the_losses(name: str) -> None:
    with closing(open_transport(f"morse:sim:{name}?{FAST}")) as line:
        assert isinstance(line, MorseTransport)
        full = line.bytes_per_s or 0.0
        line.note_losses(1, 0)
        assert line.bytes_per_s == full
        line.note_losses(6, 6)
        assert line.bytes_per_s == pytest.approx(full / 2**0.5)


def test_a_call_passes_in_the_blocking_shell(served: str) -> None:
    with connect(f"morse:sim:{served}?{FAST}&seed=2") as wire:
        assert wire.call(1, 40, 2) == 42


def test_a_call_passes_on_the_event_loop(served: str) -> None:
    async def call() -> object:
        async with ipfi_serial.aio.connect(f"morse:sim:{served}?{FAST}&seed=2") as wire:
            return await wire.call(1, 40, 2)

    assert asyncio.run(call()) == 42


@pytest.mark.parametrize(("crc", "profile"), [("16", 0), ("32", 1)])
def test_an_endpoint_chooses_the_crc(served: str, crc: str, profile: int) -> None:
    with connect(f"morse:sim:{served}?{FAST}&seed=2&crc={crc}") as wire:
        assert profile_of(wire) == profile


def test_an_endpoint_chooses_the_crc_on_the_event_loop(served: str) -> None:
    async def call() -> int:
        endpoint = f"morse:sim:{served}?{FAST}&seed=2&crc=16"
        async with ipfi_serial.aio.connect(endpoint) as wire:
            return profile_of(wire)

    assert asyncio.run(call()) == 0


def profile_of(connection: Any) -> int:
    agreement = connection._pump._wire.link.agreement
    return int(agreement.profile)


def test_both_shells_tell_the_line_what_the_link_lost(served: str) -> None:
    line = open_transport(f"morse:sim:{served}?{FAST}&seed=2")
    assert isinstance(line, MorseTransport)
    told: list[tuple[int, int]] = []
    line.note_losses = lambda *figures: told.append(figures)  # type: ignore[method-assign]
    with connect(line) as wire:
        assert wire.call(1, 40, 2) == 42
    assert sum(frames for frames, _ in told) >= 3  # HELLO, READY, the call

    async def call() -> object:
        line = await open_async_transport(f"morse:sim:{served}-2?{FAST}&seed=2")
        line.note_losses = lambda *figures: told.append(figures)  # type: ignore[attr-defined]
        async with ipfi_serial.aio.connect(line) as wire:
            return await wire.call(1, 40, 2)

    told.clear()
    table = Interface()
    table.procedure(1, "add")(lambda a, b: a + b)
    with connect(f"morse:sim:{served}-2?{FAST}&seed=1", table, role="device"):
        assert asyncio.run(call()) == 42
    assert sum(frames for frames, _ in told) >= 3


_OTHER = """
import sys
from ipfi_serial import Interface, connect
table = Interface()
table.procedure(1, "add")(lambda a, b: a + b)
with connect(sys.argv[1], table, role="device"):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_call_passes_between_two_processes(name: str) -> None:
    command = [sys.executable, "-c", _OTHER, f"morse:sim:{name}?{FAST}&seed=1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # noqa: S603
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"ready\n"
            with connect(f"morse:sim:{name}?{FAST}&seed=2") as wire:
                assert wire.call(1, 40, 2) == 42
        finally:
            other.communicate(b"")


def test_a_third_end_is_refused_and_a_place_that_was_left_can_be_taken(name: str) -> None:
    one, two = SimulatedPins(name), SimulatedPins(name)
    with pytest.raises(PortBusyError, match="two other ends"):
        SimulatedPins(name)
    one.close()
    one.close()
    three = SimulatedPins(name)
    three.close()
    two.close()


def test_what_a_dead_program_left_behind_is_replaced(name: str) -> None:
    one = SimulatedPins(name)
    one._socket.close()  # as when the program is killed
    two = SimulatedPins(name)
    three = SimulatedPins(name)
    with pytest.raises(PortBusyError):
        SimulatedPins(name)
    two.close()
    three.close()
    assert not Path(one._own).exists()


def test_on_a_dark_line_frames_vanish_and_nothing_hangs(name: str) -> None:
    with closing(open_transport(f"morse:sim:{name}?{FAST}")) as line:
        assert line.write(FRAME) == len(FRAME)
        assert line.read(0.2) == b""


def test_a_closed_line_says_so(name: str) -> None:
    line = open_transport(f"morse:sim:{name}?{FAST}")
    line.close()
    with pytest.raises(TransportError, match="closed"):
        line.read(1.0)


def test_an_end_that_comes_back_is_heard_again(name: str) -> None:
    endpoint = f"morse:sim:{name}?{FAST}"
    with closing(open_transport(endpoint)) as one:
        for _ in range(2):
            with closing(open_transport(endpoint)) as two:
                two.write(FRAME)
                assert read_frame(one) == FRAME


@pytest.mark.parametrize(
    ("passed_s", "frames", "damaged"),
    [(0.0, 2, 0), (0.001, 2, 0), (0.0032, 1, 1), (0.00325, 1, 1)],  # a preamble lasts 2 ms
)
def test_what_an_end_had_still_to_key_is_gone_when_it_is_opened_anew(
    name: str, passed_s: float, frames: int, damaged: int
) -> None:
    """As on a real line: a frame that it had announced breaks off where the next one begins."""
    settings = ModemSettings(wpm=24000)
    begin_s = time.monotonic() + 0.05
    with closing(SimulatedPins(name)) as pins:
        source = MorseSource(settings, pins)
        for starts_s in ([begin_s], [begin_s + passed_s, begin_s + 0.02]):
            other = SimulatedPins(name)
            other._stopped.set()  # it dies when it has announced its edges
            for start_s in starts_s:
                with pytest.raises(OSError, match="closed"):
                    other.key(keyed(FRAME[:-1], start_s=start_s, unit_s=settings.unit_s))
            other._socket.close()
            other._own.unlink()
        is_over = False
        while not is_over:
            is_over = time.monotonic() > begin_s + 0.1
            source.receive()
        quality = source.modem.quality
    assert quality.edges < 3 * len(keyed(FRAME[:-1]))
    assert quality.overruns == 0
    assert (quality.frames, quality.damaged_frames) == (frames, damaged)


def test_a_packet_that_is_lost_is_noticed(name: str) -> None:
    one, two = SimulatedPins(name), SimulatedPins(name)
    start_s = time.monotonic()
    one.key([start_s, start_s + 0.001])
    assert two.hear(1.0).runs
    one._sent += 1
    one.key([start_s + 0.002, start_s + 0.003])
    assert two.hear(1.0).lost
    two._socket.sendto(b"?", str(two._own))  # not of this library
    assert not two.hear(0.2).runs
    one.close()
    with pytest.raises(OSError, match="closed"):
        one.hear(0.1)
    two.close()


def test_a_shared_line_that_is_never_free_drops_what_waits(name: str) -> None:
    with closing(open_transport(f"morse:sim:{name}?wpm=24000&duplex=half")) as line:
        assert isinstance(line, MorseTransport)
        source = line.source
        source._patience_s = 0.05
        source.modem.key_due_s = lambda: time.monotonic() + 1.0  # type: ignore[method-assign]
        source.modem.put(FRAME, time.monotonic())
        drop = source.modem.drop_frames

        def drop_and_stop() -> int:
            source.modem.key_due_s = lambda: None  # type: ignore[method-assign]
            return drop()

        source.modem.drop_frames = drop_and_stop  # type: ignore[method-assign]
        source.send(b"")
        source._key_all()
        assert source.dropped == 1


class ScriptedPins:
    """Pins that hear what a test says."""

    def __init__(self, *heard: Heard) -> None:
        self.script = list(heard)

    def key(self, edges_s: list[float]) -> None:
        """Key nothing."""

    def hear(self, timeout_s: float) -> Heard:
        """Return what comes next."""
        assert timeout_s >= 0
        return self.script.pop(0)

    def close(self) -> None:
        """Do nothing."""


def test_edges_that_are_missing_between_two_runs_or_before_the_first_damage_the_frame() -> None:
    edges = keyed()
    cut = Heard(edges[-1] + 1.0, [(edges[:100], True), (edges[102:], True)])
    rest = Heard(edges[-1] + 1.0, [(edges[102:], True)], lost=True)
    gone = Heard(edges[-1] + 1.0, lost=True)
    whole = [Heard(edges[99], [(edges[:100], True)])]
    for script in ([cut], [*whole, rest], [*whole, gone]):
        source = MorseSource(ModemSettings(wpm=1200), ScriptedPins(*script))
        data = b"".join(source.receive() for _ in script)
        assert data.endswith(b"\0")
        assert source.modem.quality.damaged == {Damage.EDGES_LOST: 1}
