"""Calls, streams, events and callbacks through two whole engines over a simulated Morse line.

Everything runs on one virtual clock: a minute of Morse takes a fraction of a second.
"""

from __future__ import annotations

import pytest

from ipfi_serial.codec.values import decode_value, encode_arguments, encode_value
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import IncomingCall
from ipfi_serial.engine.stats import take_stats
from ipfi_serial.morse.alphabet import AlphabetName
from ipfi_serial.morse.modem import ModemSettings
from tests.engine.wires import ADD, COUNT, ECHO, LED, End
from tests.morse.line import Distortion, MorsePair

LONG_S = 3600.0  # of virtual time
ALL = [
    pytest.param(alphabet, shared, id=f"{alphabet}-{'half' if shared else 'full'}")
    for alphabet in ("compact", "itu")
    for shared in (False, True)
]
lines = pytest.mark.parametrize(("alphabet", "shared"), ALL)


def answer_add(end: End, call: IncomingCall) -> None:
    end.wire.callee.answer(call, encode_value(42))
    end.wire.callee.worker_done(call)


def answer_blob(end: End, call: IncomingCall) -> None:
    end.wire.callee.answer(call, bytes(range(256)) * 8)
    end.wire.callee.worker_done(call)


def opened(
    alphabet: AlphabetName,
    shared: bool,
    a_to_b: Distortion | None = None,
    b_to_a: Distortion | None = None,
    wpm: float = 1200.0,
    config: WireConfig | None = None,
) -> MorsePair:
    settings = ModemSettings(wpm, alphabet, shared)
    pair = MorsePair(settings, config=config, a_to_b=a_to_b, b_to_a=b_to_a)
    for end in (pair.a, pair.b):
        end.handlers[ADD] = answer_add
        end.handlers[ECHO] = answer_blob
    pair.run(LONG_S, lambda: pair.a.wire.established and pair.b.wire.established)
    return pair


def call_add(pair: MorsePair, caller: End) -> object:
    call = caller.start(ADD, encode_arguments((40, 2)), timeout_s=LONG_S)
    pair.run(LONG_S, lambda: caller.is_over(call))
    return decode_value(caller.value(call) or b"")


@lines
def test_both_ends_call_each_other_over_a_clean_line(alphabet: AlphabetName, shared: bool) -> None:
    pair = opened(alphabet, shared)
    assert call_add(pair, pair.a) == 42
    assert call_add(pair, pair.b) == 42
    assert sum(each.modem.quality.damaged_frames for each in pair.stations) == 0


@lines
def test_a_call_back_within_a_call_is_answered(alphabet: AlphabetName, shared: bool) -> None:
    pair = opened(alphabet, shared)

    def ask_back(end: End, call: IncomingCall) -> None:
        back = end.start(ADD, encode_arguments((1, 1)), nested=True, timeout_s=LONG_S)
        asked.append((back, call))

    asked: list[tuple[object, IncomingCall]] = []
    pair.b.handlers[COUNT] = ask_back
    call = pair.a.start(COUNT, encode_arguments((1,)), timeout_s=LONG_S)
    pair.run(LONG_S, lambda: bool(asked) and pair.b.is_over(asked[0][0]))  # type: ignore[arg-type]
    answer_add(pair.b, asked[0][1])
    pair.run(LONG_S, lambda: pair.a.is_over(call))
    assert decode_value(pair.a.value(call) or b"") == 42


@lines
def test_a_stream_arrives_whole_and_in_order(alphabet: AlphabetName, shared: bool) -> None:
    pair = opened(alphabet, shared)
    values = [encode_value(f"item {k}") for k in range(8)]

    def produce(end: End, call: IncomingCall) -> None:
        end.produce(call, waiting := list(values))
        assert not waiting
        end.wire.callee.end_stream(call)
        end.wire.callee.worker_done(call)

    pair.b.handlers[COUNT] = produce
    call = pair.a.stream(COUNT, encode_arguments((8,)))
    pair.run(LONG_S, lambda: pair.a.is_over(call))
    assert pair.a.values(call) == values


@lines
def test_events_arrive_once_and_in_order(alphabet: AlphabetName, shared: bool) -> None:
    pair = opened(alphabet, shared)
    for k in range(5):
        pair.b.emit(LED, encode_arguments((k,)))
    pair.run(LONG_S, lambda: len(pair.a.events) >= 5)
    assert pair.a.events == [(LED, encode_arguments((k,))) for k in range(5)]


@lines
def test_wrong_clocks_jitter_and_glitches_lose_no_call_and_double_none(
    alphabet: AlphabetName, shared: bool
) -> None:
    bad = {"jitter": 0.15, "drift": 0.2, "glitches": 1 / 2000}
    pair = opened(alphabet, shared, Distortion(clock=1.3, **bad), Distortion(clock=0.7, **bad))
    for _ in range(10):
        assert call_add(pair, pair.a) == 42
    assert len(pair.b.begun) == 10
    assert all(each.modem.quality.glitches > 0 for each in pair.stations)
    assert all(each.modem.quality.jitter > 0.05 for each in pair.stations)


def test_compact_at_1_ms_carries_30_bytes_of_a_blob_a_second_through_the_whole_stack() -> None:
    pair = opened("compact", False)
    call = pair.a.start(ECHO, b"", timeout_s=LONG_S)
    took_s = pair.run(LONG_S, lambda: pair.a.is_over(call))
    assert pair.a.value(call) == bytes(range(256)) * 8
    assert 2048 / took_s >= 30.0


def test_a_line_that_jitters_by_a_third_of_a_unit_is_slowed_down_until_frames_pass() -> None:
    bad = Distortion(jitter=0.33)
    pair = opened("compact", False, bad, bad)
    call = pair.a.start(ECHO, b"", timeout_s=LONG_S)
    pair.run(LONG_S, lambda: pair.a.is_over(call))
    assert pair.a.value(call) == bytes(range(256)) * 8
    assert pair.stations[1].modem.rate.step > 0


def test_speed_comes_back_when_the_line_is_clean_again() -> None:
    pair = opened("compact", False, Distortion(jitter=0.33), Distortion(jitter=0.33))
    call = pair.a.start(ECHO, b"", timeout_s=LONG_S)
    pair.run(LONG_S, lambda: pair.a.is_over(call))
    steps = pair.stations[1].modem.rate.step
    assert steps > 0
    for station in pair.stations:
        station.how = Distortion()
    for _ in range(3):
        call = pair.a.start(ECHO, b"", timeout_s=LONG_S)
        pair.run(LONG_S, lambda call=call: pair.a.is_over(call))  # type: ignore[misc]
    assert pair.stations[1].modem.rate.step < steps


@pytest.mark.parametrize("profiles", [0b01, 0b11])
def test_crc_16_can_be_chosen_and_crc_32_is_the_default(profiles: int) -> None:
    pair = opened("compact", False, config=WireConfig(crc_profiles=profiles))
    assert call_add(pair, pair.a) == 42
    agreement = pair.a.wire.link.agreement
    assert agreement is not None
    assert agreement.profile == (0 if profiles == 1 else 1)


def test_at_20_words_a_minute_a_call_takes_a_minute_and_no_timer_is_too_short() -> None:
    pair = opened("itu", False, wpm=20.0)
    assert call_add(pair, pair.a) == 42
    assert take_stats(pair.a.wire, 0).retransmissions == 0
    assert take_stats(pair.a.wire, 0).sessions == 1


@pytest.mark.parametrize("shared", [False, True])
def test_two_runs_with_one_seed_are_identical(shared: bool) -> None:
    traces = []
    for _ in range(2):
        bad = Distortion(jitter=0.15, glitches=1 / 2000)
        pair = opened("compact", shared, bad, bad)
        call_add(pair, pair.a)
        traces.append((pair.now_s, [s.modem.quality.edges for s in pair.stations]))
    assert traces[0] == traces[1]
