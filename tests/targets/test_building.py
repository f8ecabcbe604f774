"""Firmware is built once, and what the compiler says is not kept from anybody."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from ipfi_hil.target import TargetError
from ipfi_hil.targets import building, elf
from ipfi_serial.sim.firmware import find_sources
from tests.firmware import build


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_product_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    build.compiler("arm-none-eabi-gcc")
    first = building.build_firmware("empty-lto.elf")
    assert elf.footprint(first).flash
    monkeypatch.setenv("PATH", "/nowhere")
    assert building.build_firmware("empty-lto.elf") == first


def test_without_make_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TargetError, match="apt install make"):
        building.build_firmware("microbit/board.elf")


def test_an_error_has_what_the_compiler_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.compiler("arm-none-eabi-gcc")
    broken = tmp_path / "firmware-sim"
    ignored = shutil.ignore_patterns("build*", "tests")
    shutil.copytree(find_sources(), broken, ignore=ignored)
    (broken / "src/poll.c").write_text("#error this is broken\n")
    monkeypatch.setattr(building, "find_sources", lambda: broken)
    with pytest.raises(TargetError, match="this is broken"):
        building.build_firmware("microbit/board.elf")
    assert list((tmp_path / "cache").rglob("board.elf")) == []


def test_what_is_no_elf_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "firmware"
    for content in (b"", b"\x7fELF\x02\x01" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(TargetError, match="no 32-bit"):
            elf.load_segments(path)


def test_flash_and_ram_are_told_apart(tmp_path: Path) -> None:
    header = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01", 2, 40, 1, 0, 0, 52, 0, 52, 32, 0, 40, 3, 0
    )
    code = struct.pack("<10I", 0, 1, 6, 0, 0, 100, 0, 0, 0, 0)
    data = struct.pack("<10I", 0, 1, 3, 0, 0, 20, 0, 0, 0, 0)
    zeros = struct.pack("<10I", 0, 8, 3, 0, 0, 300, 0, 0, 0, 0)
    path = tmp_path / "firmware"
    path.write_bytes(header + code + data + zeros)
    cost = elf.footprint(path)
    assert (cost.flash, cost.ram) == (120, 320)
