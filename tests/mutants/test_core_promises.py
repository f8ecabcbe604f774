"""Promises of the C core whose bugs no other test caught when they were planted."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest

from ipfi_serial.link.parameters import FrameType
from tests.link._frames import ack, data
from tests.simulation.core_puppet import CorePuppet

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler (gcc)")
EVENT = bytes((4, 0xC0, 40, 0, 2, 1, 2))  # what the core's stream may carry


def credit_of(content: bytes) -> int:
    assert content[0] == FrameType.ACK
    return int.from_bytes(content[5:9], "little")


def test_credit_that_was_used_is_given_back_link_7() -> None:
    puppet = CorePuppet()
    told = []
    for number in range(3):
        puppet.say(data(puppet.session, number, EVENT))
        puppet.wait(0.5)
        told += [credit_of(content) for content in puppet.hear()]
    assert [later - earlier for earlier, later in pairwise(told)] == [len(EVENT)] * 2


def test_a_frame_that_comes_twice_is_delivered_once_link_4() -> None:
    puppet = CorePuppet()
    first = data(puppet.session, 0, EVENT)
    puppet.say(first, first, data(puppet.session, 1, EVENT), first)
    assert [type(event).__name__ for event in puppet.events()] == ["Went", "News", "News"]


def test_no_byte_goes_beyond_the_credit_link_7() -> None:
    puppet = CorePuppet(credit=3)
    puppet.emit()
    said = puppet.hear()
    assert [len(content) - 5 for content in said if content[0] == FrameType.DATA] == [3]


def test_what_was_sent_again_is_no_sample_link_9() -> None:
    puppet = CorePuppet()
    puppet.emit()
    assert len(puppet.data_said_in(0.1)) == 1
    while not puppet.data_said_in(0.001):
        assert puppet.now_s < 101.0, "it was not repeated"
    puppet.say(ack(puppet.session, 1))  # a millisecond after the repetition
    puppet.hear()
    puppet.emit()
    first, second, *_ = puppet.data_said_in(0.6)
    assert second - first >= 0.2, "a time-out learnt from a frame that was sent twice"


@pytest.mark.parametrize("flags", [1, 3], ids=["selective", "in order"])
def test_a_frame_that_only_a_damaged_sack_acknowledged_is_repeated_link_11(flags: int) -> None:
    """The host waits for it still; the C core once never sent it to a host that takes in order."""
    puppet = CorePuppet(flags=flags)
    puppet.emit()
    puppet.hear()
    puppet.emit()
    puppet.hear()
    puppet.say(ack(puppet.session, 0, sack=1), ack(puppet.session, 1))
    said = puppet.data_said_in(0.6)
    assert said, "it waits for ever"
    due_s = puppet.core.next_deadline_s()
    assert due_s is not None
    assert due_s >= puppet.now_s


def test_the_time_out_is_doubled_link_9() -> None:
    puppet = CorePuppet()
    puppet.emit()
    puppet.hear()
    puppet.wait(0.001)
    puppet.say(ack(puppet.session, 1))
    puppet.hear()
    puppet.emit()
    first, second, third, *_ = puppet.data_said_in(0.4)
    assert third - second >= 1.5 * (second - first)


def test_acks_of_what_the_host_sent_do_not_lengthen_the_time_out_link_9() -> None:
    """Nothing acknowledges an ACK, and a host without a ring limit asks for no account of them."""
    puppet = CorePuppet(bytes_per_s=11520.0, ring=0xFFFF)
    for number in range(500):
        puppet.say(data(puppet.session, number & 0xFF, EVENT))
        puppet.wait(0.03)
        puppet.hear()
        puppet.events()
    puppet.emit()
    first, second, *_ = puppet.data_said_in(1.0)
    assert second - first == pytest.approx(0.25, abs=0.02)


def test_what_is_not_acknowledged_stays_within_the_ring_link_14() -> None:
    puppet = CorePuppet(ring=64)
    for _ in range(20):
        puppet.emit()
    said = puppet.hear()
    sizes = [len(content) + 4 for content in said if content[0] == FrameType.DATA]
    assert sizes
    assert sum(sizes) <= 64


def test_no_more_frames_are_under_way_than_the_hosts_window_link_6() -> None:
    puppet = CorePuppet(window=2)
    for _ in range(60):
        puppet.emit()
    kinds = [content[0] for content in puppet.hear()]
    assert kinds.count(FrameType.DATA) == 2


def test_a_silent_host_is_asked_while_a_call_is_in_flight_link_12() -> None:
    puppet = CorePuppet()
    puppet.call()
    said = []
    for _ in range(25):
        puppet.wait(0.1)
        said += puppet.kinds()
    assert said == ["PING"] * 8, "after a second, then each eighth of one: here, every other look"


def test_a_host_that_stays_silent_is_lost_link_13() -> None:
    puppet = CorePuppet()
    puppet.call()
    said = []
    for _ in range(51):
        puppet.wait(0.1)
        said += puppet.kinds()
    assert said[-1] == "BYE"
    assert not puppet.core.up


@pytest.mark.parametrize("lost_pings", [0, 2])
def test_lossy_events_alone_ask_for_the_ring_that_they_have_filled(lost_pings: int) -> None:
    """LINK-15: no ACK would ever clear them; a PING does, and is repeated if it was lost."""
    puppet = CorePuppet(ring=64)
    sent = 0
    for _ in range(20):
        puppet.emit(lossy=True)
        for _ in range(3000):
            for content in puppet.hear():
                if content[0] == FrameType.LOSSY:
                    sent += 1
                elif content[0] == FrameType.PING and lost_pings:
                    lost_pings -= 1
                elif content[0] == FrameType.PING:
                    puppet.say(ack(puppet.session, 0, echo=content[3]))
            puppet.wait(0.001)
    assert sent == 20
    assert puppet.kinds() == [], "it asks on when nothing waits"


def test_a_lossy_event_that_no_ring_of_that_size_takes_is_refused_at_once() -> None:
    """LINK-20: it cannot be cut, so it would wait, and ask, for ever."""
    puppet = CorePuppet(ring=40)
    assert not puppet.core.emit(bytes(40), puppet.now_s, lossy=True)
    puppet.emit(lossy=True)
    assert puppet.kinds() == ["LOSSY"]
    puppet.wait(3.0)
    assert puppet.kinds() == []
