"""Messages and values: the reference implementation's vectors through the C parser and writer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.firmware import build, model
from tests.firmware.lockstep import Library

LINES = (build.ROOT / "tests/vectors/ipfibuf.jsonl").read_text().splitlines()
ROWS: list[dict[str, Any]] = [json.loads(line) for line in LINES]
MESSAGES = [row for row in ROWS if row["kind"] in ("call", "response")]
VALUES = [row for row in ROWS if "args_hex" in row]
ENDS = {"none": model.NONE, "chunk": model.CHUNK, "complete": model.COMPLETE}


def test_every_message_of_the_reference_is_parsed_as_it_says(library: Library) -> None:
    for row in MESSAGES:
        data = bytes.fromhex(row["hex"])
        size, (kind, flag, procedure, call, length) = library.head(data)
        wanted = int(row["procedure"])
        assert kind == row["type"], row["name"]
        assert flag & 0xC0 == ENDS[row["terminator"]], row["name"]
        assert length == row["payload_len"] == len(data) - size, row["name"]
        if wanted < 2**32 and int(row["call"]) < 2**32:
            assert (procedure, call) == (wanted, int(row["call"])), row["name"]
        else:  # what a small device does not hold it refuses to guess (MSG-6)
            assert procedure == 2**32 - 1, row["name"]


def test_every_message_of_the_reference_is_written_with_the_same_bytes(library: Library) -> None:
    written = 0
    for row in MESSAGES:
        numbers = (int(row["procedure"]), int(row["call"]))
        if max(numbers) >= 2**32 or row["payload_len"] >= 2**16:
            continue
        data = bytes.fromhex(row["hex"])
        head = library.write_head(
            row["type"], ENDS[row["terminator"]], *numbers, row["payload_len"]
        )
        assert data.startswith(head), row["name"]
        written += 1
    assert written > 800


def test_every_value_of_the_reference_is_skipped_as_a_whole(library: Library) -> None:
    for row in VALUES:
        data = bytes.fromhex(row["args_hex"])
        assert library.skip(data) == len(data), row["name"]


@given(st.binary(max_size=64))
def test_skipping_any_bytes_stays_inside_them(library: Library, data: bytes) -> None:
    assert 0 <= library.skip(data) <= len(data)


@pytest.mark.parametrize("depth", [7, 8, 9])
def test_values_nested_too_deep_are_refused(library: Library, depth: int) -> None:
    data = b"\x91" * depth + b"\xc0"
    assert library.skip(data) == (len(data) if depth <= 8 else 0)
