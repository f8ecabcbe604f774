"""Calls that go well: unary, deferred, nested, both ways at once (CALL-1 to CALL-4, CALL-9)."""

from __future__ import annotations

import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.calls import ErrorCode, IncomingCall
from ipfi_serial.errors import (
    CallCancelledError,
    CallRefusedError,
    LocalProtocolError,
    NoSessionError,
    RemoteCallError,
)
from tests.engine.lines import Pair
from tests.engine.wires import ADD, COUNT, ECHO, LED, End, answer, assert_empty, fail


@pytest.fixture(params=[True, False], ids=["framed", "plain"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(framed=request.param)


def test_a_call_gets_its_answer(pair: Pair) -> None:
    call = pair.a.start(ECHO, b"hello")
    pair.settle()
    received = pair.b.take_call()
    assert bytes(received.arguments) == b"hello"
    pair.b.wire.callee.answer(received, b"world")
    pair.b.wire.callee.worker_done(received)
    pair.settle()
    assert pair.a.value(call) == b"world"
    assert_empty(pair.a, pair.b)


def test_calls_go_both_ways_at_once_under_the_same_pair(pair: Pair) -> None:
    pair.a.handlers[ECHO] = pair.b.handlers[ECHO] = answer
    from_a, from_b = pair.a.start(ECHO, b"from a"), pair.b.start(ECHO, b"from b")
    assert from_a.key == from_b.key == (ECHO, 0)
    pair.settle()
    assert (pair.a.value(from_a), pair.b.value(from_b)) == (b"from a", b"from b")
    assert_empty(pair.a, pair.b)


def test_an_answer_may_be_empty(pair: Pair) -> None:
    pair.b.handlers[ECHO] = answer
    call = pair.a.start(ECHO)
    pair.settle()
    assert pair.a.value(call) == b""


def test_large_arguments_and_answers_arrive_whole(pair: Pair) -> None:
    payload = bytes(range(256)) * 300
    pair.b.handlers[ECHO] = answer
    call = pair.a.start(ECHO, payload)
    pair.settle()
    assert pair.a.value(call) == payload
    assert_empty(pair.a, pair.b)


def test_a_small_call_overtakes_a_large_one_on_a_framed_wire() -> None:
    pair = Pair()
    pair.b.handlers[ECHO] = pair.b.handlers[ADD] = answer
    ends: list[int] = []
    large = pair.a.start(ECHO, bytes(200_000))
    small = pair.a.start(ADD, b"small")
    while len(ends) < 2:
        pair._carry("a to b", pair.a, pair.b)
        pair._carry("b to a", pair.b, pair.a)
        pair.a.take_events()
        over = [c.procedure for c in (large, small) if pair.a.is_over(c)]
        ends += [procedure for procedure in over if procedure not in ends]
    assert ends == [ADD, ECHO]


def test_answers_of_a_plain_wire_leave_in_the_order_of_the_calls() -> None:
    pair = Pair(framed=False)
    calls = [pair.a.start(ECHO, bytes([n])) for n in range(3)]
    pair.settle()
    first, second, third = pair.b.received
    pair.b.wire.callee.answer(third, b"3")
    pair.b.wire.callee.answer(second, b"2")
    pair.settle()
    assert not any(pair.a.is_over(call) for call in calls)
    pair.b.wire.callee.answer(first, b"1")
    pair.settle()
    assert list(pair.a.ended) == [id(call) for call in calls]


def test_a_deferred_answer_lets_the_others_overtake_it() -> None:
    pair = Pair(framed=False)
    slow, quick = pair.a.start(ECHO), pair.a.start(ADD)
    pair.settle()
    deferred, other = pair.b.received
    pair.b.wire.callee.answer(other, b"quick")
    pair.b.wire.callee.defer(deferred)
    pair.b.wire.callee.defer(deferred)  # a second time is harmless
    pair.settle()
    assert pair.a.value(quick) == b"quick"
    pair.b.wire.callee.answer(deferred, b"slow")
    pair.settle()
    assert pair.a.value(slow) == b"slow"


def test_a_call_whose_handler_failed_gives_up_its_place_in_the_order() -> None:
    pair = Pair(framed=False)
    failing, other = pair.a.start(ECHO), pair.a.start(ADD)
    pair.settle()
    first, second = pair.b.received
    pair.b.wire.callee.answer(second, b"other")
    fail(pair.b, first, "it broke")
    pair.settle()
    assert pair.a.value(other) == b"other"
    assert pair.b.faults == [f"call of procedure {ECHO}: it broke"]
    assert not pair.a.is_over(failing)  # CALL-10: its deadline ends it
    assert len(pair.b.wire.callee._order) == 0


def test_answers_of_a_framed_wire_leave_as_they_are_ready() -> None:
    pair = Pair()
    slow, quick = pair.a.start(ECHO), pair.a.start(ADD)
    pair.settle()
    pair.b.wire.callee.answer(pair.b.received[1], b"quick")
    pair.settle()
    assert pair.a.is_over(quick)
    assert not pair.a.is_over(slow)


def test_handlers_call_each_other_to_any_depth(pair: Pair) -> None:
    """A -> B -> A -> B; on a plain wire no answer may wait for the one that it serves (CALL-9)."""
    depth = 20
    waiting: dict[int, tuple[End, IncomingCall]] = {}

    def nest(end: End, call: IncomingCall) -> None:
        left = call.arguments[0]
        if left == 0:
            end.wire.callee.answer(call, b"bottom")
        else:
            inner = end.start(ECHO, bytes([left - 1]), nested=True)
            waiting[id(inner)] = (end, call)

    pair.a.handlers[ECHO] = pair.b.handlers[ECHO] = nest
    outer = pair.a.start(ECHO, bytes([depth]))
    while not pair.a.is_over(outer):
        pair.settle()
        done = [key for key in waiting if key in pair.a.ended or key in pair.b.ended]
        assert done, "a nested answer waits for ever"
        for key in done:
            end, call = waiting.pop(key)
            end.wire.callee.answer(call, (pair.a.ended | pair.b.ended)[key].value or b"")
        pair.settle()
    assert pair.a.value(outer) == b"bottom"
    assert_empty(pair.a, pair.b)


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        (ErrorCode.UNKNOWN_PROCEDURE, CallRefusedError, "unknown procedure"),
        (ErrorCode.BAD_ARGUMENTS, CallRefusedError, "bad arguments"),
        (ErrorCode.LIMIT, CallRefusedError, "limit"),
        (ErrorCode.NOT_ALLOWED, CallRefusedError, "not allowed"),
        (ErrorCode.HANDLER_FAILED, RemoteCallError, None),
        (ErrorCode.CANCELLED, CallCancelledError, None),
    ],
)
@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("text", ["because", ""])
def test_an_error_reaches_the_caller_with_its_reason(
    code: ErrorCode, error: type[Exception], reason: str | None, executed: bool, text: str
) -> None:
    pair = Pair()
    call = pair.a.start(ECHO)
    pair.settle()
    received = pair.b.take_call()
    pair.b.wire.callee.fail(received, code, text, may_have_executed=executed)
    pair.b.wire.callee.worker_done(received)
    pair.settle()
    failure = pair.a.error(call)
    assert type(failure) is error
    assert failure.may_have_executed is executed
    assert getattr(failure, "reason", None) == reason
    # a C board gives no words: then the procedure is named
    assert str(failure) == text if text else f"procedure {ECHO}: " in str(failure)
    assert_empty(pair.a, pair.b)


def test_an_unknown_procedure_is_refused_on_a_framed_wire() -> None:
    pair = Pair()
    call = pair.a.start(99)
    pair.settle()
    error = pair.a.error(call)
    assert isinstance(error, CallRefusedError)
    assert (error.reason, error.may_have_executed) == ("unknown procedure", False)
    assert pair.b.wire.callee.refused == 1
    assert_empty(pair.a, pair.b)


def test_an_event_is_no_procedure_on_a_framed_wire() -> None:
    pair = Pair()
    call = pair.a.start(LED)
    pair.settle()
    assert isinstance(pair.a.error(call), CallRefusedError)


def test_an_unknown_procedure_is_counted_and_noted_on_a_plain_wire() -> None:
    pair = Pair(framed=False)
    call = pair.a.start(99, timeout_s=5)
    pair.settle()
    assert pair.b.faults == ["call of procedure 99: there is no procedure 99 here"]
    assert not pair.a.is_over(call)
    assert len(pair.b.wire.callee._calls) == 0


def test_a_handler_ends_its_call_once_whatever_it_does(pair: Pair) -> None:
    """CALL-3: the first terminal answer is the only one."""
    call, blocker = pair.a.start(ECHO), pair.a.start(ADD)
    pair.settle()
    received = pair.b.received[0]
    callee = pair.b.wire.callee
    callee.answer(received, b"first")
    callee.answer(received, b"second")
    fail(pair.b, received, "too late")
    callee.send_item(received, b"too late")
    callee.end_stream(received)
    assert callee.has_room(received)
    callee.worker_done(received)
    callee.worker_done(received)
    callee.answer(pair.b.received[1], b"")
    callee.worker_done(pair.b.received[1])
    pair.settle()
    assert pair.a.value(call) == b"first"
    assert pair.a.is_over(blocker)
    assert pair.a.wire.caller.strays == 0
    assert_empty(pair.a, pair.b)


def test_an_answer_that_waits_for_its_place_is_not_replaced() -> None:
    pair = Pair(framed=False)
    pair.a.start(ADD)
    second = pair.a.start(ECHO)
    pair.settle()
    callee = pair.b.wire.callee
    callee.answer(pair.b.received[1], b"first")
    callee.answer(pair.b.received[1], b"second")
    fail(pair.b, pair.b.received[1], "too late")
    callee.answer(pair.b.received[0], b"")
    pair.settle()
    assert pair.a.value(second) == b"first"


def test_nothing_can_be_called_before_the_wire_is_open() -> None:
    pair = Pair(opened=False)
    with pytest.raises(NoSessionError, match=r"wait_established\(\)") as caught:
        pair.a.start(ECHO)
    assert caught.value.may_have_executed is False


def test_call_indices_count_up_for_each_procedure() -> None:
    pair = Pair()
    keys = [pair.a.start(procedure).key for procedure in (ECHO, ECHO, ADD, ECHO, COUNT)]
    assert keys == [(ECHO, 0), (ECHO, 1), (ADD, 0), (ECHO, 2), (COUNT, 0)]


def test_call_indices_wrap_and_pass_over_pairs_in_use() -> None:
    """CALL-2, with one call that outlives 65,536 others."""
    pair = Pair(framed=False)
    pair.b.handlers[ADD] = answer
    old = pair.a.start(ADD + 1000)  # an unknown procedure of a plain wire is never answered
    pair.settle()
    caller = pair.a.wire.caller
    caller._next_index[ADD + 1000] = 65535
    last = pair.a.start(ADD + 1000)
    wrapped = pair.a.start(ADD + 1000)
    caller._next_index[ADD + 1000] = 65535
    again = pair.a.start(ADD + 1000)
    assert (old.call, last.call, wrapped.call, again.call) == (0, 65535, 1, 2)


def test_a_wire_that_may_not_call_says_so() -> None:
    pair = Pair(config_a=WireConfig(can_call=False))
    with pytest.raises(LocalProtocolError, match="can_call=False"):
        pair.a.start(ECHO)
    pair.a.handlers[ECHO] = answer
    call = pair.b.start(ECHO, b"it serves")
    pair.settle()
    assert pair.b.value(call) == b"it serves"


def test_an_end_that_takes_no_calls_refuses_them() -> None:
    pair = Pair(config_b=WireConfig(takes_calls=False))
    call = pair.a.start(ECHO, b"x" * 5000)
    pair.settle()
    error = pair.a.error(call)
    assert isinstance(error, CallRefusedError)
    assert error.reason == "not allowed"
    assert_empty(pair.a, pair.b)
