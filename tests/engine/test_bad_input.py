"""What no honest end sends: strays, nonsense, broken streams (MSG-4 to MSG-7)."""

from __future__ import annotations

import pytest

from ipfi_serial.codec.message import MessageKind, encode_parts
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.outbox import FLOODED
from ipfi_serial.errors import (
    LinkMismatchError,
    NoSessionError,
    RemoteProtocolError,
    WireClosedError,
)
from ipfi_serial.events import TextReceived
from tests.engine.lines import OneEnd, Pair, peer_link
from tests.engine.wires import (
    CALL,
    CANCEL,
    CHUNK,
    COMPLETE,
    ECHO,
    ERROR,
    EVENT,
    GRANT,
    LED,
    NONE,
    RESPONSE,
    Peer,
    answer,
    assert_empty,
)

SMALL = WireConfig(max_message_bytes=1024, skip_limit_bytes=4096)
HUGE = b"\xff\xff\xff\xff\xff\xff\xff\x7f"  # a length of 2^63 - 1


@pytest.mark.parametrize("framed", [True, False])
def test_stray_answers_are_counted(framed: bool) -> None:
    """Also on a wire that never calls."""
    one = OneEnd(framed=framed, config=WireConfig(can_call=False))
    for terminator in (NONE, CHUNK, COMPLETE):
        one.hear(RESPONSE, ECHO, 7, terminator, b"\x01\xc0\x02\x00\x00")
    assert one.end.wire.caller.strays == 3
    one.hear(CALL, ECHO, 0, COMPLETE, b"still served")
    assert len(one.end.received) == 1


def test_a_stray_error_is_counted() -> None:
    one = OneEnd()
    one.hear(ERROR, ECHO, 7)
    one.hear(ERROR, ECHO, 7, NONE)
    assert one.end.wire.caller.strays == 2


@pytest.mark.parametrize(
    "payload", [b"", b"\x04", b"\xc3\xc3\xa1x", b"\x04\xc3\xa5x", b"\x04\xc3\xa1x\x01", b"\xc1"]
)
def test_an_error_that_cannot_be_read_still_ends_its_call(payload: bytes) -> None:
    one = OneEnd()
    call = one.end.start(ECHO)
    one.settle()
    one.hear(ERROR, ECHO, 0, COMPLETE, payload)
    assert "could not say why" in str(one.end.error(call))
    assert one.end.error(call).may_have_executed is True
    assert_empty(one.end)


def test_an_error_with_an_unknown_code_is_a_remote_failure() -> None:
    one = OneEnd()
    call = one.end.start(ECHO)
    one.settle()
    one.hear(ERROR, ECHO, 0, COMPLETE, b"\x63\xc2\xa3new")
    assert (type(one.end.error(call)).__name__, str(one.end.error(call))) == (
        "RemoteCallError",
        "new",
    )


def test_an_unknown_type_is_skipped_whole_on_a_framed_wire() -> None:
    one = OneEnd()
    one.peer.say_bytes(b"\x09\xc0\x02\x00\x05\x01\xc0\x02\x00\x00")
    one.hear(CALL, ECHO, 1, COMPLETE, b"x")
    assert len(one.end.received) == 1
    assert one.end.wire.skipped_messages == 1


def test_an_unknown_type_is_skipped_byte_by_byte_on_a_plain_wire() -> None:
    one = OneEnd(framed=False)
    one.peer.say_bytes(b"\x07\xc0\x05")
    one.hear(CALL, ECHO, 1, COMPLETE, b"x")
    assert len(one.end.received) == 1
    assert one.end.wire.skipped_messages == 3


@pytest.mark.parametrize("kind", [CANCEL, GRANT])
def test_skipped_cancels_and_grants_mean_nothing(kind: MessageKind) -> None:
    one = OneEnd(config=SMALL)
    one.hear(CALL, ECHO, 0)
    one.hear(kind, ECHO, 0, COMPLETE, bytes(2000))
    assert not one.peer.messages
    assert not one.end.cancelled
    assert one.end.wire.skipped_messages == 1


def test_what_was_skipped_stays_counted_over_sessions() -> None:
    one = OneEnd(config=SMALL)
    one.hear(EVENT, LED, 0, COMPLETE, bytes(2000))
    one.peer.wire.abort(WireClosedError("again"), one.now_s)
    one.run(2)
    one.hear(EVENT, LED, 0, COMPLETE, bytes(2000))
    assert one.end.wire.skipped_messages == 2


BROKEN = [
    b"\x01\x80\x00\x00\x00",  # the terminator that does not exist
    b"\x01\xf0\x02\x00" + HUGE,  # nothing is allocated for it
    b"\x04\xf0\x02\x00" + HUGE,
    b"\x09\xf0\x02\x00" + HUGE,
    b"\x01\xe0\x02\x00\x01\x10" + b"x" * 100,  # 4097 bytes: above the skip limit
    b"\x09\x80",
]


@pytest.mark.parametrize("bad", BROKEN)
@pytest.mark.parametrize("byte_by_byte", [True, False])
def test_a_broken_stream_ends_the_session_and_a_new_one_takes_over(
    bad: bytes, byte_by_byte: bool
) -> None:
    one = OneEnd(config=SMALL)
    one.byte_by_byte = byte_by_byte
    call = one.end.start(ECHO)
    one.hear(EVENT, LED, 0, COMPLETE, b"before")
    one.peer.say_bytes(bad)
    one.peer.say(EVENT, LED, 0, COMPLETE, b"behind")
    one.run(3)
    (lost,) = one.end.lost
    assert isinstance(lost.reason, RemoteProtocolError)
    assert not lost.final
    assert one.end.error(call).may_have_executed is True
    assert one.end.events == [(LED, b"before")]
    assert one.end.wire.established, "a new session"
    one.hear(CALL, ECHO, 0, COMPLETE, b"after")
    assert bytes(one.end.take_call().arguments) == b"after"


def test_a_broken_stream_of_an_old_session_does_not_end_the_new_one() -> None:
    """Old bytes and the new session's first frame arrive in one read."""
    one = OneEnd(config=SMALL)
    one.peer.say_bytes(b"\x01\x80")
    old = one.peer.wire.bytes_to_send(one.now_s)
    device = peer_link(nonce=99)
    device.open(one.now_s)
    hello = device.bytes_to_send(one.now_s)
    device.on_deadline(one.now_s)
    hello += device.bytes_to_send(one.now_s)
    one.end.wire.link.receive_bytes(hello, one.now_s)
    device.receive_bytes(one.end.wire.bytes_to_send(one.now_s), one.now_s)
    device.on_deadline(one.now_s + 0.001)
    ready = device.bytes_to_send(one.now_s + 0.001)
    one.end.wire.receive_bytes(old + ready, one.now_s)
    one.end.take_events()
    assert len(one.end.lost) == 1
    assert one.end.wire.established
    assert one.end.wire.link.counters.sessions == 2


@pytest.mark.parametrize("bad", BROKEN[:2])
def test_a_broken_stream_closes_a_plain_wire(bad: bytes) -> None:
    one = OneEnd(framed=False, config=SMALL)
    one.hear(CALL, ECHO, 0, COMPLETE, b"x")
    one.peer.say_bytes(bad)
    one.peer.say(CALL, ECHO, 1, COMPLETE, b"behind")
    one.settle()
    (lost,) = one.end.lost
    assert isinstance(lost.reason, RemoteProtocolError)
    assert lost.final
    assert len(one.end.received) == 1
    assert not one.end.wire.established


@pytest.mark.parametrize("byte_by_byte", [True, False])
@pytest.mark.parametrize("framed", [True, False])
def test_nothing_is_read_behind_a_termination(framed: bool, byte_by_byte: bool) -> None:
    one = OneEnd(framed=framed)
    one.byte_by_byte = byte_by_byte
    one.peer.say(CALL, ECHO, 0, COMPLETE, b"before")
    one.peer.say(MessageKind.TERMINATION)
    for call in range(1, 9):  # enough for frames of their own
        one.peer.say(CALL, ECHO, call, COMPLETE, b"behind" * 9)
    one.settle()
    assert [bytes(call.arguments) for call in one.end.received] == [b"before"]
    (lost,) = one.end.lost
    assert isinstance(lost.reason, NoSessionError if framed else WireClosedError)
    assert lost.final is not framed


def test_nothing_is_read_behind_a_termination_although_text_stands_between() -> None:
    """One read: the link reports a piece of the stream, a line of text, and the next piece."""
    one = OneEnd()
    one.peer.say(MessageKind.TERMINATION)
    wire = one.peer.wire.bytes_to_send(one.now_s) + b"boot: hello\n"
    one.peer.say(CALL, ECHO, 0, COMPLETE, b"behind")
    one.end.wire.receive_bytes(wire + one.peer.wire.bytes_to_send(one.now_s), one.now_s)
    one.end.take_events()
    assert TextReceived("boot: hello") in one.end.log
    assert not one.end.received


def test_text_between_frames_is_reported_and_breaks_nothing() -> None:
    pair = Pair()
    pair.a.wire.receive_bytes(b"boot: hello\n", pair.now_s)
    pair.a.take_events()
    assert TextReceived("boot: hello") in pair.a.log
    pair.b.handlers[ECHO] = answer
    call = pair.a.start(ECHO, b"x")
    pair.settle()
    assert pair.a.value(call) == b"x"


@pytest.mark.parametrize("framed", [True, False])
def test_a_peer_that_calls_and_never_takes_its_answers_does_not_fill_the_memory(
    framed: bool,
) -> None:
    one = OneEnd(framed=framed)
    call = encode_parts(CALL, 99 if framed else LED, 0, COMPLETE, b"")
    for _ in range(FLOODED // 1000 + 1):
        one.peer.say_bytes(call * 1000)
    while data := one.peer.wire.bytes_to_send(one.now_s):
        one.end.wire.receive_bytes(data, one.now_s)
        one.peer.wire.on_deadline(one.now_s)
        one.peer.wire.receive_bytes(one.end.wire.link.bytes_to_send(one.now_s), one.now_s)
    one.end.take_events()
    (lost,) = one.end.lost
    assert isinstance(lost.reason, RemoteProtocolError)
    assert "does not take our answers" in str(lost.reason)
    assert lost.final is not framed
    assert_empty(one.end)


# --- one end framed, the other plain ---


def wire_hello() -> bytes:
    """What a framed end says first."""
    link = peer_link()
    link.open(0.0)
    link.on_deadline(0.0)
    return link.bytes_to_send(0.0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 35, 36, 37, 100])
@pytest.mark.parametrize("zeros", [0, 1, 9])
def test_a_plain_end_knows_a_framed_one_however_its_hello_is_split(size: int, zeros: int) -> None:
    one = OneEnd(framed=False)
    call = one.end.start(ECHO)
    data = bytes(zeros) + wire_hello()
    for at in range(0, len(data), size):
        one.peer.say_bytes(data[at : at + size])
        one.settle()
    (lost,) = one.end.lost
    assert isinstance(lost.reason, LinkMismatchError)
    assert lost.reason.ours == "plain"
    assert lost.final
    assert one.end.is_over(call)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\xc0\x02\x00\x00",
        b"\x00\x00\x00",
        b"\x00" + b"\x25\x81" + b"x" * 100,
        b"\x00" + wire_hello()[1:-3] + b"\x07\x07\x00",
        b"\x00\x02\x80\x00",
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_stream_that_begins_like_a_hello_is_read_all_the_same(data: bytes, size: int) -> None:
    one = OneEnd(framed=False)
    for at in range(0, len(data), size):
        one.peer.say_bytes(data[at : at + size])
        one.settle()
    one.run(1)
    (lost,) = one.end.lost
    assert isinstance(lost.reason, WireClosedError), "its first byte is a Termination"


def test_only_the_beginning_of_a_plain_stream_is_looked_at() -> None:
    one = OneEnd(framed=False)
    one.hear(CALL, ECHO, 0, COMPLETE, b"x")
    one.peer.say_bytes(wire_hello())
    one.settle()
    (lost,) = one.end.lost
    assert isinstance(lost.reason, WireClosedError)


def test_bytes_for_a_closed_plain_wire_are_dropped() -> None:
    one = OneEnd(framed=False)
    one.end.wire.receive_bytes(b"\x00", one.now_s)
    one.end.wire.close(one.now_s)
    one.end.wire.on_deadline(one.now_s + 1)
    one.hear(CALL, ECHO, 0, COMPLETE, b"x")
    assert not one.end.received
    one.end.wire.link.abort(RemoteProtocolError("again"), one.now_s)
    one.end.take_events()
    assert len(one.end.lost) == 1


def test_a_peer_is_only_a_link() -> None:
    """The bench itself: what a peer hears after a reset belongs to the new session."""
    one = OneEnd()
    assert isinstance(one.peer, Peer)
    one.end.emit(LED, bytes(100))
    one.settle()
    one.end.wire.link.abort(RemoteProtocolError("again"), one.now_s)
    one.run(2)
    one.end.emit(LED, b"x")
    one.settle()
    assert [len(m.payload) for m in one.peer.messages] == [100, 1]
