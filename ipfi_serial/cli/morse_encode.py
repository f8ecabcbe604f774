"""``ipfi morse encode``: a text as dots and dashes, as sound, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from ipfi_serial.cli.failures import ExitCode, UsageError
from ipfi_serial.cli.morse_dissect import picture_of
from ipfi_serial.cli.morse_files import check_place, write_text
from ipfi_serial.cli.morse_sound import sound_of, write_wav
from ipfi_serial.cli.numbers import words_a_minute
from ipfi_serial.cli.options import Arguments
from ipfi_serial.cli.screen import Screen
from ipfi_serial.framing.crc import CRC32
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.morse.alphabet import UNIT_WPM_S, alphabet_named
from ipfi_serial.morse.keying import DELIMITER, Keyer, edge_times, key_text

SUMMARY: Final = "turn a text into Morse"
LOG_HEAD: Final = b"\x89\x00\x00\x00"  # docs/protocol.md 3.1: LOG of no session, level 0
_SIGNS: Final = {1: ".", 3: "-"}
_GAPS: Final = {1: "", 3: " ", 7: " / "}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the action's options."""
    parser.add_argument("text", metavar="TEXT", help="what to send")
    parser.add_argument("--wav", type=Path, metavar="OUT", help="write it as sound")
    parser.add_argument("--picture", type=Path, metavar="OUT", help="write a picture (SVG)")
    add_alphabet(parser)
    parser.add_argument(
        "--wpm", type=words_a_minute, metavar="N", default=20.0, help="words a minute (20)"
    )
    parser.add_argument("--frame", action="store_true", help="as a framed message with a CRC")


def add_alphabet(parser: argparse.ArgumentParser) -> None:
    """Add ``--alphabet``."""
    parser.add_argument(
        "--alphabet",
        choices=("itu", "compact"),
        default="itu",
        help="International Morse, or dots and dashes for bits (itu)",
    )


def run(options: Arguments, screen: Screen) -> int:
    """Encode, and show what was made."""
    units = units_of_text(options.text, options.alphabet, framed=options.frame)
    unit_s = UNIT_WPM_S / options.wpm
    edges_s = edge_times(units, 0.0, unit_s)
    shown = as_signs(units)
    for path in (options.wav, options.picture):  # neither is made if one cannot be
        check_place(path)
    if options.wav is not None:
        write_wav(options.wav, sound_of(edges_s, unit_s))
    if options.picture is not None:
        write_text(options.picture, picture_of(edges_s, options.alphabet, options.text))
    screen.line(shown)
    screen.object(
        {"ok": True, "morse": shown, "units": sum(units), "seconds": round(sum(units) * unit_s, 3)}
    )
    return ExitCode.OK


def units_of_text(text: str, alphabet: str, *, framed: bool) -> list[int]:
    """Return marks and gaps of a text in turn, in units.

    Args:
        text: what to send.
        alphabet: "itu" or "compact".
        framed: as a LOG frame with CRC-32; else itu is plain Morse, and compact has no CRC.

    Raises:
        UsageError: there is nothing to send, or what Morse does not have.
    """
    if not text.strip():
        raise UsageError("there is no text to send")
    data = text.encode()
    if framed:
        data = encode_frame(LOG_HEAD + data, CRC32)[:-1]
    elif alphabet == "itu":
        return key_text(text)
    if DELIMITER in data:
        raise UsageError("a text with a zero byte needs --frame")
    return Keyer(alphabet_named(alphabet)).key(data)


def as_signs(units: list[int]) -> str:
    """Return marks and gaps as dots, dashes, blanks and strokes."""
    signs = [_SIGNS[u] if k % 2 == 0 else _GAPS[u] for k, u in enumerate(units[:-1])]
    return "".join(signs)
