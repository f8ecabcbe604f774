"""Alphabets and keying: MORSE-1 to MORSE-6."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import ConfigError
from ipfi_serial.morse.alphabet import (
    COMPACT,
    ITU,
    LETTERS,
    UNIT_WPM_S,
    WHITENING,
    alphabet_named,
    whitening,
)
from ipfi_serial.morse.keying import FRAME_UNITS, PREAMBLE, Keyer, edge_times, key_text


def shown(units: list[int] | tuple[int, ...]) -> str:
    """Dots and dashes, a blank between letters, a bar between words."""
    signs = [".-"[u == 3] for u in units[::2]]
    gaps = [{1: "", 3: " ", 7: "|"}[u] for u in units[1::2]]
    return "".join(a + b for a, b in zip(signs, gaps, strict=True))


def test_the_word_paris_lasts_50_units_so_20_words_a_minute_make_a_unit_of_60_ms() -> None:
    assert sum(key_text("PARIS")) == 50
    assert pytest.approx(0.060) == UNIT_WPM_S / 20


def test_a_text_is_keyed_letter_by_letter_and_word_by_word() -> None:
    assert shown(key_text("sos e")) == "... --- ...|.|"


def test_a_character_that_morse_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match=r"'#'; there are ABC"):
        key_text("a#")


def test_no_two_characters_have_the_same_code() -> None:
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_itu_writes_a_byte_as_two_hexadecimal_digits() -> None:
    assert shown(ITU.units[0x7A]) == "--... .- "
    assert shown(ITU.units[0x0F]) == "----- ..-. "
    assert ITU.units_per_byte == pytest.approx(28.75)


def test_compact_writes_a_byte_as_eight_elements_of_26_units_in_the_mean() -> None:
    assert shown(COMPACT.units[0b0010_1100]) == "..-.--.. "
    assert COMPACT.units_per_byte == pytest.approx(26.0)
    assert {len(units) for units in COMPACT.units} == {16}


def test_every_frame_begins_with_vvv_and_a_word_gap_and_ends_with_one() -> None:
    units = Keyer(ITU).key(b"\x85\x01")
    assert shown(units) == "...- ...- ...-|---.. ..... ----- .----|"
    assert shown(PREAMBLE) == "...- ...- ...-|"
    assert sum(units) == FRAME_UNITS + sum(ITU.units[0x85]) + sum(ITU.units[0x01])


def test_compact_is_whitened_with_a_sequence_of_full_period_that_begins_anew_with_a_frame() -> None:
    assert whitening(8) == WHITENING[:8]
    frame = bytes([1] * 40)
    units = Keyer(COMPACT).key(frame)[len(PREAMBLE) :]
    numbers = [_number(units[i : i + 16]) for i in range(0, len(units), 16)]
    assert numbers == [1 ^ mask for mask in WHITENING[:40]]
    assert len(set(WHITENING)) > 240  # nearly every byte value comes
    ones = sum(byte.bit_count() for byte in WHITENING)
    assert abs(ones / (8 * len(WHITENING)) - 0.5) < 0.02


def _number(units: list[int]) -> int:
    return int("".join("1" if u == 3 else "0" for u in units[::2]), 2)


def test_whitening_begins_anew_after_1024_bytes() -> None:
    one = Keyer(COMPACT).key(bytes([1] * 1025))[len(PREAMBLE) :]
    assert one[:15] == one[-16:-1]


def test_edges_are_the_beginnings_and_ends_of_marks() -> None:
    assert edge_times([1, 1, 3, 7], 10.0, 0.5) == [10.0, 10.5, 11.0, 12.5]


def test_an_alphabet_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="itu or compact"):
        alphabet_named("wabun")
