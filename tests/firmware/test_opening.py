"""The C core as it opens a session, and what it learnt of the other end by that (CALL-6, MSG-7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ipfi_serial.link.parameters import FrameType
from tests.harness.links import new_link
from tests.link._frames import Puppet, ack, bye, data, ping
from tests.simulation.core_puppet import CorePuppet


def python_end() -> Puppet:
    """A Python end in a session that the puppet has opened."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    puppet.initiate()
    return puppet


@pytest.mark.parametrize("reason", [0, 1, 2, 3])
def test_a_bye_of_a_session_that_is_not_confirmed_begins_the_next_attempt(reason: int) -> None:
    """HS-13: at once, whatever the reason; the echo of READY comes too late then."""
    puppet = CorePuppet(active=True, confirmed=False)
    puppet.say(bye(puppet.session, reason))
    assert puppet.kinds() == ["HELLO"]
    puppet.say(ack(puppet.session, 0, echo=1))
    assert puppet.kinds() == []


def test_other_byes_change_nothing_in_an_attempt() -> None:
    """HS-13: of another session, or of another length."""
    puppet = CorePuppet(active=True, confirmed=False)
    mine = bye(puppet.session, 1)
    puppet.say(bye(puppet.session + 1, 1), sealed_for=puppet.session)
    puppet.say(mine[:3], mine + b"x")
    assert puppet.kinds() == []
    assert [FrameType(content[0]) for content in puppet.wait_until_due()] == [FrameType.READY]


def test_an_event_for_an_end_that_takes_none_is_not_taken() -> None:
    """MSG-7: the program is told, or it would take the event for delivered."""
    assert not CorePuppet(extensions=0x3E).core.emit(b"\1\2", 100.0, lossy=False)
    assert CorePuppet(extensions=0x3F).core.emit(b"\1\2", 100.0, lossy=False)


@pytest.mark.parametrize(("size", "taken"), [(256, True), (257, False)])
def test_an_event_larger_than_the_other_end_takes_is_not_taken(size: int, taken: bool) -> None:
    """CALL-6: in units of 256 bytes; it would be dropped there, and nobody told."""
    puppet = CorePuppet(max_message=1)
    assert puppet.core.emit(bytes(size), puppet.now_s, lossy=False) is taken
    assert bool(puppet.hear()) is taken


@pytest.mark.parametrize("reason", [1, 2, 3, 4, 255])
def test_an_active_core_looks_for_a_new_session_after_any_bye_but_a_close(reason: int) -> None:
    """HS-13: a reason that a later version may have counts as a restart."""
    puppet = CorePuppet(active=True)
    puppet.say(bye(puppet.session, reason))
    assert puppet.kinds() == ["HELLO"]


def test_a_frame_of_another_session_is_not_taken_though_its_checksum_holds() -> None:
    """LINK-5: two sessions may have one `confirm` (2^-32), and need two ids then."""
    puppet = CorePuppet()
    other = puppet.session + 1
    puppet.say(bye(other, 1), ping(other, 0, ping=3), sealed_for=puppet.session)
    assert puppet.hear() == []
    puppet.say(ping(puppet.session, 0, ping=4))
    assert puppet.kinds() == ["ACK"]


@pytest.mark.parametrize("end", [lambda: CorePuppet(), python_end], ids=["c", "python"])
def test_an_ack_that_answers_nothing_repeats_the_last_echo(end: Callable[[], Puppet]) -> None:
    """HS-5."""
    puppet = end()
    puppet.say(data(puppet.session, 0, b"\3"), data(puppet.session, 0, b"\3"))
    assert [content[4] for content in puppet.hear()[-1:]] == [9], "the READY's"
    puppet.say(ping(puppet.session, 0, ping=77))
    assert puppet.hear()[-1][4] == 77
    puppet.say(data(puppet.session, 0, b"\3"), data(puppet.session, 0, b"\3"))
    assert puppet.hear()[-1][4] == 77


@pytest.mark.parametrize("end", [lambda: CorePuppet(), python_end], ids=["c", "python"])
def test_after_a_hello_a_ready_of_the_live_session_is_not_answered_again(
    end: Callable[[], Puppet],
) -> None:
    """HS-5: it may be of a new life with the nonce of the last one, which a late answer reached."""
    puppet = end()
    puppet.say(puppet.ready(puppet.session, 10))
    assert {content[4] for content in puppet.hear()} == {10}, "no HELLO was heard since"
    live = puppet.session
    offered = puppet.offer()
    assert offered != live
    puppet.say(puppet.ready(live, 11))
    assert "ACK" not in puppet.kinds()
    puppet.say(data(live, 0, b"\3"))  # but the session goes on, if that HELLO was an old one
    puppet.wait(1.0)
    assert "ACK" in puppet.kinds()
    puppet.say(puppet.ready(offered, 1))
    assert "ACK" in puppet.kinds(), "and the new life gets one of its own"
