"""Calls, streams and partial arguments in the asyncio shell."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import ipfi_serial.aio as aio
from ipfi_serial import (
    CallCancelledError,
    CallContext,
    CallError,
    CallRefusedError,
    CallTimeoutError,
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
from tests.shells.ends import (
    AioEnds,
    aio_test,
    ajoined,
    await_until,
    fresh_name,
    let_time_run_out,
)

KINDS = pytest.mark.parametrize("kind", ["loopback", "pty", "tcp"])


@KINDS
@aio_test
async def test_a_call_by_index_returns_the_answer(kind: str) -> None:
    async with ajoined(kind) as ends:
        assert await ends.host.call(1, 40, 2) == 42
        assert await ends.host.call(2, [1, None, "ü", b"x"]) == [1, None, "ü", b"x"]
        assert await ends.host.call(11) is None
        assert await ends.host.call(4, b"abc", raw=True) == b"cba"
        assert await ends.host.call(23, 1, 2) == 3


@KINDS
@aio_test
async def test_a_stream_by_index_gives_its_values_in_order(kind: str) -> None:
    async with ajoined(kind) as ends:
        for count in (0, 1, 2, 300):
            async with ends.host.stream(24, count) as items:
                assert [item async for item in items] == list(range(count))
        assert [item async for item in ends.host.stream(3, 20)] == [f"item {n}" for n in range(20)]


@aio_test
async def test_names_are_found_by_self_description_once_for_many_tasks() -> None:
    async with ajoined() as ends:
        ends.host._directory.manifest = None
        answers = await asyncio.gather(*(ends.host.call("add", n, 1) for n in range(20)))
        assert answers == list(range(1, 21))
        assert await ends.host.call("reverse", b"abc") == b"cba"
        assert {"add", "tick"} <= {entry.name for entry in await ends.host.describe()}
        with pytest.raises(CallRefusedError, match="did you mean 'sequence'"):
            await ends.host.call("sequense")
    async with ajoined("tcp") as ends:
        with pytest.raises(LocalProtocolError, match="does not describe itself"):
            await ends.host.describe()


@pytest.mark.parametrize(
    "arguments,kind,text",
    [
        ((1, 1), CallRefusedError, "2 arguments"),
        ((99,), CallRefusedError, "no procedure 99"),
        ((5, "broken\nsecond line"), RemoteCallError, "^ValueError: broken$"),
        ((9, 3), RemoteCallError, "^SystemExit: 3$"),
        ((10,), RemoteCallError, "object"),
        ((13,), RemoteCallError, "^StopIteration$"),
        ((27,), CallCancelledError, "handler was cancelled"),
    ],
)
@aio_test
async def test_what_goes_wrong_at_the_other_end_is_raised_here(
    arguments: tuple[Any, ...], kind: type[CallError], text: str
) -> None:
    async with ajoined() as ends:
        with pytest.raises(kind, match=text) as caught:
            await ends.host.call(*arguments)
        assert caught.value.may_have_executed is (kind is not CallRefusedError)
        assert await ends.host.call(1, 1, 1) == 2


@aio_test
async def test_a_failing_handler_reaches_on_error() -> None:
    async with ajoined() as ends:
        ends.device.on_error(ends.far.seen.put)
        for procedure, kind in ((5, ValueError), (9, SystemExit)):
            with pytest.raises(RemoteCallError):
                await ends.host.call(procedure, "1" if procedure == 5 else 1)
            assert type(await ends.far.anext_seen()) is kind


@aio_test
async def test_arguments_that_cannot_travel_fail_before_anything_is_sent() -> None:
    async with ajoined() as ends:
        for doomed in (ends.host.call(2, object()), ends.host.start_partial(1, object())):
            with pytest.raises(ValueEncodeError):
                await doomed
        stream = ends.host.stream(2, object())
        for _ in range(2):  # asking again does not hang
            with pytest.raises(ValueEncodeError):
                await anext(stream)
        with pytest.raises(ValueCodecError):
            await ends.host.call(2, "text", result_type=int)
        with pytest.raises(ValueCodecError):
            await anext(ends.host.stream(3, 1, result_type=int))


@KINDS
@aio_test
async def test_a_call_past_its_deadline_is_a_timeout_and_may_have_executed(kind: str) -> None:
    async with ajoined(kind) as ends:
        with pytest.raises(CallTimeoutError) as caught:
            await ends.host.call(6, timeout_s=0.05)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.may_have_executed is True
        ends.far.release.set()
        assert await ends.host.call(1, 2, 2) == 4


@aio_test
async def test_waiting_a_while_for_a_handle_does_not_end_the_call() -> None:
    async with ajoined() as ends:
        handle = await ends.host.start(6)
        with pytest.raises(CallTimeoutError, match="the call goes on"):
            await handle.result(timeout_s=0.01)
        waiting = asyncio.create_task(handle.result())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not handle.done
        ends.far.release.set()
        assert await handle.result(timeout_s=PATIENCE_S) == "held"
        assert await handle.result(timeout_s=0) == "held"


@pytest.mark.parametrize("procedure", [6, 25])
@aio_test
async def test_cancelling_reaches_the_handler(procedure: int) -> None:
    async with ajoined() as ends:
        handle = await ends.host.start(procedure)
        assert await ends.far.anext_seen() == "holding"
        handle.cancel()
        assert handle.done
        with pytest.raises(CallCancelledError):
            await handle.result()
        assert await ends.far.anext_seen() == "cancelled"
        handle.cancel()


@pytest.mark.parametrize("procedure", [6, 25])
@aio_test
async def test_cancelling_a_task_cancels_its_call_at_the_other_end(procedure: int) -> None:
    async with ajoined() as ends:
        task = asyncio.create_task(ends.host.call(procedure))
        assert await ends.far.anext_seen() == "holding"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ends.far.anext_seen() == "cancelled"
        limit = asyncio.timeout(PATIENCE_S * 2)

        async def call() -> None:
            async with limit:
                await ends.host.call(procedure)

        limited = asyncio.create_task(call())
        assert await ends.far.anext_seen() == "holding"
        limit.reschedule(0.0)
        with pytest.raises(TimeoutError):
            await limited
        assert await ends.far.anext_seen() == "cancelled"
        assert await ends.host.call(1, 1, 1) == 2


@aio_test
async def test_calls_cancelled_before_their_handlers_begin_do_not_use_up_the_limit() -> None:
    async with ajoined(config=WireConfig(max_calls=8)) as ends:
        for _ in range(50):
            for procedure in (1, 23):
                (await ends.host.start(procedure, 1, 1)).cancel()
        assert [await ends.host.call(1, n, 1) for n in range(20)] == list(range(1, 21))


@aio_test
async def test_handlers_in_threads_that_never_return_use_up_the_limit() -> None:
    async with ajoined(config=WireConfig(max_calls=4)) as ends:
        started = [await ends.host.start(8, timeout_s=PATIENCE_S * 2) for _ in range(3)]
        for _ in range(3):
            assert await ends.far.anext_seen() == "stuck"
        let_time_run_out(ends.host)
        for handle in started:
            with pytest.raises(CallTimeoutError):
                await handle.result()
        handle = await ends.host.start(8)
        assert await ends.far.anext_seen() == "stuck"
        with pytest.raises(CallRefusedError) as caught:
            await ends.host.call(1, 1, 1)
        assert caught.value.reason == "limit"
        ends.far.release.set()
        assert await handle.result() == "freed"

        async def serves() -> None:
            while True:
                try:
                    assert await ends.host.call(1, 1, 1) == 2
                except CallRefusedError:
                    await asyncio.sleep(0.001)
                else:
                    return

        async with asyncio.timeout(PATIENCE_S):
            await serves()


@KINDS
@aio_test
async def test_arguments_may_be_sent_in_pieces(kind: str) -> None:
    async with ajoined(kind) as ends:
        call = await ends.host.start_partial(1)
        await call.send(40)
        assert await (await call.finish(2)).result() == 42
        call = await ends.host.start_partial(2)
        for byte in encode_arguments(("in pieces",)):
            await call.send_bytes(bytes([byte]))
        assert await (await call.finish()).result() == "in pieces"
        call = await ends.host.start_partial(6)
        await call.finish()
        with pytest.raises(LocalProtocolError, match="complete"):
            await call.finish()
        ends.far.release.set()


@aio_test
async def test_a_partial_call_may_be_given_up() -> None:
    async with ajoined() as ends:
        call = await ends.host.start_partial(1, 1)
        call.cancel()
        with pytest.raises(CallCancelledError):
            await (await call.finish()).result()
        assert await ends.host.call(1, 1, 1) == 2


@pytest.mark.parametrize("procedure", [7, 26])
@aio_test
async def test_leaving_a_stream_early_cancels_it_and_closes_the_generator(procedure: int) -> None:
    async with ajoined() as ends:
        async with ends.host.stream(procedure) as items:
            for _ in range(3):
                await anext(items)
        assert await ends.far.anext_seen() == "streaming"
        assert await ends.far.anext_seen() == "stream closed"
        with pytest.raises(CallCancelledError):
            _ = [item async for item in items]


@aio_test
async def test_a_generator_that_is_cancelled_while_it_works_is_closed_afterwards() -> None:
    async with ajoined() as ends:
        seen, go = ends.far.seen, threading.Event()

        @ends.far.interface.procedure(60)
        def slow() -> Iterator[int]:
            try:
                seen.put("working")
                go.wait(PATIENCE_S)
                yield 1
            finally:
                seen.put("closed")

        @ends.far.interface.procedure(61)
        def fails_at_close() -> Iterator[int]:
            try:
                seen.put("working")
                yield 1
                go.wait(PATIENCE_S)
                yield 2
            finally:
                raise ValueError("cannot close")

        for procedure in (60, 61):
            async with await ends.host.stream(procedure):
                assert await ends.far.anext_seen() == "working"
        await await_until(lambda: not ends.device._serving._tasks)
        assert ends.far.seen.empty()
        go.set()
        assert await ends.far.anext_seen() == "closed"
        assert await ends.host.call(1, 1, 1) == 2


@aio_test
async def test_cancelling_a_task_that_reads_a_stream_cancels_the_stream() -> None:
    async with ajoined() as ends:
        stream = await ends.host.stream(25)
        task = asyncio.create_task(anext(stream))
        assert await ends.far.anext_seen() == "holding"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ends.far.anext_seen() == "cancelled"


@aio_test
async def test_a_stream_that_fails_gives_the_values_before_the_error() -> None:
    async with ajoined() as ends:
        items = ends.host.stream(12, 3)
        assert [await anext(items) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(RemoteCallError, match="out of paper"):
            await anext(items)
        with pytest.raises(CallTimeoutError):
            await anext(ends.host.stream(6, timeout_s=0.05))
        with pytest.raises(CallError, match=r"stream\(\)"):
            await ends.host.call(3, 5)
        raw = [item async for item in ends.host.stream(15, b"abcd", raw=True)]
        assert raw == [b"abc", b"d"]


@aio_test
async def test_a_slow_handler_and_an_unread_stream_stop_no_other_call() -> None:
    async with ajoined(config=WireConfig(stream_buffer_bytes=1024)) as ends:
        slow = await ends.host.start(6, timeout_s=PATIENCE_S)
        unread = await ends.host.stream(24, 5_000)
        for number in range(50):
            assert await ends.host.call(1, number, 1) == number + 1
        assert not slow.done
        assert [item async for item in unread] == list(range(5_000))
        ends.far.release.set()
        assert await slow.result() == "held"


@aio_test
async def test_a_deferred_answer_is_given_later_and_from_any_thread() -> None:
    async with ajoined() as ends:
        for answer in ("here", "there"):
            handle = await ends.host.start(14)
            reply = await ends.far.anext_seen()
            if answer == "here":
                reply.reply(answer)
            else:
                threading.Thread(target=reply.reply, args=(answer,)).start()
            assert await handle.result() == answer
        handle = await ends.host.start(14)
        (await ends.far.anext_seen()).fail("never")
        with pytest.raises(RemoteCallError, match="never"):
            await handle.result()
        handle = await ends.host.start(14)
        late = await ends.far.anext_seen()
    late.reply("nobody listens")
    with pytest.raises(IpfiError):
        await handle.result()


def test_a_deferred_answer_after_the_end_of_the_loop_is_ignored() -> None:
    replies: list[Any] = []

    async def scenario() -> None:
        async with ajoined() as ends:
            await ends.host.start(14)
            replies.append(await ends.far.anext_seen())

    asyncio.run(scenario())
    replies[0].reply("too late")
    replies[0].fail("too late")


@KINDS
@aio_test
async def test_calls_go_both_ways_and_nest(kind: str) -> None:
    async with ajoined(kind) as ends:
        assert await ends.host.call(20, 2, "there and back") == "there and back"
        assert await ends.device.call(20, 2, 5) == 5
        assert await ends.host.call(21, 10) == 10


@aio_test
async def test_endless_nesting_is_refused_and_deadlocks_nothing() -> None:
    async with ajoined(config=WireConfig(max_calls=8)) as ends:
        for _ in range(3):
            with pytest.raises(RemoteCallError):
                await ends.host.call(21, 10_000, timeout_s=PATIENCE_S)
        assert await ends.host.call(21, 4) == 4


@aio_test
async def test_a_handler_in_a_thread_calls_through_the_loop_and_is_nested() -> None:
    async with ajoined() as ends:
        loop = asyncio.get_running_loop()
        nested: list[bool] = []

        @ends.far.interface.procedure(60)
        def through(context: CallContext) -> str:
            made = asyncio.run_coroutine_threadsafe(context.wire.start(6), loop)
            handle = made.result(PATIENCE_S)
            nested.append(handle._call.nested)
            ends.near.release.set()  # not before: a call that has ended is forgotten
            asked = asyncio.run_coroutine_threadsafe(handle.result(), loop)
            return str(asked.result(PATIENCE_S))

        assert await ends.host.call(60) == "held"
        assert nested == [True]


@aio_test
async def test_a_call_without_a_session_fails_at_once() -> None:
    async with ajoined() as ends:
        await ends.host.close()
        assert ends.host.closed
        assert not ends.host.established
        for doomed in (
            ends.host.call(1, 1, 1),
            ends.host.start_partial(1),
            ends.host.emit(33, True),
            ends.host.wait_event(32),
            ends.host.stream(3, 1).start(),
        ):
            with pytest.raises(WireClosedError):
                await doomed
        assert [event async for event in ends.host.events(32)] == []


@replaces_parts
@aio_test
async def test_commands_of_one_turn_of_the_loop_leave_together_and_all_of_them() -> None:
    async with ajoined() as ends:
        transport = ends.host._pump._transport
        write, sizes = transport.write, []

        def counting(data: bytes) -> int:
            sizes.append(len(data))
            return write(data)

        vars(transport)["write"] = counting
        handles = [await ends.host.start(1, n, 1) for n in range(50)]
        assert [await handle.result() for handle in handles] == list(range(1, 51))
        assert len(sizes) < 50
        del vars(transport)["write"]


@replaces_parts
@aio_test
async def test_a_restart_in_the_middle_of_a_description_teaches_nothing_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ajoined() as ends:
        learn = ends.host._wire
        hashes = iter([1, 2])
        with monkeypatch.context() as patched:
            patched.setattr(type(learn), "peer_schema", property(lambda _: next(hashes)))
            ends.host._directory.manifest = None
            with pytest.raises(IpfiError, match=r"restarted \(while it described itself\)"):
                await ends.host.call("add", 1, 2)
        assert await ends.host.call("add", 1, 2) == 3


@pytest.mark.parametrize("steps", range(12))
@aio_test
async def test_a_call_may_be_cancelled_at_any_await_and_leaves_nothing(steps: int) -> None:
    async with ajoined() as ends:
        await _cancel_after(steps, ends, ends.host.call("add", 1, 2))
        await _cancel_after(steps, ends, _read_all(ends.host.stream("sequence", 5)))
        await _cancel_after(steps, ends, ends.host.wait_event("tick"))
        await _cancel_after(steps, ends, ends.host.describe())
        assert await ends.host.call("add", 1, 2) == 3
        await await_until(lambda: ends.host.stats().open_calls == 0)
        assert ends.host._notifications.subscriptions.all_queues == []
        await await_until(lambda: not ends.device._serving._tasks)


async def _read_all(stream: aio.Stream) -> list[Any]:
    async with stream as items:
        return [item async for item in items]


async def _cancel_after(steps: int, ends: AioEnds, doing: Any) -> None:
    """Cancel after so many turns of the loop, unless it has ended by then."""
    ends.host._directory.manifest = None
    task = asyncio.ensure_future(doing)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@replaces_parts
@aio_test
async def test_no_thread_for_a_handler_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ajoined() as ends:

        def no_thread(_: Any) -> bool:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(ends.device._serving.workers, "run", no_thread)
            with pytest.raises(CallRefusedError, match="no thread"):
                await ends.host.call(1, 1, 1)
        assert await ends.host.call(1, 1, 1) == 2
        assert ends.device.stats().refused == 1


@replaces_parts
@aio_test
async def test_a_name_that_a_restart_took_away_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ajoined() as ends:

        async def restarted(_timeout_s: float) -> None:
            pass

        with monkeypatch.context() as patched:
            patched.setattr(ends.host, "_ask", restarted)
            ends.host._directory.manifest = None
            for doomed in (ends.host.call("add", 1, 2), ends.host.emit("other", True)):
                with pytest.raises(DeviceResetError, match="restarted"):
                    await doomed
        async with ends.host as wire:
            assert len(await wire.describe()) == len(await wire.describe()) > 0
        assert wire.closed


@aio_test
async def test_closing_right_after_a_call_arrived_runs_no_handler() -> None:
    async with ajoined() as ends:
        await ends.host.start(7)
        await ends.host.start(1, 1, 1)
        serve = ends.device._serving.start

        def close_first(call: Any) -> None:
            serve(call)
            ends.device.abandon()

        vars(ends.device._serving)["start"] = close_first
        await await_until(lambda: ends.device.closed)
        await await_until(lambda: not ends.device._serving._tasks)
        assert ends.far.seen.empty()


def test_a_wire_left_open_by_its_loop_can_be_abandoned_afterwards() -> None:
    left: list[aio.Connection] = []

    async def scenario() -> None:
        name = fresh_name()
        left.append(await aio.connect(name, role="device"))
        left.append(await aio.connect(name))

    asyncio.run(scenario())
    for wire in left:
        wire.abandon()
        assert wire.closed
