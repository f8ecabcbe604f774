"""Markdown in; code blocks, tables, headings and links out.  Runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")),
    key=lambda page: (page.parent != ROOT, page),
)

LANGUAGES: Final = ("python", "console", "c", "text", "mermaid")
_FENCE: Final = re.compile(
    r"^(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL
)
_NO_RUN: Final = re.compile(r"no-run:\s*(?P<reason>.*)")
_UNMARKED_COMMAND: Final = re.compile(r"\A(\$ |ipfi |pip |python3? |make |bash |cc |gcc )")
_UNMARKED_PYTHON: Final = re.compile(r"\A(from|import) \w|^(with|def|class) .*:$", re.MULTILINE)
_UNMARKED_C: Final = re.compile(r"\A#include|^static |;$.*^}", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: where it stands.
        line: of its first line of text, from 1.
        language: one of LANGUAGES; what an unmarked block looks like.
        options: the rest of the info string.
        text: between the fences.
    """

    page: Path
    line: int
    language: str
    options: str
    text: str

    @property
    def place(self) -> str:
        """Page and line, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def reason_not_to_run(self) -> str | None:
        """What stands behind ``no-run:``; None if it is to be run."""
        found = _NO_RUN.match(self.options)
        return found["reason"].strip() if found else None


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return blocks_in(text, page)


def blocks_in(text: str, page: Path) -> list[Block]:
    """Return the fenced blocks of a text that belongs to a page."""
    blocks = []
    for found in _FENCE.finditer(text):
        language, _, options = found["info"].strip().partition(" ")
        line = text.count("\n", 0, found.start("text")) + 1
        body = found["text"]
        blocks.append(Block(page, line, language or _guess(body), options.strip(), body))
    return blocks


def _guess(text: str) -> str:
    """Tell what an unmarked block is: code cannot hide as text."""
    if _UNMARKED_COMMAND.search(text):
        return "console"
    if _UNMARKED_PYTHON.search(text):
        return "python"
    if _UNMARKED_C.search(text):
        return "c"
    return "text"


def prose_of(page: Path) -> str:
    """Return a page without its blocks and inline code."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", "", text)


def links_of(page: Path) -> list[str]:
    """Return the targets of a page's links."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"\[[^\]]*\]\(([^()\s]+)\)", text)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    anchors: dict[str, int] = {}
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = anchors[anchor] = anchors.get(anchor, -1) + 1
        found.add(anchor if not count else f"{anchor}-{count}")
    return found


def table_under(page: Path, heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading, without its head."""
    text = page.read_text(encoding="utf-8")
    start = re.search(rf"^#+ +{re.escape(heading)}\s*$", text, re.MULTILINE)
    assert start, f"{page.name} has no heading {heading!r}"
    lines = iter(text[start.end() :].splitlines())
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]
