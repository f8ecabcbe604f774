"""Every message that the reference implementation wrote, decoded three ways and written again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ipfi_serial.codec.message import (
    Message,
    MessageDecoder,
    MessageKind,
    Terminator,
    encode,
    encode_parts,
)

FILE = Path(__file__).parents[1] / "vectors" / "ipfibuf.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text().splitlines()]
FIELDS = [row for row in ROWS if "terminator" in row]
BODILESS = [row for row in ROWS if row["kind"] in ("end_of_input", "termination")]
STREAMS = [bytes.fromhex(row[key]) for row in ROWS for key in row if key.endswith("hex")]
TRAILER = Message(MessageKind.CALL, 9, 8, Terminator.COMPLETE, b"trailer")
Row = dict[str, Any]


def expected(row: Row) -> Message:
    if "payload_pattern" in row:
        payload = bytes(i % 251 for i in range(row["payload_len"]))
    else:
        payload = bytes.fromhex(row["payload_hex"])
    return Message(
        MessageKind[row["kind"].upper()],
        int(row["procedure"]),
        int(row["call"]),
        Terminator[row["terminator"].upper()],
        payload,
    )


def decoded_three_ways(wire: bytes) -> list[Message]:
    """Decode whole, byte by byte and with a trailer; the three agree."""
    whole = MessageDecoder().feed(wire)
    by_byte = MessageDecoder()
    assert [message for byte in wire for message in by_byte.feed(bytes([byte]))] == whole
    assert by_byte.idle
    assert MessageDecoder().feed(wire + encode(TRAILER)) == [*whole, TRAILER]
    return whole


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row["name"])
def test_a_message_is_read_as_its_fields_say_and_written_with_the_same_bytes(row: Row) -> None:
    wire = bytes.fromhex(row["hex"])
    assert decoded_three_ways(wire) == [expected(row)]
    assert encode(expected(row)) == wire
    assert wire[0] == row["type"]
    assert wire[1] == int(row["flag"], 16)


@pytest.mark.parametrize("row", BODILESS, ids=lambda row: row["name"])
def test_a_bodiless_message_is_one_byte(row: Row) -> None:
    kind = MessageKind[row["kind"].upper()]
    message = Message(kind, 0, 0, Terminator.COMPLETE, b"")
    assert decoded_three_ways(bytes.fromhex(row["hex"])) == [message]
    assert encode(message).hex() == row["hex"]


def test_arguments_and_answers_in_the_vectors_are_single_complete_messages() -> None:
    for row in ROWS:
        if not row["kind"].startswith("arg_"):
            continue
        (call,) = decoded_three_ways(bytes.fromhex(row["hex"]))
        payload = bytes.fromhex(row["args_hex"])
        assert call == Message(MessageKind.CALL, 1, 0, Terminator.COMPLETE, payload)
        for answer in decoded_three_ways(bytes.fromhex(row.get("response_hex", ""))):
            assert answer == Message(MessageKind.RESPONSE, 1, 0, Terminator.COMPLETE, payload)


@pytest.mark.parametrize("row", [r for r in ROWS if r["kind"] in ("args", "stream")], ids=str)
def test_several_messages_in_a_row_are_read_and_written_again(row: Row) -> None:
    wire = bytes.fromhex(row["hex"])
    messages = decoded_three_ways(wire)
    assert b"".join(encode(message) for message in messages) == wire


def test_the_raw_stream_of_the_vectors_has_its_terminators() -> None:
    (row,) = (row for row in ROWS if row["name"] == "stream/raw_partials")
    assert [
        (message.payload, message.terminator.name)
        for message in MessageDecoder().feed(bytes.fromhex(row["hex"]))
    ] == [
        (b"p1-", "NONE"),
        (b"p2", "CHUNK"),
        (b"", "CHUNK"),
        (b"", "NONE"),
        (b"end", "NONE"),
        (b"", "COMPLETE"),
    ]


def test_every_row_is_covered_by_a_test_above() -> None:
    kinds = {row["kind"] for row in ROWS}
    assert kinds == {
        *("call", "response", "end_of_input", "termination"),
        *("arg_and_return", "arg_only", "args", "stream"),
    }
    assert len(ROWS) == 1164


@pytest.mark.parametrize(
    "text, message",
    [
        ("01c0000000", (MessageKind.CALL, 0, 0, Terminator.COMPLETE, b"")),
        ("01c00100022802", (MessageKind.CALL, 1, 0, Terminator.COMPLETE, b"\x28\x02")),
        ("02c00100012a", (MessageKind.RESPONSE, 1, 0, Terminator.COMPLETE, b"\x2a")),
        ("010200010103616263", (MessageKind.CALL, 256, 1, Terminator.NONE, b"abc")),
        (
            "01c500000100ffffffff012a",
            (MessageKind.CALL, 65536, 2**32 - 1, Terminator.COMPLETE, b"\x2a"),
        ),
    ],
)
def test_the_examples_of_the_protocol_hold(
    text: str, message: tuple[MessageKind, int, int, Terminator, bytes]
) -> None:
    assert encode_parts(*message).hex() == text
    assert decoded_three_ways(bytes.fromhex(text)) == [Message(*message)]
