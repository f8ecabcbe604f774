"""The C core before its session is confirmed, played with by hand."""

from __future__ import annotations

import pytest

from ipfi_serial.link.parameters import FrameType
from tests.link._frames import ack, bye
from tests.simulation.core_puppet import CorePuppet


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
