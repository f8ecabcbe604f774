"""Promises that hold for any input: splits, nonsense, and any order of operations under faults."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.codec.message import MessageKind, Terminator
from ipfi_serial.engine.calls import (
    CallEnded,
    CallReceived,
    ItemReceived,
)
from ipfi_serial.engine.interface import DESCRIBE_INDEX
from ipfi_serial.engine.wire import WireEvent
from ipfi_serial.events import SessionLost
from tests.engine.chaos import TIGHT, Chaos
from tests.engine.lines import OneEnd
from tests.engine.wires import ADD, CALL, COUNT, ECHO, LED, RESPONSE, assert_empty

PROCEDURES = [ADD, ECHO, COUNT, LED, 99, DESCRIBE_INDEX]
SIZES = st.sampled_from([0, 1, 5, 127, 128, 129, 600, 1024, 1025, 5000])
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(MessageKind),
        st.sampled_from(PROCEDURES),
        st.integers(0, 3),
        st.sampled_from(Terminator),
        SIZES,
    ),
    max_size=25,
)


def facts(log: list[WireEvent]) -> list[object]:
    """What happened, without the identities of calls and errors."""
    told: list[object] = []
    for event in log:
        match event:
            case CallReceived(call):
                told.append(("received", call.key, bytes(call.arguments)))
            case CallEnded(call, value, error):
                told.append(("ended", call.key, value, repr(error)))
            case ItemReceived(call, value):
                told.append(("item", call.key, value))
            case SessionLost(reason, final):
                told.append(("lost", repr(reason), final))
            case _:
                told.append(repr(event).partition(" object at ")[0])
    return told


def scene(*, framed: bool) -> OneEnd:
    """An end with calls open and a few pairs taken."""
    one = OneEnd(framed=framed, config=TIGHT, max_calls=200)
    for procedure in (ADD, ECHO, LED):
        one.end.start(procedure, timeout_s=1000)
    for _ in range(2):
        one.end.stream(COUNT)
    one.settle()
    return one


def say_all(one: OneEnd, messages: list[tuple[MessageKind, int, int, Terminator, int]]) -> bytes:
    """Let the peer say messages; return the bytes on the line."""
    for kind, procedure, call, terminator, size in messages:
        one.peer.say(kind, procedure, call, terminator, bytes(size))
    data = b""
    while piece := one.peer.wire.bytes_to_send(one.now_s):
        data += piece
    return data


@settings(max_examples=150, deadline=None)
@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 200), min_size=1), framed=st.booleans())
def test_any_split_of_the_same_bytes_gives_the_same_events(
    messages: list[tuple[MessageKind, int, int, Terminator, int]], cuts: list[int], framed: bool
) -> None:
    logs = []
    for split in (False, True):
        one = scene(framed=framed)
        data = say_all(one, messages)
        at = number = 0
        while at < len(data):
            size = cuts[number % len(cuts)] if split else len(data)
            one.end.wire.receive_bytes(data[at : at + size], one.now_s)
            one.end.take_events()
            at += size
            number += 1
        one.end.wire.on_deadline(one.now_s + 0.3)
        one.end.take_events()
        logs.append(facts(one.end.log))
    assert logs[0] == logs[1]


@settings(max_examples=150, deadline=None)
@given(
    data=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                lambda head, body: bytes(head) + body,
                st.tuples(
                    st.integers(0, 9),
                    st.sampled_from([0, 0x40, 0xC0, 0xE0, 0x80, 0x10]),
                    st.sampled_from(PROCEDURES[:4]),
                    st.integers(0, 3),
                    st.integers(0, 40),
                ),
                st.binary(max_size=40),
            ),
        ),
        max_size=12,
    ),
    inside=st.booleans(),
    framed=st.booleans(),
)
def test_no_bytes_make_a_verb_raise_and_nothing_grows_without_bound(
    data: list[bytes], inside: bool, framed: bool
) -> None:
    """On the line itself, or inside an intact stream of frames."""
    one = scene(framed=framed)
    for piece in data:
        if inside:
            one.peer.say_bytes(piece)
            one.settle()
        else:
            one.end.wire.receive_bytes(piece, one.now_s)
        one.end.wire.bytes_to_send(one.now_s)
        one.pass_time(0.01)
    callee = one.end.wire.callee
    assert len(callee._calls) <= 4 + 1
    assert callee._admission.receiving <= 2
    assert len(one.end.wire._inbox._assembly) <= 1024
    assert one.end.wire._inbox._decoder.buffered_bytes <= 1024 + 26
    one.run(3)
    one.end.wire.close(one.now_s)
    one.end.take_events()
    for received in one.end.received:
        callee.worker_done(received)
    assert_empty(one.end)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 21), st.booleans()), max_size=70),
    seed=st.integers(0, 1 << 16),
    framed=st.booleans(),
)
def test_whatever_two_ends_do_every_call_ends_once_and_nothing_is_left(
    steps: list[tuple[int, bool]], seed: int, framed: bool
) -> None:
    chaos = Chaos(framed=framed, seed=seed)
    for number, at_a in steps:
        chaos.step(number, chaos.pair.a if at_a else chaos.pair.b)
    chaos.finish()


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("seed", range(30))
def test_a_long_life_of_two_ends_leaves_nothing_behind(seed: int, framed: bool) -> None:
    chaos = Chaos(framed=framed, seed=seed)
    for _ in range(300):
        end = chaos.chance.choice((chaos.pair.a, chaos.pair.b))
        chaos.step(chaos.chance.randrange(22), end)
    chaos.finish()


def test_a_stray_answer_never_meets_a_call_of_the_other_direction() -> None:
    one = scene(framed=True)
    one.hear(CALL, ADD, 0)
    one.hear(RESPONSE, ADD, 0)
    assert len(one.end.received) == 1
    assert len(one.end.ended) == 1
