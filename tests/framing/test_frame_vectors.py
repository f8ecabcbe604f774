"""frames.json drives both decoders three ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ipfi_serial.framing.bytewise import ByteFrameDecoder
from ipfi_serial.framing.cobs import decode, encode
from ipfi_serial.framing.crc import CRC16, CRC32
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import REJECTED, RejectReason, Text, Verdict
from tests.vectors import make_frames

FILE = Path(__file__).parents[1] / "vectors" / "frames.json"
VECTORS = json.loads(FILE.read_text())
PROFILES = {profile.name: profile for profile in (CRC16, CRC32)}
ROWS = VECTORS["accept"] + VECTORS["reject"]
TRAILER = b"\x86trailer"
Row = dict[str, Any]


def expected(row: Row) -> list[Verdict]:
    found: list[Verdict] = []
    for verdict in row["verdicts"]:
        ((kind, value),) = verdict.items()
        if kind == "frame":
            found.append(bytes.fromhex(value))
        else:
            found.append(Text(value) if kind == "text" else REJECTED[RejectReason(value)])
    return found


def decoders(row: Row) -> tuple[FrameDecoder, ByteFrameDecoder]:
    profiles = tuple(PROFILES[name] for name in row["profiles"])
    bound = row["max_content"]
    return FrameDecoder(bound, profiles=profiles), ByteFrameDecoder(bound, profiles=profiles)


def by_byte(decoder: FrameDecoder, wire: bytes) -> list[Verdict]:
    return [verdict for byte in wire for verdict in decoder.receive(bytes([byte]))]


def pushed(decoder: ByteFrameDecoder, wire: bytes) -> list[Verdict]:
    return [verdict for byte in wire if (verdict := decoder.push(byte)) is not None]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_bytes_get_their_verdicts_whole_byte_by_byte_and_with_a_frame_behind(row: Row) -> None:
    wire = bytes.fromhex(row["wire"])
    trailer = encode_frame(TRAILER, PROFILES[row["profiles"][0]])
    assert decoders(row)[0].receive(wire) == expected(row)
    assert by_byte(decoders(row)[0], wire) == expected(row)
    assert decoders(row)[0].receive(wire + trailer) == [*expected(row), TRAILER]
    assert pushed(decoders(row)[1], wire + trailer) == [*expected(row), TRAILER]


@pytest.mark.parametrize("row", VECTORS["crc"], ids=lambda row: f"{row['profile']} {row['crc']}")
def test_the_crc_of_a_content_is_the_vectors(row: Row) -> None:
    content = bytes.fromhex(row["content"])
    confirm = row.get("confirm", 0).to_bytes(4, "little")
    profile = PROFILES[row["profile"]].for_session(confirm)
    assert profile.append(content) == content + bytes.fromhex(row["crc"])


@pytest.mark.parametrize("row", VECTORS["cobs"], ids=lambda row: row["stuffed"][:20])
def test_a_content_is_stuffed_as_in_the_vectors(row: Row) -> None:
    assert encode(bytes.fromhex(row["content"])).hex() == row["stuffed"]
    assert decode(bytes.fromhex(row["stuffed"])).hex() == row["content"]


def test_encoding_an_accepted_frame_gives_its_wire_bytes() -> None:
    for row in VECTORS["accept"][:11]:
        content = expected(row)[0]
        assert isinstance(content, bytes)
        profile = CRC32 if "data, CRC-32" in row["name"] or "alone, CRC" in row["name"] else CRC16
        assert encode_frame(content, profile).hex() == row["wire"]


def test_every_reject_names_the_accepted_row_from_which_it_differs() -> None:
    accepted = {row["name"] for row in VECTORS["accept"]}
    assert {row["differs_from"] for row in VECTORS["reject"]} <= accepted
    assert len({row["name"] for row in ROWS}) == len(ROWS)


def test_the_file_is_what_its_generator_writes() -> None:
    assert FILE.read_text() == make_frames.render()
