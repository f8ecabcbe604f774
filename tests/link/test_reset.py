"""Ends that restart, lines that die, HELLOs of an earlier life (HS-2, HS-5 to HS-12, LINK-19)."""

from __future__ import annotations

import random
from typing import Final

import pytest

from ipfi_serial.errors import (
    DeviceResetError,
    EchoingLineError,
    HandshakeRefusedError,
    LinkLostError,
    NoSessionError,
    WireClosedError,
)
from ipfi_serial.framing.crc import CRC16
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.session import Link
from ipfi_serial.link.states import LinkState
from tests.harness.line import Line, Noise, evenly, lose
from tests.harness.links import (
    BAUD_115200,
    DEVICE,
    HOST,
    Pair,
    device_parameters,
    new_link,
    nonces,
    parameters,
)
from tests.link._frames import hello

SIZE: Final = 300


def life(index: int, number: int) -> bytes:
    """Return what an end sends in one of its lives: no two of them begin alike."""
    return bytes((index * 16 + number,)) * SIZE


def new_end(index: int, number: int, *, constant: bool, small: bool = False) -> Link:
    """Make a host or a device that has just started."""
    if index == HOST:
        nonce = (lambda: 3) if constant else nonces(number)
        return new_link(floor=random.Random(number).randrange(1, 65536), new_nonce=nonce)  # noqa: S311
    own = device_parameters() if small else parameters(flags=0)
    return new_link(
        own, active=False, floor=0, new_nonce=(lambda: 2) if constant else nonces(number + 50)
    )


def new_pair(
    *, constant: bool, small: bool = False, lines: tuple[Line, Line] | None = None
) -> Pair:
    """Return two ends in their first lives."""
    ends = [new_end(index, 1, constant=constant, small=small) for index in (HOST, DEVICE)]
    return Pair(ends[0], ends[1], lines, to_send=(life(HOST, 1), life(DEVICE, 1)))


def settle(pair: Pair, case: object) -> None:
    """Run until all was delivered in one session and nobody has anything to say."""
    assert pair.run(pair.delivered, for_s=60.0), f"{case}\n{pair.describe()}"
    pair.check()
    assert pair.run(for_s=60.0), f"{case} never falls silent\n{pair.describe()}"
    assert pair.delivered(), f"{case}\n{pair.describe()}"
    pair.check()


def instants(pair: Pair) -> int:
    """Return how many instants a run visits if nothing goes wrong."""
    assert pair.run(pair.delivered)
    pair.run(for_s=5.0)
    return pair.steps.steps


def run_to_instant(pair: Pair, number: int) -> None:
    """Stop when so many instants were visited, or it is quiet."""
    if number > 1:
        pair.run(lambda: pair.steps.steps >= number, for_s=3.0)


def kind_of(wire: bytes) -> int:
    """Return the type byte of a frame on the wire."""
    return wire.lstrip(b"\0")[1]


WHO: Final = [(HOST,), (DEVICE,), (HOST, DEVICE), (DEVICE, HOST)]


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("who", WHO)
def test_an_end_may_reboot_at_any_instant(
    who: tuple[int, ...], small: bool, constant: bool
) -> None:
    """HS-2, HS-7, HS-11, HS-12: random and constant nonces; what is on the line arrives."""
    for instant in range(1, instants(new_pair(constant=constant, small=small)) + 3):
        pair = new_pair(constant=constant, small=small)
        run_to_instant(pair, instant)
        for index in who:
            pair.reboot(index, new_end(index, 2, constant=constant, small=small), life(index, 2))
        # a device says HELLO when it starts; a host opens: nobody has to ask
        settle(pair, (who, small, constant, instant))


@pytest.mark.parametrize("constant", [False, True])
def test_the_device_may_reboot_twice_in_a_row_at_any_two_instants(constant: bool) -> None:
    """HS-2, HS-11."""
    last = instants(new_pair(constant=constant))
    for first in range(1, last + 1):
        for second in range(1, 9):
            pair = new_pair(constant=constant)
            run_to_instant(pair, first)
            pair.reboot(DEVICE, new_end(DEVICE, 2, constant=constant), life(DEVICE, 2))
            run_to_instant(pair, pair.steps.steps + second)
            pair.reboot(DEVICE, new_end(DEVICE, 3, constant=constant), life(DEVICE, 3))
            settle(pair, (constant, first, second))


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
@pytest.mark.parametrize("who", WHO)
def test_a_reboot_is_noticed_when_one_of_the_next_frames_is_lost(
    who: tuple[int, ...], lost: int
) -> None:
    """HS-11: at the latest when the host has something to say."""
    for direction in (0, 1):
        for instant in range(1, 14):
            pair = new_pair(constant=True)
            run_to_instant(pair, instant)
            for index in who:
                pair.reboot(index, new_end(index, 2, constant=True), life(index, 2))
            line = pair.lines[direction]
            line.on_frame = lose(line.counters.frames + lost)
            pair.run(pair.delivered, for_s=20.0)
            if pair.host.established and not pair.delivered():
                pair.push(HOST, b"is there anybody?")
            settle(pair, (who, direction, instant, lost))


def test_a_device_that_reboots_in_an_idle_session_says_so_at_once() -> None:
    """HS-11, HS-12: the host's program hears of it without asking."""
    pair = new_pair(constant=False)
    settle(pair, "first")
    pair.reboot(DEVICE, new_end(DEVICE, 2, constant=False), life(DEVICE, 2))
    before_s = pair.now_s
    assert pair.run(lambda: bool(pair.programs[HOST].lost))
    assert pair.now_s - before_s < 0.25
    (error,) = pair.programs[HOST].lost
    assert isinstance(error, DeviceResetError)
    assert error.cause == "program start"
    settle(pair, "second")


def test_a_reboot_whose_announcement_is_lost_is_noticed_soon_after_the_next_call() -> None:
    """HS-11, LINK-12."""
    pair = new_pair(constant=False)
    settle(pair, "first")
    back = pair.lines[1]
    back.on_frame = lose(back.counters.frames + 1)
    pair.reboot(DEVICE, new_end(DEVICE, 2, constant=False), life(DEVICE, 2))
    assert pair.run(for_s=50.0)
    assert pair.programs[HOST].lost == []
    pair.push(HOST, b"call")
    before_s = pair.now_s
    assert pair.run(lambda: bool(pair.programs[HOST].lost))
    assert pair.now_s - before_s < 1.0
    settle(pair, "second")


def test_a_hello_of_an_earlier_life_resets_nothing() -> None:
    """HS-7: however often it arrives; and ids move on."""
    pair = new_pair(constant=True)
    settle(pair, "first")
    old = encode_frame(hello(parameters(flags=0, nonce=2)), CRC16)
    for _ in range(20):
        pair.lines[1].inject(old, pair.now_s + 0.01)
        pair.push(HOST, b"more")
        settle(pair, "later")
    assert pair.programs[HOST].lost == []
    assert len(pair.programs[HOST].sessions) == 1


@pytest.mark.parametrize("instant", range(1, 16))
@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("without", [FrameType.HELLO, FrameType.READY])
def test_frames_of_an_earlier_life_may_come_late_at_any_instant(
    direction: int, instant: int, without: FrameType
) -> None:
    """LINK-5, HS-2: what one end said before, once more, into the second life.

    A whole handshake of the earlier life would be taken for a new one by an end that remembers
    nothing, so one half of it is left out.
    """
    before = new_pair(constant=True)
    before.lines[direction].keep = True
    settle(before, "before")
    pair = before
    pair.reboot(DEVICE, new_end(DEVICE, 2, constant=True), life(DEVICE, 2))
    run_to_instant(pair, pair.steps.steps + instant)
    old = [wire for wire in pair.lines[direction].sent if kind_of(wire) != without]
    pair.lines[direction].inject(b"".join(old), pair.now_s)
    settle(pair, (direction, instant, without))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("delay_s", [0.0, 0.001, 0.1])
def test_both_ends_may_open_at_once(seed: int, delay_s: float) -> None:
    """HS-8: glare, both active, with and without a bad line; there is one session in the end."""
    noise = Noise(lose_frame=0.2) if seed % 2 else Noise()
    lines = tuple(Line(seed=seed + i, delay_s=delay_s, noise=noise) for i in (0, 40))
    pair = Pair(
        new_link(floor=7 + seed, new_nonce=nonces(seed)),
        new_link(parameters(flags=seed % 3 == 0), floor=9, new_nonce=nonces(seed + 99)),
        (lines[0], lines[1]),
        to_send=(life(HOST, 1), life(DEVICE, 1)),
    )
    settle(pair, seed)
    if not seed % 2:
        assert [len(program.sessions) for program in pair.programs] == [1, 1]


def test_equal_ranks_part_at_the_next_nonce() -> None:
    """HS-9, HS-8: two hosts with the same nonce take each other for an echo, once."""
    pair = Pair(
        new_link(floor=5, new_nonce=iter([6, 6, 1, 2, 3, 4]).__next__),
        new_link(floor=9, new_nonce=iter([6, 6, 11, 12, 13, 14]).__next__),
        to_send=(life(HOST, 1), life(DEVICE, 1)),
    )
    settle(pair, "equal")
    assert pair.programs[HOST].lost == []


def test_an_echoing_line_is_named() -> None:
    """HS-9: TX and RX are joined."""
    link = new_link()
    pair = Pair(link, new_link(active=False), opens=(True, False))
    there, back = pair.lines
    there.keep = True

    def joined() -> bool:
        while there.sent:
            back.inject(there.sent.pop(0), pair.now_s)
        return pair.programs[HOST].final

    assert pair.run(joined, for_s=5.0)
    (error,) = pair.programs[HOST].lost
    assert isinstance(error, EchoingLineError)


@pytest.mark.parametrize("who", [HOST, DEVICE])
def test_another_version_is_refused_with_a_named_error(who: int) -> None:
    """HS-10: whoever is the newer one."""
    versions = [1, 1]
    versions[who] = 2
    pair = Pair(
        new_link(parameters(version=versions[0])),
        new_link(parameters(flags=0, version=versions[1]), active=False),
    )
    assert pair.run(lambda: pair.programs[HOST].final, for_s=5.0)
    (error,) = pair.programs[HOST].lost
    assert isinstance(error, HandshakeRefusedError)
    assert error.reason == "version"


@pytest.mark.parametrize("who", [HOST, DEVICE])
@pytest.mark.parametrize("instant", range(1, 25))
def test_a_program_may_close_at_any_instant(who: int, instant: int) -> None:
    """HS-13: the other end hears of it, or finds out, and nobody goes on for ever."""
    pair = new_pair(constant=False)
    run_to_instant(pair, instant)
    pair.links[who].close()
    other = 1 - who
    if pair.links[other].established:
        pair.run(lambda: not pair.links[other].established, for_s=20.0)
        error = pair.programs[other].lost[0]
        goodbye = NoSessionError if who == HOST else WireClosedError
        assert type(error) in (goodbye, LinkLostError)
    pair.check()
    state = pair.links[other].state
    if who == HOST:
        assert pair.run(for_s=60.0), pair.describe()
        assert state is LinkState.LISTENING
    else:
        assert state in (LinkState.CLOSED, LinkState.CONNECTING, LinkState.UNCONFIRMED)


@pytest.mark.parametrize("dead_s", [0.5, 4.0, 7.0, 60.0])
@pytest.mark.parametrize("direction", [(True, False), (False, True), (True, True)])
def test_a_line_may_die_and_come_back(dead_s: float, direction: tuple[bool, bool]) -> None:
    """LINK-13, LINK-19: below the patience nothing is lost; above it a new session takes over."""
    pair = new_pair(constant=False)
    settle(pair, "before")
    for line, dies in zip(pair.lines, direction, strict=True):
        line.dead = dies
    pair.push(HOST, b"into the dark")
    pair.run(lambda: False, for_s=dead_s)
    for line in pair.lines:
        line.dead = False
    settle(pair, (dead_s, direction))
    lost = pair.programs[HOST].lost
    if dead_s < 5:
        assert lost == []
    else:
        assert isinstance(lost[0], LinkLostError)
        assert len(pair.programs[HOST].sessions) >= 2


@pytest.mark.parametrize("seed", range(10))
def test_a_bad_line_with_reboots_and_closed_eyes_ends_well(seed: int) -> None:
    """HS-2, HS-7, HS-12, LINK-5: everything at once, at random."""
    rng = random.Random(seed)  # noqa: S311 - a test wants it repeatable
    noise = Noise(
        flip=0.001,
        drop=0.001,
        insert=0.001,
        double=0.001,
        lose_frame=0.05,
        double_frame=0.05,
        late_frame=0.05,
        late_s=0.05,
    )
    lines = (Line(seed=seed, noise=noise), Line(seed=seed + 1, noise=noise))
    pair = new_pair(constant=seed % 2 == 0, small=False, lines=lines)
    for number in range(2, 9):
        pair.run(pair.delivered, for_s=rng.choice([0.003, 0.05, 0.3, 2.0]))
        index = rng.choice([HOST, DEVICE])
        pair.reboot(index, new_end(index, number, constant=seed % 2 == 0), life(index, number))
        pair.check()
    for line in lines:
        line.noise = evenly(0.0)
    pair.run(pair.delivered, for_s=60.0)
    if pair.host.established and not pair.delivered():
        pair.push(HOST, b"is there anybody?")
    settle(pair, seed)


@pytest.mark.parametrize("delay_s", [0.2, 0.45, 0.8])
def test_a_line_with_a_long_delay_connects_and_carries(delay_s: float) -> None:
    """HS-1, HS-6: READY is repeated at growing intervals, too, so its answer comes in time."""
    pair = new_pair(constant=False, lines=(Line(delay_s=delay_s), Line(delay_s=delay_s)))
    settle(pair, delay_s)
    assert [len(program.sessions) for program in pair.programs] == [1, 1]


def test_115200_baud_notices_a_reset_within_a_quarter_of_a_second() -> None:
    """HS-11, HS-12: counted from when the device can first send again."""
    own = parameters(flags=0)
    links = [
        new_link(bytes_per_s=BAUD_115200),
        new_link(own, active=False, bytes_per_s=BAUD_115200, floor=1, new_nonce=nonces(9)),
    ]
    lines = (Line(bytes_per_s=BAUD_115200), Line(bytes_per_s=BAUD_115200))
    pair = Pair(links[0], links[1], lines, to_send=(bytes(50_000), bytes(50_000)))
    pair.run(lambda: False, for_s=1.0)
    again = new_link(own, active=False, bytes_per_s=BAUD_115200, new_nonce=nonces(10))
    lines[1].cut()
    pair.reboot(DEVICE, again)
    before_s = pair.now_s
    assert pair.run(lambda: bool(pair.programs[HOST].lost))
    assert pair.now_s - before_s < 0.25
