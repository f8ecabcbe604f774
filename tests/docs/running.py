"""Runs the blocks of one page in order, as its reader would, in a directory of their own.

A block of Python is run in the page's namespace, or saved if its info string names a file.  Where
it prints with the result in a comment behind it, that is what it has to print.  A console block is
commands behind ``$ `` and what they print: ``...`` stands for any lines, and within a line for any
text; with ``roughly`` numbers may differ.  A command that ends in ``&`` runs until the page ends.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.docs.pages import Block

BOARD: Final = "/dev/ttyACM0"  # what pages call the reader's port
LIMIT_S: Final = 60
_PRINTED: Final = re.compile(r"^\s*print\(.*\)  # (.+)$", re.MULTILINE)
_PRINTS: Final = re.compile(r"^\s*print\(", re.MULTILINE)
_NUMBER: Final = re.compile(r"\d+([,.]\d+)*")
_REPEATED: Final = re.compile(r" +\d+ sent again$")


class PageRunner:
    """What a reader has done so far on one page.

    Args:
        directory: where files are saved and commands are run; it stands for /tmp too.
        port: what stands for the reader's port.
    """

    def __init__(self, directory: Path, port: str) -> None:
        self.directory = directory
        self.port = port
        self.saved: set[str] = set()
        self._namespace: dict[str, Any] = {"__name__": "page"}
        self._background: list[subprocess.Popen[str]] = []

    def run(self, block: Block) -> None:
        """Run a block; AssertionError if it does not do what the page says."""
        if block.language == "python" and block.options:
            (self.directory / block.options).write_text(self._mine(block.text))
            self.saved.add(block.options)
        elif block.language == "python":
            self._run_python(block)
        else:
            self._run_console(block)

    def close(self) -> None:
        """End what runs in the background."""
        for process in self._background:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in self._background:
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def _run_python(self, block: Block) -> None:
        source = "\n" * (block.line - 1) + self._mine(block.text)
        code = compile(source, block.place.partition(":")[0], "exec", dont_inherit=True)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, self._namespace)  # noqa: S102 - our own document
        expected = _PRINTED.findall(block.text)
        if expected and len(expected) == len(_PRINTS.findall(block.text)):
            assert out.getvalue().splitlines() == expected, block.place

    def _run_console(self, block: Block) -> None:
        commands = commands_of(block)
        assert commands, f"{block.place}: no command"
        for command, expected in commands:
            printed = self._execute(command, lines=len(expected))
            problem = difference(expected, printed, roughly="roughly" in block.options.split())
            assert problem is None, f"{block.place}: {command}\n{problem}\n" + "\n".join(printed)

    def _execute(self, command: str, *, lines: int) -> list[str]:
        words = self._mine(command)
        if words.endswith("&"):
            return self._start(words.removesuffix("&"), lines)
        done = subprocess.run(  # noqa: S603 - our own document
            ["/bin/bash", "-c", words],
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return self._theirs(done.stdout).splitlines()

    def _start(self, command: str, lines: int) -> list[str]:
        process = subprocess.Popen(  # noqa: S603 - our own document
            ["/bin/bash", "-c", f"exec {command}"],
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._background.append(process)
        assert process.stdout is not None
        return [self._theirs(process.stdout.readline().rstrip("\n")) for _ in range(lines)]

    def _environment(self) -> dict[str, str]:
        here = str(Path(sys.executable).parent)
        return {**os.environ, "PATH": f"{here}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}

    def _mine(self, text: str) -> str:
        """Put what stands for the reader's port and /tmp here."""
        return text.replace(BOARD, self.port).replace("/tmp/", f"{self.directory}/")  # noqa: S108

    def _theirs(self, text: str) -> str:
        return text.replace(f"{self.directory}/", "/tmp/").replace(self.port, BOARD)  # noqa: S108


def commands_of(block: Block) -> list[tuple[str, list[str]]]:
    """Return each command of a console block with the lines that it prints."""
    lines = block.text.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return [(line, ["..."]) for line in lines if line]  # an unmarked block: commands only
    commands: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            assert commands, f"{block.place}: begins without a command"
            commands[-1][1].append(line)
    return commands


def difference(expected: list[str], printed: list[str], *, roughly: bool) -> str | None:
    """Say what was expected and not printed; None if all is there, in order."""
    left = [_simplified(line, roughly) for line in printed]
    gap = False
    for line in expected:
        if line.strip() == "...":
            gap = True
            continue
        wanted = re.compile(re.escape(_simplified(line, roughly)).replace(r"\.\.\.", ".*"))
        while gap and left and not wanted.fullmatch(left[0]):
            left.pop(0)
        if not left or not wanted.fullmatch(left[0]):
            return f"expected: {line}"
        left.pop(0)
        gap = False
    return None if gap or not left else f"not expected: {left[0]}"


def _simplified(line: str, roughly: bool) -> str:
    line = line.rstrip()
    if not roughly:
        return line
    return _NUMBER.sub("0", _REPEATED.sub("", line)).rstrip()
