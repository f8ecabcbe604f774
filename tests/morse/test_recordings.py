"""Recordings: plain Morse without a preamble, and frames with the time of every byte (MORSE-20)."""

from __future__ import annotations

from random import Random

import pytest

from ipfi_serial.morse.alphabet import alphabet_named
from ipfi_serial.morse.keying import PREAMBLE_UNITS, edge_times, key_text
from ipfi_serial.morse.recording import frames_of
from ipfi_serial.morse.text import UNKNOWN, letters_of, misfit, read_text
from tests.morse.keyed import ALPHABETS, FRAME, UNIT_S, jittered, keyed, with_glitches

TEXT = "CQ CQ DE IPFI = 0123456789 THE QUICK BROWN FOX + K"


def sent(text: str, unit_s: float = 0.06) -> list[float]:
    return edge_times(key_text(text), 5.0, unit_s)


@pytest.mark.parametrize("unit_s", [0.001, 0.06, 1.0])
def test_a_text_is_read_at_any_speed(unit_s: float) -> None:
    assert read_text(sent(TEXT, unit_s)) == TEXT


@pytest.mark.parametrize("text", ["E", "T", "TT", "EE", "M", "S", "O", "5", "0", "E E", "I I I"])
def test_a_text_of_one_kind_of_marks_is_read_where_gaps_tell_which(text: str) -> None:
    ambiguous = text in ("T", "TT")  # alone, a dash is a slow dot
    expected = {"T": "E", "TT": "I"}.get(text, text) if ambiguous else text
    if text == "E E":
        assert read_text(sent(text)).replace(" ", "") in ("EE", "I")
        return
    assert read_text(sent(text)) in (expected, text)


def test_jitter_and_glitches_of_a_hand_are_borne() -> None:
    draw = Random(1)  # noqa: S311 repeatable
    edges = jittered(sent(TEXT), 0.006, draw)
    assert read_text(with_glitches(edges, 10, 0.012, draw)) == TEXT


def test_a_character_that_morse_does_not_have_is_marked() -> None:
    units = [*key_text("AB")[:-1], 3, *[1, 1] * 6, 1, 7]
    assert read_text(edge_times(units, 0.0, 0.06)) == "AB" + UNKNOWN


def test_a_mark_that_begins_where_the_recording_ends_is_left_out() -> None:
    edges = sent("AB")
    assert read_text([*edges, edges[-1] + 0.18]) == "AB"


def test_nothing_is_read_of_nothing() -> None:
    assert read_text([]) == ""
    assert read_text([1.0]) == ""
    assert frames_of([1.0], alphabet_named("itu")) == []


def test_every_letter_has_its_time_and_its_dots_and_dashes() -> None:
    unit_s = 0.1
    letters = letters_of(edge_times(key_text("AN"), 0.0, unit_s))
    assert [(letter, signs) for _, _, letter, signs in letters] == [("A", ".-"), ("N", "-.")]
    assert [round(t, 3) for begin, end, *_ in letters for t in (begin, end)] == [0, 0.5, 0.8, 1.3]


def test_noise_fits_no_unit_and_morse_does() -> None:
    draw = Random(2)  # noqa: S311 repeatable
    assert misfit(sent(TEXT)) < 0.01
    assert misfit(sorted(draw.uniform(0, 60) for _ in range(400))) > 0.2
    assert misfit([1.0, 2.0]) == 1.0


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_frames_of_a_recording_come_with_the_time_of_every_byte(alphabet: str) -> None:
    first = keyed(alphabet=alphabet)
    second = keyed(b"\x02\x81", alphabet, first[-1] + 9 * UNIT_S)
    one, two = frames_of(first + second, alphabet_named(alphabet))
    assert bytes(one.data) == FRAME
    assert bytes(two.data) == b"\x02\x81"
    assert one.whole
    assert two.whole
    assert one.unit_s == pytest.approx(UNIT_S)
    assert one.margin == pytest.approx(1.0)
    assert one.begin_s == pytest.approx(first[0])
    assert one.data_s == pytest.approx(first[0] + PREAMBLE_UNITS * UNIT_S)
    assert one.ends_s[-1] == pytest.approx(first[-1])
    assert two.begin_s == pytest.approx(second[0], abs=UNIT_S * 8)
    lengths = [sum(alphabet_named(alphabet).units[b]) for b in FRAME] if alphabet == "itu" else []
    ends = one.data_s
    for length, end_s in zip(lengths, one.ends_s, strict=False):
        ends += length * UNIT_S
        assert end_s == pytest.approx(ends - 3 * UNIT_S)


def test_a_damaged_frame_of_a_recording_is_not_whole() -> None:
    edges = keyed()
    (frame,) = frames_of(
        [t if t <= edges[100] else t + 6 * UNIT_S for t in edges], alphabet_named("compact")
    )
    assert not frame.whole
    assert FRAME.startswith(bytes(frame.data))
