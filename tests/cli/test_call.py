"""``ipfi call``: arguments in, the answer out, for people and for programs."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Start, here, ipfi, on_a_terminal

BOARD = "sim:python"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("magic",), "42"),
        (("add", "40", "2"), "42"),
        (("1", "40", "2"), "42"),
        (("0x1", "40", "2"), "42"),
        (("divide", "-7", "2"), "-3"),
        (("echo", "hello world"), "hello world"),
        (("echo", '"5"'), "5"),
        (("echo", "--", "-x"), "-x"),
        (("echo", "NaN"), "NaN"),
        (("led",), "false"),
        (("say", "hi"), "null"),
        (("blob", "4"), "00010203"),
        (("reverse", "abc"), "636261"),
        (("reverse", "hex:0a0b"), "0b0a"),
        (("reverse",), ""),
    ],
)
def test_the_answer_is_printed(words: tuple[str, ...], answer: str) -> None:
    done = here("call", BOARD, *words)
    assert (done.code, done.out, done.err) == (0, answer + "\n", "")


def test_programs_get_one_object() -> None:
    done = ipfi("call", BOARD, "add", "40", "2", "--json")
    assert done.code == 0
    assert done.object["ok"] is True
    assert done.object["result"] == 42
    assert done.object["seconds"] >= 0


def test_an_option_may_stand_between_the_arguments() -> None:
    assert ipfi("call", BOARD, "divide", "--json", "-7", "-2").object["result"] == 3
    assert ipfi("--json", "call", BOARD, "magic").object["result"] == 42


def test_bytes_are_hexadecimal_in_json() -> None:
    assert ipfi("call", BOARD, "blob", "3", "--json").object["result"] == {"hex": "000102"}


def test_raw_writes_bytes_as_they_are() -> None:
    assert ipfi("call", BOARD, "reverse", "abc", "--raw").out == "cba"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("divide", "1", "0"), 1, "ipfi: division by zero"),
        (("echo", "5"), 1, "it is echo(text: str) -> str and got 5; '\"5\"' is the text 5"),
        (("add", "1"), 1, "it is add(a: u32, b: u32) -> u32 and got 1"),
        (("add", "1", "5000000000"), 1, "got 1, 5000000000; b is a whole number from 0 to 4294967"),
        (
            ("add", "x", "-1"),
            1,
            'got "x", -1; a is a whole number from 0 to 4294967295; b is a who',
        ),
        (
            ("divide", "9223372036854775808", "1"),
            1,
            "a is a whole number from -9223372036854775808",
        ),
        (
            ("echo", "[1, " + "2, " * 50 + "3]"),
            1,
            "and got [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, ...",
        ),
        (("tick",), 2, "tick is an event, and no procedure: `ipfi listen` prints it"),
        (("32", "1", "2"), 2, "tick is an event, and no procedure"),
        (("33", "true"), 2, "that the board takes, and no procedure: `ipfi emit` emits it"),
        (("nope",), 1, "no procedure 'nope'"),
        (("ecko", "x"), 1, "did you mean 'echo'? `ipfi describe` lists what there is"),
        (("77",), 1, "no procedure 77"),
        (("sequence", "3"), 2, "use `ipfi stream`"),
        (("echo", "hex:0g"), 2, "hexadecimal digits"),
        (("echo", "99999999999999999999999"), 2, "cannot travel"),
        (("reverse", "a", "b"), 2, "takes one argument"),
        (("sleep", "60000", "--timeout", "0.1"), 4, "may have been carried out"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    words: tuple[str, ...], code: int, says: str
) -> None:
    done = here("call", BOARD, *words)
    assert (done.code, done.out) == (code, "")
    (line,) = done.err.splitlines()
    assert line.startswith("ipfi: ")
    assert says in line


def test_programs_get_an_object_for_an_error_too() -> None:
    done = ipfi("call", BOARD, "divide", "1", "0", "--json")
    assert done.code == 1
    assert done.object == {
        "ok": False,
        "error": "RemoteCallError",
        "message": "division by zero",
        "advice": "",
        "may_have_executed": True,
        "exit_code": 1,
    }


@pytest.mark.parametrize(
    ("endpoint", "code", "says"),
    [
        ("/dev/nothing", 3, "no port '/dev/nothing'"),
        ("tcp:127.0.0.1:1", 3, "refused"),
        ("unix:/nowhere/sock", 3, "check the path\n"),
        ("bogus:", 2, "unknown kind 'bogus'"),
        ("sim:rust", 2, "no simulated board 'rust'"),
        ("ttyACM0", 2, "did you mean '/dev/ttyACM0'"),
    ],
)
def test_no_connection_is_another_code(endpoint: str, code: int, says: str) -> None:
    done = here("call", endpoint, "magic")
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_speed_for_what_is_no_serial_port_is_wrong_usage() -> None:
    done = here("call", "tcp:127.0.0.1:1", "magic", "--baud", "9600")
    assert (done.code, done.out) == (2, "")
    assert "baud would set a serial port, and this is none; leave that out" in done.err


def test_a_port_where_nobody_answers_is_no_connection(start: Start, served: str) -> None:
    plain = start("serve", served, "tcp:127.0.0.1:0").line().removeprefix("listening on ")
    done = ipfi("call", plain, "magic", "--link", "framed", "--connect-timeout", "0.3")
    assert done.code == 3
    assert "Traceback" not in done.err


def test_debug_shows_where() -> None:
    done = ipfi("call", BOARD, "divide", "1", "0", "--debug")
    assert done.code == 1
    assert "Traceback" in done.err


def test_a_wrong_option_is_refused() -> None:
    done = here("call", BOARD, "add", "1", "--bogus")
    assert done.code == 2
    assert "--bogus" in done.err
    nameless = here("call", BOARD)
    assert nameless.code == 2
    assert nameless.err.endswith("the following arguments are required: NAME\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("call", BOARD, "magic", "--timeout", "0"), "it takes seconds, a number above 0, not '0'"),
        (("call", BOARD, "magic", "--timeout", "-1"), "not '-1'"),
        (("call", BOARD, "magic", "--timeout", "soon"), "not 'soon'"),
        (("call", BOARD, "magic", "--timeout", "inf"), "not 'inf'"),
        (("listen", BOARD, "--count", "0"), "it takes a whole number above 0, not '0'"),
        (("listen", BOARD, "--count", "1.5"), "it takes a whole number above 0, not '1.5'"),
        (("soak", BOARD, "--minutes", "nan"), "it takes minutes, a number above 0, not 'nan'"),
        (("soak", BOARD, "--seed", "x"), "it takes a whole number, not 'x'"),
        (("demo", "--loss", "1"), "it takes a probability from 0 to below 1, not '1'"),
        (("morse", "encode", "a", "--wpm", "0.5"), "it takes 1 to 100 words a minute, not '0.5'"),
    ],
)
def test_a_number_that_does_not_do_is_shown_beside_what_does(
    words: tuple[str, ...], says: str
) -> None:
    done = here(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(f"{says}\n")
    as_object = here(*words, "--json").object
    assert (as_object["ok"], as_object["error"], as_object["exit_code"]) == (False, "UsageError", 2)
    assert as_object["message"].endswith(says)


def test_a_procedure_of_a_plain_wire_is_called_by_its_index(start: Start, served: str) -> None:
    address = start("serve", served, "tcp:127.0.0.1:0").line().removeprefix("listening on ")
    assert ipfi("call", address, "1", "40", "2").out == "42\n"
    by_name = ipfi("call", address, "add", "40", "2")
    assert by_name.code == 2
    assert "use its index" in by_name.err


def test_structures_go_both_ways_as_json(start: Start, served: str) -> None:
    port = start("serve", served, "pty:").line().removeprefix("listening on ")
    assert ipfi("call", port, "mirror", "[1, 2]").out == "[2, 1]\n"


def test_a_terminal_cannot_be_played_with(start: Start, served: str) -> None:
    port = start("serve", served, "pty:").line().removeprefix("listening on ")
    assert on_a_terminal("call", port, "escape") == "\\x1b[31mred\\x07\n"
    assert ipfi("call", port, "escape").out == "\x1b[31mred\x07\n"


def test_people_see_text_in_bytes_and_the_beginning_of_many() -> None:
    assert on_a_terminal("call", BOARD, "reverse", "cba") == '616263\x1b[2m  "abc"\x1b[0m\n'
    assert "... (1,000 bytes; --raw writes them all)" in on_a_terminal(
        "call", BOARD, "blob", "1000"
    )


def test_a_real_port_is_called_again_and_again(python_board: str) -> None:
    for count in range(3):
        assert ipfi("call", python_board, "add", str(count), "1").out == f"{count + 1}\n"


def test_the_version_and_the_help() -> None:
    assert ipfi("--version").out.startswith("ipfi ")
    assert "try it without a board" in here("--help").out
    for command in ("demo", "call", "stream", "listen", "describe", "ports", "sim", "serve"):
        shown = here(command, "--help")
        assert (shown.code, "--json" in shown.out) == (0, True)
    assert here().code == 2
    assert here("nonsense").code == 2
