"""Python and the reference implementation as each other's peer, over every kind of plain wire.

``reference_peer/`` is a program of ours on the crate ``ipfi`` 0.1.0-rc.2.
docs/protocol.md, section 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from ipfi_serial import Interface, connect, listen
from tests.interop.interop_interface import Index, State, make_interface
from tests.interop.lines import LINES, Runner, run_scenario
from tests.interop.peer import PATIENCE_S
from tests.interop.scenarios import Side, mixed

# The first test builds the peer; each wait has a deadline of its own.
pytestmark = pytest.mark.timeout(900)

# Without an option the peer serves ten calls at once and drops the next without a word.
MANY_CALLS: Final = ("--max-ongoing", "1100")

CALLS: Final[dict[str, tuple[str, ...]]] = {
    "unary": (),
    "by_name": (),
    "values": (),
    "streams": (),
    "call_inside_a_stream": (),
    "raw": (),
    "partial_bytes": (),
    "long_partial": (),
    "partial_values": (),
    "interleaved_partials": (),
    "thousand": (),
    "thousand_deferred": MANY_CALLS,
    "out_of_order": (),
    "callbacks": (),
    "end_of_input": (),
    "note_as_a_call": (),
    "eleven_calls": (),
    "unknown_procedure": ("--tolerant",),
    "mixed": MANY_CALLS,
    "termination_by_the_peer": (),
    "termination_by_us": (),
}

SCRIPTS: Final = (
    "unary",
    "values",
    "streams",
    "raw",
    "partial-bytes",
    "partial-values",
    "interleaved-partials",
    "thousand",
    "out-of-order",
    "callbacks",
    "end-of-input",
    "mixed",
    "termination",
)

GOODBYE: Final = "reference-peer: the other side said goodbye"


@pytest.fixture
def runner(reference_peer: Path, tmp_path: Path) -> Runner:
    return Runner(reference_peer, tmp_path)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("scenario", CALLS)
def test_python_calls_the_reference_peer(runner: Runner, line: str, scenario: str) -> None:
    ended = runner.run(line, scenario, "serve", *CALLS[scenario])
    if scenario == "unknown_procedure":
        assert len(ended.report["errors"]) == 2
    elif scenario not in ("termination_by_us", "termination_by_the_peer"):
        assert ended.report["errors"] == []


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_reference_peer_calls_python(runner: Runner, line: str, script: str) -> None:
    ended = runner.run(line, "serve", "drive", "--script", script, *MANY_CALLS)
    assert ended.report["finished"]
    assert ended.report["errors"] == []


@pytest.mark.parametrize("line", LINES)
def test_both_call_each_other_at_once(runner: Runner, line: str) -> None:
    ended = runner.run(line, "both_at_once", "drive", "--script", "mixed", "--linger", *MANY_CALLS)
    assert ended.report["finished"]
    assert ended.report["errors"] == []


@pytest.mark.parametrize("line", LINES)
def test_a_thousand_calls_are_in_flight_each_way_at_once(runner: Runner, line: str) -> None:
    ended = runner.run(
        line, "thousand_both_ways", "drive", "--script", "thousand", "--linger", *MANY_CALLS
    )
    assert ended.report["errors"] == []


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("scenario", ["thousand", "long_partial"])
def test_a_peer_that_reads_late_gets_everything(runner: Runner, line: str, scenario: str) -> None:
    # The buffers of a pty and of a Unix socket are full long before the last message.
    ended = runner.run(line, scenario, "serve", "--read-after-ms", "300")
    assert ended.report["errors"] == []


@pytest.mark.parametrize("line", LINES)
def test_an_open_call_of_the_peer_ends_when_python_leaves(runner: Runner, line: str) -> None:
    ended = runner.run(line, "leave_when_asked", "drive", "--script", "await-termination")
    assert ended.report["finished"]
    assert GOODBYE in ended.log


@pytest.mark.parametrize("line", LINES)
def test_closing_says_goodbye_to_the_peer(runner: Runner, line: str) -> None:
    ended = runner.run(line, "unary", "serve")
    assert GOODBYE in ended.log


@pytest.mark.parametrize("line", ["tcp", "unix", "stdio"])
def test_a_peer_that_closes_for_an_unknown_procedure_ends_the_call_at_once(
    runner: Runner, line: str
) -> None:
    # Not on a pty: there, as on a real serial port, nobody can tell that the other end is gone.
    ended = runner.run(line, "unknown_procedure_closes", "serve")
    assert ended.report["errors"] == ["no procedure has been registered with index 99"]


@pytest.mark.parametrize("line", LINES)
def test_a_peer_without_threads_answers_batches(runner: Runner, line: str) -> None:
    ended = runner.run(line, "batches", "serve", "--single-threaded")
    assert ended.report["batches"] == 3


@pytest.mark.parametrize("line", LINES)
def test_a_peer_without_threads_calls_in_batches(runner: Runner, line: str) -> None:
    ended = runner.run(line, "answer_batches", "drive", "--single-threaded")
    assert ended.report["batches"] == 3


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("scenario", ["unary", "streams", "interleaved_partials"])
def test_a_module_style_peer_is_called(runner: Runner, line: str, scenario: str) -> None:
    assert runner.run(line, scenario, "serve", "--module").report["errors"] == []


def test_a_peer_in_its_own_spinning_loop_is_called(runner: Runner) -> None:
    assert runner.run("unix", "unary", "serve", "--autonomous").report["served"]


def test_a_module_style_wire_of_python_is_called(runner: Runner) -> None:
    state = State()
    peer = runner.start_peer("drive", "tcp-listen:127.0.0.1:0", "--script", "values")
    try:
        with connect(peer.address(), make_interface(state), can_call=False) as wire:
            wire.on_close(lambda *_: state.closed.set())
            assert wire.closed or state.closed.wait(PATIENCE_S)
        assert peer.finish()["finished"]
    finally:
        peer.kill()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_two_peers_share_one_listening_interface(runner: Runner, kind: str) -> None:
    place = "tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{runner.directory / 'server'}"
    state = State()
    with listen(place, make_interface(state)) as server:
        peers = [
            runner.start_peer("drive", server.address, "--script", "mixed", "--linger", *MANY_CALLS)
            for _ in range(2)
        ]
        try:
            sides = [Side(server.accept(timeout_s=PATIENCE_S), state) for _ in peers]
            for side in sides:
                mixed(side)
            for peer in peers:
                assert peer.next_report()["ok"]
            for side in sides:
                side.wire.close()
            for peer in peers:
                assert peer.finish()["finished"]
        finally:
            for peer in peers:
                peer.kill()


@pytest.mark.parametrize("scenario", ["unary", "callbacks"])
def test_an_endpoint_that_listens_takes_one_peer(runner: Runner, scenario: str) -> None:
    path = runner.directory / "socket"
    peer = runner.start_peer("serve", f"unix:{path}")  # it connects as soon as we listen
    try:
        run_scenario(f"unix-listen:{path}", scenario)
        assert peer.finish()["errors"] == []
    finally:
        peer.kill()


def test_names_that_python_declared_reach_the_peer_without_a_table_of_its_own(
    runner: Runner,
) -> None:
    interface = Interface()
    interface.declare(Index.MAGIC, "magic")
    interface.declare(Index.ADD, "add")
    peer = runner.start_peer("serve", "tcp-listen:127.0.0.1:0")
    try:
        with connect(peer.address(), interface) as wire:
            assert wire.call("magic", timeout_s=PATIENCE_S) == 42
            assert wire.call("add", 40, 2, timeout_s=PATIENCE_S) == 42
        assert peer.finish()["errors"] == []
    finally:
        peer.kill()
