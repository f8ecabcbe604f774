"""The pure fault engine."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfi_serial.errors import ConfigError
from ipfi_serial.transport import FaultCounts, FaultyLine, LineFaults

probabilities = st.sampled_from([0.0, 0.01, 0.1, 0.25])
all_faults = st.builds(
    LineFaults,
    frame_loss=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    byte_flip=probabilities,
    byte_drop=probabilities,
    byte_insert=probabilities,
    byte_double=probabilities,
    seed=st.integers(),
)
frames = st.lists(st.binary(max_size=8), max_size=30).map(b"\x00".join)


@given(all_faults, frames, st.lists(st.integers(0, 300), max_size=20))
def test_how_the_bytes_are_cut_does_not_change_what_happens(
    faults: LineFaults, data: bytes, cuts: list[int]
) -> None:
    whole, cut, single = FaultyLine(faults), FaultyLine(faults), FaultyLine(faults)
    expected = whole.pass_bytes(data)
    edges = [0, *sorted(min(each, len(data)) for each in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(edges)]
    assert b"".join(cut.pass_bytes(each) for each in pieces) == expected
    assert b"".join(single.pass_bytes(bytes((each,))) for each in data) == expected
    assert whole.counts == cut.counts == single.counts


@given(st.binary())
def test_a_line_without_faults_changes_nothing(data: bytes) -> None:
    line = FaultyLine(LineFaults())
    assert line.pass_bytes(data) == data
    assert line.counts.bytes_in == line.counts.bytes_out == len(data)


@given(all_faults, frames)
def test_the_counters_account_for_every_byte(faults: LineFaults, data: bytes) -> None:
    line = FaultyLine(replace(faults, frame_loss=0.0))
    out = line.pass_bytes(data)
    counts = line.counts
    assert counts.bytes_out == len(out)
    assert counts.bytes_in == len(data)
    assert len(out) == len(data) - counts.dropped + counts.inserted + counts.doubled


def test_a_lost_frame_takes_its_delimiter_with_it_and_leaves_its_neighbours_alone() -> None:
    data = b"".join(b"frame %d\x00" % i for i in range(1000))
    line = FaultyLine(LineFaults(frame_loss=0.2, seed=7))
    survivors = line.pass_bytes(data)
    assert set(survivors.split(b"\x00")) <= set(data.split(b"\x00"))
    assert line.counts.frames == 1000
    assert line.counts.frames_lost == 1000 - survivors.count(b"\x00")
    assert 150 < line.counts.frames_lost < 250


def test_delimiters_between_frames_are_no_frames() -> None:
    line = FaultyLine(LineFaults(frame_loss=1.0))
    assert line.pass_bytes(b"\x00\x00a\x00\x00b\x00\x00") == b"\x00" * 4
    assert (line.counts.frames, line.counts.frames_lost) == (2, 2)


def test_a_frame_that_was_begun_keeps_its_fate_when_the_faults_change() -> None:
    line = FaultyLine(LineFaults(frame_loss=1.0))
    assert line.pass_bytes(b"lost") == b""
    line.faults = LineFaults()
    assert line.pass_bytes(b" too\x00kept\x00") == b"kept\x00"


@pytest.mark.parametrize(
    ("name", "counter"),
    [
        ("byte_flip", "flipped"),
        ("byte_drop", "dropped"),
        ("byte_insert", "inserted"),
        ("byte_double", "doubled"),
    ],
)
def test_each_fault_comes_as_often_as_asked(name: str, counter: str) -> None:
    line = FaultyLine(LineFaults(**{name: 0.01}, seed=3))
    line.pass_bytes(b"\x55" * 100_000)
    assert 850 < getattr(line.counts, counter) < 1150
    assert line.counts.frames_lost == 0


def test_a_flip_inverts_exactly_one_bit() -> None:
    line = FaultyLine(LineFaults(byte_flip=1.0))
    out = line.pass_bytes(bytes(256))
    assert all(each.bit_count() == 1 for each in out)


def test_certain_faults_hit_every_byte() -> None:
    assert FaultyLine(LineFaults(byte_drop=1.0)).pass_bytes(b"abc") == b""
    assert FaultyLine(LineFaults(byte_double=1.0)).pass_bytes(b"abc") == b"aabbcc"
    assert FaultyLine(LineFaults(byte_insert=1.0)).pass_bytes(b"abc")[1::2] == b"abc"


def test_equal_seeds_give_equal_faults_and_others_do_not() -> None:
    def passed(seed: int) -> bytes:
        return FaultyLine(LineFaults(byte_flip=0.1, frame_loss=0.1, seed=seed)).pass_bytes(
            b"some frame\x00" * 100
        )

    assert passed(1) == passed(1)
    assert passed(1) != passed(2)


def test_faults_can_be_switched_on_and_off_while_the_line_runs() -> None:
    line = FaultyLine(LineFaults())
    assert line.pass_bytes(b"abc") == b"abc"
    line.faults = LineFaults(byte_drop=1.0)
    assert line.pass_bytes(b"abc") == b""
    line.faults = LineFaults(seed=5)
    assert line.pass_bytes(b"abc") == b"abc"
    assert line.faults.seed == 5
    assert line.counts == FaultCounts(frames=1, bytes_in=9, bytes_out=6, dropped=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame_loss": 1.1},
        {"byte_flip": -0.1},
        {"byte_drop": float("nan")},
        {"byte_flip": 0.6, "byte_drop": 0.6},
        {"delay_s": -1.0},
        {"delay_s": float("inf")},
    ],
)
def test_impossible_probabilities_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        LineFaults(**wrong)  # type: ignore[arg-type]
