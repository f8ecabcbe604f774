"""Calls: what is answered, what is refused, and what happens to the rest."""

from __future__ import annotations

import random

import msgspec
import pytest

from ipfi_hil.bench import Bench
from ipfi_hil.peer import CallError, Peer
from ipfi_serial import Connection
from ipfi_serial.codec.message import MessageKind, Terminator
from ipfi_serial.codec.values import encode_arguments
from ipfi_serial.errors import (
    CallCancelledError,
    CallRefusedError,
    RemoteCallError,
)
from ipfi_serial.link.parameters import FrameType

requirement = pytest.mark.ipfi_requirement
needs = pytest.mark.ipfi_needs
MAGIC, ADD, ECHO, REVERSE, BLOB, SLEEP, TICKS, LED_STATE = 0, 1, 2, 4, 5, 7, 9, 12
LED_EVENT = 33
UNKNOWN = 77
FOR_EVER_MS = 1_000_000_000  # 11 days: a slow line asks for a while before it cancels


@requirement("CALL-1", "CALL-3", "VAL-1")
def test_arguments_go_there_and_an_answer_comes_back(ipfi_board: Connection) -> None:
    assert ipfi_board.call("magic") == 42
    assert ipfi_board.call("add", 40, 2) == 42
    assert ipfi_board.call("add", 2**32 - 1, 2) == 1
    assert ipfi_board.call("echo", "grüße 🦀") == "grüße 🦀"


@requirement("VAL-2")
def test_what_returns_nothing_answers_nil(peer: Peer) -> None:
    call = peer.start(TICKS, 0)
    assert peer.next_message(TICKS, call).payload == b"\xc0"


@requirement("VAL-5")
@needs("reverse")
def test_raw_bytes_go_both_ways_as_they_are(ipfi_board: Connection) -> None:
    for size in (0, 1, 7, 31, 32):
        data = random.Random(size).randbytes(size)  # noqa: S311 - a test wants it repeatable
        assert ipfi_board.call("reverse", data) == data[::-1]


@requirement("CALL-1", "CALL-5")
def test_text_of_every_size_comes_back(ipfi_board: Connection, ipfi_target: Bench) -> None:
    header_bytes = 2
    most = ipfi_target.quirks.argument_bytes - header_bytes
    for size in sorted({*range(0, min(most, 72), 8), 1, 31, 33, 63, 65, 127, most}):
        if size > most:
            break
        text = "x" * size
        assert ipfi_board.call("echo", text) == text


@requirement("CALL-5", "CALL-6", "LINK-1")
def test_the_longest_text_that_it_takes_comes_back(peer: Peer, ipfi_target: Bench) -> None:
    room = ipfi_target.quirks.argument_bytes
    if room == 256:  # no exception to what it announces
        room = min(peer.theirs.max_message_bytes or 2000, 2000)
    header_bytes = 3 if room > 256 else 2
    text = ("abcdefgh" * 250)[: room - header_bytes]
    assert peer.call(ECHO, text) == text


@requirement("CALL-3", "CALL-6")
@needs("several-calls")
def test_each_of_many_calls_gets_its_own_answer(ipfi_board: Connection, ipfi_target: Bench) -> None:
    count = ipfi_target.amount(40, least=8)
    handles = [ipfi_board.start("add", number, 1000) for number in range(count)]
    assert [handle.result() for handle in handles] == [1000 + number for number in range(count)]


@requirement("CALL-1")
@needs("i64")
def test_signed_numbers_of_64_bits_are_calculated_with(ipfi_board: Connection) -> None:
    assert ipfi_board.call("divide", -7, 2) == -3
    assert ipfi_board.call("divide", 2**62, -1) == -(2**62)


@requirement("CALL-3")
@needs("i64")
def test_a_handlers_failure_arrives_with_its_text(ipfi_board: Connection) -> None:
    with pytest.raises(RemoteCallError, match="division by zero") as failed:
        ipfi_board.call("divide", 1, 0)
    assert failed.value.may_have_executed


@requirement("CALL-3")
def test_an_unknown_procedure_is_refused(ipfi_board: Connection) -> None:
    with pytest.raises(CallRefusedError) as refused:
        ipfi_board.call(UNKNOWN)
    assert refused.value.reason == "unknown procedure"
    assert refused.value.may_have_executed is False


@requirement("CALL-3")
def test_an_event_is_no_procedure(peer: Peer) -> None:
    answer = peer.call(LED_EVENT)
    assert isinstance(answer, CallError)
    assert (answer.code, answer.may_have_executed) == (1, False)


@requirement("CALL-3", "VAL-1")
def test_wrong_arguments_are_refused(peer: Peer) -> None:
    wrong: list[tuple[object, ...]] = [(1,), (1, 2, 3), ("1", 2), (None, 2), (1, 2**40), (-1, 1)]
    for arguments in wrong:
        answer = peer.call(ADD, *arguments)
        assert isinstance(answer, CallError), arguments
        assert (answer.code, answer.may_have_executed) == (2, False), arguments


@requirement("VAL-1", "VAL-4")
def test_arguments_that_are_no_values_are_refused(peer: Peer) -> None:
    for payload in (b"\xc1", b"\xcd\x01", b"\x91" * 40, b"\xdc\xff\xff"):
        peer.send_message(MessageKind.CALL, ECHO, 900, payload)
        answer = peer.answer(ECHO, 900)
        assert isinstance(answer, CallError), payload
        assert (answer.code, answer.may_have_executed) == (2, False), payload


@requirement("CALL-4")
def test_arguments_may_come_in_pieces_and_pieces_may_be_empty(peer: Peer) -> None:
    whole = msgspec.msgpack.encode("hello")
    for piece, ends in (
        (whole[:3], Terminator.NONE),
        (whole[3:4], Terminator.CHUNK),
        (b"", Terminator.NONE),
        (whole[4:], Terminator.NONE),
        (b"", Terminator.COMPLETE),
    ):
        peer.send_message(MessageKind.CALL, ECHO, 901, piece, ends)
    assert peer.answer(ECHO, 901) == "hello"


@requirement("CALL-2", "CALL-3")
def test_a_pair_serves_again_once_its_answer_has_come(peer: Peer) -> None:
    for number in range(6):
        payload = msgspec.msgpack.encode(number) + msgspec.msgpack.encode(1)
        peer.send_message(MessageKind.CALL, ADD, 7, payload)
        assert peer.answer(ADD, 7) == number + 1


@requirement("MSG-1", "MSG-3")
def test_numbers_of_every_width_are_read(peer: Peer) -> None:
    sizes = {0: 1, 1: 4, 2: 2, 3: 8}
    for call, widths in enumerate((0b10_10_10, 0b01_01_01, 0b11_11_11, 0b00_01_10)):
        numbers = b"".join(
            number.to_bytes(sizes[widths >> (2 * place) & 3], "little")
            for place, number in enumerate((ADD, call, 2))
        )
        peer.send_stream(bytes([1, 0xC0 | widths]) + numbers + bytes([40, 2]))
        assert peer.answer(ADD, call) == 42, widths


@requirement("MSG-3")
def test_numbers_are_written_in_the_smallest_width(peer: Peer) -> None:
    peer.send_message(MessageKind.CALL, ADD, 300, encode_arguments((40, 2)))
    assert peer.answer(ADD, 300) == 42
    frame = next(f for f in peer.heard.frames if f[0] == FrameType.DATA)
    assert frame[5:] == bytes.fromhex("02c801") + (300).to_bytes(2, "little") + bytes([1, 42])


@requirement("MSG-2", "CALL-3")
def test_the_answer_is_one_complete_value(peer: Peer) -> None:
    call = peer.start(ADD, 40, 2)
    answer = peer.next_message(ADD, call)
    assert (answer.kind, answer.terminator) == (MessageKind.RESPONSE, Terminator.COMPLETE)


@requirement("MSG-5")
def test_a_message_of_an_unknown_type_is_skipped(peer: Peer) -> None:
    peer.send_stream(bytes([0x42, 0xC0, 9, 9, 5]) + b"hello")
    peer.send_stream(bytes([MessageKind.END_OF_INPUT]))
    assert peer.call(ADD, 40, 2) == 42


@requirement("MSG-6", "HS-13")
def test_a_length_that_nobody_could_mean_ends_the_session(peer: Peer) -> None:
    peer.heard.frames.clear()
    head = bytes.fromhex("01f00105") + (2**63).to_bytes(8, "little")
    peer.send(peer.data_frame(head, 0))
    bye = peer.expect(FrameType.BYE)
    assert bye[3] == 3
    peer.open()
    assert peer.call(ADD, 40, 2) == 42


@requirement("MSG-2", "MSG-6")
def test_a_flag_that_nobody_may_send_ends_the_session(peer: Peer) -> None:
    peer.heard.frames.clear()
    peer.send(peer.data_frame(bytes([MessageKind.CALL, 0x80, ADD, 1, 2, 40, 2]), 0))
    bye = peer.expect(FrameType.BYE)
    assert bye[3] == 3
    peer.open()
    assert peer.call(ADD, 40, 2) == 42


@requirement("MSG-4", "MSG-6", "CALL-6")
def test_arguments_above_its_limit_are_refused_as_such(peer: Peer) -> None:
    limit = peer.theirs.max_message_bytes
    assert limit is not None
    answer = peer.call(ECHO, "x" * limit)
    assert isinstance(answer, CallError)
    assert (answer.code, answer.may_have_executed) == (3, False)
    assert peer.call(ADD, 40, 2) == 42


@requirement("CALL-6")
@needs("blob")
def test_an_answer_above_the_callers_limit_becomes_an_error(stranger: Peer) -> None:
    stranger.open(max_message=1)
    answer = stranger.call(BLOB, 300)
    assert isinstance(answer, CallError)
    assert (answer.code, answer.may_have_executed) == (3, True)
    assert stranger.call(BLOB, 200) == bytes(range(200))


@requirement("CALL-6")
@needs("sleep")
def test_calls_above_its_limit_are_refused_and_the_others_answered(peer: Peer) -> None:
    limit = peer.theirs.max_calls
    if limit == 255:
        pytest.skip("it announces no limit of its own")
    held = [peer.start(SLEEP, FOR_EVER_MS) for _ in range(limit)]
    extra = peer.call(SLEEP, 1)
    assert isinstance(extra, CallError)
    assert (extra.code, extra.may_have_executed) == (3, False)
    for call in held:
        peer.send_message(MessageKind.CANCEL, SLEEP, call)
        assert isinstance(peer.answer(SLEEP, call), CallError)
    assert peer.call(ADD, 40, 2) == 42


@requirement("CALL-7")
def test_what_follows_a_refusal_is_dropped_until_its_end(peer: Peer) -> None:
    call = peer.start(UNKNOWN, "first", terminator=Terminator.NONE)
    answer = peer.answer(UNKNOWN, call)
    assert isinstance(answer, CallError)
    peer.send_message(MessageKind.CALL, UNKNOWN, call, b"more", Terminator.NONE)
    peer.send_message(MessageKind.CALL, UNKNOWN, call, b"last", Terminator.COMPLETE)
    assert peer.call(ADD, 40, 2) == 42
    assert peer.heard.messages == []


@requirement("CALL-7")
def test_a_cancel_ends_what_is_kept_of_a_refused_call(peer: Peer) -> None:
    for _ in range(2 * peer.theirs.max_partial if peer.theirs.max_partial < 8 else 3):
        call = peer.start(UNKNOWN, "first", terminator=Terminator.NONE)
        assert isinstance(peer.answer(UNKNOWN, call), CallError)
        peer.send_message(MessageKind.CANCEL, UNKNOWN, call)
    assert peer.call(ADD, 40, 2) == 42


@requirement("CALL-8")
@needs("sleep")
def test_a_cancelled_call_ends_and_its_place_is_free(ipfi_board: Connection) -> None:
    for _ in range(6):
        handle = ipfi_board.start("sleep", FOR_EVER_MS)
        handle.cancel()
        with pytest.raises(CallCancelledError):
            handle.result()
    assert ipfi_board.call("add", 40, 2) == 42


@requirement("CALL-8")
def test_a_cancel_of_no_call_is_dropped(peer: Peer) -> None:
    peer.send_message(MessageKind.CANCEL, ADD, 4711)
    assert peer.call(ADD, 40, 2) == 42
    assert peer.heard.messages == []


@requirement("CALL-8")
def test_an_answer_that_crossed_the_cancel_stays_the_only_one(peer: Peer) -> None:
    call = peer.start(ADD, 40, 2)
    peer.send_message(MessageKind.CANCEL, ADD, call)
    assert peer.answer(ADD, call) == 42
    assert peer.call(ADD, 1, 1) == 2
    assert peer.heard.messages == []


@requirement("CALL-3")
@needs("sleep", "several-calls")
def test_a_call_that_takes_its_time_holds_up_no_other(peer: Peer) -> None:
    slow = peer.start(SLEEP, FOR_EVER_MS)
    assert peer.call(ADD, 40, 2) == 42
    assert peer.heard.messages == []
    peer.send_message(MessageKind.CANCEL, SLEEP, slow)
    assert isinstance(peer.answer(SLEEP, slow), CallError)
    assert peer.call(SLEEP, 20) == 20


@requirement("CALL-6")
def test_a_host_that_takes_no_calls_still_calls(ipfi_target: Bench) -> None:
    wire = ipfi_target.connect()
    assert wire.call("add", 40, 2) == 42
