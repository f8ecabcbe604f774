"""The template for new ports compiles and links; every port gives what chip.h asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.firmware import build

PORTS = build.FIRMWARE / "ports"
CHIPS = sorted(path.parent.name for path in PORTS.glob("*/chip.c"))
ON_A_CHIP = ("-DBOARD_ON_CHIP", f"-I{PORTS}", f"-I{PORTS / 'template'}", "-Os")


def application() -> list[Path]:
    return [*build.library_sources(), *build.sim(*build.DEMO, "chip_main.c")]


@pytest.mark.parametrize("name", build.HOST_COMPILERS)
def test_the_template_links_with_the_demonstration(name: str, tmp_path: Path) -> None:
    cc = build.compiler(name)
    sources = [*application(), PORTS / "template/chip.c"]
    build.run(
        [cc, *build.WARNINGS, *ON_A_CHIP, *build.INCLUDES, *sources, "-o", tmp_path / "board"]
    )


def test_the_template_compiles_for_a_chip_without_a_c_library(tmp_path: Path) -> None:
    cc = build.compiler("arm-none-eabi-gcc")
    source = PORTS / "template/chip.c"
    flags = [*build.CORTEX_M0, *build.WARNINGS, *ON_A_CHIP, *build.INCLUDES]
    build.run([cc, *flags, "-c", source, "-o", tmp_path / "chip.o"])


@pytest.mark.parametrize("chip", CHIPS)
def test_every_port_says_how_much_it_has_of_everything(chip: str) -> None:
    def names(folder: str) -> set[str]:
        return set(re.findall(r"\b(BOARD_\w+) = ", (PORTS / folder / "sizes.h").read_text()))

    assert names(chip) == names("template")
    assert "BOARD_BAUD" in (PORTS / chip / "sizes.h").read_text()


def test_there_is_a_port_for_every_emulated_chip() -> None:
    assert CHIPS == ["avr", "lm3s6965", "microbit", "riscv", "template"]
