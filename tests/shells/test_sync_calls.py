"""Calls, streams and partial arguments in the blocking shell."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import pytest

from ipfi_serial import (
    CallCancelledError,
    CallContext,
    CallError,
    CallRefusedError,
    CallTimeoutError,
    Connection,
    DeviceResetError,
    IpfiError,
    LocalProtocolError,
    RemoteCallError,
    WireClosedError,
    WireConfig,
)
from ipfi_serial.codec.values import ValueCodecError, ValueEncodeError, encode_arguments
from tests.harness.builds import replaces_parts
from tests.shells.boards import PATIENCE_S
from tests.shells.ends import Background, joined, let_time_run_out, wait_until

KINDS = pytest.mark.parametrize("kind", ["loopback", "pty", "tcp"])


@KINDS
def test_a_call_by_index_returns_the_answer(kind: str) -> None:
    with joined(kind) as ends:
        assert ends.host.call(1, 40, 2) == 42
        assert ends.host.call(2, {"a": [1, None, "ü", b"x"]}) == {"a": [1, None, "ü", b"x"]}
        assert ends.host.call(11) is None
        assert ends.host.call(4, b"abc", raw=True) == b"cba"
        assert ends.host.call(23, 1, 2) == 3


@KINDS
def test_a_stream_by_index_gives_its_values_in_order(kind: str) -> None:
    with joined(kind) as ends:
        for count in (0, 1, 2, 500):
            with ends.host.stream(3, count) as items:
                assert list(items) == [f"item {n}" for n in range(count)]
        assert list(ends.host.stream(24, 50)) == list(range(50))


def test_names_are_found_by_self_description() -> None:
    with joined() as ends:
        assert ends.host.call("add", 1, 2) == 3
        assert ends.host.call("reverse", b"abc") == b"cba"
        assert ends.host.call(4, b"abc") == b"cba"  # raw, as the description says
        names = {entry.name for entry in ends.host.describe()}
        assert {"add", "sequence", "tick", "led"} <= names
        with pytest.raises(CallRefusedError, match="did you mean 'sequence'") as caught:
            ends.host.call("sequense")
        assert caught.value.may_have_executed is False


def test_a_plain_wire_knows_only_names_that_were_declared() -> None:
    with joined("tcp") as ends:
        with pytest.raises(LocalProtocolError, match="declare"):
            ends.host.call("add", 1, 2)
        with pytest.raises(LocalProtocolError, match="does not describe itself"):
            ends.host.describe()
        ends.near.interface.declare(1, "add")
        ends.near.interface.declare(4, "reverse", raw=True)
        ends.near.interface.declare(33, "led", event=True)
        assert ends.host.call("add", 1, 2) == 3
        assert ends.host.call("reverse", b"ab") == b"ba"
        ends.host.emit("led", True)
        assert ends.far.next_seen() == ("led", True)


@pytest.mark.parametrize(
    "arguments,kind,text",
    [
        ((1, 1), CallRefusedError, "2 arguments"),
        ((1, 1, "x"), CallRefusedError, "'b' must be int"),
        ((99,), CallRefusedError, "no procedure 99"),
        ((5, "broken\nsecond line"), RemoteCallError, "^ValueError: broken$"),
        ((9, 3), RemoteCallError, "SystemExit: 3"),
        ((10,), RemoteCallError, "object"),
        ((13,), RemoteCallError, "StopIteration"),
    ],
)
def test_what_goes_wrong_at_the_other_end_is_raised_here(
    arguments: tuple[Any, ...], kind: type[CallError], text: str
) -> None:
    with joined() as ends:
        with pytest.raises(kind, match=text) as caught:
            ends.host.call(*arguments)
        assert caught.value.may_have_executed is (kind is RemoteCallError)
        assert "Traceback" not in str(caught.value)
        assert ends.host.call(1, 1, 1) == 2


def test_a_failing_handler_is_logged_and_reaches_on_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with joined() as ends:
        ends.device.on_error(ends.far.seen.put)
        with pytest.raises(RemoteCallError):
            ends.host.call(5, "oh")
        assert type(ends.far.next_seen()) is ValueError
    assert "handler fail failed: oh" in caplog.text


def test_arguments_that_cannot_travel_fail_before_anything_is_sent() -> None:
    with joined() as ends:
        with pytest.raises(ValueEncodeError):
            ends.host.call(2, object())
        with pytest.raises(LocalProtocolError, match="one bytes object"):
            ends.host.call(4, 1, raw=True)
        with pytest.raises(ValueEncodeError):
            ends.host.start_partial(1, object())
        assert ends.host.stats().open_calls == 0


def test_an_answer_is_checked_against_the_result_type() -> None:
    with joined() as ends:
        assert ends.host.call(2, [1, 2], result_type=tuple[int, ...]) == (1, 2)
        with pytest.raises(ValueCodecError):
            ends.host.call(2, "text", result_type=int)
        with pytest.raises(ValueCodecError):
            list(ends.host.stream(3, 1, result_type=int))


@KINDS
def test_a_call_past_its_deadline_is_a_timeout_and_may_have_executed(kind: str) -> None:
    with joined(kind) as ends:
        calling = Background(lambda: ends.host.call(6, timeout_s=PATIENCE_S * 2))
        assert ends.far.next_seen() == "holding"  # before that, the other end would not begin it
        let_time_run_out(ends.host)
        error = calling.error()
        assert isinstance(error, CallTimeoutError)
        assert isinstance(error, TimeoutError)
        assert error.may_have_executed is True
        if kind == "tcp":  # the reference dialect has no Cancel, and answers keep their order
            ends.far.release.set()
        assert ends.far.next_seen() == ("released" if kind == "tcp" else "cancelled")
        assert ends.host.call(1, 2, 2) == 4


def test_waiting_a_while_for_a_handle_does_not_end_the_call() -> None:
    with joined() as ends:
        handle = ends.host.start(6)
        with pytest.raises(CallTimeoutError, match="the call goes on"):
            handle.result(timeout_s=0.01)
        with pytest.raises(CallTimeoutError):
            handle.result(timeout_s=0)
        assert not handle.done
        ends.far.release.set()
        assert handle.result(timeout_s=PATIENCE_S) == "held"
        assert handle.done
        assert handle.result() == "held"


@replaces_parts
def test_an_answer_that_comes_just_when_the_waiting_ends_is_returned() -> None:
    with joined() as ends:
        handle = ends.host.start(6)
        assert ends.far.next_seen() == "holding"
        wait = ends.host._pump.wait

        def too_short(waiter: Any, timeout_s: float | None) -> bool:
            ends.far.release.set()
            assert timeout_s == 0
            assert wait(waiter, PATIENCE_S)
            return False

        ends.host._pump.wait = too_short  # type: ignore[method-assign]
        assert handle.result(timeout_s=0) == "held"
        ends.host._pump.wait = wait  # type: ignore[method-assign]


@pytest.mark.parametrize("procedure", [6, 25])
def test_cancelling_reaches_the_handler(procedure: int) -> None:
    with joined() as ends:
        handle = ends.host.start(procedure)
        assert ends.far.next_seen() == "holding"
        handle.cancel()
        assert handle.done
        with pytest.raises(CallCancelledError):
            handle.result()
        assert ends.far.next_seen() == "cancelled"
        handle.cancel()
        assert ends.host.call(1, 1, 1) == 2


@KINDS
def test_cancelling_in_another_thread_wakes_the_one_that_waits(kind: str) -> None:
    with joined(kind) as ends:
        handle = ends.host.start(8, timeout_s=PATIENCE_S * 2)
        assert ends.far.next_seen() == "stuck"
        waiting = [Background(handle.result) for _ in range(3)]
        wait_until(lambda: len(ends.host._pump._sleepers) >= 2)
        handle.cancel()
        for each in waiting:
            assert isinstance(each.error(), CallCancelledError)


def test_a_handle_may_be_waited_for_by_many_threads() -> None:
    with joined() as ends:
        handle = ends.host.start(6)
        waiting = [Background(handle.result) for _ in range(5)]
        wait_until(lambda: len(ends.host._pump._sleepers) >= 4)
        ends.far.release.set()
        assert [each.result() for each in waiting] == ["held"] * 5


@KINDS
def test_arguments_may_be_sent_in_pieces(kind: str) -> None:
    with joined(kind) as ends:
        call = ends.host.start_partial(1)
        call.send(40)
        assert call.finish(2).result() == 42
        call = ends.host.start_partial(2)
        for byte in encode_arguments(("in pieces",)):
            call.send_bytes(bytes([byte]))
        assert call.finish().result() == "in pieces"
        call = ends.host.start_partial(6)
        handle = call.finish()
        with pytest.raises(LocalProtocolError, match="complete"):
            call.finish()
        ends.far.release.set()
        assert handle.result() == "held"


def test_a_partial_call_may_be_given_up() -> None:
    with joined() as ends:
        call = ends.host.start_partial(1, 1)
        call.cancel()
        call.send(2)  # its end was reported: nothing is sent
        with pytest.raises(CallCancelledError):
            call.finish().result()
        assert ends.host.call(1, 1, 1) == 2


@pytest.mark.parametrize("procedure", [7, 26])
def test_leaving_a_stream_early_cancels_it_and_closes_the_generator(procedure: int) -> None:
    with joined() as ends:
        with ends.host.stream(procedure) as items:
            for _ in range(3):
                next(items)
        assert ends.far.next_seen() == "streaming"
        assert ends.far.next_seen() == "stream closed"
        items.close()
        assert ends.host.call(1, 1, 1) == 2


def test_a_closed_stream_says_so_to_the_thread_that_reads_it() -> None:
    with joined() as ends:
        items = ends.host.stream(6)  # unary: no value comes
        reading = Background(lambda: next(items))
        assert ends.far.next_seen() == "holding"
        items.close()
        assert isinstance(reading.error(), CallCancelledError)


def test_a_stream_that_fails_gives_the_values_before_the_error() -> None:
    with joined() as ends:
        with pytest.raises(RemoteCallError, match="out of paper"):
            list(ends.host.stream(12, 0))
        items = ends.host.stream(12, 3)
        got = [next(items) for _ in range(3)]
        with pytest.raises(RemoteCallError):
            next(items)
        assert got == [0, 1, 2]


def test_a_stream_has_a_deadline_only_if_it_was_given_one() -> None:
    with joined() as ends:
        with ends.host.stream(6, timeout_s=0.05) as items, pytest.raises(CallTimeoutError):
            next(items)
        assert list(ends.host.stream(15, b"abcdefg", raw=True)) == [b"abc", b"def", b"g"]


def test_a_unary_call_of_a_streaming_procedure_is_an_error_of_ours() -> None:
    with joined() as ends:
        with pytest.raises(CallError, match=r"stream\(\)"):
            ends.host.call(3, 5)
        assert ends.host.call(1, 1, 1) == 2


@pytest.mark.parametrize("kind", ["loopback", "pty"])
def test_a_slow_handler_and_an_unread_stream_stop_no_other_call(kind: str) -> None:
    config = WireConfig(stream_buffer_bytes=1024)
    with joined(kind, config=config) as ends:
        slow = ends.host.start(6, timeout_s=PATIENCE_S)
        unread = ends.host.stream(3, 5_000)
        for number in range(50):
            assert ends.host.call(1, number, 1) == number + 1
        assert not slow.done
        assert sum(1 for _ in unread) == 5_000
        ends.far.release.set()
        assert slow.result() == "held"


def test_an_unread_stream_on_a_plain_wire_stops_no_other_call() -> None:
    with joined("tcp") as ends:
        unread = ends.host.stream(3, 5_000)
        for number in range(50):
            assert ends.host.call(1, number, 1) == number + 1
        assert sum(1 for _ in unread) == 5_000


def test_a_deferred_answer_is_given_later_and_from_another_thread() -> None:
    with joined() as ends:
        first, second = ends.host.start(14), ends.host.start(14)
        replies = [ends.far.next_seen(), ends.far.next_seen()]
        assert ends.host.call(1, 1, 1) == 2
        replies[1].reply("later")
        replies[0].fail("never")
        outcomes = set()
        for handle in (first, second):
            try:
                outcomes.add(handle.result())
            except RemoteCallError as error:
                outcomes.add(str(error))
        assert outcomes == {"later", "never"}
        replies[0].reply("ignored")
        assert ends.host.call(1, 1, 1) == 2


def test_a_deferred_answer_overtakes_nothing_that_was_not_deferred_on_a_plain_wire() -> None:
    with joined("tcp") as ends:
        deferred = ends.host.start(14)
        assert ends.host.call(1, 1, 1) == 2
        ends.far.next_seen().reply("at last")
        assert deferred.result() == "at last"


def test_a_wire_that_may_not_call_says_so_and_is_served_all_the_same() -> None:
    config = WireConfig(can_call=False)
    with joined(config=config, host_config=WireConfig()) as ends:
        with pytest.raises(LocalProtocolError, match="can_call"):
            ends.device.call(1, 1, 1)
        assert ends.host.call(1, 1, 1) == 2


@KINDS
def test_calls_go_both_ways_and_nest(kind: str) -> None:
    with joined(kind) as ends:
        assert ends.host.call(20, 2, "there and back") == "there and back"
        assert ends.device.call(20, 2, 5) == 5
        assert ends.host.call(21, 10) == 10


def test_endless_nesting_is_refused_and_deadlocks_nothing() -> None:
    with joined(config=WireConfig(max_calls=8)) as ends:
        for _ in range(3):
            with pytest.raises(RemoteCallError):
                ends.host.call(21, 10_000, timeout_s=PATIENCE_S)
        assert ends.host.call(1, 1, 1) == 2
        assert ends.host.call(21, 4) == 4


def test_endless_nesting_on_a_plain_wire_ends_with_the_deadline() -> None:
    """A plain wire has no refusals (CALL-10)."""
    with joined("tcp", config=WireConfig(max_calls=8, call_timeout_s=0.3)) as ends:
        with pytest.raises(CallTimeoutError):
            ends.host.call(21, 10_000)
        wait_until(lambda: _answers(ends.host))


def _answers(wire: Connection) -> bool:
    try:
        return bool(wire.call(1, 1, 1) == 2)
    except CallTimeoutError:
        return False


def test_handlers_that_never_return_use_up_the_limit_and_then_calls_are_refused() -> None:
    with joined(config=WireConfig(max_calls=4)) as ends:
        started = [ends.host.start(8, timeout_s=PATIENCE_S * 2) for _ in range(3)]
        assert [ends.far.next_seen() for _ in started] == ["stuck"] * 3
        let_time_run_out(ends.host)
        for handle in started:
            with pytest.raises(CallTimeoutError):
                handle.result()
        stuck = ends.host.start(8)
        assert ends.far.next_seen() == "stuck"
        with pytest.raises(CallRefusedError, match="4 calls") as caught:
            ends.host.call(1, 1, 1)
        assert caught.value.reason == "limit"
        ends.far.release.set()
        assert stuck.result() == "freed"
        wait_until(lambda: _serves(ends.host))


def _serves(wire: Connection) -> bool:
    try:
        return bool(wire.call(1, 1, 1) == 2)
    except CallRefusedError:
        return False


def test_a_call_without_a_session_fails_at_once() -> None:
    with joined() as ends:
        ends.host.close()
        assert ends.host.closed
        assert not ends.host.established
        for doomed in (
            lambda: ends.host.call(1, 1, 1),
            lambda: ends.host.stream(3, 1),
            lambda: ends.host.start_partial(1),
            lambda: ends.host.emit(33, True),
            lambda: ends.host.wait_event(32),
        ):
            with pytest.raises(WireClosedError):
                doomed()
        assert list(ends.host.events(32)) == []


def test_a_call_that_is_too_large_for_the_other_end_is_refused_here() -> None:
    with joined(config=WireConfig(max_message_bytes=1024), host_config=WireConfig()) as ends:
        with pytest.raises(CallRefusedError, match="takes"):
            ends.host.call(2, "x" * 2000)
        assert ends.host.call(2, "x" * 500) == "x" * 500


def test_an_interrupt_in_a_call_cancels_it_and_leaves_the_wire_usable() -> None:
    """What Ctrl-C does: the handler of a signal raises in the middle of the wait."""
    with joined() as ends:

        def interrupt() -> None:
            assert ends.far.next_seen() == "holding"
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        for _ in range(20):
            interrupting = Background(interrupt)
            with pytest.raises(KeyboardInterrupt):
                ends.host.call(6, timeout_s=PATIENCE_S)
            interrupting.result()
            assert ends.far.next_seen() == "cancelled"
            assert ends.host.call(1, 20, 3) == 23


def test_handlers_run_with_their_own_wire_and_know_no_deadline() -> None:
    with joined() as ends:
        seen = ends.far.seen

        @ends.far.interface.procedure(60)
        def look(context: CallContext) -> None:
            seen.put((context.wire, context.cancelled, context.deadline_s))

        ends.host.call(60)
        assert ends.far.next_seen() == (ends.device, False, None)


def test_a_session_stands_as_long_as_both_ends_are_open() -> None:
    with joined() as ends:
        assert ends.host.established
        assert ends.device.wait_opened(PATIENCE_S)
        assert not ends.host.closed
        assert ends.host.endpoint == ends.device.endpoint
        stats = ends.host.stats()
        assert stats.state == "ESTABLISHED"
        assert stats.sessions == 1
        ends.host.end_of_input()
        assert ends.host.call(1, 1, 1) == 2


@replaces_parts
def test_a_cancelled_call_whose_handler_has_not_begun_never_runs_it() -> None:
    with joined() as ends:
        serve = ends.device._serving.run
        begun = threading.Event()
        go = threading.Event()

        def late(call: Any) -> None:
            begun.set()
            assert go.wait(PATIENCE_S)
            serve(call)

        ends.device._serving.run = late  # type: ignore[method-assign]
        handle = ends.host.start(11)
        assert begun.wait(PATIENCE_S)
        handle.cancel()
        wait_until(lambda: ends.device.stats().refused == 1)
        go.set()
        ends.device._serving.run = serve  # type: ignore[method-assign]
        assert ends.host.call(1, 1, 1) == 2
        assert ends.far.seen.empty()


def test_an_async_handler_that_cancels_itself_is_a_failure() -> None:
    with joined() as ends:

        @ends.far.interface.procedure(61)
        async def give_up() -> None:
            raise asyncio.CancelledError

        with pytest.raises(RemoteCallError, match="CancelledError"):
            ends.host.call(61)


@replaces_parts
def test_no_thread_for_a_handler_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    with joined() as ends:

        def no_thread(_: Any) -> bool:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(ends.device._workers, "run", no_thread)
            patched.setattr(ends.device._pump, "serve", lambda *_: False)  # nor one of its own
            with pytest.raises(CallRefusedError, match="no thread"):
                ends.host.call(1, 1, 1)
        assert ends.host.call(1, 1, 1) == 2


@replaces_parts
def test_a_restart_in_the_middle_of_a_description_teaches_nothing_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with joined() as ends:
        hashes = iter([1, 2])
        with monkeypatch.context() as patched:
            patched.setattr(ends.host, "_peer_schema", lambda: next(hashes))
            ends.host._directory.manifest = None
            with pytest.raises(IpfiError, match=r"restarted \(while it described itself\)"):
                ends.host.call("add", 1, 2)
        assert ends.host.call("add", 1, 2) == 3


@replaces_parts
def test_a_name_that_a_restart_took_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with joined() as ends:
        with monkeypatch.context() as patched:
            patched.setattr(ends.host, "_ask", lambda _timeout_s: None)
            ends.host._directory.manifest = None
            with pytest.raises(DeviceResetError, match="restarted"):
                ends.host.call("add", 1, 2)
            with pytest.raises(DeviceResetError, match="restarted"):
                ends.host.emit("other", True)
        with ends.host as wire:
            assert len(wire.describe()) == len(wire.describe()) > 0
        assert wire.closed


def test_a_time_out_names_the_procedure_that_was_called_by_name() -> None:
    with joined() as ends, pytest.raises(CallTimeoutError, match=r"'stuck' \(8\) was not answered"):
        ends.host.call("stuck", timeout_s=0.05)


def test_a_wire_shows_what_it_is_in_a_test_report() -> None:
    with joined() as ends:
        assert repr(ends.host) == f"<Connection {ends.host.endpoint!r}>"
        ends.host.close()
        assert repr(ends.host).startswith(f"<Connection {ends.host.endpoint!r} closed: ")
