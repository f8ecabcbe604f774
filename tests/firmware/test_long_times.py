"""The C core's clock of 32 bits: an end that was idle for weeks, and lines of seconds a byte."""

from __future__ import annotations

import pytest

from ipfi_serial.link.parameters import FrameType
from tests.firmware.lockstep import End, Library
from tests.link._frames import ack, bye, data
from tests.simulation.core_puppet import CorePuppet

DAY_S = 86400.0
EVENT = bytes((4, 0xC0, 40, 0, 2, 1, 2))  # what the core's stream may carry
IDLE = pytest.mark.parametrize("idle_s", [1.0, 25 * DAY_S, 30 * DAY_S, 45 * DAY_S, 50 * DAY_S])


@IDLE
def test_after_weeks_of_idleness_a_lost_frame_is_repeated_in_time(idle_s: float) -> None:
    """LINK-9: nobody looked at the core meanwhile, as an end with nothing to do asks for."""
    puppet = CorePuppet()
    puppet.hear()
    assert puppet.core.next_deadline_s() is None
    puppet.wait(idle_s)
    puppet.emit()
    first, second, *_ = puppet.data_said_in(0.6)
    assert second - first == pytest.approx(0.25, abs=0.01)


@IDLE
def test_after_weeks_of_idleness_an_acknowledgement_is_as_prompt_as_ever(idle_s: float) -> None:
    """LINK-8."""
    puppet = CorePuppet()
    puppet.hear()
    puppet.wait(idle_s)
    puppet.say(data(puppet.session, 0, EVENT))
    before_s = puppet.now_s
    assert puppet.hear() == []
    assert [content[0] for content in puppet.wait_until_due()] == [FrameType.ACK]
    assert puppet.now_s - before_s == pytest.approx(0.02, abs=0.002)


@IDLE
def test_after_weeks_of_idleness_hello_is_said_again_in_time(idle_s: float) -> None:
    """HS-1."""
    puppet = CorePuppet(active=True)
    puppet.hear()
    puppet.wait(idle_s)
    puppet.say(bye(puppet.session, 1))
    puppet.hear()
    before_s = puppet.now_s
    assert FrameType.HELLO in [content[0] for content in puppet.wait_until_due()]
    assert puppet.now_s - before_s <= 0.4


@IDLE
def test_after_weeks_of_idleness_a_silent_host_is_asked_in_time(idle_s: float) -> None:
    """LINK-12: the last PING was said before."""
    puppet = CorePuppet()
    puppet.call()
    puppet.wait(1.1)
    assert puppet.kinds() == ["PING"]
    answer = bytes((2, 0xC0, 1, 0, 1, 0x2A))  # to the call, whose indices are 1 and 0
    puppet.say(data(puppet.session, 0, answer, ack=1))
    puppet.wait(0.1)
    puppet.hear()
    assert puppet.core.next_deadline_s() is None
    puppet.wait(idle_s)
    puppet.emit()
    puppet.hear()
    start_s = puppet.now_s
    while "PING" not in (said := puppet.kinds()):
        puppet.wait(0.01)
        assert puppet.now_s - start_s < 1.1, said


def test_while_a_silent_host_owes_an_answer_it_is_asked_eight_times_a_second() -> None:
    """LINK-12, LINK-13."""
    puppet = CorePuppet()
    puppet.call()
    puppet.hear()
    puppet.say(ack(puppet.session, 1))
    start_s = puppet.now_s
    asked_s: list[float] = []
    while "BYE" not in (
        kinds := [FrameType(content[0]).name for content in puppet.wait_until_due()]
    ):
        asked_s += [puppet.now_s - start_s] * kinds.count("PING")
    assert asked_s == pytest.approx([1 + count / 8 for count in range(32)], abs=0.01)
    assert puppet.now_s - start_s == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("s_per_byte", [0.1, 1 / 3, 4.0])
def test_the_wire_time_of_slow_lines_is_right(library: Library, s_per_byte: float) -> None:
    """HS-1, LINK-9: what a byte takes has 32 bits, and so have the times made of it."""
    host = End(library, host=True, nonce=7, us_per_byte=round(s_per_byte * 1e6))
    hello_s = len(host.take_tx(0)) * s_per_byte
    due_ms = host.deadline_ms()
    assert due_ms is not None
    assert due_ms / 1000 == pytest.approx(hello_s + 2 * 82 * s_per_byte, rel=0.03)
