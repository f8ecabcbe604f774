"""Which test cites which requirement: ``python -m tests.link.requirements`` prints the table.

A test cites a requirement of docs/protocol.md by its number in its docstring; ``LINK-9 to LINK-11``
cites all three.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PROTOCOL: Final = HERE.parents[1] / "docs" / "protocol.md"

_DEFINED: Final = re.compile(r"^- \*\*((?:HS|LINK)-\d+)\*\*", re.MULTILINE)
_CITED: Final = re.compile(r"\b(HS|LINK)-(\d+)(?: to (?:HS|LINK)-(\d+))?")


def defined() -> list[str]:
    """Return the requirements of the link in the order of the document."""
    return _DEFINED.findall(PROTOCOL.read_text(encoding="utf-8"))


def cited_in(text: str) -> Iterator[str]:
    """Yield the requirements that a docstring cites."""
    for family, first, last in _CITED.findall(text):
        for number in range(int(first), int(last or first) + 1):
            yield f"{family}-{number}"


def table() -> dict[str, list[str]]:
    """Return for each requirement the tests that cite it, as file::name."""
    found: dict[str, list[str]] = {requirement: [] for requirement in defined()}
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for requirement in dict.fromkeys(cited_in(ast.get_docstring(node) or "")):
                    found.setdefault(requirement, []).append(f"{path.name}::{node.name}")
    return found


def main() -> None:
    """Print the table."""
    for requirement, tests in table().items():
        print(f"{requirement}: {len(tests)}")  # noqa: T201 - that is its job
        for test in tests:
            print(f"    {test}")  # noqa: T201


if __name__ == "__main__":
    main()
