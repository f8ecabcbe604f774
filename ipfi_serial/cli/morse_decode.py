"""``ipfi morse decode``: reads a sound file: plain Morse, or frames with a CRC."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from ipfi_serial.cli.failures import ExitCode
from ipfi_serial.cli.morse_dissect import Reading, picture_of, reading_of
from ipfi_serial.cli.morse_encode import add_alphabet
from ipfi_serial.cli.morse_files import check_place, write_text
from ipfi_serial.cli.morse_heard import UNHEARD
from ipfi_serial.cli.morse_sound import edges_of, read_wav, windows_s
from ipfi_serial.cli.options import Arguments
from ipfi_serial.cli.screen import Screen, harmless
from ipfi_serial.morse.text import misfit

SUMMARY: Final = "read Morse out of a sound file"
_STATES: Final = {"none": "no CRC holds", "unknown": UNHEARD}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the action's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a WAV file")
    parser.add_argument("--picture", type=Path, metavar="OUT", help="write a picture (SVG)")
    add_alphabet(parser)


def run(options: Arguments, screen: Screen) -> int:
    """Read, and show what was read."""
    check_place(options.picture)
    edges_s, reading = read_sound(options.file, options.alphabet)
    if options.picture is not None and edges_s:
        picture = picture_of(edges_s, options.alphabet, options.file.name)
        write_text(options.picture, picture)
    damaged, unheard = (reading.crcs.count(each) for each in ("none", "unknown"))
    for frame, crc in zip(reading.frames, reading.crcs, strict=True):
        state = _STATES.get(crc, f"{crc} holds")
        screen.note(
            f"frame of {len(frame.data)} bytes, {state}; unit {frame.unit_s * 1e3:.3g} ms, "
            f"margin {frame.margin:.2f}",
            "yellow" if crc == "none" else "",
        )
    if not reading.text and not reading.frames:
        screen.note("no Morse was heard in it", "red")
    screen.line(harmless(reading.text))
    screen.object(
        {
            "ok": bool(reading.text) or bool(reading.frames),
            "text": reading.text,
            "frames": [bytes(frame.data) for frame in reading.frames],
            "damaged": damaged,
            "unheard": unheard,
        }
    )
    return ExitCode.OK if reading.text or damaged < len(reading.frames) else ExitCode.FAILED


def read_sound(path: Path, alphabet: str) -> tuple[list[float], Reading]:
    """Return edges and reading of a sound file, with the window that fits its noise best."""
    samples, rate_hz = read_wav(path)
    if not samples.any():
        return [], Reading("")
    best: tuple[float, list[float]] = (2.0, [])
    for window_s in windows_s():
        edges_s = edges_of(samples, rate_hz, window_s)
        fit = misfit(edges_s)
        if fit < best[0] - 0.02:  # a longer window has to be clearly better
            best = (fit, edges_s)
    edges_s = best[1]
    return edges_s, reading_of(edges_s, alphabet) if len(edges_s) > 1 else Reading("")
