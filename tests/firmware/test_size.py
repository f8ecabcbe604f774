"""What the library costs on a Cortex-M0: flash of everything, with an interface that is empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firmware import build

# Measured plus a little, so that growth is a decision.  The aim is 8192.
FLASH_LIMIT_BYTES = 12800
RAM_LIMIT_BYTES = 2048


def link_empty(output: Path, *flags: str) -> tuple[int, int]:
    """Flash and RAM in bytes of library, empty interface, start-up code and vectors."""
    cc = build.compiler("arm-none-eabi-gcc")
    port = build.FIRMWARE / "ports/cortex_m"
    build.run(
        [
            cc,
            *build.CORTEX_M0,
            *build.FRESH_LINK,
            *flags,
            *build.WARNINGS,
            *build.INCLUDES,
            "-nostdlib",
            "-Wl,--gc-sections",
            "-T",
            port / "link.ld",
            *build.library_sources(),
            *sorted(port.glob("*.c")),
            "-lgcc",
            "-o",
            output,
        ]
    )
    numbers = build.run(["arm-none-eabi-size", output]).splitlines()[1].split()
    text, data, bss = (int(number) for number in numbers[:3])
    return text + data, data + bss


def test_library_and_empty_interface_fit_a_small_chip(
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    flash, ram = link_empty(tmp_path / "empty.elf")
    flash_lto, _ = link_empty(tmp_path / "empty-lto.elf", "-flto")
    record_property("cortex_m0_flash_bytes", flash)
    record_property("cortex_m0_flash_lto_bytes", flash_lto)
    with capsys.disabled():
        print(f"\nCortex-M0, -Os: {flash} bytes of flash ({flash_lto} with -flto), {ram} of RAM")  # noqa: T201 - a figure people look for
    assert flash <= FLASH_LIMIT_BYTES
    assert ram <= RAM_LIMIT_BYTES
