"""Builds the firmware of an emulated chip, once for each version of its sources.

What is built goes to the cache directory of :mod:`ipfi_serial.sim.firmware`, never into the
sources, which may be those of an installed wheel.  Several processes may build at once.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from ipfi_hil.target import TargetError
from ipfi_serial.errors import IpfiError
from ipfi_serial.sim.firmware import cache_directory, find_sources

PARTS: Final = ("Makefile", "sources.txt", "include", "src", "sim", "ports")
BUILD_TIMEOUT_S: Final = 300.0  # six seconds on an idle machine of 2020
_OUTPUT_LINES: Final = 30  # of the compiler, in an error's message


def build_firmware(product: str) -> Path:
    """Return a product of the firmware's Makefile, made now if it was not before.

    Args:
        product: its path below the Makefile's output directory, ``microbit/board.elf``.

    Raises:
        TargetError: it cannot be built; has what the compiler said.
    """
    try:
        sources = find_sources()
        place = cache_place(sources, product)
    except IpfiError as error:
        raise TargetError(str(error)) from error
    if not place.is_file():
        _build(sources, product, place)
    return place


def cache_place(sources: Path, product: str) -> Path:
    """Return where a product of these sources is kept; it need not be there yet."""
    return cache_directory() / f"firmware-{_fingerprint(sources)}" / product


@functools.cache  # the sources are not edited while tests run
def _fingerprint(sources: Path) -> str:
    digest = hashlib.sha256()
    for part in PARTS:
        top = sources / part
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(sources)).encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(sources: Path, product: str, place: Path) -> None:
    """Make it in a directory of our own, and give it its name when it is whole."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix="building-") as scratch:
            _make(sources, product, Path(scratch))
            (Path(scratch) / product).replace(place)
    except OSError as error:
        raise TargetError(
            f"the cache directory cannot be written: {error}; set XDG_CACHE_HOME to another"
        ) from error


def _make(sources: Path, product: str, output: Path) -> None:
    make = shutil.which("make")
    if make is None:
        raise TargetError("make is not installed (apt install make)")
    command = [make, "-s", "-C", str(sources), f"OUT={output}", str(output / product)]
    try:
        done = subprocess.run(  # noqa: S603 - our own Makefile
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(f"{product} is not built after {BUILD_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").splitlines()
        shown = "\n".join(lines[:_OUTPUT_LINES])
        raise TargetError(f"{product} cannot be built (exit code {done.returncode}):\n{shown}")
