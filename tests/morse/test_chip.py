"""Python and an emulated ATmega328P call each other in Morse over two pins.

The chip's time passes only as the tests grant it, so they come out the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ipfi_hil.target import find_target
from ipfi_hil.targets import elf
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.simavr_control import CYCLES_PER_S
from ipfi_hil.targets.simavr_morse import HEARD_PIN, KEYED_PIN, morse_product
from ipfi_serial.codec.values import decode_value, encode_arguments, encode_value
from ipfi_serial.engine.calls import IncomingCall
from ipfi_serial.engine.stats import take_stats
from ipfi_serial.errors import RemoteCallError
from ipfi_serial.morse.alphabet import AlphabetName
from ipfi_serial.morse.modem import ModemSettings
from tests.engine.wires import End, fail
from tests.morse.chip_line import LAMP_PIN, TWICE, ChipLine
from tests.morse.keyed import ALPHABETS
from tests.morse.line import Distortion

WPM = 1200  # a unit of 1 ms
LONG_S = 120.0  # of the chip's time
FLASH_BYTES = 32 * 1024
RAM_BYTES = 2 * 1024
ADD, COUNT, ASK, MEMORY, LAMP, LAMP_IS = 1, 2, 3, 4, 32, 33  # morse_main.c
alphabets = pytest.mark.parametrize("alphabet", ALPHABETS)


@pytest.fixture(autouse=True)
def tools() -> None:
    why = find_target("simavr-atmega328p").why_unavailable()
    if why is not None:
        pytest.skip(why)


def answer_twice(end: End, call: IncomingCall) -> None:
    end.wire.callee.answer(call, encode_value(2 * decode_value(bytes(call.arguments))))


def refuse(end: End, call: IncomingCall) -> None:
    fail(end, call, "not today")


def opened(
    alphabet: AlphabetName,
    how: Distortion | None = None,
    *,
    wpm: int = WPM,
    inverted: bool = False,
    spike_s: float = 0.0,
    seed: int = 1,
) -> ChipLine:
    """Return a line with a session on it."""
    line = ChipLine(
        ModemSettings(wpm, alphabet), how, inverted=inverted, spike_s=spike_s, seed=seed
    )
    try:
        line.host.handlers[TWICE] = answer_twice
        line.run(LONG_S, lambda: line.host.wire.established)
    except BaseException:
        line.close()
        raise
    return line


@pytest.fixture(params=ALPHABETS)
def line(request: pytest.FixtureRequest) -> Iterator[ChipLine]:
    with opened(request.param) as line:
        yield line


def call(line: ChipLine, procedure: int, *arguments: object) -> object:
    started = line.host.start(procedure, encode_arguments(arguments), timeout_s=LONG_S)
    line.run(LONG_S, lambda: line.host.is_over(started))
    return decode_value(line.host.value(started) or b"")


def stream(line: ChipLine, length: int) -> list[object]:
    started = line.host.stream(COUNT, encode_arguments((length,)))
    line.run(LONG_S, lambda: line.host.is_over(started))
    return [decode_value(value) for value in line.host.values(started)]


def test_the_chip_answers_a_call(line: ChipLine) -> None:
    assert call(line, ADD, 40, 2) == 42
    assert call(line, ADD, 2**32 - 1, 3) == 2
    stats = take_stats(line.host.wire, 0)
    assert stats.sessions == 1
    assert line.modem.quality.damaged_frames == 0
    assert line.modem.quality.margin > 0.9  # of a unit: what it keys is as even as its timer


def test_a_stream_arrives_whole_and_in_order(line: ChipLine) -> None:
    assert stream(line, 40) == list(range(40))


def test_an_event_is_handled_once_and_answered_with_one(line: ChipLine) -> None:
    for number, on in enumerate((True, False, True), 1):
        line.host.emit(LAMP, encode_arguments((on,)))
        line.run(LONG_S, lambda number=number: len(line.host.events) >= number)  # type: ignore[misc]
    assert line.host.events == [(LAMP_IS, encode_arguments((on,))) for on in (True, False, True)]
    assert [level for _, pin, level in line.edges if pin == LAMP_PIN] == [True, False, True]


def test_the_chip_calls_back_within_a_call(line: ChipLine) -> None:
    assert call(line, ASK, 20) == 41
    assert call(line, ASK, 1000) == 2001
    assert len(line.host.begun) == 2


def test_a_call_back_that_fails_fails_the_call(line: ChipLine) -> None:
    line.host.handlers[TWICE] = refuse
    started = line.host.start(ASK, encode_arguments((20,)), timeout_s=LONG_S)
    line.run(LONG_S, lambda: line.host.is_over(started))
    assert isinstance(line.host.error(started), RemoteCallError)
    assert call(line, ADD, 1, 2) == 3


def test_both_talk_at_once(line: ChipLine) -> None:
    """Full duplex: while the chip streams, the host calls and is called back."""
    started = line.host.stream(COUNT, encode_arguments((60,)))
    line.run(LONG_S, lambda: len(line.host.values(started)) >= 5)
    line.host.emit(LAMP, encode_arguments((True,)))
    line.run(LONG_S, lambda: line.host.is_over(started) and bool(line.host.events))
    assert [decode_value(value) for value in line.host.values(started)] == list(range(60))
    assert line.host.events == [(LAMP_IS, encode_arguments((True,)))]


@alphabets
def test_two_runs_have_the_same_edges_at_the_same_cycles(alphabet: AlphabetName) -> None:
    def trace(seed: int) -> list[tuple[int, str, bool]]:
        with opened(alphabet, Distortion(jitter=0.1), seed=seed) as line:
            assert call(line, ADD, 40, 2) == 42
            assert stream(line, 5) == list(range(5))
            assert call(line, ASK, 20) == 41
            line.host.emit(LAMP, encode_arguments((True,)))
            line.run(LONG_S, lambda: bool(line.host.events))
            return line.edges

    first = trace(1)
    assert {pin for _, pin, _ in first} == {KEYED_PIN, HEARD_PIN, LAMP_PIN}
    assert trace(1) == first
    assert trace(2) != first


@pytest.mark.parametrize(("alphabet", "clock"), [("itu", 1.3), ("compact", 0.7)])
def test_wrong_clocks_jitter_and_glitches_lose_no_call_and_double_none(
    alphabet: AlphabetName, clock: float
) -> None:
    bad = Distortion(clock=clock, drift=0.1, jitter=0.1, glitches=1 / 1000)
    with opened(alphabet, bad) as line:
        for number in range(5):
            assert call(line, ASK, number) == 2 * number + 1
        assert len(line.host.begun) == 5


def test_a_line_that_is_inverted_is_read_as_well() -> None:
    with opened("compact", inverted=True) as line:
        assert call(line, ADD, 40, 2) == 42


@pytest.mark.parametrize("cycles", [2, 48, 1600])
def test_pulses_shorter_than_the_interrupt_cost_no_frame(cycles: int) -> None:
    with opened("compact", spike_s=cycles / CYCLES_PER_S) as line:
        assert call(line, ADD, 40, 2) == 42
        assert take_stats(line.host.wire, 0).retransmissions == 0


def test_a_unit_of_a_quarter_millisecond_is_not_too_fast() -> None:
    with opened("compact", wpm=4800) as line:
        started = line.host.stream(COUNT, encode_arguments((60,)))
        line.run(LONG_S, lambda: len(line.host.values(started)) >= 5)
        assert call(line, ADD, 40, 2) == 42
        line.run(LONG_S, lambda: line.host.is_over(started))
        assert [decode_value(value) for value in line.host.values(started)] == list(range(60))
        assert take_stats(line.host.wire, 0).retransmissions == 0
        assert line.modem.quality.damaged_frames == 0


def test_it_fits_the_chip_with_its_stack() -> None:
    size = elf.footprint(build_firmware(morse_product("itu", WPM)))
    assert size.flash is not None
    assert size.flash <= FLASH_BYTES
    with opened("itu", Distortion(jitter=0.1, glitches=1 / 1000)) as line:
        assert stream(line, 20) == list(range(20))
        assert call(line, ASK, 20) == 41
        used = call(line, MEMORY)
    assert isinstance(used, int)
    assert (size.ram or 0) < used <= RAM_BYTES
