"""docs/guide/cli.md: what it shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ipfi_serial.cli.failures import ExitCode
from ipfi_serial.cli.program import COMMANDS
from tests.cli.conftest import Start, here

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "guide" / "cli.md").read_text()
CONSOLES = re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS_SHOWN = [
    (command, output)
    for console in CONSOLES
    for command, output in re.findall(r"^\$ ipfi (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
]


def pattern(output: str) -> str:
    """Return the regular expression of an output in which ``...`` stands for anything."""
    return re.escape(output).replace(re.escape("..."), ".*")


@pytest.mark.parametrize(
    ("command", "output"), [pair for pair in COMMANDS_SHOWN if not pair[0].endswith("&")]
)
def test_a_command_prints_what_the_guide_shows(command: str, output: str) -> None:
    done = here(*shlex.split(command.replace("sim:", "sim:python")))
    shown = done.out if done.out.endswith("\n") or not output else done.out + "\n"
    assert re.fullmatch(pattern(output), shown)


def test_the_file_in_the_guide_can_be_served(start: Start, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "things.py").write_text(code)
    ((command, output),) = [pair for pair in COMMANDS_SHOWN if pair[0].endswith("&")]
    words = shlex.split(command.removesuffix("&").replace("things.py", f"{tmp_path}/things.py"))
    said = start(*words).line()
    assert re.fullmatch(pattern(output.rstrip("\n")), said)
    assert here("call", said.removeprefix("listening on "), "add", "2", "3").out == "5\n"


def test_every_command_and_every_exit_code_is_in_the_guide() -> None:
    for module in COMMANDS:
        assert f"| `ipfi {module.__name__.rpartition('.')[2]}" in GUIDE
    for code in ExitCode:
        assert f"| {int(code)} |" in GUIDE
