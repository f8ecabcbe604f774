"""Real lines with faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from ipfi_serial.errors import TransportError
from ipfi_serial.transport import (
    AsyncImpairedTransport,
    AsyncTransport,
    ImpairedTransport,
    LineFaults,
    Transport,
    open_async_transport,
    open_transport,
)
from tests.transport.lines import PATIENCE_S, Background, Ear, fill, read_exactly, run

LOSE_ALL = LineFaults(frame_loss=1.0)


@pytest.fixture
def ends() -> Iterator[tuple[ImpairedTransport, Transport]]:
    impaired = ImpairedTransport(open_transport("loopback:impaired"), LineFaults())
    with closing(impaired), closing(open_transport("loopback:impaired")) as far:
        yield impaired, far


Ends = tuple[ImpairedTransport, Transport]


def test_it_is_a_transport_of_the_same_speed() -> None:
    with closing(ImpairedTransport(open_transport("loopback:x?bps=96"), LineFaults())) as line:
        assert isinstance(line, Transport)
        assert line.bytes_per_s == 96.0
        assert line.endpoint == "loopback:x?bps=96 (impaired)"


def test_without_faults_everything_passes(ends: Ends) -> None:
    impaired, far = ends
    assert impaired.write(b"ping\x00") == 5
    assert read_exactly(far, 5) == b"ping\x00"
    far.write(b"pong\x00")
    assert impaired.read(PATIENCE_S) == b"pong\x00"
    assert impaired.read(0) == b""


def test_data_that_is_there_is_read_without_waiting(ends: Ends) -> None:
    impaired, far = ends
    far.write(b"x")
    assert impaired.read(0) == b"x"


def test_faults_of_each_direction_are_switched_by_themselves(ends: Ends) -> None:
    impaired, far = ends
    impaired.outgoing.faults = LOSE_ALL
    assert impaired.write(b"lost\x00") == 5
    far.write(b"in\x00")
    assert impaired.read(PATIENCE_S) == b"in\x00"
    impaired.outgoing.faults = LineFaults()
    impaired.incoming.faults = LOSE_ALL
    impaired.write(b"out\x00")
    assert read_exactly(far, 4) == b"out\x00"
    far.write(b"lost\x00")
    assert impaired.read(0.01) == b""
    assert impaired.outgoing.counts.frames_lost == impaired.incoming.counts.frames_lost == 1


def test_the_two_directions_have_chances_of_their_own() -> None:
    line = ImpairedTransport(open_transport("loopback:x"), LineFaults(byte_flip=0.5, seed=1))
    line.close()
    data = bytes(100)
    assert line.outgoing.pass_bytes(data) != line.incoming.pass_bytes(data)
    other = ImpairedTransport(open_transport("loopback:x"), LineFaults(), LOSE_ALL)
    other.close()
    assert (other.outgoing.faults, other.incoming.faults) == (LineFaults(), LOSE_ALL)


def test_a_read_ends_in_time_while_everything_that_comes_is_lost(ends: Ends) -> None:
    impaired, far = ends
    impaired.incoming.faults = LOSE_ALL
    reader = Background(lambda: impaired.read(0.05))
    for _ in range(5):
        far.write(b"lost\x00")
    assert reader.result() == b""


def test_a_wake_ends_a_waiting_read(ends: Ends) -> None:
    reader = Background(lambda: ends[0].read(None))
    ends[0].wake()
    assert reader.result() == b""


def test_a_short_write_is_finished_by_a_read_and_damaged_only_once(ends: Ends) -> None:
    impaired, far = ends
    impaired.outgoing.faults = LineFaults(byte_double=1.0)
    total = 2 * fill(impaired)
    received = 0
    while received < total:
        received += len(far.read(0))
        assert impaired.read(0) == b""
    assert impaired.write(b"x") == 1
    assert read_exactly(far, 2) == b"xx"


def test_what_comes_in_is_handed_over_late_and_in_order(ends: Ends) -> None:
    impaired, far = ends
    impaired.incoming.faults = LineFaults(delay_s=0.05)
    started_s = time.monotonic()
    far.write(b"one")
    assert impaired.read(0) == b""
    assert impaired.read(0.01) == b""
    far.write(b"two")
    assert read_exactly(impaired, 6) == b"onetwo"
    assert time.monotonic() - started_s >= 0.05


def test_one_read_gives_at_most_64_kib_also_when_damage_makes_data_longer(ends: Ends) -> None:
    impaired, far = ends
    impaired.incoming.faults = LineFaults(byte_double=1.0)
    far.write(b"x" * 60_000)
    first = impaired.read(PATIENCE_S)
    assert len(first) <= 65536
    assert len(first) + len(read_exactly(impaired, 120_000 - len(first))) == 120_000


def test_the_loss_of_the_line_is_passed_on(ends: Ends) -> None:
    ends[1].close()
    with pytest.raises(TransportError):
        ends[0].read(PATIENCE_S)


async def _open_async(faults: LineFaults) -> tuple[AsyncImpairedTransport, Transport]:
    inner = await open_async_transport("loopback:impaired")
    return AsyncImpairedTransport(inner, faults), open_transport("loopback:impaired")


def test_the_asyncio_form_damages_both_directions() -> None:
    async def test() -> None:
        line, far = await _open_async(LineFaults(byte_double=1.0))
        assert isinstance(line, AsyncTransport)
        ear = Ear(line)
        assert line.write(b"ab") == 2
        assert read_exactly(far, 4) == b"aabb"
        far.write(b"cd")
        assert await ear.take(4) == b"ccdd"
        assert line.outgoing.counts.doubled == line.incoming.counts.doubled == 2
        line.close()
        far.close()

    run(test())


def test_the_asyncio_form_tells_of_room_after_a_short_write() -> None:
    async def test() -> None:
        line, far = await _open_async(LineFaults(byte_double=1.0))
        ear = Ear(line)
        total = 2 * fill(line)
        assert ear.rooms == 0
        received = 0
        while received < total:
            received += len(far.read(0))
            await asyncio.sleep(0)
        await ear.until(lambda: ear.rooms == 1)
        assert line.write(b"x") == 1
        line.close()
        far.close()

    run(test())


def test_the_asyncio_form_delays_and_delivers_before_it_tells_of_a_loss() -> None:
    async def test() -> None:
        line, far = await _open_async(LineFaults(delay_s=0.02))
        ear = Ear(line)
        started_s = time.monotonic()
        far.write(b"late")
        assert await ear.take(4) == b"late"
        assert time.monotonic() - started_s >= 0.02
        line.incoming.faults = LineFaults(delay_s=3600.0)
        far.write(b"last words")
        far.close()
        await ear.until(lambda: bool(ear.losses))
        assert ear.data == b"last words"
        line.close()

    run(test())


def test_the_asyncio_form_forgets_what_is_late_when_it_is_closed() -> None:
    async def test() -> None:
        line, far = await _open_async(LineFaults(delay_s=3600.0))
        ear = Ear(line)
        far.write(b"never")
        await asyncio.sleep(0)
        line.close()
        far.close()
        assert not ear.data
        assert not ear.losses

    run(test())
