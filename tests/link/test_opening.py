"""How a session begins, frame by frame (HS-1 to HS-11)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipfi_serial.errors import DeviceResetError, EchoingLineError, HandshakeRefusedError
from ipfi_serial.events import SessionLost, SessionOpened, TextReceived
from ipfi_serial.framing.crc import CRC16, CRC32, custom_profile
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.parameters import (
    Flag,
    FrameType,
    Parameters,
    decode_refuse,
    encode_refuse,
    hello_floor,
)
from ipfi_serial.link.states import LinkState
from tests.harness.links import new_link, nonces, parameters
from tests.link._frames import Puppet, ack, bye, data, hello, ping, ready

HIGH = parameters(flags=Flag.HOST, nonce=0xFFFFFFFF)  # outranks every link here
LOW = parameters(flags=0, nonce=7)


def types(contents: list[bytes]) -> list[str]:
    """Return the names of frames."""
    return [FrameType(content[0]).name for content in contents]


# --- as initiator ---


def test_no_data_is_sent_before_the_ready_is_confirmed() -> None:
    """HS-4, HS-6."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, 5)
    puppet.link.push(b"early", puppet.now_s)
    (said,) = puppet.hear()
    assert said == ready(5, said[3], puppet.confirms[5])
    assert not puppet.link.established
    puppet.say(ack(5, 0, echo=said[3]))
    assert puppet.events() == [SessionOpened()]
    assert puppet.hear() == [], "what was pushed without a session is dropped"
    assert puppet.link.agreement is not None
    assert puppet.link.agreement.initiated


@pytest.mark.parametrize("wrong", ["echo", "before", "session", "kind", "short"])
@pytest.mark.parametrize("which", [0, 1])
def test_only_the_echo_of_one_of_its_readies_confirms(wrong: str, which: int) -> None:
    """HS-6: of any of them, or a round trip longer than their interval would never confirm."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, 5)
    (older,) = puppet.hear()
    (latest,) = puppet.wait_until_due()
    assert latest[3] != older[3]
    puppet.say(
        {
            "echo": ack(5, 0, echo=latest[3] + 1),
            "before": ack(5, 0, echo=older[3] - 1),
            "short": ack(5, 0, echo=latest[3])[:4],
            "session": ack(4, 0, echo=latest[3]),
            "kind": ping(5, 0, ping=latest[3]),
        }[wrong],
        sealed_for=5,
    )
    assert not puppet.link.established
    assert puppet.link.counters.stale_frames == 1
    puppet.say(ack(5, 0, echo=(older, latest)[which][3]))
    assert puppet.link.established


def test_a_later_answer_takes_the_place_of_the_earlier_one() -> None:
    """HS-4: and its READY is sent at once."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, 5)
    puppet.hear()
    puppet.answer(first, 6)
    (said,) = puppet.hear()
    assert said[:3] == ready(6)[:3]
    puppet.say(ack(6, 0, echo=said[3]))
    assert puppet.link.established


def test_an_answer_in_a_session_or_to_nobody_is_stale() -> None:
    """HS-4, HS-7."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(b"\x81" + bytes(31), 5)
    assert puppet.link.state is LinkState.CONNECTING
    puppet.answer(first, 5)
    (said,) = puppet.hear()
    puppet.say(ack(5, 0, echo=said[3]))
    puppet.answer(first, 6)
    assert puppet.link.established
    assert puppet.hear() == []
    assert puppet.link.counters.stale_frames == 2


def test_the_next_attempt_has_another_nonce_and_a_later_floor() -> None:
    """HS-2, HS-6."""
    puppet = Puppet(new_link(floor=10))
    (first,) = puppet.open()
    puppet.answer(first, 20)
    said = puppet.hear()
    while puppet.link.state is LinkState.UNCONFIRMED:
        said = puppet.wait_until_due()
    assert Parameters.decode(said[0]).nonce != Parameters.decode(first).nonce
    assert hello_floor(said[0]) == 21


@pytest.mark.parametrize("reason", [1, 2, 3, 4, 9])
def test_a_refusal_of_the_current_attempt_ends_it_with_a_named_error(reason: int) -> None:
    """HS-10."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    nonce = Parameters.decode(first).nonce
    puppet.say(encode_refuse(reason, nonce ^ 1), encode_refuse(reason, nonce)[:-1])
    assert puppet.link.state is LinkState.CONNECTING
    puppet.say(encode_refuse(reason, nonce))
    (lost,) = puppet.events()
    assert isinstance(lost, SessionLost)
    assert lost.final
    assert isinstance(lost.reason, HandshakeRefusedError)
    names = {1: "version", 2: "parameters", 3: "busy", 4: "not wanted"}
    assert lost.reason.reason == names.get(reason, "reason 9")
    assert puppet.link.next_deadline_s() is None


def test_a_refusal_means_nothing_to_an_end_that_waits_or_has_a_session() -> None:
    """HS-10."""
    puppet = Puppet(new_link(active=False))
    (first,) = puppet.open()
    puppet.say(encode_refuse(3, Parameters.decode(first).nonce))
    assert puppet.link.state is LinkState.LISTENING


def test_a_hello_that_did_not_leave_is_replaced_by_the_next_attempts() -> None:
    """HS-1: never while one is still queued; a port that takes nothing makes no queue."""
    puppet = Puppet(new_link())
    puppet.link.open(puppet.now_s)
    for _ in range(50):
        puppet.wait(2.0)
        puppet.link.on_deadline(puppet.now_s)
        puppet.link.receive_bytes(
            encode_frame(hello(replace(HIGH, nonce=0xFFFFFFFE)), CRC16), puppet.now_s
        )
    said = puppet.hear()
    assert {*types(said)} == {"HELLO", "HELLO_ACK"}
    assert len(set(said)) == 2, "copies of the newest of each"
    assert len(said) <= 5 + 3


@pytest.mark.parametrize("changes", [{"version": 2}, {"version": 0}, {"window": 17}, {"ring": 31}])
def test_an_answer_with_what_a_hello_would_be_refused_for_is_not_taken(
    changes: dict[str, int],
) -> None:
    """HS-4, HS-10."""
    puppet = Puppet(new_link(), own=parameters(**{"flags": 0, "nonce": 7} | changes))
    (first,) = puppet.open()
    puppet.answer(first, 5)
    assert puppet.link.state is LinkState.CONNECTING
    assert puppet.link.counters.stale_frames == 1
    assert puppet.hear() == []


def test_an_attempt_that_was_given_up_leaves_no_hello_and_no_ready_behind() -> None:
    """HS-1, HS-9: what leaves at last is the newest attempt's."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, 5)
    for _ in range(20):
        puppet.answer(first, 5)
        puppet.wait(1.0)
        puppet.link.on_deadline(puppet.now_s)
    said = puppet.hear()
    assert len(set(said)) == 1
    puppet = Puppet(new_link())
    puppet.link.open(puppet.now_s)
    puppet.link.on_deadline(puppet.now_s)
    puppet.link.receive_bytes(encode_frame(first, CRC16), puppet.now_s)
    puppet.wait(1.0)
    puppet.link.on_deadline(puppet.now_s)
    (said_last,) = puppet.hear()
    puppet.answer(said_last, 5)
    assert puppet.link.state is LinkState.UNCONFIRMED


# --- as responder ---


def test_a_hello_alone_kills_no_session() -> None:
    """HS-7."""
    puppet = Puppet(new_link())
    puppet.accept(session=5)
    puppet.events()
    assert puppet.offer() == 6
    assert puppet.link.established
    assert puppet.events() == []
    puppet.say(data(5, 0, b"still here"))
    assert puppet.events() == [b"still here"]


def test_a_ready_of_the_pending_session_ends_the_live_one_and_says_why() -> None:
    """HS-5, HS-7, HS-12."""
    puppet = Puppet(new_link())
    puppet.accept(session=5)
    puppet.events()
    puppet.own = replace(puppet.own, boot_cause=3)
    session = puppet.offer()
    puppet.say(puppet.ready(session, 8))
    lost, opened = puppet.events()
    assert isinstance(lost, SessionLost)
    assert isinstance(lost.reason, DeviceResetError)
    assert lost.reason.cause == "watchdog"
    assert not lost.final
    assert opened == SessionOpened()
    (said,) = puppet.hear()
    assert said == ack(session, 0, echo=8)
    assert puppet.link.counters.resets == 1
    puppet.say(data(5, 0, b"from the dead"))
    assert puppet.events() == []


def test_an_unknown_boot_cause_is_told_by_its_number() -> None:
    """Section 3.2, HS-12."""
    puppet = Puppet(new_link(), parameters(flags=0, boot_cause=200))
    puppet.accept(session=5)
    puppet.events()
    puppet.say(puppet.ready(puppet.offer()))
    (lost, _) = puppet.events()
    assert isinstance(lost, SessionLost)
    assert isinstance(lost.reason, DeviceResetError)
    assert lost.reason.cause == "cause 200"


def test_a_repeated_ready_is_answered_until_the_initiator_says_something_else() -> None:
    """HS-5."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    puppet.initiate(ping=3)
    puppet.say(puppet.ready(puppet.session, 4))
    assert set(puppet.hear()) == {ack(puppet.session, 0, echo=4)}
    puppet.say(data(puppet.session, 0, b"x"))
    puppet.say(puppet.ready(puppet.session, 5))
    puppet.wait(1.0)
    assert [content[4] for content in puppet.hear()] == [4]
    assert puppet.link.counters.stale_frames == 1


@pytest.mark.parametrize("when", ["pending", "live"])
def test_a_ready_must_say_what_its_hello_ack_said(when: str) -> None:
    """HS-5: the same id with another proof is of another life."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    session = puppet.offer()
    if when == "live":
        puppet.say(puppet.ready(session, 3))
        puppet.hear()
    good = puppet.ready(session, 4)
    puppet.say(good[:-1] + bytes((good[-1] ^ 1,)), ready(session, 4))
    puppet.say(good[:4], good[:-1], good + b"x")
    assert puppet.hear() == []
    assert puppet.link.established == (when == "live")
    assert puppet.link.counters.stale_frames == 2
    assert puppet.link.counters.malformed_frames == 3
    puppet.say(good)
    assert set(puppet.hear()) == {ack(session, 0, echo=4)}


def test_a_doubled_hello_and_a_late_ready_of_an_earlier_life_open_no_session() -> None:
    """HS-3, HS-5: the id and the HELLO are the same, the nonce in the answer is not."""
    before = Puppet(new_link(active=False, new_nonce=nonces(1)))
    before.open()
    before.initiate()
    old = before.ready(before.session)
    after = Puppet(new_link(active=False, new_nonce=nonces(2)))
    after.open()
    assert after.offer() == before.session
    after.say(old)
    assert not after.link.established
    assert after.link.counters.stale_frames == 1


def test_every_answer_to_a_hello_has_a_nonce_of_its_own() -> None:
    """HS-3: out of the source of nonces, so that the proof differs from life to life."""
    numbers = iter(range(50, 60))
    puppet = Puppet(new_link(active=False, new_nonce=numbers.__next__))
    puppet.open()
    seen: list[int] = []
    for _ in range(2):
        puppet.say(hello())
        seen += {Parameters.decode(c).nonce for c in puppet.hear()}
    assert seen == [51, 52]


@pytest.mark.parametrize("content", [ready(9), ready(5), ready(5)[:3], ready(5) + b"\0"])
def test_any_other_ready_is_dropped_and_counted(content: bytes) -> None:
    """HS-5: a session never offered, one that we began, a malformed one."""
    puppet = Puppet(new_link())
    puppet.accept(session=5)
    puppet.events()
    puppet.say(content)
    assert puppet.hear() == []
    assert puppet.events() == []
    counters = puppet.link.counters
    assert counters.stale_frames + counters.malformed_frames == 1


def test_a_session_that_a_newer_one_replaced_before_it_lived_cannot_begin() -> None:
    """HS-3, HS-5."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    older = puppet.offer()
    newer = puppet.offer()
    puppet.say(puppet.ready(older))
    assert not puppet.link.established
    puppet.say(puppet.ready(newer))
    assert puppet.link.established


def test_the_ready_of_a_dead_session_begins_nothing() -> None:
    """HS-5: it was live once."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    puppet.initiate()
    puppet.say(bye(puppet.session, 0))
    puppet.events()
    puppet.say(puppet.ready(puppet.session))
    assert not puppet.link.established
    assert puppet.events() == []


@pytest.mark.parametrize(("changes", "reason"), [({"version": 2}, 1), ({"ring": 31}, 2)])
@pytest.mark.parametrize("active", [True, False])
def test_what_cannot_be_spoken_is_refused(
    changes: dict[str, int], reason: int, active: bool
) -> None:
    """HS-10: in every open state; a REFUSE that has not left is replaced like an answer."""
    puppet = Puppet(new_link(active=active))
    puppet.open()
    bad = replace(LOW, **changes)
    puppet.say(hello(bad), hello(bad))
    (said,) = puppet.hear()
    assert decode_refuse(said) == (1, reason, 7)


@pytest.mark.parametrize("content", [hello()[:-1], hello() + b"\0"])
def test_a_malformed_hello_is_counted(content: bytes) -> None:
    """HS-10, section 3.2."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    puppet.say(content)
    assert puppet.hear() == []
    assert puppet.link.counters.malformed_frames == 1


# --- glare and echoes ---


def test_the_higher_rank_does_not_answer_and_says_its_own_hello_again() -> None:
    """HS-8: at most once per half interval."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.wait(0.02)
    puppet.say(hello(LOW))
    assert puppet.hear() == []
    due_s = puppet.link.next_deadline_s()
    assert due_s is not None
    assert due_s < 100.25
    assert puppet.wait_until_due() == [first]
    puppet.say(hello(LOW))
    assert puppet.hear() == []
    again_s = puppet.link.next_deadline_s()
    assert again_s is not None
    assert again_s - puppet.now_s >= 0.125


def test_the_higher_rank_goes_on_with_its_ready() -> None:
    """HS-8: UNCONFIRMED, nothing is sent for the sake of a HELLO."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, 5)
    puppet.hear()
    due_s = puppet.link.next_deadline_s()
    puppet.say(hello(LOW))
    assert puppet.hear() == []
    assert puppet.link.next_deadline_s() == due_s


@pytest.mark.parametrize(("other", "taken"), [(LOW, False), (HIGH, True)])
def test_an_attempt_goes_before_a_session_offered_earlier_to_a_lower_rank(
    other: Parameters, taken: bool
) -> None:
    """HS-8: or two attempts that cross could each make a session live at the other end."""
    puppet = Puppet(new_link(), other)
    puppet.accept(session=5)
    offered = puppet.offer()
    puppet.say(bye(5, 2))
    assert puppet.link.state is LinkState.CONNECTING
    puppet.say(puppet.ready(offered))
    assert puppet.link.established == taken


@pytest.mark.parametrize("state", [LinkState.CONNECTING, LinkState.UNCONFIRMED])
def test_the_lower_rank_answers_and_puts_its_own_frames_off(state: LinkState) -> None:
    """HS-8: by two intervals."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    if state is LinkState.UNCONFIRMED:
        puppet.answer(first, 5)
        puppet.hear()
    puppet.say(hello(HIGH))
    assert types(puppet.hear()) == ["HELLO_ACK"]
    due_s = puppet.link.next_deadline_s()
    assert due_s is not None
    assert due_s >= puppet.now_s + 0.5


def test_an_end_that_waits_answers_whatever_the_rank_is() -> None:
    """HS-8."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    assert puppet.offer()


def test_the_third_echo_ends_the_attempt_with_a_named_error() -> None:
    """HS-9: each echo before it is answered with a new nonce."""
    puppet = Puppet(new_link())
    said = puppet.open()
    nonces_seen = set()
    for _ in range(3):
        nonces_seen.add(Parameters.decode(said[0]).nonce)
        puppet.say(said[0])
        if puppet.link.state is LinkState.CONNECTING:
            said = puppet.wait_until_due()
    assert len(nonces_seen) == 3
    (lost,) = puppet.events()
    assert isinstance(lost, SessionLost)
    assert isinstance(lost.reason, EchoingLineError)
    assert lost.final


def test_echoes_of_an_end_that_found_its_peer_are_forgotten() -> None:
    """HS-9: in a row; RS-485 with local echo still connects."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.say(first)
    (second,) = puppet.wait_until_due()
    puppet.say(second)
    (third,) = puppet.wait_until_due()
    puppet.answer(third, 5)
    puppet.say(puppet.hear()[0])
    puppet.say(third)
    assert puppet.events() == []


def test_an_end_that_waits_or_has_a_session_ignores_its_echo() -> None:
    """HS-9."""
    puppet = Puppet(new_link(active=False))
    (first,) = puppet.open()
    for _ in range(5):
        puppet.say(first)
    assert puppet.hear() == []
    assert puppet.link.state is LinkState.LISTENING
    assert puppet.events() == []


# --- a device that waits ---


def test_a_waiting_end_says_hello_once_and_again_when_it_hears_of_a_session_it_lost() -> None:
    """HS-11: at most once per interval."""
    puppet = Puppet(new_link(active=False))
    assert types(puppet.open()) == ["HELLO"]
    assert puppet.link.next_deadline_s() is None
    for _ in range(10):
        puppet.say(data(5, 0, b"x"), ready(5))
        assert puppet.hear() == []
    assert puppet.link.next_deadline_s() == pytest.approx(100.25)
    assert types(puppet.wait_until_due()) == ["HELLO"]
    puppet.say(data(5, 0, b"x"))
    assert puppet.hear() == []
    puppet.wait(10.0)
    puppet.say(data(5, 0, b"x"))
    assert types(puppet.hear()) == ["HELLO"]


def test_an_end_with_a_session_says_nothing_about_frames_of_another_one() -> None:
    """HS-11, LINK-5."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    puppet.initiate()
    puppet.wait(10.0)
    puppet.say(data(puppet.session + 1, 0, b"x"))
    puppet.say(data(puppet.session + 1, 0, b"x"), sealed_for=puppet.session)
    assert puppet.hear() == []
    assert puppet.link.counters.stale_frames == 1
    assert puppet.link.decoder.counters.crc_errors == 1


def test_the_hello_of_a_waiting_end_can_be_answered() -> None:
    """HS-11, HS-12: a device that rebooted gets its host back with one exchange."""
    puppet = Puppet(new_link(active=False))
    (first,) = puppet.open()
    puppet.answer(first, 5)
    (said,) = puppet.hear()
    puppet.say(ack(5, 0, echo=said[3]))
    assert puppet.events() == [SessionOpened()]


# --- profiles ---


def test_session_frames_carry_the_highest_profile_that_both_offer() -> None:
    """HS-3, FRAME-6."""
    for offered, profile in ((1, CRC16), (3, CRC32)):
        puppet = Puppet(new_link(), parameters(flags=0, crc_profiles=offered))
        puppet.accept()
        puppet.hear()
        puppet.link.push(b"x", puppet.now_s)
        wire = puppet.link.bytes_to_send(puppet.now_s)
        sealed = profile.for_session(puppet.confirms[5])
        assert wire.lstrip(b"\0") == encode_frame(data(5, 0, b"x"), sealed)


def test_a_profile_that_an_end_cannot_compute_is_never_offered() -> None:
    """FRAME-6: whatever its configuration says."""
    puppet = Puppet(new_link(parameters(crc_profiles=0xFF), active=False), parameters(flags=0))
    puppet.own = replace(puppet.own, crc_profiles=0xFF)
    (first,) = puppet.open()
    assert Parameters.decode(first).crc_profiles == 3
    puppet.initiate()
    assert puppet.link.established


def test_a_custom_profile_serves_a_session_and_is_known_after_it() -> None:
    """FRAME-6, HS-11."""
    custom = custom_profile("test", 0x18005, initial=0xFFFF, reflected=True)
    puppet = Puppet(
        new_link(parameters(crc_profiles=0x83), active=False, custom_profile=custom),
        parameters(flags=0, nonce=7, crc_profiles=0x83),
    )
    puppet.profile = custom
    puppet.open()
    puppet.wait(10.0)
    puppet.say(data(5, 0, b"of a lost session"))
    assert puppet.link.next_deadline_s() == puppet.now_s
    puppet.say(puppet.ready(puppet.offer()))
    assert puppet.link.established


# --- what passes by ---


@pytest.mark.parametrize("kind", [0x80, 0x8C, 0xFF])
def test_reserved_types_are_counted_and_dropped(kind: int) -> None:
    """Section 3.1."""
    puppet = Puppet(new_link())
    puppet.accept(session=5)
    puppet.events()
    puppet.say(bytes((kind, 5, 0, 1, 2, 3, 4, 5, 6)))
    assert puppet.events() == []
    assert puppet.hear() == []
    assert puppet.link.counters.malformed_frames == 1


def test_text_between_frames_is_reported_and_breaks_nothing() -> None:
    """LINK-17, FRAME-8."""
    puppet = Puppet(new_link())
    puppet.accept(session=5)
    puppet.events()
    puppet.link.receive_bytes(b"boot: hello\r\n", puppet.now_s)
    puppet.say(data(5, 0, b"x"))
    assert puppet.events() == [TextReceived("boot: hello"), b"x"]


def test_noise_is_dropped() -> None:
    """LINK-17, FRAME-3."""
    puppet = Puppet(new_link())
    puppet.link.receive_bytes(b"\xff\xfe\xfd\x00", puppet.now_s)
    puppet.accept(session=5)
    assert puppet.link.established


@pytest.mark.parametrize("before", ["no session", "a session of an earlier life"])
def test_what_came_in_one_read_with_its_ready_is_taken(before: str) -> None:
    """FRAME-10: the frames behind READY are sealed for the session that it begins."""
    puppet = Puppet(new_link(active=False))
    puppet.open()
    if before != "no session":
        puppet.initiate()
    puppet.session = puppet.offer()
    puppet.events()
    puppet.say(puppet.ready(puppet.session), data(puppet.session, 0, b"first words"))
    assert b"first words" in puppet.events()


def test_what_came_in_one_read_with_the_answer_to_our_ready_is_taken() -> None:
    """FRAME-10, HS-6."""
    puppet = Puppet(new_link())
    (first,) = puppet.open()
    puppet.answer(first, session=5)
    (said,) = puppet.hear()
    puppet.say(ack(5, 0, echo=said[3]), data(5, 0, b"first words"))
    assert b"first words" in puppet.events()
