"""The import rules of docs/design.md, kept true by reading every import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "ipfi_serial"

# layer -> what it may import from the package.  Reading order is dependency order.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "config": {"errors"},
    "events": {"errors"},
    "framing": {"errors"},
    "link": {"errors", "config", "events", "framing"},
    "codec": {"errors", "config"},
    "engine": {"errors", "config", "events", "framing", "codec", "link"},
    "morse": {"errors"},
    "transport": {"errors", "framing", "morse"},
    "workers": set(),
    "pump": {"errors", "events", "engine", "transport", "workers"},
    "sync": {"errors", "config", "events", "codec", "engine", "transport", "pump", "workers"},
    "aio": {"errors", "config", "events", "codec", "engine", "transport", "workers"},
    "sim": {"errors", "config", "codec", "engine", "transport", "sync", "aio"},
    "cli": {
        "errors",
        "framing",
        "link",
        "transport",
        "morse",
        "sim",
        "sync",
        "aio",
        "codec",
        "config",
    },
}
PURE = {"errors", "config", "events", "framing", "link", "codec", "engine", "morse"}
NEVER_IN_PURE = {
    "asyncio", "os", "random", "select", "secrets", "serial", "socket", "subprocess",
    "threading", "time",
}  # fmt: skip
FACADES = {"__init__", "__main__"}
NO_LAYER = {"_firmware", "hatch_build"}  # hatch_build is in no wheel: it builds them


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports, those for type checkers included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = sorted(p for p in ROOT.rglob("*.py") if layer_of(p) not in NO_LAYER | FACADES)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)
    assert layer in MAY_IMPORT, f"new layer {layer!r}: give it a row"
    modules = {p.relative_to(ROOT).parts[0].removesuffix(".py") for p in FILES}
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("ipfi_serial.")}
    assert ours & modules <= MAY_IMPORT[layer] | {layer}


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if layer_of(p) in PURE],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_a_pure_module_imports_no_clock_no_thread_and_no_io(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported(path)}
    assert not tops & NEVER_IN_PURE


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_begins_with_what_it_does(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_function_is_longer_than_60_lines(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: (f.end_lineno or 0) - f.lineno for f in functions}
    assert {name: size for name, size in long.items() if size > 60} == {}


def test_no_private_state_is_written_and_never_read() -> None:
    """Such a state is a rule that somebody began to write: the code takes no notice of it."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
    names = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    written = {node.attr for node in names if not isinstance(node.ctx, ast.Load)}
    read = {node.attr for node in names if isinstance(node.ctx, ast.Load)}
    assert {name for name in written - read if name.startswith("_")} == set()


def test_everything_that_the_facade_promises_is_there() -> None:
    import ipfi_serial
    import ipfi_serial.aio

    for module in (ipfi_serial, ipfi_serial.aio):
        assert sorted(set(module.__all__)) == sorted(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None
