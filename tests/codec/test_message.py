"""The message codec: widths, limits, unknown types and any split, one rule a test."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.codec.header import MAX_HEADER_BYTES, MAX_INDEX
from ipfi_serial.codec.message import (
    Message,
    MessageDecoder,
    MessageKind,
    Oversized,
    Terminator,
    UnknownTypes,
    encode,
    encode_parts,
)
from ipfi_serial.errors import ConfigError, LocalProtocolError, RemoteProtocolError

EDGES = [0, 1, 255, 256, 65535, 65536, 2**32 - 1, 2**32, MAX_INDEX]
INDICES = st.one_of(st.sampled_from(EDGES), st.integers(0, MAX_INDEX))
BODY_KINDS = [kind for kind in MessageKind if kind not in (0, 3)]
MESSAGES = st.one_of(
    st.builds(
        Message,
        st.sampled_from(BODY_KINDS),
        INDICES,
        INDICES,
        st.sampled_from(Terminator),
        st.one_of(st.binary(max_size=40), st.integers(250, 700).map(bytes)),
    ),
    st.sampled_from([MessageKind.TERMINATION, MessageKind.END_OF_INPUT]).map(
        lambda kind: Message(kind, 0, 0, Terminator.COMPLETE, b"")
    ),
)
CALL = Message(MessageKind.CALL, 1, 2, Terminator.COMPLETE, b"abc")
WIRE = encode(CALL)


def header(kind: int, length: int, flag: int = 0xF0) -> bytes:
    """A header with procedure 1, call 2 and a length of 8 bytes."""
    return bytes([kind, flag, 1, 2]) + length.to_bytes(8, "little")


def pieces(wire: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    return [wire[edges[i] : edges[i + 1]] for i in range(len(edges) - 1)]


@given(messages=st.lists(MESSAGES, max_size=6), cuts=st.lists(st.integers(0, 5000), max_size=8))
def test_messages_come_back_however_their_bytes_are_split(
    messages: list[Message], cuts: list[int]
) -> None:
    wire = b"".join(encode(message) for message in messages)
    decoder = MessageDecoder(extensions=True)
    received = [message for piece in pieces(wire, cuts) for message in decoder.feed(piece)]
    assert received == messages
    assert decoder.idle
    assert decoder.buffered_bytes == 0


SALAD = st.lists(
    st.one_of(
        MESSAGES.map(encode),
        st.binary(max_size=12),
        st.builds(header, st.integers(0, 9), st.sampled_from([0, 3, 30, 60, 100, 1 << 63])),
    ),
    max_size=8,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(
    wire=SALAD,
    cuts=st.lists(st.integers(0, 5000), max_size=8),
    unknown=st.sampled_from(["error", "skip_byte", "skip_message"]),
    extensions=st.booleans(),
)
def test_any_split_of_any_bytes_ends_in_the_same_state(
    wire: bytes, cuts: list[int], unknown: UnknownTypes, extensions: bool
) -> None:
    def run(chunks: list[bytes]) -> tuple[object, ...]:
        decoder = MessageDecoder(
            max_payload_bytes=40, skip_limit_bytes=80, unknown=unknown, extensions=extensions
        )
        found: list[Message | Oversized] = []
        for chunk in chunks:
            messages: list[Message | Oversized] = [*decoder.feed(chunk)]
            for count, large in enumerate(decoder.take_oversized()):
                unplaced = msgspec.structs.replace(large, position=0)
                messages.insert(large.position + count, unplaced)
            found += messages
            assert decoder.buffered_bytes <= 40 + MAX_HEADER_BYTES
        totals = decoder.skipped_bytes, decoder.skipped_messages, decoder.oversized_messages
        return found, totals, repr(decoder.error), decoder.idle

    whole = run([wire])
    assert run(pieces(wire, cuts)) == whole
    assert run([bytes([byte]) for byte in wire]) == whole


@pytest.mark.parametrize("procedure", range(4))
@pytest.mark.parametrize("call", range(4))
@pytest.mark.parametrize("length", range(4))
def test_a_reader_takes_any_width_for_any_number(procedure: int, call: int, length: int) -> None:
    sizes = [(1, 4, 2, 8)[code] for code in (procedure, call, length)]
    flag = 0xC0 | procedure | call << 2 | length << 4
    numbers = [value.to_bytes(size, "little") for value, size in zip((1, 2, 3), sizes, strict=True)]
    wire = bytes([1, flag]) + b"".join(numbers) + b"abc"
    decoder = MessageDecoder()
    assert [m for byte in wire for m in decoder.feed(bytes([byte]))] == [CALL]
    assert MessageDecoder().feed(wire * 2) == [CALL, CALL]


@pytest.mark.parametrize("value", EDGES)
def test_a_writer_uses_the_smallest_width(value: int) -> None:
    size = 1 if value < 256 else 2 if value < 65536 else 4 if value < 2**32 else 8
    code = {1: 0, 2: 2, 4: 1, 8: 3}[size]
    wire = encode_parts(MessageKind.CALL, value, value, Terminator.COMPLETE, b"")
    assert wire[1] == 0xC0 | code | code << 2
    assert len(wire) == 2 + 2 * size + 1


def test_every_valid_flag_is_read_and_every_other_one_stops_the_decoder() -> None:
    for flag in range(256):
        decoder = MessageDecoder()
        messages = decoder.feed(bytes([1, flag]) + bytes(MAX_HEADER_BYTES))
        if flag & 0xC0 == 0x80:
            assert messages == []
            assert f"invalid flag 0x{flag:02x}" in str(decoder.error)
        else:
            assert messages[0].terminator == flag & 0xC0


@pytest.mark.parametrize("kind", [MessageKind.TERMINATION, MessageKind.END_OF_INPUT])
def test_a_bodiless_kind_is_written_as_one_byte_whatever_else_is_given(kind: MessageKind) -> None:
    assert encode_parts(kind, 5, 6, Terminator.NONE, b"x") == bytes([kind])


@pytest.mark.parametrize("index", [-1, MAX_INDEX + 1])
def test_an_index_that_does_not_fit_is_a_local_error(index: int) -> None:
    for procedure, call in ((index, 0), (0, index)):
        with pytest.raises(LocalProtocolError, match="does not fit"):
            encode_parts(MessageKind.CALL, procedure, call, Terminator.COMPLETE, b"")


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_taken_and_payloads_are_bytes(wrap: type[bytes]) -> None:
    decoder = MessageDecoder()
    messages = decoder.feed(wrap(WIRE)) + decoder.feed(wrap(WIRE[:6])) + decoder.feed(wrap(b"bc"))
    assert messages == [CALL, CALL]
    assert {type(message.payload) for message in messages} == {bytes}
    assert encode_parts(MessageKind.CALL, 1, 2, Terminator.COMPLETE, wrap(b"abc")) == WIRE


def test_a_message_is_frozen_and_survives_copy_and_pickle() -> None:
    with pytest.raises(AttributeError):
        cast(Any, CALL).call = 3
    assert copy.copy(CALL) == pickle.loads(pickle.dumps(CALL)) == CALL
    assert Message(MessageKind.CALL, 1, 3, Terminator.COMPLETE, b"abc") != CALL


@pytest.mark.parametrize("kind", [4, 5, 6, 7])
def test_extension_types_are_unknown_until_they_are_allowed(kind: int) -> None:
    wire = bytes([kind]) + WIRE[1:]
    decoder = MessageDecoder()
    assert decoder.feed(wire) == []
    assert f"unknown message type 0x0{kind}" in str(decoder.error)
    assert MessageDecoder(extensions=True).feed(wire) == [
        Message(MessageKind(kind), 1, 2, Terminator.COMPLETE, b"abc")
    ]


def test_an_invalid_byte_never_raises_but_stops_the_decoder_for_good() -> None:
    decoder = MessageDecoder()
    assert decoder.feed(WIRE + WIRE + b"\x99" + WIRE) == [CALL, CALL]
    assert isinstance(decoder.error, RemoteProtocolError)
    first = decoder.error
    assert decoder.feed(WIRE) == []
    assert decoder.feed(b"\x98") == []
    assert decoder.error is first
    assert decoder.idle
    assert decoder.buffered_bytes == 0


def test_an_unknown_type_is_skipped_one_byte_at_a_time_on_a_plain_wire() -> None:
    decoder = MessageDecoder(unknown="skip_byte")
    assert decoder.feed(b"\x99\x98" + WIRE + b"\x97" + WIRE) == [CALL, CALL]
    assert (decoder.skipped_bytes, decoder.error) == (3, None)


def test_an_unknown_type_is_skipped_by_its_length_on_a_framed_wire() -> None:
    decoder = MessageDecoder(unknown="skip_message")
    unknown = header(0x99, 300) + b"\x01" * 300
    assert decoder.feed(WIRE + unknown + WIRE) == [CALL, CALL]
    assert (decoder.skipped_messages, decoder.error) == (1, None)
    assert [m for byte in unknown + WIRE for m in decoder.feed(bytes([byte]))] == [CALL]


def test_an_unknown_type_with_an_invalid_flag_stops_the_decoder() -> None:
    decoder = MessageDecoder(unknown="skip_message")
    assert decoder.feed(WIRE + header(0x99, 3, flag=0xB0) + WIRE) == [CALL]
    assert "unknown message type 0x99" in str(decoder.error)


def test_an_unknown_type_above_the_skip_limit_stops_the_decoder() -> None:
    decoder = MessageDecoder(unknown="skip_message", skip_limit_bytes=100)
    assert decoder.feed(header(0x99, 101) + bytes(200) + WIRE) == []
    assert "101 bytes is above the skip limit" in str(decoder.error)


def test_a_payload_of_the_limit_is_taken_and_one_byte_more_is_skipped_and_reported() -> None:
    decoder = MessageDecoder(max_payload_bytes=10, skip_limit_bytes=20)
    fits = Message(MessageKind.CALL, 1, 2, Terminator.COMPLETE, b"x" * 10)
    assert decoder.feed(encode(fits) + header(1, 11) + b"x" * 11 + WIRE) == [fits, CALL]
    assert decoder.take_oversized() == [
        Oversized(MessageKind.CALL, 1, 2, Terminator.COMPLETE, 11, position=1)
    ]
    assert decoder.take_oversized() == []
    assert (decoder.oversized_messages, decoder.error) == (1, None)


def test_an_oversized_message_is_reported_before_its_payload_came_and_never_stored() -> None:
    decoder = MessageDecoder(max_payload_bytes=10, skip_limit_bytes=1 << 20)
    assert decoder.feed(header(2, 1 << 20)) == []
    assert len(decoder.take_oversized()) == 1
    for _ in range(1 << 10):
        assert decoder.feed(bytes(1 << 10)) == []
        assert decoder.buffered_bytes == 0
    assert decoder.feed(WIRE) == [CALL]


@pytest.mark.parametrize("length", [21, 1 << 32, 1 << 63, MAX_INDEX])
def test_a_payload_above_the_skip_limit_stops_the_decoder(length: int) -> None:
    decoder = MessageDecoder(max_payload_bytes=10, skip_limit_bytes=20)
    assert decoder.feed(WIRE + header(1, length) + bytes(40)) == [CALL]
    assert f"a payload of {length} bytes" in str(decoder.error)
    assert decoder.take_oversized() == []


def test_an_announced_length_costs_no_memory() -> None:
    tracemalloc.start()
    decoder = MessageDecoder(max_payload_bytes=1 << 63)
    decoder.feed(header(1, 1 << 63) + b"x" * 1000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoder.buffered_bytes == 1000
    assert peak_bytes < 100_000


def test_a_stream_that_ends_inside_a_message_is_not_idle() -> None:
    for cut in range(1, len(WIRE)):
        decoder = MessageDecoder()
        decoder.feed(WIRE[:cut])
        assert not decoder.idle
        assert decoder.buffered_bytes == (cut if cut < 5 else cut - 5)


@pytest.mark.parametrize(
    "options",
    [{"max_payload_bytes": -1}, {"skip_limit_bytes": -1}, {"unknown": "ignore"}],
    ids=str,
)
def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        MessageDecoder(**options)
