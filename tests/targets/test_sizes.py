"""The firmware keeps to its budgets, and docs/sizes.md says what it costs today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ipfi_hil.targets import elf
from ipfi_hil.targets.building import build_firmware
from tests.targets import demo, sizes
from tests.targets.chips import available

TOLERANCE = 0.03  # another compiler version is another size


def documented(title: str) -> list[int]:
    """The numbers of a line of the page."""
    row = re.search(rf"^\| {re.escape(title)} \|(.*)\|$", sizes.PAGE.read_text(), re.MULTILINE)
    assert row is not None, f"docs/sizes.md has no line {title!r}: {HOW}"
    return [int(number) for number in re.findall(r"\d+", row[1])]


HOW = "python -m tests.targets.sizes --write"


@pytest.mark.parametrize("library", sizes.LIBRARIES, ids=lambda library: str(library.title))
def test_the_library_keeps_to_its_budget(library: sizes.Library, tmp_path: Path) -> None:
    flash, ram = sizes.link_library(library, tmp_path / "out.elf")
    assert flash <= library.flash_limit
    shown_flash, shown_limit, shown_ram = documented(library.title)
    assert shown_limit == library.flash_limit, HOW
    assert shown_flash == pytest.approx(flash, rel=TOLERANCE), HOW
    assert shown_ram == pytest.approx(ram, rel=TOLERANCE), HOW


@pytest.mark.parametrize("name", sizes.MEASURED)
def test_the_board_s_flash_and_data_are_those_of_the_page(name: str) -> None:
    available(name)
    title, folder = sizes.PORT[name]
    cost = elf.footprint(build_firmware(f"{folder}/board.elf"))
    flash, flash_limit, data, stack, total, limit, *shown = documented(title)
    kept = sizes.settings(name)
    assert shown == [kept[word] for word in ("PAYLOAD", "WINDOW", "RING", "CALLS", "VALUE")], HOW
    assert cost.flash is not None
    assert cost.flash <= sizes.BUDGETS[name].flash
    assert [flash_limit, limit] == [sizes.BUDGETS[name].flash, sizes.BUDGETS[name].ram], HOW
    assert flash == pytest.approx(cost.flash, rel=TOLERANCE), HOW
    assert data == pytest.approx(cost.ram, rel=TOLERANCE), HOW
    assert data + stack == total <= limit


@pytest.mark.parametrize("name", ["qemu-microbit", "simavr-atmega328p"])
def test_data_and_the_deepest_stack_keep_to_the_budget(name: str) -> None:
    available(name)
    cost = sizes.measure(name)
    assert cost.stack > 100
    assert cost.data + cost.stack <= sizes.BUDGETS[name].ram


def test_the_small_program_keeps_to_its_budget() -> None:
    available(demo.CHIP)
    cost = elf.footprint(build_firmware(demo.PRODUCT))
    flash, flash_limit, data, stack, total, limit, *_ = documented(sizes.DEMO_TITLE)
    assert cost.flash is not None
    assert cost.flash <= sizes.DEMO.flash
    assert [flash_limit, limit] == [sizes.DEMO.flash, sizes.DEMO.ram], HOW
    assert flash == pytest.approx(cost.flash, rel=TOLERANCE), HOW
    assert data == pytest.approx(cost.ram, rel=TOLERANCE), HOW
    assert data + stack == total <= limit


def test_each_thing_that_can_be_left_out_saves_flash(tmp_path: Path) -> None:
    available(demo.CHIP)
    everything = [flag for _, flags in sizes.DEMO_STEPS for flag in flags]
    least = sizes.build_demo(everything, tmp_path)
    assert least == elf.footprint(build_firmware(demo.PRODUCT)).flash  # as the Makefile has it
    for flag in everything:
        rest = [other for other in everything if other != flag]
        assert sizes.build_demo(rest, tmp_path) > least, flag
