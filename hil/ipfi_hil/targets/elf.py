"""Reads what is needed of a 32-bit little-endian ELF file: sizes, and what to load where."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ipfi_hil.target import Footprint, TargetError

_HEADER: Final = struct.Struct("<16sHHIIIIIHHHHHH")  # System V ABI, figure 4-3
_PROGRAM: Final = struct.Struct("<8I")  # figure 5-1
_SECTION: Final = struct.Struct("<10I")  # figure 4-8
_MAGIC: Final = b"\x7fELF\x01\x01"  # 32 bits, little-endian
_PT_LOAD: Final = 1
_SHT_NOBITS: Final = 8
_SHF_WRITE: Final = 1
_SHF_ALLOC: Final = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes to be loaded at a physical address."""

    address: int
    data: bytes


def load_segments(path: Path) -> list[Segment]:
    """Return what a programmer would write into the chip.

    Raises:
        TargetError: it is no such file.
    """
    image, header = _open(path)
    offset, size, count = header[5], header[9], header[10]
    segments = []
    for index in range(count):
        kind, start, _, address, in_file, *_ = _PROGRAM.unpack_from(image, offset + index * size)
        if kind == _PT_LOAD and in_file:
            segments.append(Segment(address, image[start : start + in_file]))
    return segments


def footprint(path: Path) -> Footprint:
    """Return flash (code, constants, initial values) and static RAM; the stack is not in the file.

    Raises:
        TargetError: it is no such file.
    """
    image, header = _open(path)
    offset, size, count = header[6], header[11], header[12]
    flash = ram = 0
    for index in range(count):
        _, kind, flags, _, _, length, *_ = _SECTION.unpack_from(image, offset + index * size)
        if not flags & _SHF_ALLOC:
            continue
        if kind != _SHT_NOBITS:
            flash += length
        if flags & _SHF_WRITE:
            ram += length
    return Footprint(flash=flash, ram=ram)


def _open(path: Path) -> tuple[bytes, tuple[int, ...]]:
    image = path.read_bytes()
    if len(image) < _HEADER.size or not image.startswith(_MAGIC):
        raise TargetError(f"{path} is no 32-bit little-endian ELF file")
    return image, _HEADER.unpack_from(image)
