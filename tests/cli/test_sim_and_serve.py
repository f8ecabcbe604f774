"""``ipfi sim`` and ``ipfi serve``: what others open."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ipfi_serial import Interface, connect
from ipfi_serial.sim.firmware import find_compilers
from tests.cli.conftest import COMMAND, Start, environment, here, ipfi

BOARDS = [
    "python",
    pytest.param("c", marks=pytest.mark.skipif(not find_compilers(), reason="no cc")),
]


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_serves_until_ctrl_c(start: Start, board: str) -> None:
    sim = start("sim", board)
    path = sim.line()
    for _ in range(2):
        with connect(path) as wire:
            assert wire.call("magic") == 42
    assert sim.end(signal.SIGINT).code == 0
    assert not Path(path).exists() or path.startswith("/dev/pts/")


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_link_is_made_and_removed(
    start: Start, tmp_path: Path, board: str, how: signal.Signals, code: int
) -> None:
    link = tmp_path / "board"
    sim = start("sim", board, "--link", str(link), "--json")
    told = json.loads(sim.line())
    assert (told["board"], told["path"]) == (board, str(link))
    with connect(str(link)) as wire:
        assert wire.call("magic") == 42
    assert sim.end(how).code == code
    assert not link.is_symlink()


@pytest.mark.parametrize("board", BOARDS)
def test_what_is_in_the_place_of_the_link_is_left_alone(
    start: Start, tmp_path: Path, board: str
) -> None:
    mine, link = tmp_path / "mine", tmp_path / "board"
    mine.write_text("years of work")
    done = ipfi("sim", board, "--link", str(mine))
    assert (done.code, done.out, mine.read_text()) == (3, "", "years of work")
    (told,) = done.err.splitlines()
    assert str(mine) in told
    assert start("sim", board, "--link", str(link)).line() == str(link)
    other = ipfi("sim", board, "--link", str(link))
    assert (other.code, other.err.count("\n"), str(link) in other.err) == (3, 1, True)
    with connect(str(link)) as wire:
        assert wire.call("magic") == 42, "the first one serves on"
    assert ipfi("sim", board, "--link", str(tmp_path / "none" / "board")).code == 3
    dead = tmp_path / "dead"
    dead.symlink_to("/dev/pts/nothing")
    assert start("sim", board, "--link", str(dead)).line() == str(dead)


def test_without_a_compiler_the_python_board_runs_and_says_so(start: Start) -> None:
    sim = start("sim", "--json", CC="no-such-compiler")
    assert json.loads(sim.line())["board"] == "python"
    assert "the Python board takes its place" in sim.end().err


def test_the_c_board_is_refused_where_it_cannot_be_built() -> None:
    done = ipfi("sim", "c", CC="no-such-compiler")
    assert (done.code, done.out) == (3, "")
    assert "no-such-compiler" in done.err
    assert here("sim", "python", "--small").code == 2
    assert here("sim", "rust").code == 2


@pytest.mark.parametrize(
    "endpoint", ["tcp:127.0.0.1:0", "tcp-listen:0", "unix:{}/sock", "pty:", "pty:{}/link"]
)
def test_a_file_is_served(start: Start, served: str, tmp_path: Path, endpoint: str) -> None:
    server = start("serve", served, endpoint.format(tmp_path))
    said = server.line()
    assert said.startswith("listening on ")
    assert said.endswith("/link") == endpoint.endswith("/link"), "the name that was asked for"
    names = Interface()
    names.declare(1, "add")
    for _ in range(2):
        with connect(said.removeprefix("listening on "), names) as wire:
            assert wire.call("add", 40, 2) == 42
            assert list(wire.stream(3, 4)) == [0, 1, 2, 3]
    done = server.end(signal.SIGINT)
    assert done.code == 0
    assert "loading" in done.err
    assert "loading" not in done.out


def test_two_peers_are_served_at_once(start: Start, served: str) -> None:
    address = start("serve", served, "tcp:127.0.0.1:0").line().removeprefix("listening on ")
    with connect(address) as one, connect(address) as other:
        assert (one.call(1, 1, 2), other.call(1, 3, 4)) == (3, 7)


def test_tcp_can_be_served_framed(start: Start, served: str) -> None:
    server = start("serve", served, "tcp:127.0.0.1:0", "--link", "framed")
    address = server.line().removeprefix("listening on ")
    assert ipfi("call", address, "add", "40", "2", "--link", "framed").out == "42\n"
    assert "fail" in ipfi("describe", address, "--link", "framed").out


def test_a_handler_that_fails_is_one_line_here_and_an_error_there(
    start: Start, served: str
) -> None:
    server = start("serve", served, "pty:")
    port = server.line().removeprefix("listening on ")
    failed = ipfi("call", port, "fail")
    assert (failed.code, failed.err) == (1, "ipfi: ValueError: this is why\n")
    err = server.end().err
    assert "fail" in err
    assert "Traceback" not in err


def test_standard_streams_can_be_the_line(served: str) -> None:
    call = "\x01\xc0\x01\x00\x02\x28\x02".encode("latin-1")  # docs/protocol.md: add(40, 2)
    done = subprocess.run(  # noqa: S603
        [*COMMAND, "serve", served, "stdio:"],
        input=call,
        capture_output=True,
        timeout=30,
        check=False,
        env=environment(),
    )
    assert done.stdout.startswith(b"\x02\xc0\x01\x00\x01\x2a")
    assert b"listening on stdio:" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "defines no `interface"),
        ("interface = 5", "defines no `interface"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_served_is_wrong_usage(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(text)
    done = ipfi("serve", str(path), "tcp:127.0.0.1:0")
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_missing_file_or_a_wrong_endpoint_is_wrong_usage(served: str, tmp_path: Path) -> None:
    assert here("serve", str(tmp_path / "none.py"), "tcp:127.0.0.1:0").code == 2
    assert here("serve", served, "nonsense").code == 2
    assert here("serve", served).code == 2


def test_a_speed_for_a_socket_is_wrong_usage(served: str) -> None:
    done = ipfi("serve", served, "tcp:127.0.0.1:0", "--baud", "9600")
    assert (done.code, done.out) == (2, "")
    assert "--baud sets a serial port, and tcp:127.0.0.1:0 is none" in done.err


def test_an_address_in_use_is_no_connection(start: Start, served: str) -> None:
    address = start("serve", served, "tcp:127.0.0.1:0").line().removeprefix("listening on ")
    done = ipfi("serve", served, address)
    assert done.code == 3
    assert "in use" in done.err


def test_a_file_may_import_its_neighbours(start: Start, tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("NUMBER = 7\n")
    (tmp_path / "main.py").write_text(
        "from ipfi_serial import Interface\nfrom neighbour import NUMBER\n"
        "interface = Interface()\n"
        "@interface.procedure(1)\ndef number() -> int:\n    return NUMBER\n"
    )
    port = start("serve", str(tmp_path / "main.py"), "pty:").line().removeprefix("listening on ")
    assert ipfi("call", port, "number").out == "7\n"


def test_it_runs_as_a_module_and_as_a_function() -> None:
    code = (
        "import sys; from ipfi_serial.cli import main; sys.exit(main(['call', 'sim:python', '0']))"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"42\n")
