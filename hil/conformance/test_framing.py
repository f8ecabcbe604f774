"""What the board makes of bytes that are no frames, and of those around frames."""

from __future__ import annotations

import pytest

from ipfi_hil.peer import Peer
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.parameters import FrameType, encode_hello

requirement = pytest.mark.ipfi_requirement
ECHO, ADD = 2, 1


def answers_pings(peer: Peer, ping: int = 33) -> bool:
    """Send a PING of the session and wait for its echo; whatever else came is dropped."""
    peer.heard.frames.clear()
    peer.ping(ping)
    return peer.expect(FrameType.ACK, lambda ack: ack[4] == ping)[4] == ping


@requirement("FRAME-2")
def test_any_number_of_delimiters_may_stand_between_frames(peer: Peer) -> None:
    peer.send_bytes(bytes(20))
    assert answers_pings(peer)
    peer.send_bytes(bytes(20))
    assert peer.call(ADD, 40, 2) == 42


@requirement("FRAME-2", "FRAME-8")
def test_its_first_frame_is_heard_by_one_who_listens_after_noise(stranger: Peer) -> None:
    stranger.send_bytes(b"\x81\xfe\x9c noise without an end ")
    stranger.open()
    assert stranger.call(ADD, 1, 2) == 3


@requirement("FRAME-3")
def test_it_resynchronises_at_the_next_delimiter(peer: Peer) -> None:
    for noise in (b"\xff\xc3\x99", b"\x05\x85\x01", b"A\xe2", b"\x81" * 50):
        peer.send_bytes(noise)
        assert answers_pings(peer), noise


@requirement("FRAME-1", "FRAME-5")
def test_a_frame_with_one_wrong_bit_is_dropped_wherever_the_bit_is(stranger: Peer) -> None:
    hello = stranger.frame(encode_hello(stranger.mine, stranger.floor))
    for position in range(0, len(hello) - 1, 5):
        damaged = bytearray(hello)
        damaged[position] ^= 0x10
        stranger.send_bytes(b"\0" + bytes(damaged))
    assert not [f for f in stranger.listen(0.1) if f[0] == FrameType.HELLO_ACK]
    stranger.open()
    assert stranger.call(ADD, 40, 2) == 42


@requirement("FRAME-5")
def test_a_session_frame_with_a_wrong_seal_is_dropped(peer: Peer) -> None:
    call = bytes.fromhex("01c0010902 2802".replace(" ", ""))
    sealed = bytearray(peer.frame(peer.data_frame(call, 0)))
    sealed[-2] ^= 0x01
    peer.send_bytes(b"\0" + bytes(sealed))
    assert not [frame for frame in peer.listen(0.1) if frame[0] == FrameType.DATA]
    assert peer.call(ADD, 40, 2) == 42


@requirement("FRAME-10")
def test_a_frame_of_an_earlier_session_with_the_same_id_is_dropped(peer: Peer) -> None:
    call = bytes.fromhex("01c00109022802")
    content = peer.data_frame(call, 0)
    for confirm in (bytes(4), bytes((peer.confirm[0] ^ 1, *peer.confirm[1:]))):
        peer.send_bytes(b"\0" + encode_frame(content, peer.plain_profile.for_session(confirm)))
    assert not [frame for frame in peer.listen(0.1) if frame[0] == FrameType.DATA]
    assert peer.call(ADD, 40, 2) == 42


@requirement("FRAME-6")
@pytest.mark.parametrize("offered", [1, 3])
def test_the_best_checksum_of_both_is_chosen(stranger: Peer, offered: int) -> None:
    answer = stranger.shake_hands(crc_profiles=offered)
    common = offered & answer.parameters.crc_profiles
    assert answer.profile == common.bit_length() - 1
    stranger.enter(answer)
    stranger.say_ready(answer.session)
    stranger.expect(FrameType.ACK)
    assert answers_pings(stranger)


@requirement("FRAME-7")
def test_a_frame_that_is_too_long_is_dropped_whole(peer: Peer) -> None:
    too_long = peer.theirs.frame_payload + 65
    peer.send(peer.data_frame(b"\x03" * too_long, 0))
    assert not [frame for frame in peer.listen(0.1) if frame[0] == FrameType.DATA]
    assert answers_pings(peer)
    assert peer.call(ADD, 40, 2) == 42


@requirement("FRAME-4", "FRAME-8", "LINK-17")
def test_text_to_the_board_is_dropped_and_breaks_nothing(peer: Peer) -> None:
    for text in (b"a line of text\n", b"\n", b"x", b"no end of the line"):
        peer.send_bytes(b"\0" + text)
        assert answers_pings(peer), text
    assert peer.call(ADD, 40, 2) == 42


@requirement("FRAME-8")
def test_a_frame_may_follow_the_newline_of_a_text_at_once(peer: Peer) -> None:
    peer.send_bytes(b"\0boot\n")
    peer.send_bytes(peer.frame(b"\x87" + peer.session.to_bytes(2, "little") + bytes(6)))
    assert peer.expect(FrameType.ACK)


@requirement("FRAME-9")
def test_a_line_that_is_stuck_forms_no_frame(peer: Peer) -> None:
    for level in (0x00, 0xFF):
        peer.send_bytes(bytes([level]) * 150)
        assert peer.listen(0.1) == [], level
        assert answers_pings(peer), level


@requirement("FRAME-1", "LINK-5")
def test_frames_of_a_reserved_type_are_dropped(peer: Peer) -> None:
    for kind in (0x80, 0x8C, 0xFF):
        peer.send(bytes([kind]) + peer.session.to_bytes(2, "little") + b"from the future")
    assert peer.listen(0.1) == []
    assert peer.call(ADD, 40, 2) == 42
