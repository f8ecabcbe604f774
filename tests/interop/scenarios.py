"""What the Python side does on a wire to the reference peer, whatever carries the wire.

A scenario asserts as it goes.  It runs in the test's own process, or in a child whose standard
streams are the wire (``stdio_program.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from ipfi_serial import CallTimeoutError, Connection, IpfiError, WireClosedError
from tests.interop.interop_interface import Colour, Everything, Index, Reading, State, pattern
from tests.interop.peer import PATIENCE_S

READING: Final = Reading("wind", 1 << 40, -2.5, ["north", "mast"], None)
EVERYTHING: Final = Everything(
    small=-128,
    big=(1 << 64) - 1,
    negative=-(1 << 63),
    single=0.5,
    double=0.1,
    truth=True,
    letter="ß",
    text="naïve — 漢字",
    nothing=None,
    absent=None,
    present=7,
    numbers=[0, 127, 128, 255, 256, 65535, 65536, (1 << 32) - 1],
    pair=(-1, "two"),
    mapping={"one": 1, "two": 2},
    binary=bytes([0, 1, 2, 253, 254, 255]),
    integers=[0, 127, 128, 255],
    colour=Colour.GREEN,
    shape={"Rectangle": [3, 4]},
    inner=READING,
)
EVERYTHING_ON_THE_WIRE: Final = [
    -128, (1 << 64) - 1, -(1 << 63), 0.5, 0.1, True, "ß", "naïve — 漢字", None, None, 7,
    [0, 127, 128, 255, 256, 65535, 65536, (1 << 32) - 1], [-1, "two"], {"one": 1, "two": 2},
    bytes([0, 1, 2, 253, 254, 255]), [0, 127, 128, 255], "Green", {"Rectangle": [3, 4]},
    ["wind", 1 << 40, -2.5, ["north", "mast"], None],
]  # fmt: skip
ADD_ARGUMENTS: Final = b"\xcd\x01\x2c\xce\x00\x01\x11\x70"  # 300, 70000 without an array header
ECHO_ARGUMENTS: Final = b"\xa9in pieces"


@dataclass
class Side:
    """The Python end of a wire, and what its handlers have seen."""

    wire: Connection
    state: State

    def call(self, procedure: int, *arguments: object) -> Any:
        """Call with the patience of a test."""
        return self.wire.call(procedure, *arguments, timeout_s=PATIENCE_S)

    def stream(self, procedure: int, *arguments: object) -> list[Any]:
        """Read a whole stream."""
        with self.wire.stream(procedure, *arguments, timeout_s=PATIENCE_S) as items:
            return list(items)


def items_of_sequence(count: int) -> list[str]:
    """Return what the procedure ``sequence`` streams."""
    return [f"item {number}" for number in range(count)]


def unary(side: Side) -> None:
    """One call after the other: no arguments, numbers, long text, no result, a wide index."""
    assert side.call(Index.MAGIC) == 42
    assert side.call(Index.ADD, 40, 2) == 42
    assert side.call(Index.ADD, (1 << 32) - 1, 2) == 1
    for text in ("", "naïve — 漢字", "x" * 300, "four bytes of length " * 4000):
        assert side.call(Index.ECHO, text) == text
    assert side.call(Index.NOTHING) is None
    assert side.call(Index.WIDE) == "wide"


def values(side: Side) -> None:
    """Records, enums, Option, Result, bytes, and one of every type."""
    shifted = ["wind", 1 << 40, 0.0, ["north", "mast"], "shifted"]
    assert side.call(Index.SHIFT, READING, 2.5) == shifted
    for shape, turned in (
        ("Empty", "Empty"),
        ({"Circle": 1.5}, {"Circle": 1.5}),
        ({"Line": [1, -2]}, {"Line": [-2, 1]}),
        ({"Rectangle": [3, 4]}, {"Rectangle": [4, 3]}),
    ):
        assert side.call(Index.TURN, shape) == turned
    assert side.call(Index.NEXT_COLOUR, Colour.BLUE) == Colour.RED.value
    assert side.call(Index.DIVIDE, 42, -2) == {"Ok": -21}
    assert side.call(Index.DIVIDE, 1, 0) == {"Err": "division by zero"}
    assert side.call(Index.HALVE, 42) == 21
    assert side.call(Index.HALVE, None) is None
    assert side.call(Index.EVERYTHING, EVERYTHING) == EVERYTHING_ON_THE_WIRE
    assert side.call(Index.BLOB, 1000) == pattern(1000)
    assert side.call(Index.NUMBERS, 1000) == list(pattern(1000))
    assert side.call(Index.LENGTH, pattern(1000)) == 1000
    assert side.call(Index.LENGTH, list(pattern(1000))) == 1000


def streams(side: Side) -> None:
    """Streams of one and of many values, eight at once, in pieces, and an empty one."""
    for count in (1, 2, 5, 2000):
        assert side.stream(Index.SEQUENCE, count) == items_of_sequence(count)
    assert side.stream(Index.SPLIT_VALUES) == ["first", "second", "third"]
    assert side.stream(Index.EMPTY_STREAM) == []
    opened = [
        (count, side.wire.stream(Index.SEQUENCE, count * 10, timeout_s=PATIENCE_S))
        for count in range(1, 9)
    ]
    for count, items in opened:
        with items:
            assert list(items) == items_of_sequence(count * 10)


def call_inside_a_stream(side: Side) -> None:
    """A call for each value of a stream that is still being read."""
    with side.wire.stream(Index.SEQUENCE, 50, timeout_s=PATIENCE_S) as items:
        for number, item in enumerate(items):
            assert item == f"item {number}"
            assert side.call(Index.ADD, number, 1) == number + 1


def raw(side: Side) -> None:
    """Bytes in, bytes out."""
    every_byte = bytes(range(256))
    for data in (every_byte, b"", every_byte * 300):
        assert side.call(Index.REVERSE, data) == data[::-1]


def partial_bytes(side: Side) -> None:
    """Arguments one byte at a time."""
    partial = side.wire.start_partial(Index.ADD)
    for byte in ADD_ARGUMENTS:
        partial.send_bytes(bytes([byte]))
    assert partial.finish().result(timeout_s=PATIENCE_S) == 70_300


def long_partial(side: Side) -> None:
    """3,000 messages one way before the first answer."""
    text = "z" * 3000
    partial = side.wire.start_partial(Index.ECHO, timeout_s=PATIENCE_S)
    for byte in b"\xda\x0b\xb8" + text.encode():
        partial.send_bytes(bytes([byte]))
    assert partial.finish().result(timeout_s=PATIENCE_S) == text


def partial_values(side: Side) -> None:
    """Arguments one value at a time, and a value in two pieces between whole ones."""
    partial = side.wire.start_partial(Index.ADD)
    partial.send(300)
    partial.send(70_000)
    assert partial.finish().result(timeout_s=PATIENCE_S) == 70_300
    mixed = side.wire.start_partial(Index.ADD)
    mixed.send_bytes(ADD_ARGUMENTS[:2])
    mixed.send_bytes(ADD_ARGUMENTS[2:3])
    mixed.send(70_000)
    assert mixed.finish().result(timeout_s=PATIENCE_S) == 70_300
    without_arguments = side.wire.start_partial(Index.MAGIC)
    assert without_arguments.finish().result(timeout_s=PATIENCE_S) == 42


def interleaved_partials(side: Side) -> None:
    """Eight calls byte by byte at once, a whole call between, finished last one first."""
    opened = [
        (arguments, result, side.wire.start_partial(procedure))
        for procedure, arguments, result in (
            (Index.ADD, ADD_ARGUMENTS, 70_300),
            (Index.ECHO, ECHO_ARGUMENTS, "in pieces"),
        )
        * 4
    ]
    for position in range(len(ECHO_ARGUMENTS)):
        for arguments, _, partial in opened:
            if piece := arguments[position : position + 1]:
                partial.send_bytes(piece)
    assert side.call(Index.ADD, 1, 2) == 3
    for _, result, partial in reversed(opened):
        assert partial.finish().result(timeout_s=PATIENCE_S) == result


def thousand(side: Side) -> None:
    """1,000 calls in flight; call indices of two bytes."""
    handles = [side.wire.start(Index.ADD, number, 1_000_000) for number in range(1000)]
    answers = [handle.result(timeout_s=PATIENCE_S) for handle in handles]
    assert answers == [number + 1_000_000 for number in range(1000)]


def thousand_deferred(side: Side) -> None:
    """1,000 calls in flight that are all answered late, in whatever order."""
    handles = [side.wire.start(Index.SLEEP, number % 50) for number in range(1000)]
    answers = [handle.result(timeout_s=PATIENCE_S) for handle in handles]
    assert answers == [number % 50 for number in range(1000)]


def out_of_order(side: Side) -> None:
    """A deferred answer holds nobody up."""
    slow = side.wire.start(Index.SLEEP, 400)
    fast = side.wire.start(Index.SLEEP, 1)
    assert side.call(Index.MAGIC) == 42
    assert fast.result(timeout_s=PATIENCE_S) == 1
    assert slow.result(timeout_s=PATIENCE_S) == 400


def callbacks(side: Side) -> None:
    """The peer calls back before it answers; nested; a stream made of a stream of ours."""
    assert side.call(Index.CALL_BACK, Index.ECHO, "there and back") == "there and back"
    for depth in (0, 1, 2, 5):
        assert side.call(Index.NEST, depth) == depth
    relayed = [f"relayed {item}" for item in items_of_sequence(20)]
    assert side.stream(Index.RELAY_SEQUENCE, 20) == relayed


def end_of_input(side: Side) -> None:
    """EndOfInput both ways; the wire stays usable."""
    heard = threading.Event()
    side.wire.on_end_of_input(heard.set)
    before = side.call(Index.ENDS_OF_INPUT)
    for _ in range(3):
        side.wire.end_of_input()
    assert side.call(Index.ENDS_OF_INPUT) == before + 3
    assert side.call(Index.SEND_END_OF_INPUT) is None
    assert heard.wait(PATIENCE_S), "the peer's EndOfInput was not reported"
    assert side.call(Index.MAGIC) == 42


def batches(side: Side) -> None:
    """A peer without threads: it answers everything when it hears EndOfInput."""
    for number in range(3):
        answered = threading.Event()
        side.wire.on_end_of_input(answered.set)
        magic = side.wire.start(Index.MAGIC)
        total = side.wire.start(Index.ADD, number, 10)
        text = side.wire.start(Index.ECHO, "a batch")
        side.wire.end_of_input()
        assert magic.result(timeout_s=PATIENCE_S) == 42
        assert total.result(timeout_s=PATIENCE_S) == number + 10
        assert text.result(timeout_s=PATIENCE_S) == "a batch"
        assert answered.wait(PATIENCE_S), "the peer's EndOfInput was not reported"


def answer_batches(side: Side) -> None:
    """Serve a peer without threads: our EndOfInput answers each of its own."""
    side.wire.on_end_of_input(side.wire.end_of_input)
    side.wire.end_of_input()  # for a batch that was complete before we listened
    serve(side)


def termination_by_the_peer(side: Side) -> None:
    """The peer's goodbye: what it answered before arrives, what is open ends with an error."""
    endless = side.wire.start(Index.SLEEP, 3_600_000)
    goodbye = side.wire.start(Index.SEND_TERMINATION)
    assert goodbye.result(timeout_s=PATIENCE_S) is None
    with pytest.raises(WireClosedError) as caught:
        endless.result(timeout_s=PATIENCE_S)
    assert caught.value.may_have_executed is True
    assert side.state.closed.wait(PATIENCE_S), "on_close was not called"
    with pytest.raises(IpfiError):
        side.call(Index.MAGIC)


def termination_by_us(side: Side) -> None:
    """Closing with a call open ends that call here; the peer must see a goodbye."""
    assert side.call(Index.MAGIC) == 42
    endless = side.wire.start(Index.SLEEP, 3_600_000)
    side.wire.close()
    with pytest.raises(WireClosedError):
        endless.result(timeout_s=PATIENCE_S)


def unknown_procedure(side: Side) -> None:
    """Nobody answers; our deadline does, and the wire goes on."""
    with pytest.raises(CallTimeoutError):
        side.wire.call(Index.UNKNOWN, timeout_s=0.3)
    with pytest.raises(CallTimeoutError):
        side.wire.call(Index.ADD, "not", "numbers", timeout_s=0.3)
    assert side.call(Index.MAGIC) == 42


def unknown_procedure_closes(side: Side) -> None:
    """A peer in the crate's own loop closes for it: the call ends at once, not at its deadline."""
    with pytest.raises(IpfiError) as caught:
        side.wire.call(Index.UNKNOWN, timeout_s=PATIENCE_S)
    assert not isinstance(caught.value, CallTimeoutError)
    assert caught.value.may_have_executed is True


def eleven_calls(side: Side) -> None:
    """The peer drops the eleventh ongoing call without a word; only that one times out."""
    handles = [side.wire.start(Index.SLEEP, 600) for _ in range(10)]
    with pytest.raises(CallTimeoutError):
        side.wire.call(Index.SLEEP, 600, timeout_s=0.3)
    assert [handle.result(timeout_s=PATIENCE_S) for handle in handles] == [600] * 10
    assert side.call(Index.MAGIC) == 42


def note_as_a_call(side: Side) -> None:
    """An event, on a plain wire, is a call whose answer nobody waits for."""
    for number in range(3):
        side.wire.emit(Index.NOTE, f"note {number}")
    assert side.call(Index.NOTES) == ["note 0", "note 1", "note 2"]


def by_name(side: Side) -> None:
    """Names that were declared here."""
    assert side.wire.call("magic", timeout_s=PATIENCE_S) == 42
    assert side.wire.call("add", 40, 2, timeout_s=PATIENCE_S) == 42


def mixed(side: Side) -> None:
    """Every kind of call from four threads at once."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            _one_of_four(side, number)
        except BaseException as failure:  # noqa: BLE001 - handed to the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a thread of the scenario did not end"
    if failures:
        raise failures[0]


def _one_of_four(side: Side, number: int) -> None:
    for count in range(25):
        assert side.call(Index.ADD, number, count) == number + count
        text = f"thread {number}, round {count}"
        assert side.call(Index.ECHO, text) == text
        assert side.stream(Index.SEQUENCE, count + 1) == items_of_sequence(count + 1)
        partial = side.wire.start_partial(Index.ADD)
        partial.send_bytes(ADD_ARGUMENTS[:3])
        assert side.call(Index.NEST, 2) == 2
        partial.send_bytes(ADD_ARGUMENTS[3:])
        assert partial.finish().result(timeout_s=PATIENCE_S) == 70_300


def serve(side: Side) -> None:
    """Only answer, until the peer says goodbye."""
    assert side.state.closed.wait(PATIENCE_S), "the peer did not say goodbye"


def leave_when_asked(side: Side) -> None:
    """Answer until the peer asks this side to go away, then close."""
    assert side.state.asked_to_leave.wait(PATIENCE_S), "nobody asked"


def both_at_once(side: Side) -> None:
    """Call while the peer's script calls, and stay until that is done."""
    mixed(side)
    assert side.state.script_done.wait(PATIENCE_S), "the peer's script did not end"


def thousand_both_ways(side: Side) -> None:
    """1,000 calls in flight each way."""
    thousand(side)
    assert side.state.script_done.wait(PATIENCE_S), "the peer's script did not end"


SCENARIOS: Final[dict[str, Callable[[Side], None]]] = {
    scenario.__name__: scenario
    for scenario in (
        unary, values, streams, call_inside_a_stream, raw, partial_bytes, long_partial,
        partial_values, interleaved_partials, thousand, thousand_deferred, out_of_order,
        callbacks, end_of_input, batches, answer_batches, termination_by_the_peer,
        termination_by_us, unknown_procedure, unknown_procedure_closes, eleven_calls,
        note_as_a_call, by_name, mixed, serve, leave_when_asked, both_at_once, thousand_both_ways,
    )
}  # fmt: skip
