"""Every block of every page runs, compiles, or says why not."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipfi_serial.sim.board import Board
from ipfi_serial.sim.firmware import find_compilers
from ipfi_serial.transport.virtual import PtyTransport
from tests.docs.pages import LANGUAGES, PAGES, ROOT, blocks_in, blocks_of
from tests.docs.running import PageRunner, commands_of, difference
from tests.firmware import build

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'firmware-sim/include'}")
RUNNABLE = ("python", "console")
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
TESTED_ELSEWHERE = {  # page -> what runs its blocks
    "docs/guide/cli.md": "tests/cli/test_guide.py",
    "docs/guide/transports.md": "tests/transport/test_guide.py",
}


@pytest.fixture
def port() -> Iterator[str]:
    """A serial port with a board, as the reader has one."""
    line = PtyTransport("pty:", "")
    with Board(line):
        yield line.path


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TESTED_ELSEWHERE])
def test_every_block_of_the_page_does_what_the_page_says(
    name: str, tmp_path: Path, port: str
) -> None:
    page = ROOT / name
    blocks = [b for b in blocks_of(page) if b.language in RUNNABLE and not b.reason_not_to_run]
    if any("sim:" in b.text or "ipfi demo" in b.text for b in blocks) and not find_compilers():
        pytest.skip("no C compiler: the page shows the C board")
    with contextlib.closing(PageRunner(tmp_path, port)) as runner:
        for block in blocks:
            runner.run(block)
    used = "".join(block.text for block in blocks if block.language == "console")
    unused = {name for name in runner.saved if name not in used}
    assert not unused, f"{page.name}: saved and never run: {unused}"


@pytest.mark.parametrize("name", TESTED_ELSEWHERE)
def test_a_page_that_is_tested_elsewhere_is_read_there_whole(name: str) -> None:
    test = (ROOT / TESTED_ELSEWHERE[name]).read_text(encoding="utf-8")
    assert f'"{Path(name).name}"' in test or f"{name}" in test
    assert "```" in test  # it looks for blocks


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_c_blocks_of_the_page_compile_together_without_a_warning(
    page: Path, tmp_path: Path
) -> None:
    blocks = [b for b in blocks_of(page) if b.language == "c" and not b.reason_not_to_run]
    if not blocks:
        return
    source = tmp_path / "page.c"
    source.write_text("\n".join(f'#line {b.line} "{b.place}"\n{b.text}' for b in blocks))
    command = [str(build.any_compiler()), *STRICT, "-fsyntax-only", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a compiler
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_block_is_of_a_known_language_and_gives_a_reason_if_it_is_not_run(page: Path) -> None:
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block.place}: {block.language!r}"
        reason = block.reason_not_to_run
        if reason is not None:
            assert len(reason) > 10, f"{block.place}: say why it is not run"
        elif block.language == "python":
            assert not block.options or re.fullmatch(r"\w+\.py", block.options), block.place
        elif block.language == "console":
            assert block.options in ("", "roughly"), f"{block.place}: {block.options!r}"
        else:
            assert not block.options, f"{block.place}: {block.options!r}"


def test_code_cannot_hide_in_a_block_without_a_language() -> None:
    page = ROOT / "README.md"
    for language, text in (
        ("console", "ipfi call sim: add 1 2\n"),
        ("python", "from ipfi_serial import connect\n"),
        ("python", 'with connect("sim:") as wire:\n    pass\n'),
        ("c", "#include <stdio.h>\n"),
        ("text", "type u8 | flag u8 | payload\n"),
    ):
        (block,) = blocks_in(f"```\n{text}```\n", page)
        assert block.language == language, text


def test_a_command_that_prints_something_else_is_noticed() -> None:
    assert difference(["42"], ["42"], roughly=False) is None
    assert difference(["42"], ["43"], roughly=False) == "expected: 42"
    assert difference(["42"], ["42", "43"], roughly=False) == "not expected: 43"
    assert difference(["1 s"], ["2 s"], roughly=True) is None
    assert difference(["a", "...", "z"], ["a", "b", "c", "z"], roughly=False) is None
    assert difference(["a", "...", "z"], ["a", "b", "c"], roughly=False) == "expected: z"
    assert difference(["..."], [], roughly=False) is None


def test_a_console_block_is_commands_and_what_they_print() -> None:
    (block,) = blocks_in("```console\n$ echo a b\na b\n$ true\n```\n", ROOT / "README.md")
    assert commands_of(block) == [("echo a b", ["a b"]), ("true", [])]


def test_a_python_block_that_prints_something_else_fails(tmp_path: Path) -> None:
    (good, bad) = blocks_in(
        "```python\nprint(6 * 7)  # 42\n```\n```python\nprint(6 * 7)  # 41\n```\n",
        ROOT / "README.md",
    )
    runner = PageRunner(tmp_path, "/dev/null")
    runner.run(good)
    with pytest.raises(AssertionError):
        runner.run(bad)
