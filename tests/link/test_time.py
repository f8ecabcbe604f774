"""Deadlines of a link: what is due when, and that it does something (HS-1, LINK-8 to LINK-15)."""

from __future__ import annotations

import pytest

from ipfi_serial.errors import LinkLostError
from ipfi_serial.events import SessionLost
from ipfi_serial.link.parameters import HANDSHAKE_WIRE_BYTES, FrameType
from ipfi_serial.link.rtt import BACKED_OFF_S, FIRST_RTO_S
from ipfi_serial.link.states import LinkState
from tests.harness.line import Line, Noise
from tests.harness.links import BAUD_300, BAUD_115200, Pair, new_link, nonces, parameters
from tests.link._frames import Puppet, ack, bye, data, ping


def spoken_at(puppet: Puppet, kind: FrameType, count: int) -> list[float]:
    """Wait for frames of one kind; return when they came, from the first one's time on."""
    times: list[float] = []
    start_s = puppet.now_s
    while len(times) < count:
        said = puppet.wait_until_due()
        times += [puppet.now_s - start_s] * any(content[0] == kind for content in said)
    return [round(time, 4) for time in times]


def test_hello_is_repeated_at_growing_intervals_up_to_one_second() -> None:
    """HS-1."""
    puppet = Puppet(new_link())
    assert [c[0] for c in puppet.open()] == [FrameType.HELLO]
    times = spoken_at(puppet, FrameType.HELLO, 7)
    gaps = [round(b - a, 3) for a, b in zip([0.0, *times], times, strict=False)]
    assert gaps == [0.25, 0.375, 0.562, 0.844, 1.0, 1.0, 1.0]


def test_hello_waits_on_a_slow_line_for_the_time_that_the_exchange_takes() -> None:
    """HS-1: counted from the estimated end of its transmission."""
    puppet = Puppet(new_link(bytes_per_s=BAUD_300))
    puppet.open()
    wire_s = HANDSHAKE_WIRE_BYTES / BAUD_300
    first, second = spoken_at(puppet, FrameType.HELLO, 2)
    assert 2 * wire_s < first < 3 * wire_s
    assert 3 * wire_s < second - first < 4 * wire_s
    *_, a, b = spoken_at(puppet, FrameType.HELLO, 8)
    assert b - a < 9 * wire_s


def test_ready_is_sent_six_times_then_a_new_attempt_begins() -> None:
    """HS-6: and its first HELLO leaves at once, with a new nonce."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, 5)
    readies = puppet.hear()
    said: list[bytes] = []
    while puppet.link.state is LinkState.UNCONFIRMED:
        said = puppet.wait_until_due()
        readies += [c for c in said if c[0] == FrameType.READY]
        assert puppet.link.next_deadline_s() != puppet.now_s
    assert list(dict.fromkeys(c[3] for c in readies)) == [1, 2, 3, 4, 5, 6]
    assert {c[0] for c in said} == {FrameType.HELLO}
    assert said[0] != first


def test_a_waiting_end_whose_ready_stays_unanswered_waits_again() -> None:
    """HS-6, HS-11: it has said its HELLO."""
    puppet = Puppet(new_link(active=False))
    (first,) = puppet.open()
    puppet.answer(first, 5)
    said: list[bytes] = []
    while puppet.link.state is LinkState.UNCONFIRMED:
        said = puppet.wait_until_due()
    assert puppet.link.state is LinkState.LISTENING
    assert said == []
    assert puppet.link.next_deadline_s() is None


def test_nothing_is_due_in_an_idle_session() -> None:
    """Section 3.5, LINK-12: silence without work is no fault."""
    puppet = Puppet(new_link())
    puppet.accept()
    assert puppet.link.next_deadline_s() is None
    puppet.wait(1e6)
    puppet.link.on_deadline(puppet.now_s)
    assert puppet.hear() == []
    assert puppet.link.state is LinkState.ESTABLISHED


def test_an_ack_is_due_20_ms_after_the_first_frame_and_at_once_after_the_second() -> None:
    """LINK-8."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.say(data(5, 0, b"a"))
    assert puppet.hear() == []
    due_s = puppet.link.next_deadline_s()
    assert due_s == pytest.approx(puppet.now_s + 0.02)
    (said,) = puppet.wait_until_due()
    assert said[:4] == ack(5, 1)[:4]
    puppet.say(data(5, 1, b"b"))
    assert puppet.hear() == []
    puppet.say(data(5, 2, b"c"))
    (said,) = puppet.hear()
    assert said[:4] == ack(5, 3)[:4]
    assert puppet.link.next_deadline_s() is None


def test_an_ack_waits_two_frame_times_on_a_slow_line() -> None:
    """LINK-8."""
    puppet = Puppet(new_link(bytes_per_s=BAUD_300))
    puppet.accept()
    puppet.hear()
    puppet.wait(60)
    puppet.say(data(5, 0, b"a"))
    due_s = puppet.link.next_deadline_s()
    assert due_s == pytest.approx(puppet.now_s + 2 * 77 / BAUD_300)


def test_a_data_frame_carries_the_ack_that_was_due() -> None:
    """LINK-2, LINK-8."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.say(data(5, 0, b"a"))
    puppet.link.push(b"x", puppet.now_s)
    assert puppet.hear() == [data(5, 0, b"x", ack=1)]
    puppet.say(ack(5, 1))
    assert puppet.link.next_deadline_s() is None


def test_a_frame_is_sent_again_when_its_time_is_out_and_the_time_doubles() -> None:
    """LINK-9, LINK-11: 250 ms before there is a sample, and a bound above."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.link.push(b"x", puppet.now_s)
    assert puppet.hear() == [data(5, 0, b"x")]
    times = spoken_at(puppet, FrameType.DATA, 4)
    later = max(FIRST_RTO_S, BACKED_OFF_S)
    assert times == [0.25, 0.25 + later, 0.25 + 2 * later, 0.25 + 3 * later]


def test_while_work_is_pending_silence_is_asked_about_and_ends_after_five_seconds() -> None:
    """LINK-12, LINK-13, LINK-19, HS-13: reason 2, and an active end tries again."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.events()
    puppet.wait(50)
    puppet.link.set_busy(True, puppet.now_s)
    start_s = puppet.now_s
    asked_s: list[float] = []
    said = puppet.wait_until_due()
    while [c[0] for c in said] == [FrameType.PING]:
        asked_s.append(puppet.now_s - start_s)
        said = puppet.wait_until_due()
    assert asked_s == [1 + count * FIRST_RTO_S for count in range(16)]  # that is above an eighth
    assert [c[0] for c in said] == [FrameType.BYE, FrameType.HELLO]
    assert said[0] == bye(5, 2)
    (lost,) = puppet.events()
    assert isinstance(lost, SessionLost)
    assert isinstance(lost.reason, LinkLostError)
    assert lost.reason.silent_s == pytest.approx(5.0)
    assert not lost.final
    assert puppet.link.state is LinkState.CONNECTING
    assert puppet.link.next_deadline_s() != puppet.now_s


def test_a_ping_without_an_answer_is_followed_by_more_after_an_eighth_of_the_keepalive() -> None:
    """LINK-12: once a round trip is known to be shorter."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.wait(50)
    puppet.link.set_busy(True, puppet.now_s)
    (asked,) = puppet.wait_until_due()
    puppet.wait(0.01)
    puppet.say(ack(5, 0, echo=asked[4]))
    assert spoken_at(puppet, FrameType.PING, 3) == [1, 1.125, 1.25]
    puppet.say(ack(5, 0, echo=3))  # a late echo of another one: something was heard
    assert spoken_at(puppet, FrameType.PING, 2) == [1, 1.125]


def test_in_a_long_round_trip_no_ping_is_followed_by_another_within_it() -> None:
    """LINK-12, LINK-9."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.wait(50)
    puppet.link.set_busy(True, puppet.now_s)
    for _ in range(20):
        (asked,) = puppet.wait_until_due()
        puppet.wait(0.4)
        puppet.say(ack(5, 0, echo=asked[4]))
    puppet.wait(0.8)  # late echoes ask, too
    first, second, third = spoken_at(puppet, FrameType.PING, 3)
    assert second - first == pytest.approx(third - second)
    assert 0.4 < second - first < 0.6


def test_while_data_is_under_way_no_ping_is_followed_by_another_within_the_time_out() -> None:
    """LINK-12, LINK-9: which has the wire time of a window in it, on a slow line."""
    puppet = Puppet(new_link(bytes_per_s=BAUD_300))
    puppet.accept()
    puppet.wait(50)
    puppet.link.push(bytes(1000), puppet.now_s)
    said: list[int] = []
    while puppet.link.established:
        said += [content[0] for content in puppet.wait_until_due()]
    assert said.count(FrameType.PING) < 5, "an eighth of the keepalive would be 15"


@pytest.mark.parametrize("bytes_per_s", [BAUD_115200, BAUD_300])
@pytest.mark.parametrize("seed", range(4))
def test_a_call_of_an_hour_survives_a_line_that_loses_one_frame_in_five(
    seed: int, bytes_per_s: float
) -> None:
    """LINK-12, LINK-13: PINGs a second apart would lose it in a minute or two."""
    noise = Noise(lose_frame=0.2)
    there, back = (
        Line(bytes_per_s=bytes_per_s, noise=noise, seed=2 * seed + way) for way in (0, 1)
    )
    host = new_link(bytes_per_s=bytes_per_s)
    device = new_link(active=False, bytes_per_s=bytes_per_s, new_nonce=nonces(5))
    pair = Pair(host, device, (there, back))
    pair.connect(for_s=600.0)
    pair.host.set_busy(True, pair.now_s)
    pair.run(for_s=3600.0)
    assert pair.programs[0].lost == []
    assert pair.programs[1].lost == []


def test_an_answered_ping_starts_the_silence_anew() -> None:
    """LINK-12, LINK-13."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.link.set_busy(True, puppet.now_s)
    for _ in range(20):
        (said,) = puppet.wait_until_due()
        assert said[0] == FrameType.PING
        puppet.say(ack(5, 0, echo=said[4]))
    assert puppet.now_s == pytest.approx(120.0)
    puppet.link.set_busy(False, puppet.now_s)
    assert puppet.link.next_deadline_s() is None


def test_keepalive_and_patience_are_frame_times_on_a_slow_line() -> None:
    """LINK-12, LINK-13: 20 and 60 of them."""
    puppet = Puppet(new_link(bytes_per_s=BAUD_300))
    puppet.accept()
    puppet.hear()
    puppet.wait(60)
    start_s = puppet.now_s
    puppet.link.set_busy(True, puppet.now_s)
    frame_s = 77 / BAUD_300
    assert spoken_at(puppet, FrameType.PING, 1) == [round(20 * frame_s, 4)]
    while puppet.link.established:
        puppet.wait_until_due()
    assert puppet.now_s == pytest.approx(start_s + 60 * frame_s)


def gaps_of_pings(puppet: Puppet, session: int, count: int) -> list[float]:
    """Answer the next PINGs without giving credit; return the waits before them."""
    gaps = []
    for _ in range(count):
        before_s = puppet.now_s
        (said,) = puppet.wait_until_due()
        assert said[0] == FrameType.PING
        gaps.append(puppet.now_s - before_s)
        puppet.say(ack(session, 0, echo=said[4], credit=0))
    return gaps


def test_data_without_credit_is_asked_for_at_growing_intervals() -> None:
    """LINK-15: first at the RTO, and no later than the keepalive; the initiator a quarter later."""
    puppet = Puppet(new_link(), parameters(flags=0, credit=0))
    puppet.accept()
    puppet.hear()
    puppet.link.push(b"x", puppet.now_s)
    assert puppet.hear() == []
    gaps = gaps_of_pings(puppet, 5, 9)
    assert gaps[0] == pytest.approx(0.25 * 1.25)
    rest = [1.25 * gap for gap in (0.06, 0.12, 0.24, 0.48)] + [1.0] * 4
    assert gaps[1:] == pytest.approx(rest)
    puppet.say(ack(5, 0, credit=1))
    assert puppet.hear() == [data(5, 0, b"x")]


def test_the_two_ends_of_a_stall_do_not_ask_in_step() -> None:
    """LINK-15: PINGs that cross clear nothing of the answers behind them."""
    puppet = Puppet(new_link(active=False), parameters(credit=0))
    puppet.link.open(puppet.now_s)
    puppet.hear()
    puppet.initiate()
    puppet.hear()
    puppet.link.push(b"x", puppet.now_s)
    assert puppet.hear() == []
    assert gaps_of_pings(puppet, puppet.session, 3) == pytest.approx([0.25, 0.06, 0.12])


def test_a_lost_grant_is_asked_for_while_the_other_end_goes_on_sending() -> None:
    """LINK-15: its DATA frames carry no credit, so they are no reason to wait."""
    puppet = Puppet(new_link(), parameters(flags=0, credit=0))
    puppet.accept()
    puppet.hear()
    puppet.link.push(b"x", puppet.now_s)
    heard = []
    for sequence in range(20):
        puppet.wait(0.04)
        puppet.say(data(5, sequence, b"y"))
        heard += puppet.hear()
    assert FrameType.PING in [c[0] for c in heard]


def test_a_ping_is_answered_at_once_with_its_number() -> None:
    """LINK-8."""
    puppet = Puppet(new_link())
    puppet.accept()
    puppet.say(ping(5, 0, ping=77))
    assert puppet.hear() == [ack(5, 0, echo=77)]


@pytest.mark.parametrize("bytes_per_s", [None, BAUD_115200])
def test_early_and_stale_calls_of_on_deadline_change_nothing(bytes_per_s: float | None) -> None:
    """Design section 4: the verb may be called at any time."""
    puppet = Puppet(new_link(bytes_per_s=bytes_per_s))
    puppet.accept()
    puppet.hear()
    puppet.link.push(b"x" * 10, puppet.now_s)
    puppet.hear()
    puppet.say(data(5, 0, b"a"))
    due_s = puppet.link.next_deadline_s()
    for _ in range(3):
        puppet.link.on_deadline(puppet.now_s)
        puppet.link.on_deadline(puppet.now_s - 50)
        assert puppet.link.next_deadline_s() == due_s
    assert puppet.hear() == []
