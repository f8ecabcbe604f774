"""The receiving half: order, what is kept, what is acknowledged when, credit (LINK-2 to LINK-8)."""

from __future__ import annotations

from collections import deque

import pytest

from ipfi_serial.events import LinkEvent
from ipfi_serial.link.receiver import Receiver


class Bench:
    """A receiver and what it delivered."""

    def __init__(self, window: int = 4, credit: int = 1000, *, in_order_only: bool = False) -> None:
        self.receiver = Receiver(window, credit, 0.02, in_order_only=in_order_only)
        self.out: deque[LinkEvent] = deque()

    def take(self, *sequences: int, now_s: float = 1.0) -> None:
        """Receive frames whose payload is their number."""
        for sequence in sequences:
            self.receiver.on_data(sequence, bytes((sequence,)), now_s, self.out)

    @property
    def got(self) -> list[int]:
        """Numbers of the frames delivered."""
        return [chunk[0] for chunk in self.out if isinstance(chunk, bytes)]


def test_frames_in_order_are_delivered_one_by_one() -> None:
    """LINK-1, LINK-2."""
    bench = Bench()
    bench.take(0, 1, 2)
    assert bench.got == [0, 1, 2]
    assert bench.receiver.expected == 3
    assert bench.receiver.offset == 3


@pytest.mark.parametrize("why", ["window", "ring"])
def test_every_frame_is_acknowledged_at_once_where_no_second_one_can_come(why: str) -> None:
    """LINK-8: a window of 1, or a ring without room for two full frames."""
    receiver = Receiver(1 if why == "window" else 4, 1000, 0.02, one_at_a_time=why == "ring")
    out: deque[LinkEvent] = deque()
    for number in range(3):
        receiver.on_data(number, b"x", 1.0, out)
        assert receiver.ack_now
        assert receiver.ack_due_s is None
        receiver.acknowledged()
        assert not receiver.ack_now


def test_frames_ahead_are_kept_reported_and_delivered_in_order() -> None:
    """LINK-3: bit i stands for ack + 1 + i."""
    bench = Bench()
    bench.take(0, 2, 3)
    assert bench.got == [0]
    assert bench.receiver.sack == 0b11
    assert bench.receiver.ack_now
    bench.take(1)
    assert bench.got == [0, 1, 2, 3]
    assert bench.receiver.sack == 0
    assert bench.receiver.offset == 4


def test_a_gap_behind_a_gap_stays_in_the_bitmap() -> None:
    """LINK-3."""
    bench = Bench(window=16)
    bench.take(15, 2, 4)
    assert bench.receiver.sack == 1 << 14 | 0b1010
    bench.take(0)
    assert bench.receiver.sack == 1 << 13 | 0b101
    bench.take(1)
    assert bench.got == [0, 1, 2]
    assert bench.receiver.sack == 1 << 11 | 1


def test_the_numbers_wrap_from_255_to_0() -> None:
    """LINK-1."""
    bench = Bench()
    bench.take(*range(255))
    bench.take(0, 1)
    assert bench.receiver.expected == 255
    assert bench.receiver.sack == 0b11
    bench.take(255, 2)
    assert bench.got == [*range(256), 0, 1, 2]
    assert bench.receiver.expected == 3


@pytest.mark.parametrize("sequence", [4, 5, 127, 128, 200, 255])
def test_a_frame_outside_of_the_window_is_dropped_and_counted(sequence: int) -> None:
    """LINK-4."""
    bench = Bench(window=4)
    bench.take(sequence)
    assert bench.got == []
    assert bench.receiver.sack == 0
    assert bench.receiver.duplicates == 1
    assert bench.receiver.ack_now


def test_stale_frames_are_acknowledged_at_once_every_second_time_only() -> None:
    """LINK-4: and the others as LINK-8 does it, so that none waits for ever."""
    bench = Bench()
    bench.take(0)
    bench.receiver.take_credit()
    told = []
    for _ in range(4):
        bench.take(0, now_s=2.0)
        told.append(bench.receiver.ack_now)
        assert bench.receiver.ack_now or bench.receiver.ack_due_s == pytest.approx(2.02)
        bench.receiver.take_credit()
    assert told == [True, False, True, False]
    assert bench.receiver.duplicates == 4
    bench.take(0, 1)
    bench.receiver.take_credit()
    bench.take(1)
    assert bench.receiver.ack_now, "progress begins the count anew"


def test_a_frame_ahead_that_comes_twice_is_kept_once() -> None:
    """LINK-3, LINK-4."""
    bench = Bench()
    bench.take(1, 1)
    assert bench.receiver.duplicates == 1
    bench.take(0)
    assert bench.got == [0, 1]


def test_an_end_that_receives_in_order_only_keeps_nothing() -> None:
    """LINK-3: flag bit 1."""
    bench = Bench(in_order_only=True)
    bench.take(1, 2)
    assert bench.receiver.ack_now
    assert bench.receiver.sack == 0
    assert bench.receiver.duplicates == 0
    bench.take(0)
    assert bench.got == [0]


def test_an_ack_is_due_soon_after_one_frame_and_at_once_after_two() -> None:
    """LINK-8."""
    bench = Bench()
    bench.take(0, now_s=1.0)
    assert not bench.receiver.ack_now
    assert bench.receiver.ack_due_s == pytest.approx(1.02)
    bench.take(1, now_s=1.01)
    assert bench.receiver.ack_now
    bench.receiver.take_credit()
    assert not bench.receiver.ack_now
    assert bench.receiver.ack_due_s is None


def test_the_delay_of_an_ack_counts_from_the_first_frame() -> None:
    """LINK-8."""
    bench = Bench()
    bench.take(0, now_s=1.0)
    bench.receiver.acknowledged()
    assert bench.receiver.ack_due_s is None
    bench.take(1, now_s=5.0)
    assert bench.receiver.ack_due_s == pytest.approx(5.02)


def test_a_data_frame_acknowledges_but_neither_credit_nor_frames_ahead() -> None:
    """LINK-8."""
    bench = Bench(credit=4)
    bench.take(0, 1)
    bench.receiver.acknowledged()
    assert not bench.receiver.ack_now
    bench.take(2)
    assert bench.receiver.credit_moved
    bench.receiver.acknowledged()
    assert bench.receiver.ack_now
    bench.receiver.take_credit()
    bench.take(5)
    bench.receiver.acknowledged()
    assert bench.receiver.ack_now


def test_credit_is_given_back_when_half_of_it_was_used() -> None:
    """LINK-7, LINK-8."""
    bench = Bench(credit=10)
    assert bench.receiver.granted == 10
    bench.take(0, 1, 2, 3, 4)
    assert not bench.receiver.credit_moved
    bench.take(5)
    assert bench.receiver.credit_moved
    assert bench.receiver.take_credit() == 16
    assert not bench.receiver.credit_moved
    assert bench.receiver.granted == 16


def test_credit_is_counted_modulo_2_to_32() -> None:
    """LINK-7."""
    bench = Bench(credit=1 << 31)
    bench.receiver.offset = (1 << 31) + 5
    assert bench.receiver.take_credit() == 5
