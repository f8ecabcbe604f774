"""How a session begins, how it is replaced, and how it ends."""

from __future__ import annotations

import itertools
import struct

import pytest

from ipfi_hil.bench import Bench
from ipfi_hil.peer import Peer
from ipfi_serial.link.parameters import FrameType, Parameters, encode_hello

requirement = pytest.mark.ipfi_requirement
needs = pytest.mark.ipfi_needs
ADD = 1


def later(number: int, than: int) -> bool:
    """Whether a session id is serially later than another one."""
    return 0 < (number - than) % 0x10000 < 0x8000


@requirement("HS-2", "HS-3")
def test_a_hello_is_answered_with_a_proof_and_an_id_of_its_own(stranger: Peer) -> None:
    ids = [stranger.shake_hands().session for _ in range(4)]  # each proof is checked there
    assert all(later(second, than=first) for first, second in itertools.pairwise(ids))
    assert 0 not in ids


@requirement("HS-2")
def test_the_hosts_floor_is_respected(stranger: Peer) -> None:
    first = stranger.shake_hands().session
    stranger.floor = (first + 1000) % 0x10000 or 1
    assert stranger.shake_hands().session == stranger.floor


@requirement("HS-3")
def test_what_it_says_of_itself_is_in_range(stranger: Peer) -> None:
    stranger.shake_hands()
    assert stranger.theirs.valid
    assert not stranger.theirs.flags & 1, "a device"
    assert stranger.theirs.max_calls >= 1
    assert stranger.theirs.max_partial >= 1


@requirement("HS-5")
def test_ready_is_answered_at_once_and_again(stranger: Peer) -> None:
    answer = stranger.shake_hands()
    stranger.enter(answer)
    for ping in (5, 6):
        stranger.say_ready(answer.session, ping)
        assert stranger.expect(FrameType.ACK)[4] == ping


@requirement("HS-5")
def test_ready_for_no_session_that_was_offered_is_dropped(stranger: Peer) -> None:
    answer = stranger.shake_hands()
    stranger.enter(answer)
    stranger.say_ready((answer.session + 1) % 0x10000 or 1)
    stranger.say_ready(answer.session, confirm=bytes(4))
    assert not [frame for frame in stranger.listen(0.1) if frame[0] == FrameType.ACK]
    stranger.say_ready(answer.session, 9)
    assert stranger.expect(FrameType.ACK, lambda ack: ack[4] == 9)


@requirement("HS-5")
def test_a_late_ready_does_not_disturb_a_session_in_use(peer: Peer) -> None:
    assert peer.call(ADD, 1, 2) == 3
    peer.say_ready(peer.session, 99)
    assert not [frame for frame in peer.listen(0.1) if frame[4:5] == b"\x63"]
    assert peer.call(ADD, 3, 4) == 7


@requirement("HS-3", "HS-7")
def test_a_hello_alone_kills_no_session(peer: Peer) -> None:
    stale = Peer(peer.line, peer.patience_s)
    stale.send(encode_hello(stale.mine, stale.floor))
    peer.expect(FrameType.HELLO_ACK)
    assert peer.call(ADD, 40, 2) == 42
    assert peer.call(ADD, 1, 1) == 2


@requirement("HS-7", "LINK-5")
def test_a_new_session_replaces_the_old_one_with_its_first_frame(peer: Peer) -> None:
    old = peer.session
    assert peer.call(ADD, 40, 2) == 42
    peer.open()
    call = bytes.fromhex("01c00105020102")
    peer.send(peer.data_frame(call, 1, session=old))
    assert not [frame for frame in peer.listen(0.1) if frame[0] == FrameType.DATA]
    assert peer.call(ADD, 20, 22) == 42


@requirement("HS-10")
@needs("refuse-version")
def test_another_version_is_refused_with_its_own(stranger: Peer) -> None:
    hello = stranger.say_hello(version=2)
    refuse = stranger.expect(FrameType.REFUSE)
    nonce = Parameters.decode(hello).nonce
    assert struct.unpack("<BBI", refuse[1:]) == (1, 1, nonce)
    stranger.open(version=1)


@requirement("HS-10")
@needs("refuse-version")
def test_parameters_out_of_range_are_refused(stranger: Peer) -> None:
    good = {"frame_payload": 1024, "window": 16, "crc_profiles": 3}
    for name, value in (
        ("frame_payload", 15),
        ("frame_payload", 16385),
        ("window", 0),
        ("window", 17),
        ("crc_profiles", 2),
    ):
        stranger.say_hello(**{**good, name: value})
        refuse = stranger.expect(FrameType.REFUSE)
        assert refuse[:3] == bytes([FrameType.REFUSE, 1, 2]), (name, value)


@requirement("HS-10")
def test_a_hello_of_another_length_is_dropped(stranger: Peer) -> None:
    hello = encode_hello(stranger.mine, stranger.floor)
    for wrong in (hello[:-1], hello + b"\0"):
        stranger.send(wrong)
    assert not [f for f in stranger.listen(0.1) if f[0] in (FrameType.HELLO_ACK, FrameType.REFUSE)]
    stranger.open()


@requirement("HS-11")
@needs("reset")
def test_a_board_that_starts_says_hello(ipfi_target: Bench, stranger: Peer) -> None:
    stranger.open()
    stranger.heard.frames.clear()
    ipfi_target.reset()
    hello = Parameters.decode(stranger.expect(FrameType.HELLO))
    assert not hello.flags & 1
    assert hello.version == 1


@requirement("HS-11")
@needs("reset")
def test_a_board_that_lost_its_session_says_so_when_it_hears_of_it(
    ipfi_target: Bench, peer: Peer
) -> None:
    ipfi_target.reset()
    peer.expect(FrameType.HELLO)
    peer.until(lambda: _hears(peer), "HELLO for a frame of no session")


def _hears(peer: Peer) -> bool:
    """Send a frame of the session that is gone; whether the board says HELLO to it."""
    peer.ping()
    return any(frame[0] == FrameType.HELLO for frame in peer.listen(0.3))


@requirement("HS-13")
def test_a_goodbye_ends_the_session_and_is_not_answered(peer: Peer) -> None:
    assert peer.call(ADD, 1, 2) == 3
    peer.heard.frames.clear()
    peer.say_bye()
    assert not [frame for frame in peer.listen(0.1) if frame[0] == FrameType.BYE]
    peer.ping()  # of the session that has ended
    assert not [frame for frame in peer.listen(0.1) if frame[0] == FrameType.ACK]
    peer.open()
    assert peer.call(ADD, 40, 2) == 42


@requirement("HS-7", "LINK-19")
def test_one_host_after_the_other_is_served(ipfi_target: Bench) -> None:
    for number in range(5):
        wire = ipfi_target.connect()
        assert wire.call("add", number, 1) == number + 1
        wire.close()
