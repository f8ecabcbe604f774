"""Streams of values, and answers far larger than the board's memory."""

from __future__ import annotations

import msgspec
import pytest

from ipfi_hil.bench import Bench
from ipfi_hil.peer import Peer
from ipfi_serial import Connection
from ipfi_serial.codec.message import MessageKind, Terminator

requirement = pytest.mark.ipfi_requirement
needs = pytest.mark.ipfi_needs
ADD, SEQUENCE = 1, 3
BLOB_BYTES = 4100  # twice the RAM of an ATmega328P; 0.36 s at 115200 baud
LEAST_BLOB_BYTES = 400  # six frames of the first size


@requirement("STREAM-1")
def test_every_value_comes_in_order_and_then_the_end(
    ipfi_board: Connection, ipfi_target: Bench
) -> None:
    for count in (0, 1, 5, ipfi_target.amount(60, least=20)):
        with ipfi_board.stream("sequence", count) as items:
            assert list(items) == [f"item {number}" for number in range(count)]


@requirement("STREAM-1", "MSG-2")
def test_values_end_in_chunk_and_the_stream_in_complete(peer: Peer) -> None:
    call = peer.start(SEQUENCE, 3)
    ends: list[Terminator] = []
    while not ends or ends[-1] is not Terminator.COMPLETE:
        ends.append(peer.next_message(SEQUENCE, call).terminator)
    assert set(ends[:-1]) <= {Terminator.CHUNK, Terminator.NONE}
    assert ends.count(Terminator.CHUNK) in (2, 3), "the last value may carry the end itself"


@requirement("STREAM-2")
def test_a_stream_stops_at_its_credit_and_goes_on_with_a_grant(stranger: Peer) -> None:
    stranger.open(stream_credit=1)  # 16 bytes: two values, and two bytes of the third
    call = stranger.start(SEQUENCE, 4)
    payload = b""
    while len(payload) < 16:
        payload += stranger.next_message(SEQUENCE, call).payload
    stranger.listen(0.1)
    assert stranger.heard.messages == []
    assert payload == b"\xa6item 0\xa6item 1\xa6i"
    assert stranger.call(ADD, 40, 2) == 42, "the stream that waits holds nothing up"
    stranger.send_message(MessageKind.GRANT, SEQUENCE, call, msgspec.msgpack.encode(100))
    while True:
        part = stranger.next_message(SEQUENCE, call)
        payload += part.payload
        if part.terminator is Terminator.COMPLETE:
            break
    assert payload == b"".join(msgspec.msgpack.encode(f"item {n}") for n in range(4))


@requirement("STREAM-2")
def test_a_grant_never_takes_credit_back(stranger: Peer) -> None:
    stranger.open(stream_credit=1)
    call = stranger.start(SEQUENCE, 4)
    for granted in (200, 20):
        stranger.send_message(MessageKind.GRANT, SEQUENCE, call, msgspec.msgpack.encode(granted))
    while stranger.next_message(SEQUENCE, call).terminator is not Terminator.COMPLETE:
        pass
    assert stranger.call(ADD, 40, 2) == 42


@requirement("STREAM-2", "CALL-3")
def test_a_stream_that_nobody_reads_holds_up_no_call(
    ipfi_board: Connection, ipfi_target: Bench
) -> None:
    count = ipfi_target.amount(10, least=3)
    with ipfi_board.stream("sequence", 200) as items:
        first = next(iter(items))
        answers = [ipfi_board.call("add", number, 1) for number in range(count)]
        assert (first, answers) == ("item 0", list(range(1, count + 1)))


@requirement("CALL-8", "STREAM-1")
def test_a_stream_that_is_left_ends_at_the_board_too(ipfi_board: Connection) -> None:
    for _ in range(6):  # more than any small board serves at once
        with ipfi_board.stream("sequence", 2**32 - 1) as items:
            assert next(iter(items)) == "item 0"
    assert ipfi_board.call("add", 40, 2) == 42


@requirement("CALL-8", "CALL-3")
def test_a_cancelled_stream_has_one_end(stranger: Peer) -> None:
    stranger.open(stream_credit=1)
    call = stranger.start(SEQUENCE, 1000)
    stranger.send_message(MessageKind.CANCEL, SEQUENCE, call)
    while True:
        part = stranger.next_message(SEQUENCE, call)
        if part.kind is MessageKind.ERROR:
            break
        assert part.terminator is not Terminator.COMPLETE
    code, may_have_executed, _ = msgspec.msgpack.decode(b"\x93" + part.payload)
    assert (code, may_have_executed) == (5, True)
    assert stranger.call(ADD, 40, 2) == 42
    assert stranger.heard.messages == []


@requirement("STREAM-1")
@needs("several-calls")
def test_two_streams_run_side_by_side(ipfi_board: Connection) -> None:
    with ipfi_board.stream("sequence", 20) as one, ipfi_board.stream("sequence", 20) as other:
        pairs = list(zip(one, other, strict=True))
    assert pairs == [(f"item {number}",) * 2 for number in range(20)]


@requirement("CALL-5", "LINK-2", "LINK-7")
@needs("blob")
def test_an_answer_far_larger_than_its_memory_arrives_whole(
    ipfi_board: Connection, ipfi_target: Bench
) -> None:
    size = ipfi_target.amount(BLOB_BYTES, LEAST_BLOB_BYTES)
    expected = bytes(number % 251 for number in range(size))
    assert ipfi_board.call("blob", size) == expected


@requirement("CALL-5")
@needs("blob", "several-calls")
def test_other_calls_come_between_the_parts_of_a_long_answer(
    ipfi_board: Connection, ipfi_target: Bench
) -> None:
    size = ipfi_target.amount(BLOB_BYTES, LEAST_BLOB_BYTES)
    long = ipfi_board.start("blob", size)
    assert ipfi_board.call("add", 40, 2) == 42
    assert len(long.result()) == size


@requirement("CALL-5")
@needs("blob")
def test_the_parts_of_a_long_answer_are_short(peer: Peer, ipfi_target: Bench) -> None:
    size = ipfi_target.amount(2000, LEAST_BLOB_BYTES)
    call = peer.start(5, size)
    most = max(128, min(peer.theirs.frame_payload, peer.mine.frame_payload))
    sizes = []
    while True:
        part = peer.next_message(5, call)
        sizes.append(len(part.payload))
        if part.terminator is Terminator.COMPLETE:
            break
    assert max(sizes) <= most
    assert sum(sizes) == size + 3  # with the header of a bin 16
