"""Board files, the targets behind them, and the command that reboots them."""

from __future__ import annotations

import os
import pty
import re
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ipfi_hil import reboots
from ipfi_hil.board import FEATURES, load_board, shipped_boards
from ipfi_hil.target import (
    Target,
    TargetError,
    find_board,
    find_target,
    make_target,
    shipped_targets,
)
from ipfi_serial import connect
from ipfi_serial.errors import ConfigError, TransportError
from ipfi_serial.sim.firmware import find_compilers

NEVER_EXCUSED = {"reset", "reboot", "tick", "led", "callback"}
"""Calls, streams, events, callbacks, resets and noise: no chip of ours may be excused from them."""
FIRMWARE = Path(__file__).parents[2] / "firmware-sim"
EMULATED = [name for name in shipped_targets() if name != "serial"]

CHIPS = [name for name in EMULATED if "product" in find_board(name).settings]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "chip.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", shipped_targets())
def test_every_shipped_board_file_is_right_and_makes_a_target(name: str) -> None:
    board = find_board(name)
    assert board.title
    target = make_target(board)
    assert isinstance(target, Target)
    assert target.name == name


@pytest.mark.parametrize("name", EMULATED)
def test_no_shipped_target_is_excused_from_the_essential(name: str) -> None:
    assert not NEVER_EXCUSED & find_board(name).quirks.cannot.keys()


@pytest.mark.parametrize("name", CHIPS)
def test_a_board_file_says_how_large_arguments_may_be(name: str) -> None:
    board = find_board(name)
    sizes = FIRMWARE / "ports" / str(board.settings.get("product", "")).partition("/")[0]
    found = re.search(r"BOARD_VALUE = (\d+)", (sizes / "sizes.h").read_text(encoding="utf-8"))
    assert found is not None
    assert board.quirks.argument_bytes == min(int(found[1]), 256)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind = ", "is no TOML"),
        ('title = "no kind"', "kind is None; it is one of native"),
        ('kind = "fpga"', "kind is 'fpga'"),
        ('kind = "native"\nbaud = 9600', "unknown key 'baud'"),
        ('kind = "native"\ntitle = 3', "title is 3; it must be text"),
        ('kind = "native"\nneeds = "gcc"', "needs is 'gcc'; it must be a table"),
        ('kind = "native"\n[cannot]\nfly = "no wings"', "has 'fly'"),
        ('kind = "native"\n[cannot]\nblob = " "', "cannot.blob gives no reason"),
        ('kind = "native"\n[settings]\nporgram = "x"', "'porgram'; did you mean 'program'"),
        ('kind = "native"\n[settings]\nbuild = ["make"]', "a build and no program"),
        ('kind = "python"\n[settings]\nbaud = 9600', "'baud'; there are none"),
        ('kind = "unicorn"\n[settings]\nbaud = 9600', "'baud'; there are product"),
        ('kind = "native"\npace = 0.5', "pace is 0.5"),
        ('kind = "native"\nargument_bytes = 300', "argument_bytes is 300"),
    ],
)
def test_a_board_file_that_is_wrong_says_what(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=r"chip\.toml") as error:
        load_board(write(tmp_path, text))
    assert why in str(error.value)


def test_a_setting_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    board = load_board(write(tmp_path, 'kind = "native"\n[settings]\nprogram = 3'))
    with pytest.raises(ConfigError, match=r"settings\.program is 3"):
        board.setting("program", str)
    with pytest.raises(ConfigError, match="lacks 'machine'"):
        board.setting("machine", str)


def test_a_board_file_of_ones_own_wins_over_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "native.toml"
    path.write_text('kind = "python"\ntitle = "mine"\n')
    assert find_board("native", [path]).title == "mine"
    assert find_board("native").kind == "native"
    assert (shipped_boards() / "native.toml").is_file()


def test_a_feature_that_does_not_exist_is_an_error() -> None:
    quirks = find_board("python").quirks
    assert all(quirks.why_not(feature) is None for feature in FEATURES)
    with pytest.raises(ConfigError, match="no feature 'warp'"):
        quirks.why_not("warp")


@pytest.mark.parametrize("name", ["python", "native"])
def test_a_target_can_be_stopped_and_started_again(name: str) -> None:
    if name == "native" and not find_compilers():
        pytest.skip("no C compiler (apt install gcc)")
    target = find_target(name)
    for _ in range(2):
        with connect(target.start()) as wire:
            assert wire.call("add", 40, 2) == 42
        target.stop()
        target.stop()
        with pytest.raises(TargetError, match="does not run"):
            target.reset()
    assert "switched off" in target.log()


@pytest.mark.parametrize("name", ["python", "native"])
def test_an_unplugged_target_comes_back(name: str) -> None:
    if name == "native" and not find_compilers():
        pytest.skip("no C compiler (apt install gcc)")
    target = find_target(name)
    try:
        with connect(target.start()) as wire:
            target.unplug()
            with pytest.raises(TransportError):
                wire.call("sleep", 5000)
        with connect(target.replug()) as wire:
            assert wire.call("add", 40, 2) == 42
    finally:
        target.stop()


# --- a program of one's own ---


def program(tmp_path: Path, script: str, settings: str = "") -> Target:
    """A target whose program is a shell script."""
    path = tmp_path / "firmware"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    board = f'kind = "native"\n[settings]\nprogram = "firmware"\n{settings}'
    return make_target(load_board(write(tmp_path, board)))


def wait_for(target: Target, words: str) -> None:
    """Wait until the target's log has these words: a reader thread writes it."""
    until_s = time.monotonic() + 10.0
    while words not in target.log():
        assert time.monotonic() < until_s, target.log()
        time.sleep(0.001)


def test_a_reset_signal_that_does_not_exist_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reset_signal is 'SIGUSR9'.*\"SIGUSR1\""):
        program(tmp_path, "exit", 'reset_signal = "SIGUSR9"')


def test_a_program_without_a_reset_signal_cannot_be_reset(tmp_path: Path) -> None:
    target = program(tmp_path, "echo ready /dev/null; exec cat")
    assert target.quirks.why_not("reset") == "its board file has no reset_signal"
    target.start()
    with pytest.raises(TargetError, match="no reset: its board file has no reset_signal"):
        target.reset()
    target.stop()
    assert program(tmp_path, "", 'reset_signal = "SIGUSR1"').quirks.why_not("reset") is None


def test_what_a_program_prints_is_in_the_log(tmp_path: Path) -> None:
    target = program(tmp_path, "echo ready /dev/null; echo sensor found at 0x48; exec cat")
    target.start()
    wait_for(target, "sensor found at 0x48")
    target.stop()
    assert "sensor found at 0x48" in target.log()


def test_a_program_that_crashes_is_named_in_the_log(tmp_path: Path) -> None:
    target = program(tmp_path, "echo ready /dev/null; kill -SEGV $$")
    target.start()
    wait_for(target, "the program has ended by SIGSEGV")
    with pytest.raises(TargetError, match="its program has ended by SIGSEGV"):
        target.unplug()
    target.stop()


# --- real ports ---


@pytest.fixture
def port() -> Iterator[str]:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def bench(tmp_path: Path, port: str, settings: str) -> Target:
    path = write(tmp_path, f'kind = "serial"\n[settings]\nport = "{port}"\n{settings}')
    return make_target(load_board(path), real_hardware=True)


def test_a_real_port_needs_leave(tmp_path: Path, port: str) -> None:
    path = write(tmp_path, f'kind = "serial"\n[settings]\nport = "{port}"\nflash = ["false"]')
    target = make_target(load_board(path))
    assert "--ipfi-real-hardware" in (target.why_unavailable() or "")
    with pytest.raises(TargetError, match="--ipfi-real-hardware"):
        target.start()


def test_the_endpoint_has_the_baud_rate(tmp_path: Path, port: str) -> None:
    assert bench(tmp_path, port, "baud = 9600").start() == f"{port}?baud=9600"


def test_build_and_flash_are_run_in_the_board_files_folder(tmp_path: Path, port: str) -> None:
    settings = 'build = ["sh", "-c", "echo made >made"]\nflash = ["sh", "-c", "cat made"]'
    target = bench(tmp_path, port, settings)
    target.start()
    assert (tmp_path / "made").read_text() == "made\n"
    assert target.log().splitlines()[-1].endswith("made")


def test_a_command_that_fails_says_what_it_printed(tmp_path: Path, port: str) -> None:
    target = bench(tmp_path, port, 'flash = ["sh", "-c", "echo no probe found; exit 3"]')
    with pytest.raises(TargetError, match=r"flash .*exit code 3\nno probe found"):
        target.start()


def test_dtr_goes_down_and_up_again_to_reset(
    tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    pulses: list[tuple[int, int]] = []

    def ioctl(fd: int, request: int, mask: Any) -> int:
        assert os.ttyname(fd) == port
        pulses.append((request, mask[0]))
        return 0

    target = bench(tmp_path, port, 'reset = "dtr"')
    target.start()
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    target.reset()
    assert pulses == [
        (termios.TIOCMBIC, termios.TIOCM_DTR),
        (termios.TIOCMBIS, termios.TIOCM_DTR),
    ]


def test_a_line_that_cannot_be_switched_says_what_to_use(tmp_path: Path, port: str) -> None:
    """A pseudo-terminal has no DTR."""
    target = bench(tmp_path, port, 'reset = "dtr"')
    target.start()
    with pytest.raises(TargetError, match=r"dtr of .* cannot be switched.*use reset_command"):
        target.reset()


def test_a_board_without_a_reset_lacks_the_feature(tmp_path: Path, port: str) -> None:
    target = bench(tmp_path, port, "")
    target.start()
    assert "no reset or reset_command" in (target.quirks.why_not("reset") or "")
    with pytest.raises(TargetError, match="no reset"):
        target.reset()
    with pytest.raises(TargetError, match="no unplug"):
        target.unplug()


def test_the_commands_of_a_switched_hub_are_run(tmp_path: Path, port: str) -> None:
    settings = (
        'unplug_command = ["touch", "off"]\nreplug_command = ["touch", "on"]\n'
        'reset_command = ["touch", "reset"]'
    )
    target = bench(tmp_path, port, settings)
    endpoint = target.start()
    target.unplug()
    assert target.replug() == endpoint
    target.reset()
    assert {path.name for path in tmp_path.iterdir()} == {"chip.toml", "off", "on", "reset"}


# --- reboots ---


def test_reboots_are_counted_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert reboots.main(["--ipfi-target", "python", "--times", "15", "--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "python: 15 reboots (seed 7)" in said
    assert "seen as a reset: 15" in said
    assert "WRONG" not in said


def test_a_reboot_that_is_not_seen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's reset button does nothing: every piece of work hangs."""
    target = find_target("python")
    endpoint = target.start()
    monkeypatch.setattr(target, "reset", lambda: None)
    monkeypatch.setattr(reboots, "HANG_S", 0.2)
    try:
        found = reboots.reboot_often(target, endpoint, 3, 1, lambda _: None)
    finally:
        target.stop()
    assert any("a hang of more than" in each for each in found.wrong)
    assert found.seen_s == []
