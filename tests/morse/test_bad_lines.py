"""The decoder on lines that carry something else, or more than one sender: MORSE-6 to MORSE-14."""

from __future__ import annotations

from random import Random

import pytest

from ipfi_serial.morse.decoder import Decoder
from ipfi_serial.morse.keying import PREAMBLE, edge_times
from ipfi_serial.morse.quality import Damage
from ipfi_serial.morse.timing import calibrate
from tests.morse.keyed import (
    FRAME,
    UNIT_S,
    decoder,
    keyed,
    read,
)


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 repeatable


@pytest.mark.parametrize("hertz", [50, 60, 100, 120])
def test_mains_hum_is_read_as_nothing_and_named(hertz: int) -> None:
    own = decoder(unit_s=0.01)
    edges = [k / (2 * hertz) for k in range(1000)]
    assert read(own, edges) == b""
    assert f"a hum of {hertz} Hz" in own.quality.describe(edges[-1])


def test_an_even_beat_that_is_not_of_mains_is_a_floating_line() -> None:
    own = decoder()
    edges = [k / 1000 for k in range(1000)]
    assert read(own, edges) == b""
    assert "a floating line" in own.quality.describe(edges[-1])


def test_edges_all_at_one_moment_are_survived() -> None:
    own = decoder()
    assert read(own, [1.0] * 1000) == b""
    assert "a floating line" in own.quality.describe(1.0)


def test_a_floating_line_forms_no_frame_and_takes_no_memory() -> None:
    draw = chance(7)
    own = decoder()
    time_s = 0.0
    for _ in range(200):
        edges = []
        for _ in range(500):
            time_s += draw.expovariate(1 / UNIT_S)
            edges.append(time_s)
        own.receive_edges(edges, rising=True)
        assert len(own.take()) < 8
    assert own.quality.frames == 0
    assert "a floating line" in own.quality.describe(time_s)


def test_a_second_keyer_damages_frames_but_changes_none() -> None:
    own, draw = decoder(), chance(8)
    for k in range(100):
        one, two = keyed(start_s=10.0 * k), keyed(FRAME[::-1], start_s=10.0 * k + draw.random() / 5)
        heard = _either(one, two)
        data = read(own, heard)
        for piece in data.split(b"\0")[:-1]:
            assert FRAME.startswith(piece) or FRAME[::-1].startswith(piece) or len(piece) < 14


def _either(one: list[float], two: list[float]) -> list[float]:
    """What is heard where two keys close one circuit."""
    steps = sorted([(t, 1 - 2 * (i % 2)) for keys in (one, two) for i, t in enumerate(keys)])
    heard, down = [], 0
    for time_s, step in steps:
        if (down == 0 and step > 0) or (down == 1 and step < 0):
            heard.append(time_s)
        down += step
    return heard


def test_a_preamble_without_a_frame_is_an_empty_frame() -> None:
    own = decoder()
    units = [*PREAMBLE, *PREAMBLE]
    assert read(own, edge_times(units, 1.0, UNIT_S)) in (b"\0", b"\0\0")


def test_much_noise_before_a_faster_sender_does_not_hide_it() -> None:
    own, draw = decoder(unit_s=8 * UNIT_S), chance(9)
    noise = sorted(draw.uniform(0.0, 1.0) for _ in range(400))
    own.receive_edges(noise, rising=True)
    assert read(own, keyed(start_s=3.0, unit_s=UNIT_S)) == FRAME + b"\0"


def test_figures_of_a_thin_margin_ask_for_a_slower_sender() -> None:
    own = decoder()
    edges = keyed()
    edges[-1] += 0.93 * UNIT_S
    assert read(own, edges)[-1:] == b"\0"
    assert own.quality.describe(edges[-1]).startswith("hardly readable: send more slowly")


def test_a_decoder_stores_no_more_than_a_few_preambles() -> None:
    own = Decoder(decoder()._alphabet, UNIT_S)
    own.receive_edges([k * 0.7e-3 for k in range(100_000)], rising=True)
    assert len(own._raw) + len(own._filtered) <= 8 * len(PREAMBLE)


def test_a_decoder_that_forgets_ends_the_frame_in_hand_once() -> None:
    own = decoder()
    own.receive_edges(keyed()[:120], rising=True)
    own.forget()
    own.forget()
    assert own.take().count(0) == 1
    assert own.quality.damaged == {Damage.TALKED_OVER: 1}


def test_a_last_element_too_many_is_noticed_when_time_ends_the_frame() -> None:
    own = decoder()
    units = [*PREAMBLE, *([1, 1] * 8), 1, 7]
    own.receive_edges(edge_times(units, 1.0, UNIT_S), rising=True)
    own.receive_time(9.0)
    assert own.take() == b"\0"
    assert own.quality.damaged == {Damage.TOO_MANY_ELEMENTS: 1}
    assert read(own, keyed(start_s=20.0)) == FRAME + b"\0"


def test_intervals_that_only_resemble_a_preamble_are_none() -> None:
    good = [units * UNIT_S for units in PREAMBLE]
    assert calibrate(good, UNIT_S / 16, UNIT_S * 16) is not None
    bad = list(good)
    for letter in (0, 8, 16):  # dots and gaps long and short in turn: the mean is right
        for place, off in ((0, 0.6), (1, 0.6), (2, -0.6), (3, -0.6)):
            bad[letter + place] += off * UNIT_S
    assert calibrate(bad, UNIT_S / 16, UNIT_S * 16) is None


def test_noise_after_good_frames_is_said_too() -> None:
    own, draw = decoder(), chance(10)
    assert read(own, keyed()) == FRAME + b"\0"
    edges = [9.0 + t for t in sorted(draw.uniform(0.0, 1.0) for _ in range(100))]
    read(own, edges)
    assert own.quality.describe(edges[-1]).startswith("100 edges and no training preamble")


def test_a_preamble_that_nothing_follows_for_ten_units_begins_no_frame() -> None:
    own = decoder()
    units = [*PREAMBLE[:-1], 12, 1, 1, 1, 3, 1, 7]
    assert read(own, edge_times(units, 1.0, UNIT_S)) == b""
    assert own.quality.preambles == 0


def test_a_key_that_is_held_down_on_an_inverted_line_is_said_too() -> None:
    own = decoder()
    edges = keyed()
    assert read(own, edges, rising=False) == FRAME + b"\0"
    assert "stuck" not in own.quality.describe(edges[-1] + 1.0)
    held = keyed(start_s=9.0)[:101]
    read(own, held, rising=False)
    assert own.quality.describe(held[-1] + 1.0).startswith("stuck: the key is down")
