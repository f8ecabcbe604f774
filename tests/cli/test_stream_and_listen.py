"""``ipfi stream``, ``ipfi listen``, ``ipfi describe``: what comes from the board, as it comes."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.cli.conftest import COMMAND, Start, environment, here, ipfi, on_a_terminal

BOARD = "sim:python"


def test_values_are_printed_one_a_line() -> None:
    done = here("stream", BOARD, "sequence", "3")
    assert (done.code, done.out, done.err) == (0, "item 0\nitem 1\nitem 2\n", "")


def test_an_endless_stream_can_be_cut() -> None:
    done = ipfi("stream", BOARD, "sequence", "4000000000", "--count", "2", "--json")
    assert done.objects == [{"value": "item 0"}, {"value": "item 1"}]


def test_a_reader_that_leaves_ends_the_stream_quietly() -> None:
    stream = subprocess.Popen(  # noqa: S603
        [*COMMAND, "stream", BOARD, "sequence", "4000000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with stream:
        assert stream.stdout is not None
        assert stream.stderr is not None
        assert stream.stdout.readline() == b"item 0\n"
        stream.stdout.close()
        assert stream.wait(30) == 141
        assert stream.stderr.read() == b""


def test_an_interrupted_stream_says_so_with_its_code(start: Start) -> None:
    stream = start("stream", BOARD, "sequence", "4000000000")
    assert stream.line() == "item 0"
    done = stream.end(signal.SIGINT)
    assert (done.code, done.err) == (130, "")


def test_a_stream_has_a_deadline_if_it_is_given_one() -> None:
    assert ipfi("stream", BOARD, "sleep", "60000", "--timeout", "0.1").code == 4


def test_a_streaming_procedure_that_is_unknown_is_refused() -> None:
    assert ipfi("stream", BOARD, "sequences", "3").code == 1


def test_a_stream_says_what_it_takes_and_what_it_got() -> None:
    done = here("stream", BOARD, "sequence", "-1")
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith(
        "it is sequence(n: u32) -> Iterator[str] and got -1; "
        "n is a whole number from 0 to 4294967295\n"
    )
    first = here("listen", BOARD, "--call", "start_ticks soon", "--count", "1")
    assert 'it is start_ticks(period_ms: u32) -> None and got "soon"; period_ms is' in first.err


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("add", "add is a procedure, and no event: `ipfi call` calls it"),
        ("1", "add is a procedure, and no event"),
        ("led", "that the board takes; it does not emit it: `ipfi emit` does"),
        ("33", "led is an event that the board takes"),
    ],
)
def test_what_is_never_emitted_is_not_waited_for(event: str, says: str) -> None:
    done = here("listen", BOARD, event)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_an_event_that_is_not_described_is_waited_for_with_a_warning() -> None:
    done = here("listen", BOARD, "70", "--timeout", "0.1")
    assert (done.code, done.err) == (0, "ipfi: the board does not say that it emits an event 70\n")


def test_events_are_printed_with_their_names() -> None:
    done = ipfi("listen", BOARD, "--call", "start_ticks 10", "--count", "3")
    assert done.code == 0
    assert [line.partition(",")[0] for line in done.out.splitlines()] == [
        "tick(0",
        "tick(1",
        "tick(2",
    ]


def test_programs_get_an_object_for_each_event() -> None:
    done = ipfi("listen", BOARD, "tick", "--call", "start_ticks 10", "--count", "2", "--json")
    assert [(o["event"], o["index"], o["arguments"][0]) for o in done.objects] == [
        ("tick", 32, 0),
        ("tick", 32, 1),
    ]


def test_too_few_events_in_the_time_are_a_timeout() -> None:
    done = here("listen", BOARD, "--count", "1", "--timeout", "0.1")
    assert (done.code, done.out) == (4, "")
    assert done.err == "ipfi: 0 of 1 events within 0.1 s\n"


def test_without_a_number_the_end_of_the_time_is_the_end() -> None:
    assert ipfi("listen", BOARD, "--timeout", "0.1").code == 0


def test_ctrl_c_is_how_listening_ends(start: Start) -> None:
    listening = start("listen", BOARD, "--call", "start_ticks 10")
    assert listening.line().startswith("tick(0")
    done = listening.end(signal.SIGINT)
    assert (done.code, done.err) == (0, "")


def test_ctrl_c_before_the_number_is_an_interruption(start: Start) -> None:
    listening = start("listen", BOARD, "--call", "start_ticks 10", "--count", "1000000")
    assert listening.line().startswith("tick(0")
    assert listening.end(signal.SIGINT).code == 130


def test_text_and_restarts_are_shown(start: Start, python_board: str) -> None:
    listening = start("listen", python_board, "--json", "--call", "say hello")
    assert listening.line() == '{"text": "hello"}'
    assert listening.end().code == 0
    restarted = start("listen", python_board, "--json", "--call", "reboot")
    assert restarted.line() == '{"reset": "software"}'
    assert "the board restarted (software)" in restarted.end().err


def test_a_board_that_is_unplugged_ends_listening_with_a_reason(start: Start) -> None:
    board = start("sim", "python")
    listening = start("listen", board.line(), "--call", "start_ticks 10")
    assert listening.line().startswith("tick(0")
    board.end(signal.SIGKILL)
    done = listening.finish()
    assert done.code == 5
    assert "unplugged" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", ["", "'unbalanced"])
def test_a_first_call_that_cannot_be_read_is_wrong_usage(command: str) -> None:
    done = here("listen", BOARD, "--call", command)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_the_description_is_a_table() -> None:
    done = here("describe", BOARD)
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0] == "procedures"
    assert lines[2].split(maxsplit=1) == [
        "1",
        "add(a: u32, b: u32) -> u32                          Add two numbers, wrapping at 2**32.",
    ]
    assert lines[18] == "events"
    assert lines[19].split()[:2] == ["32", "tick(count:"]
    assert len({line.find("Return") for line in lines if "  Return " in line}) == 1


def test_programs_get_the_description_as_one_object() -> None:
    described = here("describe", BOARD, "--json").object
    assert described["endpoint"] == BOARD
    assert [entry["index"] for entry in described["entries"]] == [*range(17), 32, 33]
    assert described["entries"][3] == {
        "index": 3,
        "kind": "streaming",
        "name": "sequence",
        "signature": "(n: u32) -> Iterator[str]",
        "doc": 'Stream "item 0" to "item n-1".',
    }


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_the_table_fits_the_terminal_where_it_can(columns: int) -> None:
    seen = on_a_terminal("describe", BOARD, columns=columns, changes={"NO_COLOR": "1"})
    assert "\x1b" not in seen
    assert max(map(len, seen.splitlines())) <= max(columns, 80)


def test_a_plain_wire_does_not_describe_itself(start: Start, served: str) -> None:
    address = start("serve", served, "tcp:127.0.0.1:0").line().removeprefix("listening on ")
    done = ipfi("describe", address)
    assert done.code == 2
    assert "plain" in done.err


def test_ports_are_listed() -> None:
    assert here("ports").code == 0
    ports = here("ports", "--json").object["ports"]
    assert all({"path", "description", "usb"} <= set(port) for port in ports)
