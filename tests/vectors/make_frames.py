"""Writes frames.json.  Shares no code with the package: CRC bit by bit, COBS by hand.

Run ``python tests/vectors/make_frames.py`` after a change; README.md describes the format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CRC16 = "CRC-16/IBM-3740"
CRC32 = "CRC-32/ISO-HDLC"
Row = dict[str, Any]


def crc16(data: bytes, register: int = 0xFFFF) -> bytes:
    """Polynomial 0x1021, most significant bit first; complemented, as it is sent (FRAME-5)."""
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ 0x11021) if register & 0x8000 else register << 1
    return bytes([(register >> 8) ^ 0xFF, (register & 0xFF) ^ 0xFF])


def crc32(data: bytes, register: int = 0xFFFFFFFF) -> bytes:
    """Polynomial 0x04C11DB7 reflected, least significant bit first."""
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1 ^ 0xEDB88320) if register & 1 else register >> 1
    register ^= 0xFFFFFFFF
    return bytes(register >> shift & 0xFF for shift in (0, 8, 16, 24))


def stuff(content: bytes) -> bytes:
    """Replace the zeros: block by block, a full block has 254 bytes and stands for no zero."""
    wire = b""
    rest = content
    while True:
        run = rest.split(b"\0", 1)[0][:254]
        wire += bytes([len(run) + 1]) + run
        if len(run) == len(rest):
            return wire
        rest = rest[len(run) :] if len(run) == 254 else rest[len(run) + 1 :]


def seal(content: bytes, profile: str) -> bytes:
    """Content with its CRC."""
    return content + (crc16(content) if profile == CRC16 else crc32(content))


def frame(content: bytes, profile: str = CRC16) -> bytes:
    """One frame with the delimiter behind it."""
    return stuff(seal(content, profile)) + b"\0"


def row(name: str, wire: bytes, *verdicts: object, **more: object) -> Row:
    """One row; a verdict given as bytes is a frame, as a str a rejection."""
    found: list[Row] = []
    for verdict in verdicts:
        if isinstance(verdict, bytes):
            found.append({"frame": verdict.hex()})
        else:
            found.append(verdict if isinstance(verdict, dict) else {"rejected": verdict})
    plain: Row = {"name": name, "profiles": [CRC16], "max_content": 320, "wire": wire.hex()}
    return plain | {"verdicts": found} | more


DATA = bytes.fromhex("85 0100 00 00") + b"\x01\xc0\x01\x00\x02\x28\x02"
HELLO = b"\x81" + bytes(range(31))
PING = bytes.fromhex("87 0100 03 2a 00010000")
ONLY32: Row = {"profiles": [CRC32]}


def accepts() -> list[Row]:
    """Frames, and what may stand around them."""
    full = b"\x85" + bytes([7]) * (254 - 3)  # with its CRC-16 exactly one full block, if no zero
    assert 0 not in seal(full, CRC16)
    largest = b"\x85" + bytes([9]) * (320 - 3)
    text = {"text": "boot v1.2 ok"}
    return [
        row("data", frame(DATA), DATA),
        row("data, CRC-32", frame(DATA, CRC32), DATA, **ONLY32),
        row("data, CRC-16 as the second profile", frame(DATA), DATA, profiles=[CRC32, CRC16]),
        row("hello", frame(HELLO), HELLO),
        row("hello in a session with CRC-32 still has CRC-16", frame(HELLO), HELLO, **ONLY32),
        row("ping", frame(PING), PING),
        row("type byte alone", frame(b"\x86"), b"\x86"),
        row("type byte alone, CRC-32", frame(b"\x86", CRC32), b"\x86", **ONLY32),
        row("lowest type", frame(b"\x80\x01"), b"\x80\x01"),
        row("highest type", frame(b"\xff\xff\xff"), b"\xff\xff\xff"),
        row("a body of zeros", frame(b"\x85" + bytes(40)), b"\x85" + bytes(40)),
        row("one full block", frame(full), full),
        row("one full block and an empty one", frame(full)[:-1] + b"\x01\0", full),
        row("a full block and one byte", frame(full + b"\x01"), full + b"\x01"),
        row("the largest content", frame(largest), largest),
        row("zeros before a frame", bytes(5) + frame(DATA), DATA),
        row("two frames, one delimiter between", frame(DATA) + frame(PING), DATA, PING),
        row("two frames, three between", frame(DATA) + b"\0\0" + frame(PING), DATA, PING),
        row("text, then a frame", b"boot v1.2 ok\n" + frame(DATA), text, DATA),
        row("text with CR LF, then a frame", b"boot v1.2 ok\r\n" + frame(DATA), text, DATA),
        row("text that ends in a zero", b"boot v1.2 ok\0" + frame(DATA), text, DATA),
        row("coloured text", b"\x1b[0;32mboot v1.2 ok\x1b[0m\n", text),
        row("two lines", b"boot v1.2 ok\n\n" + frame(DATA), text, {"text": ""}, DATA),
        row("one letter", b"A\0" + frame(DATA), {"text": "A"}, DATA),
        row("UTF-8", "größer\n".encode(), {"text": "größer"}),
    ]


def rejects() -> list[Row]:
    """Each differs from an accepted row in one thing only."""
    good = frame(DATA)
    flipped = bytearray(good)
    flipped[8] ^= 0x10
    largest = b"\x85" + bytes([9]) * (320 - 2)
    short = good[:-2] + b"\0"

    def bad(name: str, wire: bytes, *verdicts: object, like: str = "data", **more: object) -> Row:
        return row(name, wire, *verdicts, differs_from=like, **more)

    wrong_end = DATA + crc16(DATA)[::-1]
    inverted = DATA + bytes(byte ^ 0xFF for byte in crc16(DATA))
    type_7f = b"\x7f" + DATA[1:]
    swapped = b"\xff\x02" + good[2:]
    both = "two frames, one delimiter between"
    after_text = "text, then a frame"
    return [
        bad("a bit is flipped", bytes(flipped), "crc"),
        bad("a byte is missing", good[:8] + good[9:], "cobs"),
        bad("a byte is doubled", good[:9] + good[8:], "crc"),
        bad("the last byte is missing", short, "cobs"),
        bad("a code is too large", swapped, "cobs"),
        bad("the CRC is in the other order", stuff(wrong_end) + b"\0", "crc"),
        bad("the CRC starts from 0", stuff(DATA + crc16(DATA, 0)) + b"\0", "crc"),
        bad("the CRC is not complemented", stuff(inverted) + b"\0", "crc"),
        bad("a zero is appended", good[:-1] + b"\x01\0", "crc"),
        bad("the profile is not the session's", good, "crc", **ONLY32),
        bad("a hello with CRC-32", frame(HELLO, CRC32), "crc", like="hello", **ONLY32),
        bad("a type below 0x80", frame(type_7f), "noise"),
        bad("no content, only its CRC", frame(b""), "noise", like="type byte alone"),
        bad("no CRC", stuff(b"\x86") + b"\0", "noise", like="type byte alone"),
        bad("content above the bound", frame(largest), "oversized", like="the largest content"),
        bad("a delimiter is lost", good[:-1] + frame(PING), "crc", like=both),
        bad("a stray byte before", b"\x99" + good, "cobs"),
        bad("a stray byte between", good + b"\x99" + frame(PING), DATA, "cobs", like=both),
        bad("a delimiter in the middle", good[:9] + b"\0" + good[9:], "crc", "noise"),
        bad("a bell in the text", b"boot\x07v1.2 ok\n" + good, "noise", DATA, like=after_text),
        bad("too little UTF-8", b"bo\xff\xfe\xfdok\n" + good, "noise", DATA, like=after_text),
        bad("a lone control byte", b"\x01\0" + good, "noise", DATA, like="one letter"),
    ]


def crc_rows() -> list[Row]:
    """Contents and their CRC as it is appended; of a session's frame if it has a ``confirm``."""
    contents = [b"123456789", b"", b"\0", b"\xff", bytes(64), bytes(range(256)), DATA, HELLO]
    rows = [
        Row(profile=profile, content=content.hex(), crc=make(content).hex())
        for profile, make in ((CRC16, crc16), (CRC32, crc32))
        for content in contents
    ]
    for confirm in (0x00000001, 0x12345678, 0xFFFFFFFF):
        sealed = crc16(DATA, 0xFFFF ^ confirm & 0xFFFF), crc32(DATA, 0xFFFFFFFF ^ confirm)
        rows += [
            Row(profile=profile, content=DATA.hex(), crc=crc.hex(), confirm=confirm)
            for profile, crc in zip((CRC16, CRC32), sealed, strict=True)
        ]
    return rows


def cobs_rows() -> list[Row]:
    """Contents and their stuffed form, without the delimiter."""
    ones = b"\x01"
    contents = [b"", b"\0", b"\0\0", b"\x11\x22\0\x33", b"\x11\0\0\0", ones * 253, ones * 254]
    contents += [ones * 255, ones * 254 + b"\0", ones * 508, b"\0" + ones * 254, bytes(range(256))]
    return [Row(content=content.hex(), stuffed=stuff(content).hex()) for content in contents]


def render() -> str:
    """Return the whole file."""
    parts = {"crc": crc_rows(), "cobs": cobs_rows(), "accept": accepts(), "reject": rejects()}
    lists = [
        f'"{name}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "\n]"
        for name, rows in parts.items()
    ]
    return "{\n" + ",\n".join(lists) + "\n}\n"


if __name__ == "__main__":
    Path(__file__).with_name("frames.json").write_text(render())
