"""Promises of the Python decoders for any bytes: no raise, bounded memory, any split the same.

Each function takes one input and raises, if a promise is broken, what broke it.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any, Final

from ipfi_serial.codec.depth import nests_deeper_than, value_ends
from ipfi_serial.codec.manifest import decode_entry, read_manifest
from ipfi_serial.codec.message import Message, MessageDecoder, UnknownTypes, encode
from ipfi_serial.codec.signature import Signature
from ipfi_serial.codec.values import ArgumentError, ValueCodecError, decode_value, encode_value
from ipfi_serial.errors import IpfiError
from ipfi_serial.framing.bytewise import ByteFrameDecoder
from ipfi_serial.framing.cobs import max_stuffed_bytes
from ipfi_serial.framing.crc import CRC16, CRC32
from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.framing.verdict import Verdict
from ipfi_serial.link.parameters import (
    HELLO_ACK_SIZE,
    HELLO_SIZE,
    Parameters,
    decode_hello_ack,
    decode_refuse,
)

CAPACITIES: Final = (48, 73, 128, 1088)
TEXT_LINE_BYTES: Final = 40
LARGEST_BYTES: Final = 64  # payload of a message
SKIPPED_BYTES: Final = 256
UNKNOWN: Final[tuple[UnknownTypes, ...]] = ("error", "skip_byte", "skip_message")


def pieces(data: bytes, seed: int) -> Iterator[bytes]:
    """Cut ``data`` as ``seed`` says."""
    chance = random.Random(seed)  # noqa: S311 - the input decides
    most = chance.choice((1, 3, 9, 70, 600))
    at = 0
    while at < len(data):
        size = chance.randint(1, most)
        yield data[at : at + size]
        at += size


def frames(data: bytes) -> None:
    """Bytes of a line: the chunked decoder is the one that takes single bytes, however split."""
    how, seed, line = data[0], data[1], data[2:] + b"\0"
    capacity = CAPACITIES[how & 3]
    profiles = ((CRC32, CRC16), (CRC16,), (CRC32,), ())[how >> 2 & 3]
    whole = FrameDecoder(capacity, profiles=profiles, text_line_bytes=TEXT_LINE_BYTES)
    split = FrameDecoder(capacity, profiles=profiles, text_line_bytes=TEXT_LINE_BYTES)
    single = ByteFrameDecoder(capacity, profiles=profiles, text_line_bytes=TEXT_LINE_BYTES)
    expected: list[Verdict] = []
    for byte in line:
        verdict = single.push(byte)
        if verdict is not None:
            expected.append(verdict)
    assert whole.receive(line) == expected
    got: list[Verdict] = []
    bound = max(max_stuffed_bytes(capacity), TEXT_LINE_BYTES)
    for piece in pieces(line, seed):
        got += split.receive(piece)
        assert split.buffered_bytes <= bound
    assert got == expected
    assert whole.counters == split.counters == single.counters


def messages(data: bytes) -> None:
    """Bytes of a stream."""
    how, seed, stream = data[0], data[1], data[2:]
    results: list[Any] = []
    for parts in ([stream], list(pieces(stream, seed)), [bytes((b,)) for b in stream]):
        decoder = MessageDecoder(
            max_payload_bytes=LARGEST_BYTES,
            skip_limit_bytes=SKIPPED_BYTES,
            unknown=UNKNOWN[how % 3],
            extensions=bool(how & 4),
        )
        taken: list[Message] = []
        skipped: list[tuple[int, ...]] = []
        for part in parts:
            before = len(taken)
            taken += decoder.feed(part)
            skipped += [
                (each.kind, each.call, each.size_bytes, each.position + before)
                for each in decoder.take_oversized()
            ]
            assert decoder.buffered_bytes <= LARGEST_BYTES + 26
        counts = decoder.skipped_bytes, decoder.skipped_messages, decoder.oversized_messages
        results.append((taken, skipped, repr(decoder.error), decoder.idle, counts))
    assert results[0] == results[1] == results[2]
    again = MessageDecoder(unknown="error", extensions=True)
    assert again.feed(b"".join(encode(each) for each in results[0][0])) == results[0][0]


def _add(a: int, b: int = 2, *rest: str) -> None: ...


def _point(where: list[tuple[int, float]], names: dict[str, bytes | None]) -> None: ...


SIGNATURES: Final = tuple(Signature(each) for each in (_add, _point))


def values(data: bytes) -> None:
    """Bytes of a payload: a value, arguments, an entry of a description."""
    depth, payload = data[0] % 70, data[1:]
    deep = nests_deeper_than(payload, depth)
    ends = value_ends(payload, 1000)
    try:
        value = decode_value(payload, max_depth=depth)
    except ValueCodecError:
        value = None
    else:
        assert not deep
        assert ends == [len(payload)]
        with contextlib.suppress(IpfiError, RecursionError):
            decode_value(encode_value(value), max_depth=512)  # what was read can be written
    for wanted in (int, str, bytes, list[int], dict[str, float], tuple[bool, int | None]):
        with contextlib.suppress(ValueCodecError):
            decode_value(payload, wanted, depth)
    for signature in SIGNATURES:
        with contextlib.suppress(ArgumentError):
            signature.decode(payload, depth)
    with contextlib.suppress(IpfiError):
        decode_entry(payload)
    with contextlib.suppress(IpfiError):
        read_manifest([payload[: len(payload) // 2], payload])


def handshakes(data: bytes) -> None:
    """Contents of handshake frames."""
    hello = data[:HELLO_SIZE].ljust(HELLO_SIZE, b"\0")
    content = data[HELLO_SIZE:]
    Parameters.decode(hello)
    for size in (len(content), HELLO_ACK_SIZE):
        ack = decode_hello_ack(content[:size].ljust(size, b"\0"), hello)
        assert ack is None or ack.parameters.encode() == content[1:30]
    refusal = decode_refuse(content)
    assert refusal is None or len(content) == 7


def one_input(data: bytes) -> None:
    """Try every decoder."""
    if len(data) >= 2:
        for decoder in (frames, messages, values, handshakes):
            decoder(data)
