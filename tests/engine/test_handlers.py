"""What both shells share around handlers: arguments, results, failures, contexts, subscriptions."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from ipfi_serial.codec.values import (
    ArgumentError,
    ValueCodecError,
    ValueEncodeError,
    encode_arguments,
)
from ipfi_serial.engine.calls import IncomingCall
from ipfi_serial.engine.context import CallContext
from ipfi_serial.engine.interface import Interface, Procedure
from ipfi_serial.engine.serving import (
    decode_arguments,
    decode_result,
    describe_failure,
    encode_result,
    raw_payload,
)
from ipfi_serial.engine.subscriptions import (
    EARLY_NEWS,
    EarlyNews,
    EventArguments,
    EventQueue,
    Subscriptions,
    decode_event,
    takes_argument,
)
from ipfi_serial.errors import LocalProtocolError, RemoteCallError


class Reply:
    """A deferred reply that does nothing."""

    def reply(self, value: Any = None) -> None:
        """Answer."""

    def fail(self, message: str) -> None:
        """Fail."""


def context() -> CallContext:
    return CallContext("a wire", IncomingCall(1, 0, None), Reply)


def procedure(function: Any, *, raw: bool = False) -> Procedure:
    table = Interface()
    (table.raw_procedure if raw else table.procedure)(1, "it")(function)
    return table.procedures[1]


# --- around a handler ---


def test_arguments_are_decoded_and_checked_against_the_signature() -> None:
    def add(a: int, b: int = 2) -> int:
        return a + b

    it = procedure(add)
    assert decode_arguments(it, encode_arguments([1]), context(), 64)[0] == (1,)
    for payload in (b"", b"\xa1x", b"\x01\x02\x03", b"\xc1"):
        with pytest.raises(ArgumentError):
            decode_arguments(it, payload, context(), 64)


def test_arguments_that_nest_too_deep_are_refused() -> None:
    with pytest.raises(ArgumentError):
        decode_arguments(procedure(lambda data: data), b"\x91\x91\x91\x01", context(), 2)


def test_the_context_is_passed_and_not_counted() -> None:
    def handler(a: int, ctx: CallContext) -> None: ...

    given = context()
    arguments, keywords = decode_arguments(procedure(handler), b"\x05", given, 64)
    assert (*arguments, *keywords.values()) == (5, given)


def test_a_raw_procedure_gets_the_bytes_as_they_are() -> None:
    it = procedure(lambda data: data, raw=True)
    assert decode_arguments(it, b"\xc1\xff", context(), 64)[0] == (b"\xc1\xff",)


def test_a_result_travels_as_a_value_and_a_raw_one_as_bytes() -> None:
    assert encode_result(procedure(lambda: None), None) == b"\xc0"
    raw = procedure(lambda data: data, raw=True)
    for value in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        assert encode_result(raw, value) == b"ab"
    with pytest.raises(ValueEncodeError, match="raw procedure it must give bytes, not str"):
        encode_result(raw, "ab")
    with pytest.raises(ValueEncodeError):
        encode_result(procedure(lambda: None), object())


def test_an_answer_of_a_wrong_type_says_that_the_call_was_executed() -> None:
    assert decode_result(b"\x05", int) == 5
    for value in (b"\xa1x", b"\xc1", b""):
        with pytest.raises(ValueCodecError) as caught:
            decode_result(value, int)
        assert caught.value.may_have_executed is True


def test_raw_arguments_are_one_bytes_object_or_nothing() -> None:
    assert raw_payload(()) == b""
    assert raw_payload((memoryview(b"ab"),)) == b"ab"
    for arguments in (("ab",), (b"a", b"b")):
        with pytest.raises(LocalProtocolError, match="one bytes object"):
            raw_payload(arguments)


class MuteError(Exception):
    """An exception that cannot be printed."""

    def __str__(self) -> str:
        raise ValueError("no words")


def test_a_failure_is_one_line_without_a_traceback() -> None:
    assert describe_failure(ValueError("too big\nand more")) == "ValueError: too big"
    assert describe_failure(KeyError()) == "KeyError"
    assert describe_failure(MuteError()) == "MuteError"
    nested = RemoteCallError("ValueError: too big", may_have_executed=True)
    assert describe_failure(nested) == "ValueError: too big"
    assert len(describe_failure(ValueError("x" * 1000))) == len("ValueError: ") + 200


def test_a_context_knows_its_wire_and_whether_the_caller_gave_up() -> None:
    call = IncomingCall(1, 0, None)
    given = CallContext("a wire", call, Reply)
    assert (given.wire, given.deadline_s, given.cancelled) == ("a wire", None, False)
    call.cancelled = True
    assert given.cancelled
    assert isinstance(given.defer(), Reply)


# --- events to handlers and readers ---


class Reader(EventQueue):
    """A queue that ends."""

    ended: object = None

    def finish(self, reason: Any) -> None:
        """Note why no more will come."""
        self.ended = reason


def test_event_arguments_are_a_tuple_that_knows_its_event() -> None:
    event = EventArguments.of(32, "tick", (1, 2))
    assert (event.event_index, event.name, event.args) == (32, "tick", (1, 2))
    assert list(event) == [1, 2]
    assert type(event.args) is tuple


def test_a_full_queue_drops_its_oldest_and_counts() -> None:
    queue = EventQueue(None, 2)
    kept = [queue.put(EventArguments.of(1, None, (n,))) for n in range(4)]
    assert kept == [True, True, False, False]
    assert (len(queue), queue.dropped) == (2, 2)
    assert [queue.take(), queue.take()] == [(2,), (3,)]


def test_an_event_is_decoded_whatever_its_arguments_are() -> None:
    assert decode_event(b"\x01\xa1x\xc3", 64) == (1, "x", True)
    for payload in (b"\xc1", b"\x91"):
        with pytest.raises(ArgumentError):
            decode_event(payload, 64)


def test_handlers_are_called_in_the_order_in_which_they_came() -> None:
    subscriptions = Subscriptions()
    first: list[Any] = []
    second: list[Any] = [None]
    subscriptions.add_handler(1, first.append)
    subscriptions.add_handler(1, second.append)
    assert subscriptions.handlers(1) == (first.append, second.append)
    assert subscriptions.handlers(2) == ()
    subscriptions.remove_handler(1, first.append)
    subscriptions.remove_handler(1, first.append)
    subscriptions.remove_handler(2, first.append)
    assert subscriptions.handlers(1) == (second.append,)


def test_a_handler_gets_arguments_checked_against_its_annotations() -> None:
    def on_tick(count: int) -> None: ...

    subscriptions = Subscriptions()
    assert subscriptions.bind(on_tick, b"\x05", 64) == (5,)
    assert subscriptions.bind(on_tick, b"\x06", 64) == (6,)
    with pytest.raises(ArgumentError):
        subscriptions.bind(on_tick, b"\xa1x", 64)


def test_a_handler_that_was_removed_is_forgotten() -> None:
    subscriptions = Subscriptions()
    for _ in range(100):

        def handler(count: int) -> None: ...

        subscriptions.add_handler(1, handler)
        subscriptions.bind(handler, b"\x05", 64)
        subscriptions.remove_handler(1, handler)
    assert not subscriptions._signatures


def test_queues_take_their_event_or_every_one() -> None:
    subscriptions = Subscriptions()
    ticks, everything = Reader(1, 9), Reader(None, 9)
    subscriptions.add_queue(ticks)
    subscriptions.add_queue(everything)
    assert subscriptions.queues(1) == [ticks, everything]
    assert subscriptions.queues(2) == [everything]
    assert subscriptions.all_queues == [ticks, everything]
    subscriptions.remove_queue(ticks)
    subscriptions.remove_queue(ticks)
    assert subscriptions.all_queues == [everything]


def test_a_queue_that_nobody_reads_any_more_is_fed_no_longer() -> None:
    subscriptions = Subscriptions()
    kept = Reader(1, 9)
    for _ in range(5):
        subscriptions.add_queue(Reader(1, 9))
    subscriptions.add_queue(kept)
    gc.collect()
    assert subscriptions.queues(1) == [kept]
    assert len(subscriptions._queues) == 1


def test_early_news_is_kept_for_whoever_asks_first_and_the_oldest_goes() -> None:
    news = EarlyNews()
    for number in range(EARLY_NEWS + 2):
        news.keep("text", number)
    news.keep("reset", "r")
    assert news.take("text") == list(range(2, EARLY_NEWS + 2))
    assert news.take("text") == []
    assert news.take("reset") == ["r"]


@pytest.mark.parametrize(
    ("function", "wants"),
    [
        (lambda: None, False),
        (lambda reason: None, True),  # noqa: ARG005 - its shape is what counts
        (lambda *reasons: None, True),  # noqa: ARG005
        (lambda *, reason=1: None, False),  # noqa: ARG005
        (print, True),
        (dict, True),  # nobody knows its signature
        ([].append, True),
    ],
)
def test_a_callback_is_given_the_argument_that_it_can_take(function: Any, wants: bool) -> None:
    assert takes_argument(function) is wants
