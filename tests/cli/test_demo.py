"""``ipfi demo``: finishes in time, loses nothing, and tells it well."""

from __future__ import annotations

import re

import pytest

from ipfi_serial.sim.firmware import find_compilers
from tests.cli.conftest import here, ipfi, on_a_terminal

LIMIT_S = 20
BOARDS = [
    "python",
    pytest.param("c", marks=pytest.mark.skipif(not find_compilers(), reason="no cc")),
]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("seed", ["1", "2"])
def test_nothing_is_lost_on_a_line_that_loses_one_frame_in_five(board: str, seed: str) -> None:
    done = ipfi("demo", "--board", board, "--seed", seed, "--json")
    told = done.objects[-1]
    assert (done.code, done.err) == (0, "")
    assert (told["board"], told["ok"], told["lost"]) == (board, True, 0)
    assert (told["calls"], told["stream_items"]) == (212, 200)
    assert (told["events"], told["callbacks"]) == (20, 5)
    assert told["retransmissions"] > 0
    assert told["crc_errors"] == 0
    assert 0.1 < told["frames_lost"] / told["frames"] < 0.3
    assert told["seconds"] < LIMIT_S


def test_a_good_line_loses_nothing() -> None:
    # what is sent again there depends on how late a busy machine runs the threads
    told = here("demo", "--board", "python", "--loss", "0", "--json").object
    assert (told["ok"], told["lost"], told["frames_lost"]) == (True, 0, 0)


def test_the_story_is_short_and_plain_without_a_terminal() -> None:
    done = ipfi("demo", "--board", "python")
    lines = done.out.splitlines()
    assert done.code == 0
    assert "\x1b" not in done.out
    assert lines[0].startswith("The Python board on a bad line: one frame in five is lost")
    assert len(lines) < 20
    assert max(map(len, lines)) <= 100
    assert re.search(r"The line lost \d+ of \d+ frames", done.out)
    assert lines[-1].startswith("Nothing was lost: 212 calls, 200 values of a stream, 20 events")
    assert "an error: division by zero" in done.out


def test_colours_are_for_terminals_and_only_if_wanted() -> None:
    assert "\x1b[32m" in on_a_terminal("demo", "--board", "python", "--loss", "0")
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        seen = on_a_terminal("demo", "--board", "python", "--loss", "0", changes={name: value})
        assert "\x1b" not in seen
        assert "Nothing was lost" in seen


def test_another_loss_is_told() -> None:
    done = ipfi("demo", "--board", "python", "--loss", "0.05")
    assert done.out.startswith("The Python board on a bad line: 5% of all frames are lost")


@pytest.mark.parametrize("loss", ["1", "-0.1", "much"])
def test_a_loss_that_is_none_is_wrong_usage(loss: str) -> None:
    done = here("demo", "--loss", loss)
    assert done.code == 2
    assert "probability" in done.err


def test_a_c_board_that_cannot_be_built_is_no_connection() -> None:
    done = ipfi("demo", "--board", "c", CC="no-such-compiler")
    assert done.code == 3
    assert "Traceback" not in done.err


def test_without_a_compiler_the_python_board_tells_the_story() -> None:
    done = ipfi("demo", "--json", CC="no-such-compiler")
    assert (done.code, done.object["board"]) == (0, "python")
    assert "the Python board takes its place" in done.err
