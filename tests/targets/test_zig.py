"""The target that needs nothing but pip: Unicorn runs what ziglang built."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipfi_hil.target import Target, TargetError, find_target
from ipfi_hil.targets import zig
from ipfi_serial import Interface, connect

PATIENCE_S = 20.0


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without compilers."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def target(bare: None) -> Iterator[Target]:  # noqa: ARG001 - used for what it does
    for module, package in (("ziglang", "zig"), ("unicorn", "unicorn")):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (pip install ipfi-serial[{package}])")
    target = find_target("unicorn")
    assert target.why_unavailable() is None
    yield target
    target.stop()


def test_a_machine_without_compilers_runs_the_board(target: Target) -> None:
    own = Interface()

    @own.procedure(index=80)
    def shout(text: str) -> str:
        return text.upper()

    with connect(target.start(), interface=own) as wire:
        assert wire.call("add", 40, 2, timeout_s=PATIENCE_S) == 42
        assert wire.call("divide", -(2**40), 7, timeout_s=PATIENCE_S) == -(2**40 // 7)
        assert list(wire.stream("sequence", 3)) == ["item 0", "item 1", "item 2"]
        assert wire.call("callback", 80, "quiet", timeout_s=PATIENCE_S) == "QUIET"
        wire.emit("led", True)
        assert wire.call("led", timeout_s=PATIENCE_S) is True
    target.reset()
    with connect(target.start()) as wire:
        assert wire.call("led", timeout_s=PATIENCE_S) is False


@pytest.mark.usefixtures("bare")
def test_without_any_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("unicorn") is None:
        pytest.skip("unicorn is not installed (pip install ipfi-serial[unicorn])")
    monkeypatch.setattr(zig, "is_there", lambda: False)
    why = find_target("unicorn").why_unavailable()
    assert why is not None
    assert "pip install ipfi-serial[zig]" in why
    assert "apt install gcc-arm-none-eabi make" in why


def test_what_clang_says_is_in_the_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed (pip install ipfi-serial[zig])")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(zig, "_DEFINES", ("-DBOARD_ON_CHIP", "-DUART_IRQ=nonsense"))
    with pytest.raises(TargetError, match="nonsense"):
        zig.build()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A stand-in for ziglang, which counts what it makes."""
    made: list[str] = []

    def compile_board(_sources: Path, scratch: Path) -> Path:
        made.append("board")
        product = scratch / "board.elf"
        product.write_text(f"board {len(made)}")
        return product

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(zig, "_compile", compile_board)
    return made


def test_the_board_is_built_once(compiler: list[str]) -> None:
    assert zig.build() == zig.build()
    assert len(compiler) == 1


@pytest.mark.parametrize("name", ["_TARGET", "_FLAGS", "_DEFINES", "_LINK", "_INCLUDES"])
def test_a_board_of_other_options_is_built_anew(
    compiler: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = zig.build()
    monkeypatch.setattr(zig, name, (*getattr(zig, name), "-another"))
    after = zig.build()
    assert (before.read_text(), after.read_text()) == ("board 1", "board 2")
    assert len(compiler) == 2


@pytest.mark.usefixtures("compiler")
def test_a_board_of_another_ziglang_is_built_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    for version in ("0.13.0", "0.14.0"):
        monkeypatch.setattr(importlib.metadata, "version", lambda _name, said=version: said)
        places.append(zig.build())
    assert places[0] != places[1]
