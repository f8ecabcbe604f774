"""The decoder on lines good and bad: MORSE-6 to MORSE-14."""

from __future__ import annotations

from random import Random

import pytest

from ipfi_serial.morse.keying import PREAMBLE, edge_times
from ipfi_serial.morse.quality import Damage
from tests.morse.keyed import (
    ALPHABETS,
    FRAME,
    UNIT_S,
    decoder,
    jittered,
    keyed,
    read,
    stretched,
    with_glitches,
)

both = pytest.mark.parametrize("alphabet", ALPHABETS)


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 repeatable


@both
def test_what_was_keyed_is_read_and_a_frame_gap_is_a_delimiter(alphabet: str) -> None:
    own = decoder(alphabet)
    edges = keyed(alphabet=alphabet)
    edges += keyed(b"\x02\x81", alphabet, edges[-1] + 7 * UNIT_S)
    assert read(own, edges) == FRAME + b"\0\x02\x81\0"
    assert own.quality.frames == 2
    assert own.quality.damaged_frames == 0
    assert own.quality.margin == pytest.approx(1.0)


@both
def test_any_split_of_the_same_edges_gives_the_same_bytes(alphabet: str) -> None:
    edges = jittered(keyed(alphabet=alphabet), 0.1 * UNIT_S, chance(3))
    edges = with_glitches(edges, 5, UNIT_S / 4, chance(4))
    whole = read(decoder(alphabet), edges)
    for size in (1, 2, 7):
        own = decoder(alphabet)
        for i in range(0, len(edges), size):
            own.receive_edges(edges[i : i + size], rising=i % 2 == 0)
            own.receive_time(edges[min(i + size, len(edges)) - 1])
        own.receive_time(edges[-1] + 1.0)
        assert own.take() == whole


@both
@pytest.mark.parametrize("clock", [0.7, 1.0, 1.3, 0.1, 10.0])
def test_a_sender_of_any_speed_is_followed_from_its_first_frame(
    alphabet: str, clock: float
) -> None:
    own = decoder(alphabet)
    assert read(own, keyed(alphabet=alphabet, unit_s=clock * UNIT_S)) == FRAME + b"\0"
    assert own.unit_s == pytest.approx(clock * UNIT_S, rel=1e-6)


@pytest.mark.parametrize("clock", [0.05, 20.0])
def test_a_speed_out_of_range_is_not_read_and_said(clock: float) -> None:
    own = decoder()
    edges = keyed(unit_s=clock * UNIT_S)
    assert read(own, edges) == b""
    assert "a speed out of range" in own.quality.describe(edges[-1])


@both
@pytest.mark.parametrize("clock", [0.7, 1.3])
@pytest.mark.parametrize("drift", [-0.2, 0.2])
def test_a_drift_of_20_percent_within_a_message_is_followed(
    alphabet: str, clock: float, drift: float
) -> None:
    edges = stretched(keyed(alphabet=alphabet, unit_s=clock * UNIT_S), drift)
    assert read(decoder(alphabet), edges) == FRAME + b"\0"


@both
def test_jitter_of_15_percent_of_a_unit_at_every_edge_damages_few_short_frames(
    alphabet: str,
) -> None:
    own, draw, start_s = decoder(alphabet), chance(1), 1.0
    whole = 0
    for _ in range(200):
        edges = jittered(keyed(alphabet=alphabet, start_s=start_s), 0.15 * UNIT_S, draw)
        whole += read(own, edges) == FRAME + b"\0"
        start_s = edges[-1] + 20 * UNIT_S
    assert whole >= 190
    assert own.quality.noise == pytest.approx(0.15 * 2**0.5, rel=0.3)  # both ends of an interval


@both
def test_glitches_shorter_than_a_third_of_a_unit_are_left_out(alphabet: str) -> None:
    own, draw, start_s = decoder(alphabet), chance(2), 1.0
    for _ in range(50):
        edges = keyed(alphabet=alphabet, start_s=start_s)
        data_s = start_s + sum(PREAMBLE) * UNIT_S
        head = [t for t in edges if t < data_s]
        tail = [t for t in edges if t >= data_s]
        assert read(own, head + with_glitches(tail, 8, 0.33 * UNIT_S, draw)) == FRAME + b"\0"
        start_s = edges[-1] + 20 * UNIT_S
    assert own.quality.glitches == 400


def test_glitches_are_left_out_of_a_preamble_too() -> None:
    own = decoder()
    edges = with_glitches(keyed(start_s=5.0), 40, 0.14 * UNIT_S, chance(5))
    assert read(own, edges) == FRAME + b"\0"
    edges = with_glitches(keyed(start_s=9.0), 12, 0.32 * UNIT_S, chance(5), 0.2 * UNIT_S)
    assert read(own, edges) == FRAME + b"\0"


def test_where_jitter_makes_dots_short_the_filter_lets_them_pass() -> None:
    own, draw, start_s = decoder(), chance(6), 1.0
    for _ in range(10):
        edges = jittered(keyed(start_s=start_s), 0.15 * UNIT_S, draw)
        read(own, edges)
        start_s = edges[-1] + 20 * UNIT_S
    edges = keyed(start_s=start_s)
    edges[60] -= 0.38 * UNIT_S
    edges[59] += 0.38 * UNIT_S  # 0.24 of a unit is left
    assert read(own, edges) == FRAME + b"\0"


def test_marks_that_a_slow_lamp_stretches_are_put_right() -> None:
    edges = keyed()
    edges[1::2] = [edge + 0.45 * UNIT_S for edge in edges[1::2]]
    own = decoder()
    assert read(own, edges) == FRAME + b"\0"
    assert own.quality.margin > 0.9


@both
def test_an_inverted_line_is_put_right_and_said(alphabet: str) -> None:
    own = decoder(alphabet)
    edges = keyed(alphabet=alphabet)
    assert read(own, edges, rising=False) == FRAME + b"\0"
    assert own.quality.inverted
    assert "inverted (put right)" in own.quality.describe(edges[-1])
    assert read(own, keyed(alphabet=alphabet, start_s=9.0)) == FRAME + b"\0"
    assert not own.quality.inverted


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_unit_that_changes_by_ten_in_mid_frame_damages_it_and_the_next_frame_is_read(
    factor: float,
) -> None:
    own = decoder()
    edges = keyed()
    middle_s = edges[150]
    changed = [t if t < middle_s else middle_s + (t - middle_s) * factor for t in edges]
    broken = read(own, changed)
    assert broken[:-1] != FRAME
    assert broken.count(0) == 1
    assert FRAME.startswith(broken[:-1])
    assert read(own, keyed(start_s=20.0, unit_s=UNIT_S * factor)) == FRAME + b"\0"


def test_a_key_that_is_held_down_ends_the_frame_and_is_said() -> None:
    own = decoder()
    edges = keyed()
    if len(edges[:101]) % 2 == 0:
        raise AssertionError("the last edge has to rise")
    assert read(own, edges[:101]).endswith(b"\0")
    assert own.quality.damaged == {Damage.KEY_HELD: 1}
    assert own.quality.describe(edges[100] + 1.0).startswith("stuck: the key is down for 1 s")


def test_a_glitch_in_a_mark_that_never_ends_is_no_end_of_it() -> None:
    own = decoder()
    edges = keyed()[:101]
    edges += (edges[-1] + 0.5 * UNIT_S, edges[-1] + 0.6 * UNIT_S)
    assert read(own, edges).endswith(b"\0")
    assert own.quality.damaged == {Damage.KEY_HELD: 1}


def test_a_mark_of_five_units_is_a_second_keyer() -> None:
    own = decoder()
    edges = keyed()
    late = [t if t <= edges[100] else t + 6 * UNIT_S for t in edges]
    read(own, late)
    assert own.quality.damaged == {Damage.MARK_TOO_LONG: 1}


def test_a_gap_of_five_units_ends_the_frame_early() -> None:
    own = decoder("itu")
    edges = keyed(alphabet="itu")
    late = [t if t <= edges[101] else t + 6 * UNIT_S for t in edges]
    data = read(own, late)
    assert data.endswith(b"\0")
    assert FRAME.startswith(data[:-1])


def test_characters_that_run_together_are_damage() -> None:
    own = decoder()
    units = [*PREAMBLE, *([1, 1] * 9), 1, 7]
    assert read(own, edge_times(units, 1.0, UNIT_S)) == b"\0"
    assert own.quality.damaged == {Damage.TOO_MANY_ELEMENTS: 1}


def test_a_character_of_seven_elements_is_unknown_to_compact() -> None:
    own = decoder()
    units = [*PREAMBLE, *([1, 1] * 6), 1, 3, 1, 7]
    assert read(own, edge_times(units, 1.0, UNIT_S)) == b"\0"
    assert own.quality.damaged == {Damage.UNKNOWN_CHARACTER: 1}


def test_a_last_character_that_is_unknown_is_damage_too() -> None:
    own = decoder()
    assert read(own, edge_times([*PREAMBLE, 1, 7], 1.0, UNIT_S)) == b"\0"
    assert own.quality.damaged == {Damage.UNKNOWN_CHARACTER: 1}


def test_half_a_byte_of_itu_is_damage() -> None:
    own = decoder("itu")
    assert read(own, edge_times([*PREAMBLE, 1, 7], 1.0, UNIT_S)) == b"\0"
    assert own.quality.damaged == {Damage.HALF_BYTE: 1}


def test_a_zero_byte_is_damage_since_no_frame_has_one() -> None:
    own = decoder("itu")
    assert read(own, keyed(b"\x05\x00\x07", "itu")) == b"\x05\0"
    assert own.quality.damaged == {Damage.ZERO_BYTE: 1}


def test_the_other_alphabet_is_damage_and_says_to_look_at_it() -> None:
    own = decoder("compact")
    edges = keyed(alphabet="itu")
    read(own, edges)
    assert "is it the same at both ends?" in own.quality.describe(edges[-1])


def test_lost_edges_damage_the_frame_and_the_next_one_is_read() -> None:
    own = decoder()
    edges = keyed()
    own.receive_edges(edges[:100], rising=True)
    own.lose_edges()
    own.receive_edges(edges[103:], rising=False)
    own.receive_time(edges[-1] + 1.0)
    own.lose_edges()
    data = own.take()
    assert data.endswith(b"\0")
    assert FRAME.startswith(data[:-1])
    assert own.quality.damaged == {Damage.EDGES_LOST: 1}
    assert own.quality.overruns == 2
    assert read(own, keyed(start_s=9.0)) == FRAME + b"\0"


def test_two_batches_that_both_begin_with_a_rising_edge_have_lost_one() -> None:
    own = decoder()
    edges = keyed()
    own.receive_edges(edges[:101], rising=True)
    own.receive_edges(edges[101:], rising=True)
    assert own.quality.damaged == {Damage.EDGES_LOST: 1}


def test_where_time_runs_back_edges_are_lost_and_the_next_frame_is_read() -> None:
    own = decoder()
    edges = keyed()
    again = keyed(start_s=edges[60])  # a sender that began anew, before its edges had come
    own.receive_edges(edges[:100] + again, rising=True)  # in one batch ...
    own.receive_time(again[-1] + 1.0)
    assert own.take().endswith(b"\0" + FRAME + b"\0")
    assert own.quality.damaged == {Damage.EDGES_LOST: 1}
    own.receive_edges(keyed(start_s=9.0)[:100], rising=True)
    assert read(own, keyed(start_s=2.0)).endswith(b"\0" + FRAME + b"\0")  # ... and in two
    assert own.quality.damaged == {Damage.EDGES_LOST: 2}


@pytest.mark.parametrize("seed", range(20))
def test_a_unit_is_longer_than_nothing_whatever_times_come(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 repeatable
    own = decoder()
    frames = [keyed(start_s=chance.uniform(1.0, 2.0)) for _ in range(10)]
    edges = [edge for frame in frames for edge in frame[: chance.randrange(len(frame))]]
    edges += [chance.uniform(0.0, 3.0) for _ in range(200)]
    while edges:
        count = chance.randrange(1, 60)
        own.receive_edges(edges[:count], rising=chance.random() < 0.5)
        own.receive_time(chance.uniform(0.0, 3.0))
        del edges[:count]
        assert own.quality.unit_s > 0.0
    assert own.quality.overruns > 10


def test_no_edges_are_no_news() -> None:
    own = decoder()
    own.receive_edges([], rising=True)
    own.receive_time(5.0)
    assert own.take() == b""
    assert own.next_deadline_s() is None
    assert "no edge was ever heard" in own.quality.describe(5.0)


def test_early_calls_are_harmless_and_asking_changes_nothing() -> None:
    own = decoder()
    edges = keyed()
    own.receive_edges(edges, rising=True)
    assert own.in_frame
    due_s = own.next_deadline_s()
    assert due_s is not None
    assert edges[-1] + 4.9 * UNIT_S < due_s < edges[-1] + 5.2 * UNIT_S
    own.receive_time(due_s - 1e-6)
    assert own.next_deadline_s() == due_s
    own.receive_time(due_s)
    assert own.take() == FRAME + b"\0"
    assert not own.in_frame


def test_after_a_long_silence_on_the_same_level_the_next_frame_is_read() -> None:
    own = decoder()
    for start_s in (1.0, 100.0, 5000.0):
        assert read(own, keyed(start_s=start_s)) == FRAME + b"\0"
