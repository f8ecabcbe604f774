"""The handshake's memory: ids that never repeat, one pending session (HS-2 to HS-4, HS-9)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfi_serial.framing.crc import CRC16, CRC32
from ipfi_serial.link.handshake import Handshake, is_hello
from ipfi_serial.link.heard import HeardSessions
from ipfi_serial.link.parameters import (
    Parameters,
    confirm_of,
    decode_hello_ack,
    decode_refuse,
    encode_hello,
    encode_hello_ack,
    hello_floor,
)
from tests.harness.links import nonces, parameters

OURS = parameters()
THEIRS = parameters(flags=0, nonce=77, crc_profiles=1)


def new(floor: int = 1, own: Parameters = OURS, nonce: int | None = None) -> Handshake:
    """Make a handshake with random nonces, or a constant one."""
    return Handshake(own, floor, nonces(floor) if nonce is None else lambda: nonce)


def answered(handshake: Handshake, floor: int, own: Parameters = THEIRS) -> int:
    """Let it answer a HELLO; return the id."""
    hello = encode_hello(own, floor)
    found = decode_hello_ack(handshake.answer(hello), hello)
    assert found is not None
    assert handshake.pending is not None
    assert handshake.pending.session == found.session
    return found.session


def test_the_responder_picks_the_later_floor_and_moves_its_own_past_it() -> None:
    """HS-2."""
    handshake = new(floor=10)
    assert answered(handshake, 4) == 10
    assert answered(handshake, 4) == 11
    assert answered(handshake, 500) == 500
    assert answered(handshake, 4) == 501


def test_zero_is_skipped() -> None:
    """HS-2."""
    handshake = new(floor=0xFFFF)
    assert answered(handshake, 0xFFFF) == 0xFFFF
    assert answered(handshake, 0xFFFF) == 1
    assert answered(new(floor=0), 0) == 1
    handshake = new(floor=0xFFFF)
    answered(handshake, 0xFFFF)
    assert hello_floor(handshake.hello) == 1


@pytest.mark.parametrize("floor", [1, 0x7FFF, 0x8000, 0x8001, 0xFFF0])
def test_an_end_that_remembers_no_id_leaves_the_choice_to_the_other(floor: int) -> None:
    """HS-2: 0 is a place on the circle as well, but as a floor it is before all ids."""
    assert answered(new(floor), 0) == floor
    nothing = new(floor=0)
    assert hello_floor(nothing.hello) == 0
    assert answered(nothing, floor) == floor
    assert hello_floor(nothing.hello) == floor + 1
    asking = new(floor=0)
    assert asking.accept(encode_hello_ack(asking.hello, THEIRS, floor, 0)) is not None


def test_if_both_ends_restart_the_random_floor_alone_decides() -> None:
    """HS-2: ids of two lives of both ends are equal only if the host's floors are."""
    device = parameters(flags=0, nonce=2)
    floors = range(1, 0x10000, 97)
    assert [answered(new(floor=0, own=device), floor) for floor in floors] == [*floors]


def test_after_an_answer_the_own_hello_carries_the_new_floor_and_older_answers_are_void() -> None:
    """HS-2, HS-4: an answer to it might name the id that we have just given away."""
    handshake = new(floor=10)
    said = handshake.hello
    assert answered(handshake, 10) == 10
    assert hello_floor(handshake.hello) == 11
    assert handshake.accept(encode_hello_ack(said, THEIRS, 10, 0)) is None
    assert handshake.accept(encode_hello_ack(said, THEIRS, 11, 0)) is None
    assert handshake.accept(encode_hello_ack(handshake.hello, THEIRS, 10, 0)) is None
    assert handshake.accept(encode_hello_ack(handshake.hello, THEIRS, 11, 0)) is not None


def test_on_the_antipode_the_larger_id_is_taken_and_later_ones_follow() -> None:
    """HS-2."""
    handshake = new(floor=1)
    assert answered(handshake, 0x8001) == 0x8001
    assert answered(handshake, 0x8001) == 0x8002
    other = new(floor=0x8001)
    assert answered(other, 1) == 0x8001
    assert answered(other, 1) == 1, "from 0x8002 on, 1 is the later one"
    initiator = new(floor=1)
    agreed = initiator.accept(encode_hello_ack(initiator.hello, THEIRS, 0x8001, 0))
    assert agreed is not None
    initiator.begin_attempt()
    assert hello_floor(initiator.hello) == 0x8002


@given(
    floors=st.tuples(st.integers(1, 0xFFFF), st.integers(1, 0xFFFF)),
    turns=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40),
)
def test_ids_never_repeat_whoever_answers_and_whatever_is_lost(
    floors: tuple[int, int], turns: list[tuple[bool, bool]]
) -> None:
    """HS-2: with constant nonces at both ends, and answers that never arrive."""
    ends = (new(floors[0], nonce=5), new(floors[1], THEIRS, nonce=5))
    seen: set[int] = set()
    for who, arrives in turns:
        responder, initiator = (ends[0], ends[1]) if who else (ends[1], ends[0])
        initiator.begin_attempt()
        answer = responder.answer(initiator.hello)
        assert responder.pending is not None
        assert responder.pending.session not in seen
        seen.add(responder.pending.session)
        if arrives:
            agreed = initiator.accept(answer)
            assert agreed is not None
            assert agreed.session == responder.pending.session


@given(reboots=st.lists(st.booleans(), max_size=20), floor=st.integers(1, 0xFFFF))
def test_ids_do_not_repeat_over_reboots_of_one_end(reboots: list[bool], floor: int) -> None:
    """HS-2: a device remembers no id, has the same nonce each time; its host remembers."""
    host = new(floor)
    device = new(0, THEIRS, nonce=5)
    seen = set()
    for rebooted in reboots:
        if rebooted:
            device = new(0, THEIRS, nonce=5)
        host.begin_attempt()
        agreed = host.accept(device.answer(host.hello))
        assert agreed is not None
        assert agreed.session not in seen
        seen.add(agreed.session)


def test_only_the_newest_session_is_pending_and_says_what_was_agreed() -> None:
    """HS-3, FRAME-6: the highest profile that both offer."""
    handshake = new(floor=10)
    answered(handshake, 1)
    session = answered(handshake, 1)
    pending = handshake.pending
    assert pending is not None
    assert pending.session == session
    assert pending.profile == 0
    assert pending.theirs == THEIRS
    assert not pending.initiated
    answered(handshake, 1, replace(THEIRS, crc_profiles=3))
    assert handshake.pending is not None
    assert handshake.pending.profile == 1


def test_an_answer_to_another_attempt_is_not_taken() -> None:
    """HS-4."""
    handshake = new(floor=10)
    answer = encode_hello_ack(handshake.hello, THEIRS, 20, 0)
    handshake.begin_attempt()
    assert handshake.accept(answer) is None


def test_an_answer_to_an_earlier_life_with_the_same_nonce_is_taken_only_if_its_id_is_new() -> None:
    """HS-4: a constant nonce; what tells them apart is the floor in the HELLO."""
    before = new(floor=10, nonce=5)
    answer = encode_hello_ack(before.hello, THEIRS, 20, 0)
    after = new(floor=11, nonce=5)
    assert after.accept(answer) is None


@pytest.mark.parametrize("session", [0, 9, 0x800B])
def test_an_id_before_the_floor_is_not_taken(session: int) -> None:
    """HS-4."""
    handshake = new(floor=10)
    assert handshake.accept(encode_hello_ack(handshake.hello, THEIRS, session, 0)) is None


@pytest.mark.parametrize("profile", [2, 7, 200])
def test_a_profile_that_was_not_offered_is_not_taken(profile: int) -> None:
    """HS-4."""
    handshake = new(floor=10)
    assert handshake.accept(encode_hello_ack(handshake.hello, THEIRS, 20, profile)) is None


def test_parameters_out_of_range_are_not_taken() -> None:
    """HS-4, HS-10."""
    handshake = new()
    bad = replace(THEIRS, window=0)
    assert handshake.accept(encode_hello_ack(handshake.hello, bad, 20, 0)) is None


def test_a_later_answer_to_the_same_attempt_is_taken() -> None:
    """HS-4."""
    handshake = new(floor=10)
    for session in (20, 21, 25):
        agreed = handshake.accept(encode_hello_ack(handshake.hello, THEIRS, session, 0))
        assert agreed is not None
        assert agreed.session == session
        assert agreed.initiated
    handshake.begin_attempt()
    assert hello_floor(handshake.hello) == 26
    for session in (20, 25):
        assert handshake.accept(encode_hello_ack(handshake.hello, THEIRS, session, 0)) is None


@pytest.mark.parametrize(("changes", "reason"), [({"version": 2}, 1), ({"window": 17}, 2)])
def test_what_cannot_be_spoken_is_refused_with_our_version_and_their_nonce(
    changes: dict[str, int], reason: int
) -> None:
    """HS-10."""
    handshake = new()
    hello = encode_hello(replace(THEIRS, **changes), 1)
    assert decode_refuse(handshake.answer(hello)) == (1, reason, 77)
    assert handshake.pending is None


def test_our_own_hello_is_known_again() -> None:
    """HS-9."""
    handshake = new()
    assert handshake.is_echo(Parameters.decode(handshake.hello))
    assert not handshake.is_echo(THEIRS)
    handshake.begin_attempt()
    assert handshake.is_echo(Parameters.decode(handshake.hello))


def test_a_description_is_said_from_the_next_hello_on() -> None:
    """DESC-3."""
    handshake = new()
    handshake.describe_as(0xABCD)
    assert Parameters.decode(handshake.hello).schema == 0xABCD
    handshake.begin_attempt()
    assert Parameters.decode(handshake.hello).schema == 0xABCD


def test_a_hello_has_one_size() -> None:
    """Section 3.2."""
    hello = new().hello
    assert is_hello(hello)
    assert not is_hello(hello[:-1])
    assert not is_hello(hello + b"\0")


# --- one who only listens ---


def test_one_who_listens_learns_from_a_handshake_how_a_session_is_sealed() -> None:
    """FRAME-10: the newest first, and not more than a few."""
    heard = HeardSessions()
    mine = encode_hello(THEIRS, 1)
    assert not heard.note(mine)
    answers = [encode_hello_ack(mine, parameters(), number, number % 2) for number in range(1, 7)]
    for answer in answers:
        assert heard.note(answer)
    assert heard.note(answers[-2])
    plain = [(CRC16, CRC32)[number % 2] for number in range(1, 7)]
    sealed = [p.for_session(confirm_of(a)) for p, a in zip(plain, answers, strict=True)]
    assert heard.profiles == (sealed[4], sealed[5], sealed[3], sealed[2])
    assert not heard.note(answers[0][:-1])
    assert not heard.note(encode_hello_ack(mine, parameters(), 1, 7)), "a custom profile"
