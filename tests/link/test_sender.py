"""The sending half: window, credit, repetition, round trips, frame size (LINK-1 to LINK-16)."""

from __future__ import annotations

import pytest

from ipfi_serial.link.flight import Flight
from ipfi_serial.link.rtt import BACKED_OFF_S, FIRST_RTO_S
from ipfi_serial.link.sender import Sender

OVERHEAD = 13


def new_sender(
    *,
    window: int = 4,
    credit: int = 100_000,
    ring: int | None = None,
    largest_frame: int = 1024,
    go_back_only: bool = False,
) -> Sender:
    """Make a sender with room enough unless a test says otherwise."""
    return Sender(
        window=window,
        credit=credit,
        ring=ring,
        largest_frame=largest_frame,
        go_back_only=go_back_only,
    )


def send_all(sender: Sender, now_s: float = 0.0) -> list[int]:
    """Hand over all that may go; return the numbers."""
    numbers = []
    while sender.sendable(OVERHEAD):
        flight = sender.next_flight(OVERHEAD)
        assert flight is not None
        numbers.append(flight.sequence)
        sender.sent(flight, now_s, len(flight.payload) + OVERHEAD)
    assert sender.next_flight(OVERHEAD) is None
    return numbers


def loaded(frames: int, **options: int | bool | None) -> Sender:
    """Make a sender with frames of 64 bytes queued."""
    sender = new_sender(**options)  # type: ignore[arg-type]
    sender.push(bytes(64 * frames))
    return sender


def test_the_stream_is_cut_in_order_and_small_pushes_share_a_frame() -> None:
    """LINK-1, LINK-16."""
    sender = new_sender()
    for piece in (b"a" * 30, b"b" * 30, b"c" * 30):
        sender.push(piece)
    first, second = sender.next_flight(OVERHEAD), sender.next_flight(OVERHEAD)
    assert first is not None
    assert second is not None
    assert first.payload == b"a" * 30 + b"b" * 30 + b"c" * 4
    assert second.payload == b"c" * 26
    assert (first.sequence, second.sequence) == (0, 1)
    assert sender.queued_bytes == 0
    assert not sender.idle


@pytest.mark.parametrize("pushes", [[64, 10], [10], [70], [3, 61, 5], [64], [1] * 130])
def test_no_cut_loses_or_doubles_a_byte(pushes: list[int]) -> None:
    """LINK-1."""
    sender = new_sender(window=16)
    data = bytes(range(256)) * 2
    start = 0
    for size in pushes:
        sender.push(data[start : start + size])
        start += size
    cut = b""
    while (flight := sender.next_flight(OVERHEAD)) is not None:
        assert 1 <= len(flight.payload) <= 64
        cut += flight.payload
    assert cut == data[:start]
    assert sender.queued_bytes == 0


@pytest.mark.parametrize("window", [1, 2, 16])
def test_no_more_frames_than_the_window_are_under_way(window: int) -> None:
    """LINK-6."""
    sender = loaded(40, window=window)
    assert send_all(sender) == list(range(window))
    assert sender.on_ack(1, 0.1)
    assert send_all(sender) == [window]


def test_the_numbers_wrap_from_255_to_0() -> None:
    """LINK-1, LINK-2."""
    sender = loaded(300)
    sent: list[int] = []
    while sender.queued_bytes:
        sent += send_all(sender)
        assert sender.on_ack((sent[-1] + 1) & 0xFF, 0.1)
        sender.size.frame_bytes = 64
    assert sent == [number & 0xFF for number in range(300)]
    assert sender.idle


def test_no_byte_is_sent_at_or_beyond_the_credit() -> None:
    """LINK-7."""
    sender = loaded(10, credit=100)
    assert send_all(sender) == [0, 1]
    assert [len(flight.payload) for flight in sender.flights] == [64, 36]
    assert not sender.starved
    sender.on_ack(2, 0.1)
    assert sender.starved
    sender.on_credit(101)
    assert send_all(sender) == [2]
    assert len(sender.flights[0].payload) == 1


def test_credit_never_goes_back_and_is_counted_on_a_circle() -> None:
    """LINK-7."""
    sender = new_sender(credit=0xFFFFFFF0)
    sender.on_credit(0xFFFFFFE0)
    assert sender.credit == 0xFFFFFFF0
    sender.on_credit(16)
    assert sender.credit == 16
    sender.on_credit(0xFFFFFFFF)
    assert sender.credit == 16


@pytest.mark.parametrize("ack", [0, 5, 100, 128, 200, 255])
def test_an_ack_that_acknowledges_nothing_under_way_is_nothing(ack: int) -> None:
    """LINK-2, LINK-4: nothing new, or displaced by the transport."""
    sender = loaded(4)
    send_all(sender)
    assert not sender.on_ack(ack, 0.1)
    assert len(sender.flights) == 4
    assert sender.rtt.smoothed_s is None


def test_an_ack_without_frames_under_way_is_nothing() -> None:
    """LINK-2."""
    assert not new_sender().on_ack(0, 0.1)
    assert new_sender().deadline_s(None, OVERHEAD) is None


def test_a_round_trip_is_measured_from_the_newest_frame_acknowledged() -> None:
    """LINK-9."""
    sender = loaded(2)
    for at_s in (1.0, 2.0):
        flight = sender.next_flight(OVERHEAD)
        assert flight is not None
        sender.sent(flight, at_s, 80)
    sender.on_ack(2, 2.3)
    assert sender.rtt.smoothed_s == pytest.approx(0.3)


def test_a_frame_that_was_sent_again_is_no_sample() -> None:
    """LINK-9: Karn's rule; nor are frames that waited behind it."""
    sender = loaded(2)
    send_all(sender)
    sender.expired(None, OVERHEAD)
    send_all(sender, 1.0)
    sender.on_ack(2, 9.0)
    assert sender.rtt.smoothed_s is None


def test_a_frame_that_arrived_ahead_is_no_sample() -> None:
    """LINK-9: its acknowledgement waited for the missing one."""
    sender = loaded(2)
    send_all(sender)
    sender.on_sack(0, 0b1)
    sender.on_ack(2, 9.0)
    assert sender.rtt.smoothed_s is None


def test_the_time_out_counts_from_the_departure_of_the_oldest_frame_plus_wire_time() -> None:
    """LINK-9."""
    sender = loaded(3)
    send_all(sender, 10.0)
    wire_s = 3 * (64 + 12) / 1000
    assert sender.deadline_s(1000.0, OVERHEAD) == pytest.approx(10.25 + wire_s)
    assert sender.deadline_s(None, OVERHEAD) == pytest.approx(10.25)


def test_a_repetition_that_waits_for_its_turn_is_not_due_again() -> None:
    """LINK-11."""
    sender = loaded(2)
    send_all(sender, 10.0)
    sender.expired(None, OVERHEAD)
    assert sender.deadline_s(None, OVERHEAD) is None
    assert send_all(sender, 11.0) == [0]
    assert sender.deadline_s(None, OVERHEAD) == pytest.approx(11.0 + max(FIRST_RTO_S, BACKED_OFF_S))


def test_on_expiry_the_oldest_frame_is_repeated_with_the_same_bytes() -> None:
    """LINK-1, LINK-11."""
    sender = loaded(3)
    send_all(sender)
    before = sender.flights[0].payload
    sender.expired(None, OVERHEAD)
    assert send_all(sender) == [0]
    assert sender.flights[0].payload == before
    assert sender.retransmissions == 1


def test_on_expiry_an_in_order_receiver_gets_the_whole_window() -> None:
    """LINK-11."""
    sender = loaded(3, go_back_only=True)
    send_all(sender)
    sender.expired(None, OVERHEAD)
    assert send_all(sender) == [0, 1, 2]


def test_frames_sent_before_one_that_arrived_are_repeated_once() -> None:
    """LINK-10: a repetition is younger, so the same SACK does not repeat it again."""
    sender = loaded(4)
    send_all(sender)
    sender.on_sack(0, 0b010)
    assert send_all(sender) == [0, 1]
    sender.on_sack(0, 0b010)
    assert send_all(sender) == []
    sender.on_sack(0, 0b110)
    assert send_all(sender) == []
    assert sender.retransmissions == 2


def test_evidence_that_a_repetition_was_lost_repeats_it_again() -> None:
    """LINK-10: something that was sent after it has arrived."""
    sender = loaded(4, window=3)
    send_all(sender)
    sender.on_sack(0, 0b01)
    assert send_all(sender) == [0]
    probe = sender.next_order()
    sender.on_evidence(probe)
    assert send_all(sender) == [0, 2]


def test_a_sack_takes_a_repetition_back_that_has_not_left() -> None:
    """LINK-10."""
    sender = loaded(3)
    send_all(sender)
    sender.on_sack(0, 0b10)
    sender.on_sack(0, 0b11)
    assert send_all(sender) == [0]


def test_an_ack_takes_a_repetition_back_that_has_not_left() -> None:
    """LINK-10."""
    sender = loaded(3)
    send_all(sender)
    sender.expired(None, OVERHEAD)
    sender.on_ack(1, 0.1)
    assert send_all(sender) == []
    assert sender.retransmissions == 0


def test_a_sack_of_frames_beyond_the_window_is_nothing() -> None:
    """LINK-3, LINK-4: a displaced SACK speaks of other frames."""
    sender = loaded(3)
    send_all(sender)
    sender.on_sack(100, 0xFFFF)
    sender.on_sack(2, 0xFFFF)
    assert [flight.sacked for flight in sender.flights] == [False] * 3


def test_a_sack_that_was_damaged_hangs_nothing() -> None:
    """LINK-11: the oldest frame would have been acknowledged if it had arrived."""
    sender = loaded(3)
    send_all(sender)
    sender.on_sack(255, 0b111)
    assert sender.deadline_s(None, OVERHEAD) is not None
    sender.expired(None, OVERHEAD)
    assert send_all(sender) == [0]
    sender.on_ack(1, 1.0)
    sender.expired(None, OVERHEAD)
    assert send_all(sender) == [1]


def test_a_repeated_ack_sends_the_window_again_to_an_in_order_receiver_only() -> None:
    """LINK-10: but not while a repetition is on its way that will change the ACK."""
    sender = loaded(3, go_back_only=True)
    send_all(sender)
    sender.on_repeated_ack(1, 1.0)
    assert send_all(sender) == []
    sender.on_repeated_ack(0, 1.0)
    sender.on_repeated_ack(0, 1.0)
    assert send_all(sender, 1.2) == [0, 1, 2], "the last byte leaves at 1.2 s"
    sender.on_repeated_ack(0, 1.1)
    assert send_all(sender) == []
    sender.on_repeated_ack(0, 1.3)
    assert send_all(sender) == [0, 1, 2]
    other = loaded(3)
    send_all(other)
    other.on_repeated_ack(0, 1.0)
    assert send_all(other) == []
    new_sender(go_back_only=True).on_repeated_ack(0, 1.0)


def test_a_repeated_ack_says_nothing_of_a_frame_that_left_less_than_a_round_trip_ago() -> None:
    """LINK-10: it left the other end before that frame, though never repeated, was there."""
    sender = loaded(2, go_back_only=True, window=1)
    assert send_all(sender) == [0]
    sender.on_ack(1, 0.2)  # the round trip
    assert send_all(sender, 1.0) == [1]
    sender.on_repeated_ack(1, 1.1)
    assert send_all(sender, 1.1) == []
    sender.on_repeated_ack(1, 1.25)
    assert send_all(sender, 1.25) == [1]


def test_the_frame_size_doubles_after_16_clean_frames_up_to_the_largest() -> None:
    """LINK-16."""
    sender = loaded(200, largest_frame=200)
    sizes = []
    for _ in range(60):
        flight = sender.next_flight(OVERHEAD)
        assert flight is not None
        sender.sent(flight, 0.0, 1)
        sizes.append(len(flight.payload))
        sender.on_ack((flight.sequence + 1) & 0xFF, 0.01)
    assert sizes == [64] * 16 + [128] * 16 + [200] * 28


def fail_once(sender: Sender) -> None:
    """Send one frame, lose it once."""
    flight = sender.next_flight(OVERHEAD)
    assert flight is not None
    sender.sent(flight, 0.0, 1)
    sender.expired(None, OVERHEAD)
    send_all_of(sender, flight)
    sender.on_ack((flight.sequence + 1) & 0xFF, 1.0)


def send_all_of(sender: Sender, flight: Flight) -> None:
    """Send the repetition of one frame."""
    assert sender.next_flight(OVERHEAD) is flight
    sender.sent(flight, 0.0, 1)


def test_the_frame_size_halves_when_two_of_the_last_16_were_repeated_down_to_32() -> None:
    """LINK-16."""
    sender = loaded(200, window=1)
    fail_once(sender)
    assert sender.size.frame_bytes == 64
    fail_once(sender)
    assert sender.size.frame_bytes == 32
    fail_once(sender)
    assert sender.size.frame_bytes == 32


def test_a_loss_now_and_then_leaves_the_frame_size_alone() -> None:
    """LINK-16."""
    sender = loaded(200, window=1, largest_frame=64)
    for _ in range(4):
        fail_once(sender)
        for _ in range(16):
            (number,) = send_all(sender)
            sender.on_ack((number + 1) & 0xFF, 1.0)
    assert sender.size.frame_bytes == 64


def test_frames_smaller_than_32_bytes_are_not_made_larger_by_losses() -> None:
    """LINK-16: the other end takes no more."""
    sender = loaded(20, window=1, largest_frame=16)
    for _ in range(3):
        fail_once(sender)
    assert sender.size.frame_bytes == 16


def test_the_ring_is_charged_by_all_and_cleared_by_what_was_read() -> None:
    """LINK-14."""
    sender = loaded(4, ring=200)
    assert send_all(sender) == [0, 1]
    sender.ring.charge(14, 0.0)
    assert not sender.ring.overdrawn
    sender.ring.charge(40, 0.0, ping=3)
    assert sender.ring.overdrawn
    assert sender.ring.room_bytes < 0
    sender.on_ack(1, 0.1)
    assert not sender.ring.overdrawn
    assert sender.ring.room_bytes < 77 + 14
    sender.ring.clear_until(ping=3)
    assert sender.ring.room_bytes == 200
    assert not sender.ring.in_use


def test_the_ack_of_a_repeated_frame_clears_its_repetition() -> None:
    """LINK-14: a fast repetition leaves only when the first transmission is known to be lost."""
    sender = loaded(2, ring=250)
    assert send_all(sender) == [0, 1]
    sender.on_sack(0, 0b1)
    assert send_all(sender) == [0]
    sender.on_ack(2, 0.1)
    assert not sender.ring.in_use


def test_expiry_clears_what_is_an_rto_old_and_no_more() -> None:
    """LINK-14: what left after the frame whose time ran out may still wait to be read."""
    sender = loaded(4, ring=200)
    assert send_all(sender) == [0, 1]
    sender.ring.charge(14, 0.24)
    sender.expired(None, OVERHEAD)
    assert sender.ring.room_bytes == 200 - (64 + OVERHEAD) - 14


def test_a_probe_clears_the_ring() -> None:
    """LINK-14, LINK-15: its time counts from the last thing that was handed over."""
    sender = new_sender(ring=200)
    sender.ring.charge(300, 0.0)
    sender.probed()
    assert not sender.ring.in_use


def test_an_overdue_repetition_that_does_not_fit_waits_until_all_is_an_rto_old() -> None:
    """LINK-14, LINK-9: an ACK that left just now holds its room; that is one expiry, not two."""
    sender = loaded(1, ring=80)
    assert send_all(sender, 10.0) == [0]
    sender.ring.charge(14, 10.2)
    sender.expired(None, OVERHEAD)
    assert send_all(sender, 10.25) == []
    assert sender.deadline_s(None, OVERHEAD) == pytest.approx(10.2 + 0.25)
    sender.expired(None, OVERHEAD)
    assert sender.rtt.backoff == 1
    assert send_all(sender, 10.45) == [0]


@pytest.mark.parametrize(("speed", "behind_s"), [(None, 0.0), (1000.0, 0.014)])
def test_expiry_clears_what_left_right_behind_too(speed: float | None, behind_s: float) -> None:
    """LINK-14, LINK-9: its wire time is part of the time-out."""
    sender = loaded(1, ring=80)
    assert send_all(sender, 10.0) == [0]
    sender.ring.charge(14, 10.0 + behind_s, ping=1)
    sender.expired(speed, OVERHEAD)
    assert not sender.ring.in_use


def test_the_ring_is_clogged_when_more_than_half_of_it_is_held_for_good() -> None:
    """LINK-14."""
    sender = new_sender(ring=64)
    sender.ring.charge(14, 0.0)
    sender.ring.charge(14, 0.0)
    assert not sender.ring.clogged
    sender.ring.charge(14, 0.0)
    assert sender.ring.clogged
    sender.ring.charge(14, 0.0, ping=1)
    assert not sender.ring.clogged
    unlimited = new_sender()
    unlimited.ring.charge(1 << 20, 0.0)
    assert not unlimited.ring.clogged
    assert not unlimited.ring.overdrawn


def test_a_repetition_waits_for_the_ring() -> None:
    """LINK-14."""
    sender = loaded(2, ring=160)
    send_all(sender)
    sender.on_sack(0, 0b1)
    sender.ring.charge(150, 1.0)
    assert send_all(sender) == []
    assert sender.deadline_s(None, OVERHEAD) == pytest.approx(1.25)


def test_the_probes_interval_stops_doubling() -> None:
    """LINK-15: a stall may last for days."""
    sender = new_sender()
    for _ in range(5000):
        sender.probed()
    assert 0.03 * 2.0**sender.probes > 1.0
    sender.push(b"x")
    send_all(sender)
    sender.on_ack(1, 0.1)
    assert sender.probes == 0


def test_a_frame_is_cut_to_the_room_that_nothing_under_way_will_widen() -> None:
    """LINK-14, LINK-15: but not into crumbs."""
    sender = loaded(2, ring=64)
    sender.ring.charge(18, 0.0)
    flight = sender.next_flight(OVERHEAD)
    assert flight is not None
    assert len(flight.payload) == 64 - 18 - OVERHEAD
    sender = loaded(2, ring=64)
    sender.ring.charge(64 - OVERHEAD - 15, 0.0)
    assert not sender.sendable(OVERHEAD)
    assert sender.next_flight(OVERHEAD) is None


def test_what_is_under_way_is_waited_for_rather_than_cutting() -> None:
    """LINK-14: its acknowledgement clears the ring."""
    sender = loaded(2, ring=128)
    assert send_all(sender) == [0]
