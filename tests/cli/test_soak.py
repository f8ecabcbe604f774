"""``ipfi soak``: finds what a board does wrong, and says that nothing was if nothing was."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Start, here, ipfi, on_a_terminal

SHORT = ("--minutes", "0.02", "--seed", "3")
LIAR = """
import itertools

from ipfi_serial import CallContext, Interface

interface = Interface()
calls = itertools.count(1)


@interface.procedure(0)
def magic() -> int:
    return 42


@interface.procedure(1)
def add(a: int, b: int) -> int:
    return (a + b + (next(calls) == 20)) % (1 << 32)
"""
FORGETFUL = """
import threading
import time

from ipfi_serial import CallContext, Interface

interface = Interface()
interface.emits(32, "tick")


@interface.procedure(0)
def magic() -> int:
    return 42


@interface.procedure(9)
def start_ticks(period_ms: int, context: CallContext) -> None:
    if period_ms:
        threading.Thread(target=tick, args=(context.wire,), daemon=True).start()


def tick(wire) -> None:
    for number in (0, 1, 2, 4, 5):
        wire.emit("tick", number, 0)
        time.sleep(0.02)
"""
FOREIGN = """
from ipfi_serial import Interface

interface = Interface()


@interface.procedure(7)
def temperature(sensor: int) -> float:
    return 21.5
"""


def served(start: Start, tmp_path: Path, text: str, endpoint: str = "pty:") -> str:
    """Serve a file; return where."""
    (tmp_path / "board.py").write_text(text)
    return start("serve", str(tmp_path / "board.py"), endpoint).line().removeprefix("listening on ")


def test_a_good_board_passes_and_every_kind_of_work_was_done() -> None:
    done = here("soak", "sim:python", *SHORT, "--json")
    verdict = done.objects[-1]
    assert (done.code, verdict["ok"], verdict["wrong"], verdict["errors"]) == (0, True, 0, 0)
    for what in ("calls", "stream_values", "events", "callbacks", "bytes"):
        assert verdict[what] > 0, what
    assert 0 < verdict["rtt_p50_ms"] <= verdict["rtt_p99_ms"]
    assert (verdict["resets"], verdict["seed"], verdict["first"]) == (0, 3, None)
    assert len(done.objects) >= 2, "figures come each second"


def test_a_board_that_adds_wrongly_once_fails(start: Start, tmp_path: Path) -> None:
    done = here("soak", served(start, tmp_path, LIAR), *SHORT)
    assert done.code == 1
    assert re.search(r"The first thing that was wrong: add\(\d+, \d+\) was answered", done.out)
    assert done.out.endswith("Not as it should be: 1 wrong answers.\n")


def test_a_board_that_leaves_an_event_out_fails(start: Start, tmp_path: Path) -> None:
    done = here("soak", served(start, tmp_path, FORGETFUL), *SHORT)
    assert done.code == 1
    assert "tick 4 came where 3 was expected" in done.out


def test_a_reset_in_between_fails_and_is_counted() -> None:
    done = here("soak", "sim:python", *SHORT, "--threads", "1", "--call", "reboot", "--json")
    verdict = done.objects[-1]
    assert (done.code, verdict["ok"]) == (1, False)
    assert verdict["resets"] > 0


def test_a_board_that_is_unplugged_ends_the_soak_with_a_verdict(start: Start) -> None:
    board = start("sim", "python")
    running = start("soak", board.line(), "--minutes", "5", "--json")
    running.line()
    board.end(signal.SIGKILL)
    done = running.finish()
    assert done.code == 1
    assert done.objects[-1]["closed"] is True


def test_a_foreign_board_is_asked_for_its_description(start: Start, tmp_path: Path) -> None:
    done = here("soak", served(start, tmp_path, FOREIGN), *SHORT)
    assert done.code == 0
    assert "only the description is asked for" in done.err
    assert "Nothing was wrong." in done.out


def test_what_is_named_is_called_and_a_failure_fails(start: Start, tmp_path: Path) -> None:
    endpoint = served(start, tmp_path, FOREIGN)
    assert here("soak", endpoint, *SHORT, "--call", "temperature 2").code == 0
    done = here("soak", endpoint, *SHORT, "--call", "temperature 2", "--call", "temperature hot")
    assert done.code == 1
    assert "The first thing that was wrong: CallRefusedError" in done.out


def test_a_plain_wire_needs_to_be_told_what_to_call(start: Start, tmp_path: Path) -> None:
    endpoint = served(start, tmp_path, FOREIGN, "tcp:127.0.0.1:0")
    done = here("soak", endpoint, *SHORT)
    assert (done.code, "say --call" in done.err) == (2, True)
    assert here("soak", endpoint, *SHORT, "--call", "7 1").code == 0


@pytest.mark.parametrize("words", [("--call", "'"), ("--call", ""), ("--minutes", "0")])
def test_wrong_usage_is_named(words: tuple[str, str]) -> None:
    done = here("soak", "sim:python", *words)
    assert done.code == 2
    assert words[0] in done.err


def test_ctrl_c_gives_the_verdict_so_far(start: Start) -> None:
    running = start("soak", "sim:python", "--minutes", "5", "--json")
    running.line()
    done = running.end(signal.SIGINT)
    assert done.code == 0
    verdict = json.loads(done.out.splitlines()[-1])
    assert verdict["ok"] is True
    assert verdict["seconds"] < 60


def test_a_terminal_shows_one_line_that_is_redrawn() -> None:
    seen = on_a_terminal("soak", "sim:python", *SHORT)
    shown, _, verdict = seen.rpartition("\r\x1b[K")
    assert "sent again" in shown
    assert "\n" not in shown
    assert "Nothing was wrong." in verdict


def test_without_a_terminal_figures_are_plain_lines_beside_the_verdict() -> None:
    done = ipfi("soak", "sim:python", *SHORT)
    assert "\x1b" not in done.out + done.err
    assert len(done.out.splitlines()) == 3
    assert all("calls (" in line for line in done.err.splitlines())
