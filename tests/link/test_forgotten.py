"""LINK-22: the other end loses its state and says nothing of it."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import DeviceResetError
from ipfi_serial.events import SessionLost
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.states import LinkState
from tests.harness.links import new_link, parameters
from tests.link._frames import Puppet, ack, bye, ping

START = 1 << 20  # the credit that the puppet gives at first


def asking(*, active: bool = True, acknowledged: int = 3) -> tuple[Puppet, int]:
    """Return a link that had frames acknowledged and has just sent a PING, and its number."""
    puppet = Puppet(new_link(active=active), parameters(flags=0, nonce=7, credit=START))
    puppet.accept(session=5)
    puppet.events()
    for number in range(acknowledged):
        puppet.link.push(b"x", puppet.now_s)
        puppet.hear()
        puppet.say(ack(5, (number + 1) & 0xFF, credit=START + number + 1))
    puppet.link.set_busy(True, puppet.now_s)
    said = puppet.wait_until_due()
    assert [content[0] for content in said] == [FrameType.PING]
    return puppet, said[0][4]


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize(
    ("number", "credit"), [(0, START + 3), (2, START + 3), (3, START + 2), (3, START), (0, START)]
)
def test_an_echo_that_takes_back_what_was_told_ends_the_session(
    number: int, credit: int, active: bool
) -> None:
    """LINK-22, LINK-19."""
    puppet, asked = asking(active=active)
    puppet.say(ack(5, number, echo=asked, credit=credit))
    (lost,) = puppet.events()
    assert isinstance(lost, SessionLost)
    assert isinstance(lost.reason, DeviceResetError)
    assert not lost.final
    assert puppet.link.counters.resets == 1
    assert puppet.link.counters.malformed_frames == 0
    said = puppet.hear()
    assert said[0] == bye(5, 3)
    assert puppet.link.state is (LinkState.CONNECTING if active else LinkState.LISTENING)
    assert [FrameType(c[0]).name for c in said[1:]] == (["HELLO"] if active else [])


@pytest.mark.parametrize(("number", "credit"), [(3, START + 3), (4, START + 3), (3, START + 900)])
def test_an_echo_that_goes_on_is_none(number: int, credit: int) -> None:
    """LINK-22: also if a new frame was acknowledged since the PING."""
    puppet, asked = asking()
    puppet.link.push(b"x", puppet.now_s)
    puppet.hear()
    puppet.say(ack(5, number, echo=asked, credit=credit))
    assert puppet.events() == []


def test_only_the_first_answer_to_a_ping_of_ours_counts() -> None:
    """LINK-22: late ACKs, ACKs that answer nothing and PINGs may say what was true once."""
    puppet, asked = asking()
    puppet.say(ack(5, 1, echo=asked - 1, credit=START), ping(5, 1, credit=START))
    puppet.say(ack(5, 3, echo=asked, credit=START + 3), ack(5, 1, echo=asked, credit=START))
    assert puppet.events() == []


def test_what_was_acknowledged_after_the_ping_left_may_be_unknown_to_its_echo() -> None:
    """LINK-22: compared is what was known when the PING left, not what is known now."""
    puppet, asked = asking()
    for number in (4, 5):
        puppet.link.push(b"x", puppet.now_s)
        puppet.hear()
        puppet.say(ack(5, number, credit=START + 900))
    puppet.say(ack(5, 3, echo=asked, credit=START + 3))
    assert puppet.events() == []


def test_numbers_are_compared_on_their_circle() -> None:
    """LINK-22: 250 frames on, 2 is later than 250."""
    puppet, asked = asking(acknowledged=250)
    for number in range(250, 258):
        puppet.link.push(b"x", puppet.now_s)
        puppet.hear()
        puppet.say(ack(5, (number + 1) & 0xFF, credit=START + 900))
    puppet.say(ack(5, 2, echo=asked, credit=START + 900))
    assert puppet.events() == []
