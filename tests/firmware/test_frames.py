"""Framing: the C decoder and encoder against a model written from docs/protocol.md, section 2."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.firmware import build, model
from tests.firmware.lockstep import Library

VECTORS = json.loads((build.ROOT / "tests/vectors/frames.json").read_text())
PROFILES = {"CRC-16/IBM-3740": model.CRC16, "CRC-32/ISO-HDLC": model.CRC32}

contents = st.one_of(
    st.binary(min_size=1, max_size=80),
    st.binary(min_size=240, max_size=270),
    st.integers(1, 600).map(lambda n: b"\x81" * n),
    st.integers(1, 600).map(lambda n: b"\x81" + bytes(n)),
).map(lambda data: bytes([data[0] | 0x80]) + data[1:])
profiles = st.sampled_from([model.CRC16, model.CRC32])
noise = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b"\0", b"\n", b"a\n", b"\x0a\x0a", b"\xff" * 3, b"boot: ok\r\n", b"\x01\x01"]
        ),
        contents.map(lambda c: model.frame(c, model.CRC16)),
        contents.map(lambda c: model.frame(c, model.CRC32)[:-3]),
    ),
    max_size=8,
).map(b"".join)


def verdicts_of_the_model(wire: bytes, capacity: int) -> list[tuple[str, bytes]]:
    """FRAME-2, FRAME-3, FRAME-4, FRAME-7 and FRAME-8, a line at a time; text is dropped."""
    found = []
    rest = wire
    while rest:
        line, delimiter, behind = rest.partition(b"\0")
        while line[:1] and all(value < 0x80 for value in line[:2]):
            _, newline, after = line.partition(b"\n")
            line = after if newline else b""
            if not newline:
                break
        if line and delimiter:
            content = model.unstuff(line)
            shown = stored_of(line)
            if shown > capacity:
                found.append(("O", b""))
            elif content and content[0] >= 0x80:
                found.append(("F", content))
            else:
                found.append(("N", b""))
        rest = behind
    return found


def stored_of(line: bytes) -> int:
    """How many bytes of content a decoder has seen of a line, be it whole or not."""
    size, at = 0, 0
    while at < len(line):
        code = line[at]
        run = line[at + 1 : at + code]
        size += len(run)
        at += code
        if code != 0xFF and at < len(line):
            size += 1
    return size


@given(contents, profiles, st.sampled_from([0, 1, 0x12345678, 0xFFFFFFFF]))
def test_what_c_encodes_is_what_the_model_encodes(
    library: Library, content: bytes, profile: int, confirm: int
) -> None:
    encoded = model.frame(content, profile, confirm)
    assert library.encode(content, profile, confirm) == encoded


@given(contents, profiles)
def test_what_the_model_encodes_c_decodes(library: Library, content: bytes, profile: int) -> None:
    sealed = content + model.checksum(content, profile)
    assert library.frames(model.frame(content, profile)) == [("F", sealed)]


@given(noise, st.sampled_from([48, 73, 4096]))
@example(b"\n\n\x85\0", 48)
@example(b"a\0", 48)
@example(b"\x0a\x86" + bytes(range(1, 9)) + b"\0", 48)
def test_any_bytes_give_the_verdicts_of_the_model(
    library: Library, wire: bytes, capacity: int
) -> None:
    assert library.frames(wire, capacity) == verdicts_of_the_model(wire, capacity)


@given(noise)
def test_a_frame_behind_any_noise_is_heard(library: Library, wire: bytes) -> None:
    content = b"\x86here I am"
    sealed = content + model.checksum(content, model.CRC16)
    heard = library.frames(wire + b"\0" + model.frame(content, model.CRC16))
    assert heard[-1] == ("F", sealed)


def appended(library: Library, data: bytes, profile: int, confirm: int = 0) -> bytes:
    value = library.checksum(data, profile, confirm)
    return (
        value.to_bytes(4, "little")
        if profile == model.CRC32
        else (value ^ 0xFFFF).to_bytes(2, "big")
    )


@given(st.binary(max_size=300), profiles, st.integers(0, 0xFFFFFFFF))
def test_checksums_are_those_of_the_model(
    library: Library, data: bytes, profile: int, confirm: int
) -> None:
    assert appended(library, data, profile, confirm) == model.checksum(data, profile, confirm)


@pytest.mark.parametrize("row", VECTORS["crc"], ids=lambda row: row["content"][:24] or "empty")
def test_checksum_vectors(library: Library, row: dict[str, Any]) -> None:
    profile = PROFILES.get(row["profile"])
    if profile is None:
        pytest.skip(f"the C library has no {row['profile']}")
    content, confirm = bytes.fromhex(row["content"]), row.get("confirm", 0)
    assert appended(library, content, profile, confirm).hex() == row["crc"]


@pytest.mark.parametrize("row", VECTORS["accept"] + VECTORS["reject"], ids=lambda row: row["name"])
def test_frame_vectors(library: Library, row: dict[str, object]) -> None:
    wire = bytes.fromhex(str(row["wire"]))
    assert isinstance(row["verdicts"], list)
    assert isinstance(row["profiles"], list)
    assert isinstance(row["max_content"], int)
    heard = []
    for kind, content in library.frames(wire, row["max_content"]):
        if kind == "O":
            heard.append("oversized")
        elif kind == "N":
            heard.append("bad")
        else:
            heard.append(opened(content, row["profiles"]))
    expected = []
    for verdict in row["verdicts"]:
        if "frame" in verdict:
            expected.append(verdict["frame"])
        elif "rejected" in verdict:
            expected.append(verdict["rejected"])
    if "noise" in expected:  # on a text it is no verdict of a receiver without a use for text
        heard = [verdict for verdict in heard if verdict != "bad"]
        expected = [verdict for verdict in expected if verdict not in ("noise", "crc")]
    else:
        expected = ["bad" if verdict in ("crc", "cobs") else verdict for verdict in expected]
    assert heard == expected


def opened(content: bytes, names: list[str]) -> str:
    """The frame without its checksum, or "bad"; a handshake frame has CRC-16 (FRAME-5)."""
    tried = ["CRC-16/IBM-3740"] if 0x81 <= content[0] <= 0x84 else names
    for name in tried:
        size = 4 if PROFILES[name] == model.CRC32 else 2
        if len(content) > size:
            body = content[:-size]
            if model.checksum(body, PROFILES[name]) == content[-size:]:
                return body.hex()
    return "bad"
