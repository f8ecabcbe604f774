"""Builds the Cortex-M3 board with what pip installs: the clang in the ziglang package.

For machines without arm-none-eabi-gcc and make.  The code differs from gcc's, and is larger.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from ipfi_hil.target import TargetError
from ipfi_hil.targets.building import BUILD_TIMEOUT_S, cache_place
from ipfi_serial.errors import IpfiError
from ipfi_serial.sim.firmware import find_sources

PRODUCT: Final = "lm3s6965/board.elf"  # what Unicorn runs
TOOLS: Final = ("arm-none-eabi-gcc", "make")
WHY_NOT: Final = (
    "arm-none-eabi-gcc or make is not installed (apt install gcc-arm-none-eabi make), and the "
    "Python module ziglang, which could stand in, is not either (pip install ipfi-serial[zig])"
)
_TARGET: Final = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m3")
# As the Makefile has it; -ffreestanding also keeps clang from calling memcpy within memcpy.
_FLAGS: Final = ("-std=c99", "-Os", "-ffreestanding", "-ffunction-sections", "-fdata-sections")
_LINK: Final = ("-Wl,--gc-sections", "-Wl,--entry=reset_handler")
_INCLUDES: Final = ("include", "src", "sim", "ports", "ports/cortex_m", "ports/lm3s6965")
_DEFINES: Final = ("-DBOARD_ON_CHIP", "-DUART_IRQ=5")
_OUTPUT_LINES: Final = 30


def is_needed() -> bool:
    """Tell whether the tools that would be preferred are missing."""
    return any(shutil.which(tool) is None for tool in TOOLS)


def is_there() -> bool:
    """Tell whether the package is installed."""
    return importlib.util.find_spec("ziglang") is not None


def build() -> Path:
    """Return the board, made now if it was not before.

    Raises:
        TargetError: it cannot be built; has what the compiler said.
    """
    try:
        sources = find_sources()
        place = cache_place(sources, f"zig-{_fingerprint()}/{PRODUCT}")
    except IpfiError as error:
        raise TargetError(str(error)) from error
    if not place.is_file():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent, prefix="building-") as scratch:
                _compile(sources, Path(scratch)).replace(place)
        except OSError as error:
            raise TargetError(
                f"the cache directory cannot be written: {error}; set XDG_CACHE_HOME to another"
            ) from error
    return place


def _fingerprint() -> str:
    """Return a hash of what the board depends on beside the sources: clang and its options."""
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:  # a copy that pip did not install
        version = "unknown"
    parts = (version, _TARGET, _FLAGS, _DEFINES, _LINK, _INCLUDES)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _compile(sources: Path, scratch: Path) -> Path:
    script, product = scratch / "link.ld", scratch / "board.elf"
    script.write_text(_linker_script(sources))
    command = [sys.executable, "-m", "ziglang", "cc", *_TARGET, *_FLAGS, *_DEFINES, *_LINK]
    command += [f"-I{folder}" for folder in _INCLUDES]
    command += ["-T", str(script), *_files(sources), "-o", str(product)]
    try:
        done = subprocess.run(  # noqa: S603 - our own sources
            command,
            cwd=sources,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(f"{PRODUCT} is not built after {BUILD_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0 or not product.is_file():
        lines = done.stdout.decode(errors="replace").splitlines()
        shown = "\n".join(lines[:_OUTPUT_LINES])
        raise TargetError(f"{PRODUCT} cannot be built with ziglang:\n{shown}")
    return product


def _files(sources: Path) -> list[str]:
    """Return what belongs to the board on this chip: all but what is for a process."""
    names = (sources / "sources.txt").read_text().split()
    common = [name for name in names if name.startswith(("src/", "sim/")) and name != "sim/main.c"]
    core = [f"ports/cortex_m/{name}.c" for name in ("startup", "core", "memory")]
    return [*common, "sim/chip_main.c", *core, "ports/lm3s6965/chip.c"]


def _linker_script(sources: Path) -> str:
    """Return it in one piece: Zig hands no search path to its linker."""
    script = (sources / "ports/lm3s6965/link.ld").read_text()
    sections = (sources / "ports/cortex_m/sections.ld").read_text()
    return script.replace("INCLUDE sections.ld", sections)
