"""Unary calls, both ways."""

from __future__ import annotations

from tests.engine.wires import ADD, ECHO, Pair, answer


def test_a_call_gets_its_answer_on_a_framed_wire() -> None:
    pair = Pair()
    call = pair.a.start(ECHO, b"hello")
    pair.settle()
    received = pair.b.take_call()
    assert bytes(received.arguments) == b"hello"
    pair.b.wire.callee.answer(received, b"world")
    pair.settle()
    assert pair.a.value(call) == b"world"


def test_a_call_gets_its_answer_on_a_plain_wire() -> None:
    pair = Pair(framed=False)
    pair.b.handlers[ADD] = answer
    call = pair.a.start(ADD, b"\x01")
    pair.settle()
    assert pair.a.value(call) == b"\x01"
