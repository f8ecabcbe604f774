"""Events both ways, calls of the host, and what the board says of itself."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import msgspec
import pytest

from ipfi_hil.bench import Bench
from ipfi_hil.peer import CallError, Peer
from ipfi_serial import Connection
from ipfi_serial.codec.message import Message, MessageKind, Terminator, encode
from ipfi_serial.errors import CallRefusedError, RemoteCallError
from ipfi_serial.link.parameters import Extension, FrameType

requirement = pytest.mark.ipfi_requirement
needs = pytest.mark.ipfi_needs
ADD, CALLBACK, TICKS, LED_STATE, TICK, LED = 1, 8, 9, 12, 32, 33
GREET, FAIL, NOTHING, DESCRIBE = 50, 51, 99, 0xFFFF


def settle(ask: Callable[[], object], wanted: bool) -> None:
    """Ask until the lamp is as wanted: no requirement orders an event before a later call."""
    for _ in range(200):
        if ask() is wanted:
            return
    raise AssertionError(f"the lamp never became {wanted}")


# --- events ---


@requirement("EVENT-1", "EVENT-2")
@needs("tick")
def test_ticks_come_in_order_and_stop(ipfi_board: Connection, ipfi_target: Bench) -> None:
    with ipfi_board.events("tick") as ticks:
        ipfi_board.call("start_ticks", round(10 * ipfi_target.slowness))
        counts = [count for count, _uptime in itertools.islice(ticks, 6)]
        ipfi_board.call("start_ticks", 0)
    assert counts == list(range(counts[0], counts[0] + 6))


@requirement("EVENT-1")
@needs("tick")
def test_an_event_has_call_index_0_and_bare_arguments(peer: Peer) -> None:
    assert peer.call(TICKS, round(10 * peer.slowness)) is None
    event = peer.next_message(TICK, 0, MessageKind.EVENT)
    assert event.terminator is Terminator.COMPLETE
    count, uptime_ms = msgspec.msgpack.decode(b"\x92" + event.payload)
    assert count == 0
    assert uptime_ms < 60_000 * peer.slowness
    peer.call(TICKS, 0)


@requirement("EVENT-1")
@needs("led")
def test_an_event_switches_the_lamp(ipfi_board: Connection) -> None:
    for wanted in (True, False, True):
        ipfi_board.emit("led", wanted)
        settle(lambda: ipfi_board.call("led"), wanted)


@requirement("EVENT-2", "LINK-2")
@needs("led")
def test_the_last_of_many_events_counts(ipfi_board: Connection, ipfi_target: Bench) -> None:
    for number in range(ipfi_target.amount(20, least=6) * 2):
        ipfi_board.emit("led", number % 2 == 1)
    settle(lambda: ipfi_board.call("led"), wanted=True)


@requirement("EVENT-3", "LINK-20")
@needs("led", "lossy")
def test_a_lossy_event_arrives_on_a_good_line(peer: Peer) -> None:
    event = encode(Message(MessageKind.EVENT, LED, 0, Terminator.COMPLETE, b"\xc3"))
    peer.send(bytes([FrameType.LOSSY]) + peer.session.to_bytes(2, "little") + event)
    settle(lambda: peer.call(LED_STATE), wanted=True)


@requirement("EVENT-3", "LINK-5")
@needs("led", "lossy")
def test_a_lossy_frame_that_is_no_whole_event_is_dropped(peer: Peer) -> None:
    head = bytes([FrameType.LOSSY]) + peer.session.to_bytes(2, "little")
    event = encode(Message(MessageKind.EVENT, LED, 0, Terminator.COMPLETE, b"\xc3"))
    for cut in (1, 3):
        peer.send(head + event[:-cut])
    call = encode(Message(MessageKind.CALL, ADD, 5, Terminator.COMPLETE, b"\x01\x02"))
    peer.send(head + call)
    assert peer.call(LED_STATE) is False
    assert peer.heard.messages == []


@requirement("EVENT-1", "VAL-1")
@needs("led")
def test_an_event_that_it_does_not_know_or_understand_breaks_nothing(peer: Peer) -> None:
    peer.send_message(MessageKind.EVENT, 4000, 0, b"\xc3")
    peer.send_message(MessageKind.EVENT, LED, 0, b"\xa3abc")
    assert peer.call(LED_STATE) is False
    assert peer.heard.messages == []


# --- calls of the host ---


@requirement("CALL-1", "CALL-3")
@needs("callback")
def test_it_calls_the_host_and_answers_what_that_returned(ipfi_board: Connection) -> None:
    assert ipfi_board.call("callback", GREET, "board") == "hello board"


@requirement("CALL-1", "CALL-2")
@needs("callback")
def test_it_calls_the_host_many_times(ipfi_board: Connection) -> None:
    answers = [ipfi_board.call("callback", GREET, str(number)) for number in range(12)]
    assert answers == [f"hello {number}" for number in range(12)]


@requirement("CALL-3")
@needs("callback")
def test_an_error_of_the_host_becomes_an_error_of_the_call(ipfi_board: Connection) -> None:
    with pytest.raises(RemoteCallError, match="out of paper"):
        ipfi_board.call("callback", FAIL, "out of paper")
    assert ipfi_board.call("callback", GREET, "board") == "hello board"


@requirement("CALL-3")
@needs("callback")
def test_a_procedure_that_the_host_does_not_have_is_an_error_too(ipfi_board: Connection) -> None:
    with pytest.raises((RemoteCallError, CallRefusedError)):
        ipfi_board.call("callback", NOTHING, "")
    assert ipfi_board.call("add", 40, 2) == 42


@requirement("CALL-1")
@needs("callback")
def test_equal_numbers_of_both_ends_are_two_calls(peer: Peer) -> None:
    """The host's own call has the numbers of the board's; each is answered for itself."""
    call = peer.start(CALLBACK, ADD, "ping")
    peer.until(lambda: any(m.kind is MessageKind.CALL for m in peer.heard.messages), "its call")
    request = next(m for m in peer.heard.messages if m.kind is MessageKind.CALL)
    peer.heard.messages.remove(request)
    assert (request.procedure, request.payload) == (ADD, b"\xa4ping")
    if peer.theirs.max_calls > 1:
        ours = msgspec.msgpack.encode(1) + msgspec.msgpack.encode(2)
        peer.send_message(MessageKind.CALL, ADD, request.call, ours)
        assert peer.answer(ADD, request.call) == 3
    peer.send_message(MessageKind.RESPONSE, ADD, request.call, b"\xa4pong")
    assert peer.answer(CALLBACK, call) == "pong"


@requirement("CALL-8")
@needs("callback")
def test_a_call_that_waits_for_the_host_can_be_cancelled(peer: Peer) -> None:
    call = peer.start(CALLBACK, 500, "ping")
    peer.until(lambda: any(m.kind is MessageKind.CALL for m in peer.heard.messages), "its call")
    request = next(m for m in peer.heard.messages if m.kind is MessageKind.CALL)
    peer.heard.messages.remove(request)
    peer.send_message(MessageKind.CANCEL, CALLBACK, call)
    answer = peer.answer(CALLBACK, call)
    assert isinstance(answer, CallError)
    assert answer.code == 5
    peer.send_message(MessageKind.RESPONSE, 500, request.call, b"\xc0")  # it may have crossed
    assert peer.call(ADD, 40, 2) == 42


@requirement("MSG-7")
def test_a_host_without_extensions_is_sent_none(stranger: Peer) -> None:
    stranger.open(extensions=0)
    peer = stranger
    assert peer.call(ADD, 40, 2) == 42
    peer.start(TICKS, round(10 * peer.slowness))
    peer.start(77)  # unknown: there is no Error to say so
    peer.listen(0.15)
    kinds = {message.kind for message in peer.heard.messages}
    assert kinds <= {MessageKind.RESPONSE, MessageKind.CALL}
    assert peer.mine.extensions & Extension.ERROR == 0


# --- what it says of itself ---


@requirement("DESC-1", "DESC-2")
@needs("describe")
def test_it_describes_itself(ipfi_board: Connection, ipfi_target: Bench) -> None:
    entries = {(entry.index, entry.kind): entry for entry in ipfi_board.describe()}
    names = {index: entry.name for (index, _), entry in entries.items()}
    assert names[ADD] == "add"
    assert all(index < 0xFFF0 for index in names)
    by_index = {entry.index: entry for entry in entries.values()}
    assert by_index[ADD].signature == "(a: u32, b: u32) -> u32"
    if ipfi_target.quirks.why_not("tick") is None:
        assert names[TICK] == "tick"


@requirement("DESC-2")
@needs("describe")
def test_the_description_is_a_stream_of_five_values_each(peer: Peer) -> None:
    call = peer.start(DESCRIBE)
    values, payload = [], b""
    while True:
        part = peer.next_message(DESCRIBE, call)
        payload += part.payload
        if payload and part.terminator is not Terminator.NONE:
            values.append(msgspec.msgpack.decode(payload))
            payload = b""
        if part.terminator is Terminator.COMPLETE:
            break
        peer.send_message(MessageKind.GRANT, DESCRIBE, call, msgspec.msgpack.encode(1 << 16))
    assert all(len(value) == 5 for value in values)
    assert all(value[1] in range(6) for value in values)
    assert len({value[0] for value in values}) == len(values)


@requirement("DESC-3")
def test_the_hash_of_the_description_stays(stranger: Peer) -> None:
    first = stranger.shake_hands().parameters.schema
    assert first != 0
    assert stranger.shake_hands().parameters.schema == first


@requirement("CALL-1")
@needs("callback", "several-calls")
def test_both_ends_call_at_once(ipfi_board: Connection) -> None:
    wrong: list[object] = []

    def add() -> None:
        wrong.extend(k for k in range(15) if ipfi_board.call("add", k, k) != 2 * k)

    thread = threading.Thread(target=add)
    thread.start()
    greetings = [ipfi_board.call("callback", GREET, str(number)) for number in range(8)]
    thread.join()
    assert wrong == []
    assert greetings == [f"hello {number}" for number in range(8)]
