"""The end of a session in every state of its calls, and what comes after it (CALL-2, HS-12)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import IncomingCall, OutgoingCall
from ipfi_serial.errors import (
    DeviceResetError,
    IpfiError,
    LinkLostError,
    NoSessionError,
    RemoteProtocolError,
    TransportError,
    WireClosedError,
)
from ipfi_serial.events import EndOfInputReceived
from tests.engine.lines import OneEnd, Pair
from tests.engine.wires import ADD, CALL, COUNT, ECHO, LED, NONE, End, answer, assert_empty, fail

BUSY = WireConfig(max_calls=16, max_partial_calls=4, stream_buffer_bytes=256)
GONE = TransportError("unplugged")


class Scene:
    """Two ends in the middle of everything."""

    def __init__(self, *, framed: bool) -> None:
        self.pair = pair = Pair(framed=framed, config=BUSY)
        a, b = pair.a, pair.b
        self.executed: list[OutgoingCall] = []
        self.unexecuted: list[OutgoingCall] = []
        self.queued: list[OutgoingCall] = []
        for _ in range(2):
            self.executed.append(a.start(ECHO, b"running"))
        self.executed.append(a.stream(COUNT, b"streaming"))
        self.unexecuted.append(a.start(ECHO, b"half", more=True))
        given_up = a.start(ECHO, b"given up")
        half_given_up = a.start(ECHO, b"half given up", more=True)
        a.start(99, b"refused", more=True)
        a.emit(LED, bytes(3000))
        pair.settle()
        for received in b.received:
            if received.procedure == COUNT:
                b.produce(received, [bytes(100) for _ in range(50)])
        b.received[0].owner = "deferred"
        b.wire.callee.defer(b.received[0])
        b.wire.callee.worker_done(b.received[0])
        pair.settle()
        pair.cut = True
        b.start(ADD, b"from b")
        b.emit(LED, bytes(3000))
        pair.settle()
        a.cancel(given_up)
        a.cancel(half_given_up)
        a.emit(LED, bytes(3000))
        for _ in range(10):
            self.queued.append(a.start(ECHO, bytes(3000)))  # in the outbox, or waiting
        self.unexecuted.append(a.start(ECHO, bytes(3000), more=True))

    def check(self, reason: type[IpfiError]) -> None:
        """Every call ended with the reason and the truth, and nothing is left."""
        a, b = self.pair.a, self.pair.b
        for call in self.executed + self.unexecuted + self.queued:
            assert isinstance(a.error(call), reason)
        assert all(a.error(call).may_have_executed for call in self.executed)
        assert not any(a.error(call).may_have_executed for call in self.unexecuted)
        unsaid = {call.key for call in self.queued if not a.error(call).may_have_executed}
        assert unsaid.isdisjoint(received.key for received in b.received)
        if reason is not WireClosedError:
            assert unsaid, "most of them did not leave"
        for end in (a, b):
            end.take_events()
            for received in end.received:
                assert received.cancelled
                assert received in end.cancelled
                end.wire.callee.answer(received, b"too late")
                fail(end, received)
                end.wire.callee.worker_done(received)
            assert_empty(end)
            assert end.wire.caller.next_deadline_s() is None


def lose_transport(scene: Scene) -> type[IpfiError]:
    for end in (scene.pair.a, scene.pair.b):
        end.wire.transport_lost(GONE, scene.pair.now_s)
    return TransportError


def close(scene: Scene) -> type[IpfiError]:
    for end in (scene.pair.a, scene.pair.b):
        end.wire.close(scene.pair.now_s)
    return WireClosedError


def fall_silent(scene: Scene) -> type[IpfiError]:
    scene.pair.run(20, until=lambda: all(end.lost for end in (scene.pair.a, scene.pair.b)))
    return LinkLostError


def break_stream(scene: Scene) -> type[IpfiError]:
    scene.pair.cut = False
    scene.pair.b.wire.link.push(b"\x01\x80", scene.pair.now_s)
    scene.pair.b.wire._outbox.clear()
    scene.pair.a.wire._outbox.clear()
    scene.pair.run(20, until=lambda: all(end.lost for end in (scene.pair.a, scene.pair.b)))
    return RemoteProtocolError


def reboot(scene: Scene) -> type[IpfiError]:
    scene.pair.cut = False
    old = scene.pair.b
    old.wire.transport_lost(GONE, scene.pair.now_s)
    scene.pair.restart_b()
    scene.pair.run(2)
    scene.pair.b = old
    return DeviceResetError


ENDS: list[Callable[[Scene], type[IpfiError]]] = [lose_transport, close]
FRAMED_ENDS = [*ENDS, fall_silent, break_stream, reboot]


@pytest.mark.parametrize("end_of_session", FRAMED_ENDS)
def test_every_call_ends_with_its_session_and_says_whether_it_may_have_executed(
    end_of_session: Callable[[Scene], type[IpfiError]],
) -> None:
    scene = Scene(framed=True)
    scene.check(end_of_session(scene))


@pytest.mark.parametrize("end_of_session", ENDS)
def test_every_call_of_a_plain_wire_ends_with_it(
    end_of_session: Callable[[Scene], type[IpfiError]],
) -> None:
    scene = Scene(framed=False)
    scene.pair.a.start(ECHO, bytes(1 << 20))
    scene.queued += [scene.pair.a.start(ECHO) for _ in range(3)]
    scene.check(end_of_session(scene))


def test_after_a_reset_the_next_call_works() -> None:
    pair = Pair()
    pair.b.handlers[ECHO] = answer
    lost = pair.a.start(COUNT)
    pair.settle()
    b = pair.restart_b()
    b.handlers[ECHO] = answer
    pair.run(1)
    assert isinstance(pair.a.error(lost), DeviceResetError)
    assert [lost.final for lost in pair.a.lost] == [False]
    call = pair.a.start(ECHO, b"again")
    pair.settle()
    assert pair.a.value(call) == b"again"
    assert_empty(pair.a, b)


def test_a_session_that_replaces_another_starts_with_nothing_of_it() -> None:
    """The old outbox, half messages and half events do not leak into the new stream."""
    pair = Pair()
    call = pair.a.start(ECHO, bytes(50_000))
    pair.a.emit(LED, bytes(50_000))
    pair._carry("a to b", pair.a, pair.b)
    assert pair.a.wire._outbox
    b = pair.restart_b()
    b.handlers[ECHO] = answer
    pair.run(1)
    assert pair.a.error(call).may_have_executed is False
    pair.a.emit(LED, b"new")
    again = pair.a.start(ECHO, b"new")
    pair.settle()
    assert b.events == [(LED, b"new")]
    assert pair.a.value(again) == b"new"
    assert_empty(pair.a, b)


def test_calls_fail_fast_while_there_is_no_session() -> None:
    pair = Pair()
    pair.a.start(ECHO)
    pair.settle()
    pair.cut = True
    pair.run(20, until=lambda: bool(pair.a.lost))
    with pytest.raises(LinkLostError) as caught:
        pair.a.start(ECHO)
    assert caught.value.may_have_executed is False
    with pytest.raises(LinkLostError):
        pair.a.wire.end_of_input(pair.now_s)
    pair.cut = False
    pair.run(30, until=lambda: pair.a.wire.established and pair.b.wire.established)
    pair.b.handlers[ECHO] = answer
    call = pair.a.start(ECHO, b"again")
    pair.settle()
    assert pair.a.value(call) == b"again"


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("opened", [True, False])
def test_a_lost_transport_is_reported_once_and_for_good(framed: bool, opened: bool) -> None:
    pair = Pair(framed=framed, opened=opened)
    for _ in range(2):
        pair.a.wire.transport_lost(GONE, pair.now_s)
        pair.a.take_events()
        assert [(lost.reason, lost.final) for lost in pair.a.lost] == [(GONE, True)]
        pair.a.wire.close(pair.now_s)
    assert not pair.a.wire.established
    with pytest.raises(TransportError):
        pair.a.start(ECHO)


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("opened", [True, False])
def test_a_close_is_reported_once_and_for_good(framed: bool, opened: bool) -> None:
    pair = Pair(framed=framed, opened=opened)
    pair.a.wire.close(pair.now_s)
    pair.a.wire.close(pair.now_s)
    pair.a.wire.transport_lost(GONE, pair.now_s)
    pair.a.take_events()
    (lost,) = pair.a.lost
    assert isinstance(lost.reason, WireClosedError)
    assert lost.final
    with pytest.raises(WireClosedError):
        pair.a.start(ECHO)


@pytest.mark.parametrize("framed", [True, False])
def test_the_other_end_hears_the_goodbye(framed: bool) -> None:
    pair = Pair(framed=framed)
    call = pair.b.start(ECHO)
    pair.settle()
    pair.a.wire.close(pair.now_s)
    pair.run(1)
    device_goes_on = isinstance(pair.b.error(call), NoSessionError)
    assert device_goes_on is framed
    assert isinstance(pair.b.error(call), WireClosedError) is not framed
    assert pair.b.error(call).may_have_executed is True


def test_an_answer_given_just_before_the_close_of_a_plain_wire_still_leaves() -> None:
    one = OneEnd(framed=False)
    one.hear(CALL, ECHO, 0, payload=b"x")
    answer(one.end, one.end.take_call())
    one.end.wire.close(one.now_s)
    one.settle()
    assert [m.kind.name for m in one.peer.messages] == ["RESPONSE", "TERMINATION"]


def test_a_lost_session_is_only_over_if_no_other_will_follow() -> None:
    pair = Pair()
    pair.b.wire.link.abort(RemoteProtocolError("broken"), pair.now_s)
    pair.run(2)
    pair.a.wire.transport_lost(GONE, pair.now_s)
    pair.a.take_events()
    assert [lost.final for lost in pair.a.lost] == [False, True]


# --- the end of input ---


@pytest.mark.parametrize("framed", [True, False])
def test_the_end_of_input_goes_behind_what_was_queued_and_the_wire_stays_usable(
    framed: bool,
) -> None:
    pair = Pair(framed=framed)
    order: list[str] = []

    def serve(end: End, call: IncomingCall) -> None:
        order.append("call")
        answer(end, call)

    pair.b.handlers[ECHO] = serve
    calls = [pair.a.start(ECHO, bytes(40_000)) for _ in range(3)]
    pair.a.wire.end_of_input(pair.now_s)
    while not order[3:]:
        pair._carry("a to b", pair.a, pair.b)
        pair._carry("b to a", pair.b, pair.a)
        if EndOfInputReceived() in pair.b.log and "end" not in order:
            order.append("end")
    assert order == ["call", "call", "call", "end"]
    pair.settle()
    assert all(pair.a.is_over(call) for call in calls)
    again = pair.a.start(ECHO)
    pair.settle()
    assert pair.a.value(again) == b""
    assert_empty(pair.a, pair.b)


def test_flushed_means_that_everything_has_left_and_arrived() -> None:
    pair = Pair()
    assert pair.a.wire.flushed
    pair.a.emit(LED, b"x")
    assert not pair.a.wire.flushed
    pair.cut = True
    pair.settle()
    assert not pair.a.wire.flushed
    pair.cut = False
    pair.run(5)
    assert pair.a.wire.flushed


def test_half_received_arguments_die_with_their_session() -> None:
    one = OneEnd()
    one.hear(CALL, ECHO, 0, NONE, b"half")
    one.peer.wire.abort(WireClosedError("a new session"), one.now_s)
    one.run(2)
    assert not one.end.cancelled
    one.hear(CALL, ECHO, 0, payload=b"whole")
    assert bytes(one.end.take_call().arguments) == b"whole"


def test_a_goodbye_is_understood_although_the_line_ends_right_behind_it() -> None:
    one = OneEnd(framed=False)
    one.peer.say_bytes(b"\x00")
    one.settle()
    assert not one.end.lost, "it may be the beginning of a HELLO"
    one.end.wire.transport_lost(GONE, one.now_s)
    one.end.take_events()
    assert [type(lost.reason) for lost in one.end.lost] == [WireClosedError]
