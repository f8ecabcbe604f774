"""The same bytes into the C core and the Python one: equal verdicts, messages and answers.

The C core compiled for speed must do exactly as the other one.  What may differ between C and
Python, and why, is said where it is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import msgspec

from ipfi_serial.codec.header import MAX_HEADER_BYTES
from ipfi_serial.codec.message import MessageDecoder, MessageKind, Terminator, encode_parts
from ipfi_serial.codec.values import ValueCodecError, decode_value
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import FrameDecoder, open_seal
from ipfi_serial.framing.verdict import FrameCounters, Rejected, RejectReason, Text, Verdict
from ipfi_serial.link.parameters import FrameType
from ipfi_serial.sim.procedures import LED
from tests.fuzz import seeds
from tests.fuzz.boards import NESTING, CBoard, PythonBoard, library
from tests.fuzz.speaker import Speaker, Subject

CAPACITIES: Final = (48, 73, 128, 1033)


# --- frames ---


class _EveryText(FrameCounters):
    """Takes a text for a text even if nobody could print it: the firmware does not look at it."""

    def read_text(self, raw: bytes | bytearray) -> Verdict:  # noqa: ARG002 - the base's signature
        return Text("")


def frames(data: bytes) -> None:
    """Bytes of a line: the same frames, the same oversized ones, and noise at the same places."""
    capacity, line = CAPACITIES[data[0] & 3], data[1:] + b"\0"
    profile = CRC32 if data[0] & 4 else CRC16
    decoder = FrameDecoder(capacity, profiles=(profile,))
    decoder.counters = _EveryText()
    ours = [_name(each) for each in decoder.receive(line) if not isinstance(each, Text)]
    theirs = []
    for kind, sealed in library().frames(line, capacity):
        theirs.append(kind if kind != "F" else _opened(sealed, profile))
    assert ours == theirs, (ours, theirs)


def _name(verdict: bytes | Rejected) -> bytes | str:
    if isinstance(verdict, bytes):
        return verdict
    return "O" if verdict.reason is RejectReason.OVERSIZED else "N"


def _opened(sealed: bytes, profile: CrcProfile) -> bytes | str:
    content = open_seal(sealed, (profile,))
    return content if isinstance(content, bytes) else "N"


# --- heads of messages, and values ---


def heads(data: bytes) -> None:
    """The first message of a stream: the same numbers, or neither has enough bytes."""
    size, numbers = library().head(data)
    decoder = MessageDecoder(max_payload_bytes=1 << 40, extensions=True, unknown="skip_message")
    if (
        not data
        or not 1 <= data[0] <= 7
        or data[0] == 3
        or (data[1:2] >= b"\x80" and data[1] < 0xC0)
    ):
        return
    found = decoder.feed(data)
    if not size:
        assert not found
        return
    kind, flag, procedure, call, length = numbers
    if procedure == 0xFFFFFFFF or length >= 0xFFFFFFFF:  # beyond what the C core counts
        return
    if found:
        first = found[0]
        assert (first.kind, first.terminator) == (kind, flag & 0xC0)
        assert (first.procedure, first.call) == (procedure, call)
        assert len(first.payload) == length
        assert data[size : size + length] == first.payload
    else:
        assert len(data) < size + length


def values(data: bytes) -> None:
    """The first value of a payload: the same end, or neither reads it."""
    size = library().skip(data)
    try:
        decode_value(data[:size] if size else data, max_depth=NESTING)
    except ValueCodecError as error:
        readable = False
        beyond_c = "UTF-8" in str(error) or "utf-8" in str(error) or "hash" in str(error)
        beyond_c |= "timestamp" in str(error).lower() or "extension" in str(error).lower()
    else:
        readable, beyond_c = True, False
    if size:
        assert readable or beyond_c, data[:size].hex()  # the C core does not look into texts
    else:
        assert not readable, data.hex()


# --- whole sessions ---


PROCEDURES: Final = (0, 1, 2, 3, 4, 5, 6, 12, 40, 99)  # they answer at once
# what has clocks or counters, or answers with texts that differ
LEFT_OUT: Final = frozenset((*range(7, 12), 13, 14, 15, 0xFFFF))
MOST_PARTIAL: Final = 4  # IPFI_REFUSALS
LONGEST: Final = 3000  # values of a stream, or bytes of a blob


def _steps(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 1 < len(data):
        size = data[at + 1]
        yield data[at] % 16, data[at + 2 : at + 2 + size]
        at += 2 + size


def _is_long(procedure: int, payload: bytes) -> bool:
    """Tell whether an answer would be long enough to cost time, and prove nothing new."""
    if procedure not in (3, 5):
        return False
    try:
        number = msgspec.msgpack.decode(payload)
    except (msgspec.DecodeError, ValueError, UnicodeDecodeError):
        return False
    return isinstance(number, int) and number > LONGEST


def _stream_of(kind: int, data: bytes) -> bytes:
    """Return what a step of an input of fuzz_session.c says in the stream, if it does."""
    if kind == seeds.CALL and data:
        return b"\x01\xc0\x01\x09\x02\x01\x02"[: data[0] % 8]
    if kind == seeds.STREAM:
        return data
    if kind != seeds.MESSAGE or len(data) < 4:
        return b""
    procedure = PROCEDURES[data[2] % len(PROCEDURES)]
    number = MessageKind((1, 4, 6, 7, 2, 5)[data[0] % 6])
    ends = (Terminator.NONE, Terminator.CHUNK, Terminator.COMPLETE)[(data[1] >> 6) % 3]
    if number is MessageKind.EVENT:
        procedure = LED
    if _is_long(procedure, data[4:]):
        return b""
    return encode_parts(number, procedure, data[3], ends, data[4:])


def _say(speaker: Speaker, kind: int, data: bytes) -> None:
    """Do a step that says something outside of the stream, or again."""
    if kind == seeds.FRAME and data:
        if data[0] | 0x80 not in (FrameType.READY, FrameType.DATA):
            speaker.say_frame(data[0], data[1:])
    elif kind == seeds.STRAY and data:
        speaker.say_frame(data[0], data[1:], session=0x7777)
    elif kind == seeds.ACK and data:
        speaker.say_again(b"again", data[0] % 100)


def _answers(speaker: Speaker) -> dict[tuple[int, int], list[object]]:
    """Return what was answered to each call: parts are joined, texts of errors left out."""
    found: dict[tuple[int, int], list[object]] = defaultdict(list)
    parts: dict[tuple[int, int], bytes] = defaultdict(bytes)
    for message in speaker.messages:
        key = (message.procedure, message.call)
        parts[key] += message.payload
        if message.terminator is Terminator.NONE:
            continue
        payload = parts.pop(key)
        if message.kind is MessageKind.ERROR:
            code = msgspec.msgpack.decode(payload[:1])
            found[key].append(("error", code, payload[1:2]))
        else:
            found[key].append((message.kind.name, message.terminator.name, payload))
    return found


class _Stream:
    """What was said in the stream so far; knows when the two cores part on purpose.

    Attributes:
        middle: whether it ends in the middle of a message.
        over: whether something was to be said on which they need not agree: an index above 32
            bits, a procedure of the board that is left out, or more calls with incomplete
            arguments than it said it takes (CALL-6): the C core gives the session up.
        broken: whether it cannot be trusted any more (MSG-6): both have to end the session.
    """

    def __init__(self) -> None:
        self._decoder = MessageDecoder(
            max_payload_bytes=16 << 20, extensions=True, unknown="skip_message"
        )
        self._partial: set[tuple[int, int]] = set()  # calls whose arguments are not complete
        self.over = self.middle = self.broken = False

    def takes(self, data: bytes) -> bool:
        """Tell whether both cores must agree on ``data``, and note it."""
        found = self._decoder.feed(data)
        self.over |= any(
            max(each.procedure, each.call) >= 1 << 32 or each.procedure in LEFT_OUT
            for each in found
        )
        for each in found:
            if each.kind is MessageKind.CALL and each.terminator is not Terminator.COMPLETE:
                self._partial.add((each.procedure, each.call))
            elif each.kind in (MessageKind.CALL, MessageKind.CANCEL):
                self._partial.discard((each.procedure, each.call))
            self.over |= len(self._partial) > MOST_PARTIAL
        self.over |= len(self._partial) + (not self._decoder.idle) > MOST_PARTIAL
        self.broken = self._decoder.error is not None
        self.broken |= any(each.kind is MessageKind.TERMINATION for each in found)
        if not self.over:
            self.middle = not self._decoder.idle
        return not self.over


def sessions(data: bytes) -> None:
    """Steps of a life: the same state, sessions, events and answers."""
    c, fast, python = CBoard(), CBoard("-DIPFI_FOR_SPEED=1"), PythonBoard()
    boards: tuple[Subject, ...] = (c, fast, python)
    speakers = [Speaker(board) for board in boards]
    said = _Stream()
    for kind, payload in _steps(data[1:]):
        stream = _stream_of(kind, payload)
        if not said.takes(stream):
            break
        if said.broken:
            stream += bytes(MAX_HEADER_BYTES)  # the C core reads a head to its end first
        for board, speaker in zip(boards, speakers, strict=True):
            if stream:
                speaker.say_stream(stream)
            elif kind == seeds.RAW:
                board.receive(payload + b"\0")
            elif kind == seeds.TIME:
                board.pass_time(0.02)
            else:
                _say(speaker, kind, payload)
            speaker.listen()
        if said.broken:
            break
    assert speakers[0].messages == speakers[1].messages
    assert c.end.stats == fast.end.stats, (c.end.stats, fast.end.stats)
    answers = [_answers(speaker) for speaker in speakers[1:]]
    facts = c.facts(), python.facts()
    assert facts[0] == facts[1], (facts, python.ends)
    for key in {*answers[0], *answers[1]}:
        ours, theirs = answers[0].get(key), answers[1].get(key)
        if max(key) >= 1 << 32 or (theirs is None and (said.middle or said.broken)):
            continue  # beyond what C counts; C refuses at the head of a message, Python at its end
        assert ours == theirs or _may_differ(ours, theirs), (key, ours, theirs)


REFUSALS: Final = {1, 2, 3}  # unknown procedure, bad arguments, limit


def _may_differ(c: list[object] | None, python: list[object] | None) -> bool:
    """Tell whether both are right: one of two reasons to refuse, or a text that is no UTF-8."""
    if not c or not python or len(c) != len(python):
        return False
    for ours, theirs in zip(c, python, strict=True):
        if ours == theirs:
            continue
        codes = [
            each[1] for each in (ours, theirs) if isinstance(each, tuple) and each[0] == "error"
        ]
        if len(codes) == 2 and 3 in codes and set(codes) <= REFUSALS:
            continue
        if codes != [2] or not isinstance(ours, tuple) or not _is_no_text(ours[2]):
            return False
    return True


def _is_no_text(payload: bytes) -> bool:
    """Tell whether Python refuses the text in it; the C core does not look into texts."""
    try:
        msgspec.msgpack.decode(payload)
    except (UnicodeDecodeError, msgspec.DecodeError):
        return True
    return False


def one_input(data: bytes) -> None:
    """Try both cores on every layer."""
    if len(data) >= 2:
        frames(data)
        heads(data[1:])
        values(data[1:])
        sessions(data)
