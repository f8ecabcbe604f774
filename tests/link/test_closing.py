"""BYE, close and abort in every state (HS-13, LINK-19)."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import (
    DeviceResetError,
    NoSessionError,
    RemoteProtocolError,
    WireClosedError,
)
from ipfi_serial.events import SessionLost, SessionOpened
from ipfi_serial.framing.crc import CRC16
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.link.states import LinkState
from tests.harness.links import new_link, parameters
from tests.link._frames import Puppet, ack, bye, hello, ready


def closed_in(state: LinkState) -> Puppet:
    """Return a puppet whose link was closed in this state."""
    puppet = Puppet(new_link(active=state is not LinkState.LISTENING))
    if state is LinkState.ESTABLISHED:
        puppet.accept()
    elif state is not LinkState.CLOSED:
        (first,) = puppet.open()
        if state is LinkState.UNCONFIRMED:
            puppet.answer(first, 5)
    assert puppet.link.state is state
    puppet.link.close()
    return puppet


@pytest.mark.parametrize("state", LinkState)
def test_close_ends_every_state_and_says_bye_only_in_a_session(state: LinkState) -> None:
    """HS-13."""
    puppet = closed_in(state)
    assert puppet.link.state is LinkState.CLOSED
    said = puppet.hear()
    byes = [c for c in said if c[0] == FrameType.BYE]
    assert byes == ([bye(5, 0)] if state is LinkState.ESTABLISHED else [])
    assert puppet.link.next_deadline_s() is None
    assert puppet.link.flushed


def test_a_session_that_was_offered_before_close_is_not_begun_after_it() -> None:
    """HS-5: READY for a pending session of a closed link."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    session = puppet.offer()
    puppet.link.close()
    puppet.say(puppet.ready(session))
    assert puppet.link.state is LinkState.CLOSED
    assert puppet.events() == []
    assert puppet.hear() == []


def test_the_echo_of_a_ready_that_comes_after_close_confirms_nothing() -> None:
    """HS-6: the answer was on its way when the program closed."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, 5)
    (said,) = puppet.hear()
    puppet.link.close()
    puppet.say(ack(5, 0, echo=said[3]))
    assert puppet.link.state is LinkState.CLOSED
    assert puppet.events() == []


def test_a_closed_link_answers_nothing() -> None:
    """HS-8: an end in any other *open* state answers."""
    puppet = closed_in(LinkState.ESTABLISHED)
    puppet.hear()
    puppet.events()
    puppet.say(hello(), ready(5), ack(5, 0), bye(5, 1))
    assert puppet.hear() == []
    assert puppet.events() == []


def test_a_closed_link_can_be_opened_again() -> None:
    """HS-1: a closed link is as good as new."""
    puppet = Puppet(new_link(floor=40))
    puppet.accept(session=41)
    puppet.link.close()
    puppet.hear()
    puppet.events()
    puppet.accept(session=42)
    assert puppet.events() == [SessionOpened()]


@pytest.mark.parametrize("reason", [0, 1, 2, 3, 4, 255])
@pytest.mark.parametrize("active", [True, False])
def test_a_bye_ends_the_session_without_an_answer(reason: int, active: bool) -> None:
    """HS-13, LINK-19: after reason 0 an active end is done; else it makes a new handshake."""
    puppet = Puppet(new_link(active=active))
    if active:
        puppet.accept()
    else:
        puppet.open()
        puppet.initiate()
    puppet.events()
    puppet.say(bye(puppet.session, reason))
    (lost,) = puppet.events()
    assert isinstance(lost, SessionLost)
    goodbye = WireClosedError if active else NoSessionError
    assert type(lost.reason) is (DeviceResetError if reason else goodbye)
    assert lost.final is (active and not reason)
    if active and reason:
        assert puppet.kinds() == ["HELLO"]
    else:
        assert puppet.kinds() == []
        state = LinkState.CLOSED if active else LinkState.LISTENING
        assert puppet.link.state is state


def test_a_bye_of_another_length_is_malformed_and_one_of_another_session_is_nothing() -> None:
    """HS-13, LINK-5, section 3.1."""
    puppet = Puppet(new_link())
    puppet.accept(session=5)
    puppet.events()
    puppet.say(bye(4, 1))
    puppet.say(bye(5, 1)[:3], bye(5, 1) + b"x")
    assert puppet.events() == []
    assert puppet.link.counters.malformed_frames == 2
    puppet.say(bye(5, 0))
    (lost,) = puppet.events()
    assert isinstance(lost, SessionLost)
    assert lost.final


@pytest.mark.parametrize("reason", [0, 1, 2, 3, 4, 255])
@pytest.mark.parametrize("active", [True, False])
def test_a_bye_of_a_session_that_is_not_confirmed_ends_the_attempt(
    reason: int, active: bool
) -> None:
    """HS-13: an active end begins the next attempt at once, whatever the reason."""
    puppet = Puppet(new_link(active=active))
    (first,) = puppet.open()
    puppet.answer(first, 5)
    assert puppet.kinds() == ["READY"]
    puppet.say(bye(5, reason))
    said = puppet.hear()
    assert [content[0] for content in said] == ([FrameType.HELLO] if active else [])
    assert all(content[4:8] != first[4:8] for content in said)  # another nonce
    assert puppet.link.state is (LinkState.CONNECTING if active else LinkState.LISTENING)
    assert puppet.link.counters.stale_frames == 0
    assert puppet.events() == []
    puppet.say(ack(5, 0, echo=1))  # the echo of READY, which comes too late
    assert not puppet.link.established


def test_other_byes_change_nothing_in_an_attempt() -> None:
    """HS-13: of another session, of another length, or before there is a session."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.say(bye(5, 1))
    puppet.answer(first, 5)
    assert puppet.kinds() == ["READY"]
    puppet.say(bye(6, 1), sealed_for=5)
    puppet.say(bye(5, 1)[:3], bye(5, 1) + b"x")
    assert puppet.hear() == []
    assert puppet.link.state is LinkState.UNCONFIRMED
    assert puppet.link.counters.stale_frames == 4


@pytest.mark.parametrize("active", [True, False])
def test_abort_says_why_and_looks_for_a_new_session(active: bool) -> None:
    """HS-13: reason 3, the stream is corrupted (MSG-6)."""
    puppet = Puppet(new_link(active=active))
    if active:
        puppet.accept(session=5)
    else:
        puppet.open()
        puppet.initiate()
    puppet.events()
    error = RemoteProtocolError("bad")
    puppet.link.abort(error, puppet.now_s)
    assert puppet.events() == [SessionLost(error, final=False)]
    said = puppet.hear()
    assert said[0] == bye(puppet.session, 3)
    assert [c[0] for c in said[1:]] == ([FrameType.HELLO] if active else [])


def test_abort_without_a_session_is_nothing() -> None:
    """HS-13."""
    puppet = Puppet(new_link())
    puppet.open()
    puppet.link.abort(RemoteProtocolError("bad"), puppet.now_s)
    assert puppet.events() == []
    assert puppet.link.state is LinkState.CONNECTING


def test_the_frames_of_an_ended_session_are_sealed_with_its_own_profile() -> None:
    """FRAME-5: BYE leaves when the session is gone already."""
    puppet = Puppet(new_link(parameters(crc_profiles=1)), parameters(flags=0, crc_profiles=1))
    puppet.accept(session=5)
    puppet.hear()
    puppet.link.close()
    profile = CRC16.for_session(puppet.confirms[5])
    assert puppet.link.bytes_to_send(puppet.now_s) == b"\0" + encode_frame(bye(5, 0), profile)
    assert puppet.link.flushed
