"""Lines that lose frames in a fixed beat, counted for each direction or for both together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from ipfi_serial.link.beat import ANSWER_COPIES, MOST_COPIES, SINGLES, copies
from ipfi_serial.link.parameters import FrameType
from tests.harness.line import Copies, FrameHook, Line, as_is
from tests.harness.links import BAUD_115200, Pair, device_parameters, new_link, nonces, parameters
from tests.link._frames import Puppet, hello

Beat = tuple[int, ...]


def beats() -> Iterator[Beat]:
    """Yield what is lost (0) and what passes (1) in turn, for every period of 2 to 5 frames."""
    for period in range(2, 6):
        for beat in itertools.product((0, 1), repeat=period):
            if 0 < sum(beat) < period:
                yield beat


def hook(beat: Beat, count: Iterator[int]) -> FrameHook:
    """Lose frames in this beat."""

    def lose(_number: int, wire: bytes) -> Copies:
        return as_is(wire) if beat[next(count) % len(beat)] else []

    return lose


def counted(beat: Beat) -> Iterator[tuple[str, FrameHook, FrameHook]]:
    """Yield the two directions with one counter, and with one each, at every offset."""
    both = itertools.count()
    yield "together", hook(beat, both), hook(beat, both)
    for offset in range(len(beat)):
        one, other = hook(beat, itertools.count()), hook(beat, itertools.count(offset))
        yield f"apart by {offset}", one, other


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("bytes_per_s", [None, BAUD_115200])
def test_no_beat_of_losses_keeps_ends_apart_or_a_call_from_its_answer(
    bytes_per_s: float | None, small: bool
) -> None:
    """HS-1, HS-5, LINK-11: periods of 2 to 5 frames, of which one passes at least."""
    own = device_parameters() if small else parameters(flags=0)
    for beat in beats():
        for name, there, back in counted(beat):
            lines = (
                Line(seed=1, delay_s=0.001, bytes_per_s=bytes_per_s, on_frame=there),
                Line(seed=2, delay_s=0.001, bytes_per_s=bytes_per_s, on_frame=back),
            )
            pair = Pair(
                new_link(floor=40_000, new_nonce=nonces(1), bytes_per_s=bytes_per_s),
                new_link(own, active=False, new_nonce=nonces(2), bytes_per_s=bytes_per_s),
                lines,
                to_send=(b"a" * 40, b"b" * 40),
            )
            case = f"{beat} {name}"
            assert pair.run(answered(pair), for_s=600.0), f"{case}\n{pair.describe()}"
            pair.check()


def answered(pair: Pair) -> Callable[[], bool]:
    """Return a question: did both have all of the other's bytes?  Until then a call is open."""

    def ask() -> bool:
        for link in pair.links:
            link.set_busy(True, pair.now_s)
        return pair.delivered()

    return ask


def test_what_was_sent_a_few_times_goes_out_once_to_five_times() -> None:
    """HS-1, LINK-11: each number is as likely, and no two seeds agree."""
    assert {copies(seed, sent) for seed in range(100) for sent in range(SINGLES)} == {1}
    found = Counter(copies(seed, sent) for seed in range(0, 10**6, 999) for sent in range(3, 13))
    assert set(found) == set(range(1, MOST_COPIES + 1))
    assert min(found.values()) > 0.15 * found.total()
    rows = {tuple(copies(seed, sent) for sent in range(3, 23)) for seed in range(200)}
    assert len(rows) > 190


@pytest.mark.parametrize(("bytes_per_s", "expected"), [(None, ANSWER_COPIES), (300.0, 1)])
def test_the_answer_to_a_repeated_hello_goes_out_three_times(
    bytes_per_s: float | None, expected: int
) -> None:
    """HS-1: but not on a slow line, where it may just take its time."""
    puppet = Puppet(new_link(active=False, bytes_per_s=bytes_per_s))
    puppet.open()
    seen = []
    for _ in range(2):
        puppet.say(hello())
        said = []
        for _ in range(4):
            said += puppet.hear()
            puppet.wait(1.0)
        seen.append([content for content in said if content[0] == FrameType.HELLO_ACK])
    assert [len(answers) for answers in seen] == [1, expected]
    assert len(set(seen[1])) == 1


def test_the_answer_to_a_repeated_ready_goes_out_three_times() -> None:
    """HS-1, HS-5."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    puppet.initiate()
    puppet.say(puppet.ready(puppet.session, 10))
    assert puppet.kinds() == ["ACK"] * ANSWER_COPIES


def test_a_slow_line_gets_each_hello_once() -> None:
    """HS-1."""
    puppet = Puppet(new_link(bytes_per_s=300.0))
    said = puppet.open()
    for _ in range(10):
        said += puppet.wait_until_due()
    assert [content[0] for content in said] == [FrameType.HELLO] * 11


def test_a_long_frame_is_not_sent_several_times() -> None:
    """LINK-11: only what has 64 bytes of stream or less."""
    for size, several in ((64, True), (65, False)):
        puppet = Puppet(new_link())
        puppet.accept()
        puppet.hear()
        sender = puppet.link._live.sender if puppet.link._live else None
        assert sender is not None
        sender.size.frame_bytes = size
        puppet.link.push(bytes(size), puppet.now_s)
        puppet.hear()
        most = 0
        for _ in range(12):
            said = puppet.wait_until_due()
            most = max(most, sum(content[0] == FrameType.DATA for content in said))
        assert (most > 1) == several
