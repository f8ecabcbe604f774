"""Promises whose bugs no other test caught when they were planted."""

from __future__ import annotations

import pytest

from ipfi_serial.link.parameters import FrameType
from tests.harness.links import new_link, parameters
from tests.link._frames import Puppet


@pytest.mark.parametrize("window", [1, 2, 15])
def test_no_more_frames_are_under_way_than_the_other_ends_window_link_6(window: int) -> None:
    link = new_link(parameters(window=16))
    puppet = Puppet(link, parameters(flags=0, nonce=7, window=window))
    puppet.accept()
    link.push(bytes(64 * 40), puppet.now_s)
    kinds = [content[0] for content in puppet.hear()]
    assert kinds == [FrameType.DATA] * window
