"""The link's rules, frame by frame: order, repetition, windows, credit, the ring."""

from __future__ import annotations

import struct

import pytest

from ipfi_hil.frame_peer import USUAL_BYTES_PER_S
from ipfi_hil.peer import Peer
from ipfi_serial.codec.message import Message, MessageKind, Terminator, encode
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.link.parameters import Extension, Flag, FrameType

requirement = pytest.mark.ipfi_requirement
needs = pytest.mark.ipfi_needs
ADD, ECHO, SEQUENCE = 1, 2, 3
FRAME_TIME_S = 0.1  # to be sure that nothing comes: four delayed acknowledgements


def add(call: int, a: int, b: int) -> bytes:
    """The stream bytes of a call of add."""
    payload = encode_arguments((a, b))
    return encode(Message(MessageKind.CALL, ADD, call, Terminator.COMPLETE, payload))


def data_frames(frames: list[bytes]) -> list[bytes]:
    """Those of a list that carry the stream."""
    return [frame for frame in frames if frame[0] == FrameType.DATA]


def settle(peer: Peer) -> None:
    """Wait until the board has our acknowledgements: what it sent again before them has come."""
    peer.ping(99)
    peer.expect(FrameType.ACK, lambda ack: ack[4] == 99)


@requirement("LINK-8")
def test_a_ping_is_answered_at_once_with_its_echo(peer: Peer) -> None:
    for ping in (1, 2, 200):
        peer.ping(ping)
        ack = peer.expect(FrameType.ACK, lambda ack: ack[4] != 0)
        assert ack[4] == ping


@requirement("LINK-2", "LINK-8")
def test_data_is_acknowledged_soon_though_nothing_is_answered(peer: Peer) -> None:
    peer.send(peer.data_frame(bytes([MessageKind.END_OF_INPUT]), 0))
    peer.expect(FrameType.ACK, lambda ack: ack[3] == 1)


@requirement("LINK-1", "LINK-4")
def test_a_frame_that_comes_twice_is_executed_once(peer: Peer) -> None:
    frame = peer.data_frame(add(1, 40, 2), 0)
    for _ in range(3):
        peer.send(frame)
    peer.next_out = 1
    assert peer.answer(ADD, 1) == 42
    peer.listen(FRAME_TIME_S)
    assert peer.heard.messages == []
    assert peer.call(ADD, 1, 1) == 2


@requirement("LINK-4")
def test_a_doubled_frame_is_acknowledged_again(peer: Peer) -> None:
    frame = peer.data_frame(bytes([MessageKind.END_OF_INPUT]), 0)
    peer.send(frame)
    peer.expect(FrameType.ACK, lambda ack: ack[3] == 1)
    peer.heard.frames.clear()
    for _ in range(2):
        peer.send(frame)
    peer.expect(FrameType.ACK, lambda ack: ack[3] == 1)


@requirement("LINK-2", "LINK-3")
def test_frames_ahead_are_executed_in_order_or_not_at_all(peer: Peer) -> None:
    if peer.theirs.window < 2:
        pytest.skip("its window is one frame: nothing can be ahead")
    frames = [peer.data_frame(add(number, number, 1), number) for number in (0, 1)]
    peer.send(frames[1])
    ack = peer.expect(FrameType.ACK)
    in_order_only = bool(peer.theirs.flags & Flag.IN_ORDER_ONLY)
    assert ack[3] == 0
    assert ack[9:] == (b"" if in_order_only else b"\x01\x00"), "bit 0 stands for ack + 1"
    assert peer.heard.messages == []
    peer.send(frames[0])
    if in_order_only:
        peer.until(lambda: peer.acked == 1, "acknowledgement of the first frame")
        peer.send(frames[1])
    peer.next_out = 2
    assert peer.answer(ADD, 0) == 1
    assert peer.answer(ADD, 1) == 2


@requirement("LINK-4", "LINK-6")
def test_a_frame_beyond_the_window_is_dropped(peer: Peer) -> None:
    peer.send(peer.data_frame(add(1, 1, 1), peer.theirs.window))
    peer.listen(FRAME_TIME_S)
    assert peer.heard.messages == []
    assert peer.call(ADD, 40, 2) == 42


@requirement("LINK-5")
def test_data_of_another_session_is_dropped(peer: Peer) -> None:
    other = (peer.session + 5) % 0x10000 or 1
    peer.send(peer.data_frame(add(1, 1, 1), 0, session=other))
    assert data_frames(peer.listen(FRAME_TIME_S)) == []
    assert peer.call(ADD, 40, 2) == 42


@requirement("LINK-1", "LINK-9", "LINK-11")
def test_what_is_not_acknowledged_is_sent_again_as_it_was(peer: Peer) -> None:
    peer.acknowledges = False
    peer.send(peer.data_frame(add(1, 40, 2), 0))
    peer.next_out = 1
    first = peer.expect(FrameType.DATA)
    again = peer.expect(FrameType.DATA, lambda frame: frame[3] == first[3], "a repetition")
    assert again[5:] == first[5:], "the same bytes under the same number"
    peer.acknowledges = True
    assert peer.call(ADD, 20, 22) == 42


@requirement("LINK-9")
def test_what_is_acknowledged_is_not_sent_again(peer: Peer) -> None:
    assert peer.call(ADD, 40, 2) == 42
    settle(peer)
    assert data_frames(peer.listen(0.6)) == []


@requirement("LINK-6")
def test_no_more_frames_are_under_way_than_our_window(stranger: Peer) -> None:
    stranger.open(window=1)
    stranger.acknowledges = False
    call = encode(Message(MessageKind.CALL, SEQUENCE, 1, Terminator.COMPLETE, b"\xcc\xc8"))
    stranger.send(stranger.data_frame(call, 0))
    frames = [stranger.expect(FrameType.DATA), *stranger.heard.frames]
    frames += stranger.listen(FRAME_TIME_S)
    assert {frame[3] for frame in data_frames(frames)} == {0}


@requirement("LINK-7", "LINK-15")
def test_no_stream_byte_is_sent_beyond_our_credit(stranger: Peer) -> None:
    stranger.open(credit=20)
    call = encode(Message(MessageKind.CALL, SEQUENCE, 1, Terminator.COMPLETE, b"\x14"))
    stranger.send(stranger.data_frame(call, 0))
    stranger.next_out = 1
    stranger.expect(FrameType.PING, what="PING of a board that waits for credit")
    assert stranger.next_in * 1 <= 20
    received = sum(len(frame) - 5 for frame in data_frames(stranger.heard.frames))
    assert 0 < received <= 20
    stranger.acknowledge(credit=4000)
    ends = Terminator.NONE
    while ends is not Terminator.COMPLETE:
        ends = stranger.next_message(SEQUENCE, 1).terminator


@requirement("LINK-14")
def test_our_receive_ring_is_never_overrun(stranger: Peer) -> None:
    ring = 90  # room for one full frame of the first size, and not for two
    stranger.open(ring=ring)
    stranger.acknowledges = False
    before = stranger.heard.raw_bytes
    call = encode(Message(MessageKind.CALL, SEQUENCE, 1, Terminator.COMPLETE, b"\xcc\xc8"))
    stranger.send(stranger.data_frame(call, 0))
    # the line's time for more than the ring holds; a repetition of the first frame comes later
    stranger.listen(max(FRAME_TIME_S / stranger.slowness, 2 * ring / USUAL_BYTES_PER_S))
    ping_or_ack = 16  # the one that may be handed over beyond it
    delimiters = 4
    assert stranger.heard.raw_bytes - before <= ring + ping_or_ack + delimiters
    stranger.acknowledges = True
    stranger.acknowledge()


@requirement("LINK-16")
def test_the_first_frames_carry_64_bytes_at_most(peer: Peer) -> None:
    call = peer.start(SEQUENCE, 40)
    while peer.next_message(SEQUENCE, call).terminator is not Terminator.COMPLETE:
        pass
    sizes = [len(frame) - 5 for frame in data_frames(peer.heard.frames)]
    assert max(sizes[:16]) <= 64, "and only after 16 frames that needed no repetition more"


def pieces(peer: Peer, stream: bytes, sequence: int) -> list[bytes]:
    """A DATA frame's stream as PIECE frames."""
    return [
        struct.pack(
            "<BHBBHH", FrameType.PIECE, peer.session, sequence, peer.next_in, offset, len(stream)
        )
        + stream[offset : offset + 32]
        for offset in range(0, len(stream), 32)
    ]


@requirement("LINK-21")
def test_a_frame_may_come_in_pieces_in_any_order_and_again(peer: Peer) -> None:
    text = "x" * 60
    call = Message(MessageKind.CALL, ECHO, 1, Terminator.COMPLETE, encode_arguments((text,)))
    first, second, third = pieces(peer, encode(call), 0)
    for piece in (third, first, first):
        peer.send(piece)
    assert data_frames(peer.listen(FRAME_TIME_S)) == []
    peer.send(second)
    if not peer.theirs.extensions & Extension.PIECE:
        assert data_frames(peer.listen(FRAME_TIME_S)) == [], "who does not offer them drops them"
        return
    peer.next_out = 1
    assert peer.answer(ECHO, 1) == text
    assert peer.call(ADD, 40, 2) == 42


@requirement("LINK-20", "EVENT-3")
def test_lossy_and_log_frames_are_not_acknowledged(peer: Peer) -> None:
    peer.send(struct.pack("<BHB", FrameType.LOG, peer.session, 2) + b"hello")
    assert peer.listen(FRAME_TIME_S) == []


@requirement("LINK-12", "HS-13")
def test_a_session_with_nothing_to_do_is_silent(peer: Peer) -> None:
    assert peer.call(ADD, 40, 2) == 42
    settle(peer)
    peer.listen(FRAME_TIME_S)
    assert peer.listen(0.5) == []
