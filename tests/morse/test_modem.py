"""One end of a line: frames in and out, and who may talk when it is shared (MORSE-16 to 19)."""

from __future__ import annotations

import pytest

from ipfi_serial.morse.access import QUIET_UNITS, SLOT_UNITS, SLOTS, TURN_UNITS, Access
from ipfi_serial.morse.alphabet import alphabet_named
from ipfi_serial.morse.modem import BURST_FRAMES, MOST_FRAME_BYTES, Modem, ModemSettings
from ipfi_serial.morse.quality import Damage
from tests.morse.keyed import FRAME, UNIT_S, decoder, keyed, read

FULL = ModemSettings(wpm=1200)
HALF = ModemSettings(wpm=1200, shared=True, seed=5)


def test_a_unit_and_a_speed_follow_from_words_a_minute() -> None:
    assert FULL.unit_s == pytest.approx(UNIT_S)
    assert FULL.bytes_per_s == pytest.approx(1000 / 26)
    assert HALF.bytes_per_s == pytest.approx(500 / 26)
    assert ModemSettings(wpm=20, alphabet="itu").bytes_per_s == pytest.approx(1 / 28.75 / 0.06)


def test_nothing_is_keyed_before_a_frame_is_whole() -> None:
    own = Modem(FULL)
    assert own.put(FRAME[:5], 1.0) == 5
    assert not own.has_frames
    assert own.key_due_s() is None
    assert own.key(1.0) == []
    own.put(FRAME[5:] + b"\0", 1.0)
    assert own.has_frames
    assert own.key(1.0) == keyed()


def test_empty_frames_and_delimiters_are_not_keyed() -> None:
    own = Modem(FULL)
    own.put(b"\0\0\0", 1.0)
    assert not own.has_frames


def test_frames_follow_each_other_after_a_word_gap() -> None:
    own = Modem(FULL)
    own.put(FRAME + b"\0" + FRAME + b"\0", 1.0)
    first = own.key(1.0)
    due_s = own.key_due_s() or 0.0
    assert due_s == pytest.approx(first[-1] + 7 * UNIT_S)
    assert own.key(due_s - 1e-6) == []
    second = own.key(due_s)
    assert read(decoder(), first + second) == 2 * (FRAME + b"\0")


def test_a_slower_rate_keys_longer_units_and_tells_the_new_speed() -> None:
    own = Modem(FULL)
    own.note_losses(6, 6)
    own.put(FRAME + b"\0", 1.0)
    assert own.key(1.0) == pytest.approx(keyed(unit_s=own.rate.unit_s))
    assert own.bytes_per_s == pytest.approx(FULL.bytes_per_s / 2**0.5)


def test_what_waits_is_bounded_and_can_be_dropped() -> None:
    own = Modem(FULL)
    data = (FRAME + b"\0") * 4000
    assert own.put(data, 1.0) == MOST_FRAME_BYTES
    assert own.put(data, 1.0) == 0
    assert own.drop_frames() > 2000
    assert own.key_due_s() is None


def test_while_frames_wait_only_two_small_ones_more_are_taken() -> None:
    own = Modem(FULL)
    for _ in range(20):
        own.put(FRAME + b"\0", 1.0)
    waiting = 0
    while own.has_frames:
        own.key(own.key_due_s() or 0.0)
        waiting += 1
    assert waiting * len(FRAME) <= own.ahead_bytes + len(FRAME)


def test_a_frame_that_is_keyed_again_unanswered_goes_more_slowly_and_then_fast_again() -> None:
    own = Modem(FULL)
    lengths = []
    for _ in range(6):
        own.put(FRAME + b"\0", 1.0)
        edges = own.key(own.key_due_s() or 0.0)
        lengths.append(edges[-1] - edges[0])
    slower = [length / lengths[0] for length in lengths]
    assert slower == pytest.approx([1, 2**0.5, 2, 2 * 2**0.5, 4, 1])


def test_an_answer_between_two_equal_frames_keeps_the_speed() -> None:
    own = Modem(FULL)
    lengths = []
    for k in range(2):
        own.put(FRAME + b"\0", 1.0)
        edges = own.key(own.key_due_s() or 0.0)
        lengths.append(edges[-1] - edges[0])
        own.receive_edges(keyed(start_s=10.0 * k), rising=True)
        own.receive_time(10.0 * k + 9.0)
    assert lengths[1] == pytest.approx(lengths[0])


def test_edges_come_out_as_bytes_and_missing_ones_as_the_end_of_a_frame() -> None:
    own = Modem(FULL)
    edges = keyed()
    own.receive_edges(edges, rising=True)
    own.receive_time(own.next_deadline_s() or 0.0)
    assert own.take() == FRAME + b"\0"
    own.receive_edges(keyed(start_s=9.0)[:100], rising=True)
    own.lose_edges()
    assert own.take().endswith(b"\0")
    assert own.quality.damaged == {Damage.EDGES_LOST: 1}


# --- a shared line ---


def test_on_a_shared_line_a_burst_is_four_frames_at_most() -> None:
    own = Modem(HALF)
    own.put((FRAME + b"\0") * (BURST_FRAMES + 1), 1.0)
    burst = own.key(own.key_due_s() or 0.0)
    assert read(decoder(), burst) == BURST_FRAMES * (FRAME + b"\0")
    assert own.has_frames


def test_who_has_heard_a_burst_talks_next_and_who_has_talked_waits_longer() -> None:
    mine, theirs = Access(1, UNIT_S), Access(2, UNIT_S)
    mine.talked(10.0)
    theirs.heard(10.0, UNIT_S)
    answer_s = theirs.free_s(9.0)
    assert answer_s == pytest.approx(10.0 + QUIET_UNITS * UNIT_S)
    assert mine.free_s(10.0) >= 10.0 + (QUIET_UNITS + TURN_UNITS) * UNIT_S


def test_who_talks_unasked_waits_for_some_slots_that_follow_from_the_seed() -> None:
    waits = set()
    for seed in range(200):
        own = Access(seed * 7919, UNIT_S)
        own.heard(1.0, UNIT_S)
        waits.add(round((own.free_s(50.0) - 50.0) / (SLOT_UNITS * UNIT_S)))
        assert Access(seed, UNIT_S).free_s(50.0) == Access(seed, UNIT_S).free_s(50.0)
    assert waits == set(range(SLOTS))


def test_nothing_is_keyed_while_the_other_end_talks() -> None:
    own = Modem(HALF)
    edges = keyed(start_s=1.0)
    own.put(FRAME + b"\0", 1.0)
    own.receive_edges(edges[:200], rising=True)
    assert own.key(edges[199] + 9 * UNIT_S) == []
    assert own.key(edges[199] + 10.1 * UNIT_S) != []
    assert own.quality.damaged == {Damage.TALKED_OVER: 1}  # it had not finished


def test_the_own_echo_is_discarded_and_what_follows_it_is_heard() -> None:
    own = Modem(HALF)
    own.put(FRAME + b"\0", 1.0)
    burst = own.key(own.key_due_s() or 0.0)
    answer = keyed(b"\x02\x86", start_s=burst[-1] + 12 * UNIT_S)
    own.receive_edges(burst[:31], rising=True)
    own.receive_edges(burst[31:] + answer, rising=False)
    own.receive_time(answer[-1] + 1.0)
    assert own.take() == b"\x02\x86\0"
    assert own.quality.damaged_frames == 0


def test_the_settings_of_an_alphabet_are_those_of_its_table() -> None:
    for name in ("itu", "compact"):
        assert alphabet_named(name).name == name


def test_the_last_edges_and_the_level_behind_them_can_be_looked_at() -> None:
    own = decoder()
    edges = keyed()
    read(own, edges)
    assert own.quality.recent_s == pytest.approx(edges[-64:])
    assert not own.quality.last_rising


def test_a_line_that_is_known_to_be_busy_is_not_taken() -> None:
    own = Modem(HALF)
    own.put(FRAME + b"\0", 1.0)
    own.note_busy(5.0)
    assert own.key(4.9) == []
    assert own.key_due_s() == pytest.approx(5.0 + QUIET_UNITS * UNIT_S)
    other = Modem(FULL)
    other.put(FRAME + b"\0", 1.0)
    other.note_busy(5.0)
    assert other.key(1.0) != []
