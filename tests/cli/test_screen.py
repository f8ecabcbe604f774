"""What is written when, and by which thread."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading

from ipfi_serial.cli.screen import Screen

ENDING = """
import sys, threading
from ipfi_serial.cli import ports, program

def write_for_ever(screen):
    while True:
        screen.line("x" * 9999)

def run(options, screen):
    threading.Thread(target=write_for_ever, args=(screen,), daemon=True).start()
    return 3

ports.run = run
sys.argv = ["ipfi", "ports"]
sys.exit(program.run_process())
"""


class Slow(io.StringIO):
    """A stream that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.may_go_on = threading.Event()

    def write(self, text: str) -> int:
        """Wait, then write."""
        self.asked.set()
        assert self.may_go_on.wait(30)
        return super().write(text)


def test_a_closed_screen_writes_nothing() -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    screen = Screen(out, err, as_json=True)
    screen.object({"before": 1})
    assert screen.close()
    screen.object({"after": 1})
    screen.note("after")
    screen.bytes(b"after")
    assert out.buffer.getvalue() == b'{"before": 1}\n'
    assert err.buffer.getvalue() == b""


def test_a_screen_closes_after_the_line_that_is_being_written() -> None:
    out = Slow()
    screen = Screen(out, io.StringIO())
    writer = threading.Thread(target=screen.line, args=("whole",))
    writer.start()
    assert out.asked.wait(30)
    threading.Timer(0.05, out.may_go_on.set).start()
    assert screen.close()
    assert out.getvalue() == "whole\n"
    writer.join(30)


def test_a_screen_that_nobody_reads_is_not_waited_for() -> None:
    out = Slow()
    screen = Screen(out, io.StringIO())
    writer = threading.Thread(target=screen.line, args=("stuck",))
    writer.start()
    assert out.asked.wait(30)
    assert not screen.close()
    out.may_go_on.set()
    writer.join(30)


def test_a_command_ends_with_its_code_while_a_handler_writes() -> None:
    for _ in range(5):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 3, done.stderr
        assert done.stderr == ""
        assert not done.stdout.replace("x" * 9999 + "\n", "")  # whole lines only


def test_a_command_ends_with_its_code_while_nobody_reads() -> None:
    ours, theirs = os.pipe()
    try:
        ending = subprocess.Popen([sys.executable, "-c", ENDING], stdout=theirs)  # noqa: S603
        os.close(theirs)
        assert ending.wait(60) == 3
    finally:
        os.close(ours)
