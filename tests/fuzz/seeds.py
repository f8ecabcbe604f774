"""Makes the corpus and the dictionary of the fuzzers: `python -m tests.fuzz.seeds`.

The seeds are what two real C ends say to each other: handshakes, calls, streams, callbacks, events,
a reset; whole, and damaged as lines damage them.  firmware-sim/tests/fuzz_receive.c and
fuzz_session.c define the two formats.  Everything is decided here, so the files come out the same
until the protocol changes; `crash-*` files are inputs that once failed, and stay.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ipfi_serial.framing.crc import CRC16, CRC32
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import SESSION_TYPES
from tests.firmware import build
from tests.firmware.lockstep import End, Library

CORPUS: Final = build.FIRMWARE / "tests" / "corpus"
DICTIONARY: Final = build.FIRMWARE / "tests" / "fuzz.dict"
SMALL, CRC16_ONLY, HOST, ACTIVE = 1, 2, 4, 8  # the first byte of an input
SESSION, SLOWLY = 0x40, 0x80
# the steps of fuzz_session.c
(
    RAW, FRAME, STREAM, MESSAGE, ACK, HANDSHAKE, HELLO_ACK, STRAY,
    TIME, EXCHANGE, CALL, CANCEL, EMIT, RESET, PARTNER, CLOSE,
) = range(16)  # fmt: skip
TICK, LED = 32, 33  # events of the board and of the host
PROCEDURES: Final = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 32, 33, 40, 99, 0xFFFF)


def pack(*values: object) -> bytes:
    """Return values one after the other (VAL-1)."""
    return b"".join(msgspec.msgpack.encode(value) for value in values)


# --- what two ends say ---

WORK: Final[dict[str, tuple[int, bytes]]] = {
    "magic": (0, b""),
    "add": (1, pack(40, 2)),
    "echo": (2, pack("x" * 200)),
    "sequence": (3, pack(12)),
    "reverse": (4, b"stressed"),
    "blob": (5, pack(900)),
    "divide": (6, pack(1, 0)),
    "sleep": (7, pack(30)),
    "callback": (8, pack(40, "hi")),
    "ticks": (9, pack(25)),
    "reboot": (10, b""),
    "say": (11, pack("boot: ok")),
    "unknown": (99, b"abc"),
    "describe": (0xFFFF, b""),
}


def sealed_for(line: bytes, was: int, now: int) -> bytes:
    """Return what two ends said with its session frames sealed for another `confirm` (FRAME-10).

    Inputs have them sealed for none: fuzz_receive.c seals them for the session that it has.
    """
    seals = [each.for_session(was.to_bytes(4, "little")) for each in (CRC16, CRC32)]
    frames = line.split(b"\0")
    for place, frame in enumerate(frames):
        for seal, profile in zip(seals, (CRC16, CRC32), strict=True):
            decoder = FrameDecoder(len(frame) + 1, profiles=(seal,))
            for content in decoder.receive(frame + b"\0"):
                if isinstance(content, bytes) and content[0] in SESSION_TYPES:
                    other = profile.for_session(now.to_bytes(4, "little"))
                    frames[place] = encode_frame(content, other)[:-1]
    return b"\0".join(frames)


class Recorder:
    """Two C ends with the nonces that the fuzzers give them; keeps what the target hears."""

    def __init__(self, library: Library, *, small: bool, host: bool) -> None:
        self.target = End(library, host=host, small=small, nonce=1)
        self.partner = End(library, host=not host, small=True, nonce=2)
        self.host, self.board = (self.target, self.partner) if host else (self.partner, self.target)
        self.now_ms = 0
        self.heard = bytearray()

    def run(self, duration_ms: int) -> None:
        """Carry bytes both ways for a while."""
        for _ in range(duration_ms):
            for end, other in ((self.partner, self.target), (self.target, self.partner)):
                end.on_deadline(self.now_ms)
                data = end.take_tx(self.now_ms)
                other.receive(data, self.now_ms)
                if other is self.target:
                    self.heard += sealed_for(data, end.confirm, 0)
            self.now_ms += 1

    def work(self, procedure: int, arguments: bytes) -> bytes:
        """Let the host call; return what the target heard from the first byte on."""
        self.run(20)
        if self.host.state == "ESTABLISHED":
            self.host.call(procedure, arguments, self.now_ms)
        self.run(120)
        return bytes(self.heard)

    def events(self) -> bytes:
        """Let both ends emit, and the host give a call up; return what the target heard."""
        self.work(7, pack(500))
        self.host.cancel(0)
        for lossy in (False, True):
            for end, index, arguments in ((self.host, LED, (True,)), (self.board, TICK, (1, 2))):
                end.emit(index, pack(*arguments), lossy=lossy)
        self.run(60)
        return bytes(self.heard)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return ``data`` with flips, losses, doubled and strange bytes, one in 60."""
    out = bytearray()
    for value in data:
        kind = chance.randrange(240)
        if kind == 0:
            out.append(value ^ 1 << chance.randrange(8))
        elif kind == 1:
            out += bytes((value, value))
        elif kind == 2:
            out += bytes((value, chance.randrange(256)))
        elif kind != 3:
            out.append(value)
    return bytes(out)


def receive_seeds(library: Library) -> Iterator[tuple[str, bytes]]:
    """Yield inputs of fuzz_receive.c and their names."""
    chance = random.Random("receive")  # noqa: S311 - a file wants it repeatable
    for name, (procedure, arguments) in WORK.items():
        for how in (0, SMALL | CRC16_ONLY, HOST, HOST | SMALL | CRC16_ONLY):
            recorder = Recorder(library, small=bool(how & SMALL), host=bool(how & HOST))
            heard = recorder.work(procedure, arguments)
            yield f"{name}-{how}", bytes((how,)) + heard
            yield f"{name}-{how}-damaged", bytes((how,)) + damaged(heard, chance)
    for how in (0, SMALL | CRC16_ONLY, HOST, HOST | SMALL | CRC16_ONLY):
        recorder = Recorder(library, small=bool(how & SMALL), host=bool(how & HOST))
        yield f"events-{how}", bytes((how,)) + recorder.events()
    text = b"boot: ok\n\x1b[32mI (27) main: up\x1b[0m\r\n"
    yield "text", bytes((SESSION,)) + text + b"\0" + text[:9] + b"\0\0\n\n\x0a\x85\0"
    yield "oversized", bytes((SESSION | SMALL,)) + b"\x85" * 600 + b"\0" + bytes(20)
    yield "runs", bytes((SESSION,)) + (b"\xff" + b"\x90" * 254) * 3 + b"\0"
    yield "slowly", bytes((SLOWLY | SESSION,)) + text


# --- lives ---


def step(kind: int, data: bytes = b"") -> bytes:
    """Return one step of fuzz_session.c."""
    return bytes((kind, len(data))) + data


def message(kind: int, ends: int, procedure: int, call: int, payload: bytes) -> bytes:
    """Return the step that delivers a message in the next DATA frame."""
    head = bytes((kind, ends, PROCEDURES.index(procedure), call))
    return step(MESSAGE, head + payload[:240])


def served_seeds() -> Iterator[tuple[str, bytes]]:
    """Yield lives of an end that is called."""
    for number, (name, (procedure, arguments)) in enumerate(WORK.items()):
        call = message(1, 0xC0, procedure, number, arguments)
        grant = message(7, 0xC0, procedure, number, pack(100_000))
        yield (
            f"served-{name}",
            call + step(ACK, b"\0") + grant + step(TIME, b"\x64\0") + step(ACK, b"\0") * 3,
        )
    part = message(1, 0x00, 2, 9, pack("x" * 60)[:30])
    yield "parts", part + message(1, 0xC0, 2, 9, pack("x" * 60)[30:]) + step(ACK, b"\0")
    cancel = message(6, 0xC0, 7, 1, b"")
    yield "cancelled", message(1, 0xC0, 7, 1, pack(5000)) + cancel + step(ACK, b"\0")
    yield "cancelled-early", part + message(6, 0xC0, 2, 9, b"") + part
    yield "crowd", b"".join(message(1, 0xC0, 7, n, pack(1000)) for n in range(40))
    yield "tombstones", b"".join(message(1, 0x00, 99, n, b"x") for n in range(6))
    yield "lamp", message(4, 0xC0, 33, 0, pack(True)) + message(4, 0x00, 33, 0, b"") + part
    # 275 bytes: above the 256 of the small board, within what its memory for a value could hold
    for kind, procedure in ((1, 2), (4, 33)):
        halves = (
            message(kind, 0x00, procedure, 3, bytes(200)),
            message(kind, 0xC0, procedure, 3, bytes(75)),
        )
        yield f"large-{kind}", b"".join(halves) + step(ACK, b"\0")
    yield "lossy", step(FRAME, b"\x88\x04\xc0\x21\x00\x01\xc3")
    yield "broken", step(STREAM, b"\x01\xf0\x02\x00" + (1 << 40).to_bytes(8, "little"))
    yield "wide", step(STREAM, b"\x01\xea\x02\x00\x09\x00\x04\x00\xa3abc")
    yield "reserved", step(STREAM, b"\x00\x03\x09\xc0\x01\x02\x01x")


def calling_seeds() -> Iterator[tuple[str, bytes]]:
    """Yield lives of an end that calls."""
    for name, (procedure, arguments) in WORK.items():
        call = step(CALL, bytes((procedure & 0xFF,)) + b"\x10\x27" + arguments)
        answer = message(2, 0xC0, procedure, 0, pack(42)) if procedure < 99 else b""
        yield f"calls-{name}", call + step(EXCHANGE) + answer
    call = step(CALL, b"\x03\x10\x27" + pack(12))
    chunks = b"".join(message(2, 0x40, 3, 0, pack(f"item {n}")) for n in range(12))
    yield "streamed", call + chunks + message(2, 0xC0, 3, 0, b"")
    yield "overflowing", step(CALL, b"\x05\x10\x27" + pack(999) + b"!") + chunks * 4
    yield "failed", step(CALL, b"\x06\x10\x27") + message(5, 0xC0, 6, 0, pack(4, True, "no"))
    yield "too-late", step(CALL, b"\x07\x05\x00" + pack(99)) + step(TIME, b"\x64\0") + call
    yield "given-up", call + step(CANCEL, b"\0") + chunks + step(CANCEL, b"\1")


def life_seeds() -> Iterator[tuple[str, bytes]]:
    """Yield lives with more than one session."""
    hello = (
        b"\0\1\1\6\1\2\3\4\x40\0\xff\xff\4\1\x3f\0\xff\xff\xff\x3f\x10\0\x08\4\xff\xff\0\0\0\0\1\0"
    )
    yield "hello", step(HANDSHAKE, hello) + step(EXCHANGE)
    yield "answered", step(HELLO_ACK, b"\0\0") + step(ACK, b"\0") + step(TIME, b"\0\4")
    yield "refused", step(HANDSHAKE, b"\2\1\3\1\0\0\0")
    yield "ready", step(HANDSHAKE, hello) + step(STRAY, b"\x84\1") + step(EXCHANGE)
    work = step(CALL, b"\x01\x10\x27" + pack(1, 2)) + message(1, 0xC0, 3, 0, pack(9))
    yield "reset", work + step(RESET, b"\0\0\0") + step(EXCHANGE) + work + step(EXCHANGE)
    yield "other-reset", work + step(PARTNER, b"\1") + step(TIME, b"\0\2") + step(EXCHANGE) + work
    yield "closed", work + step(CLOSE) + step(EXCHANGE) + work + step(CLOSE)
    yield "patience", work + step(TIME, b"\xff\x1f") + step(EXCHANGE)
    yield "pinged", step(FRAME, b"\x87\0\5\xff\xff\xff\x3f") + step(FRAME, b"\x8a\3")
    emits = (b"\0abc", b"\1abc", b"\2log", b"\3print\n")
    yield "emits", b"".join(step(EMIT, each) for each in emits) + step(EXCHANGE)
    yield "sack", work + step(ACK, b"\2\0\3\0") + step(ACK, b"\1") + step(TIME, b"\xff\0")
    yield "retransmits", work + step(TIME, b"\xff\3") + step(ACK, b"\5") + step(TIME, b"\xff\3")


def session_seeds() -> Iterator[tuple[str, bytes]]:
    """Yield inputs of fuzz_session.c and their names."""
    for how in (SESSION, SESSION | SMALL | CRC16_ONLY, SESSION | 0x10):
        yield from ((f"{n}-{how}", bytes((how,)) + life) for n, life in served_seeds())
    for how in (SESSION | HOST, SESSION | HOST | SMALL | CRC16_ONLY):
        yield from ((f"{n}-{how}", bytes((how,)) + life) for n, life in calling_seeds())
    for how in (0, SESSION, HOST, SESSION | HOST | SMALL, ACTIVE, SESSION | HOST | 0x30):
        yield from ((f"{n}-{how}", bytes((how,)) + life) for n, life in life_seeds())


# --- files ---


def dictionary() -> str:
    """Return words of the protocol for libFuzzer."""
    words = {f"type_{kind:x}": bytes((kind,)) for kind in range(0x81, 0x8C)}
    words |= {
        "delimiter": b"\0",
        "call": b"\x01\xc0",
        "response": b"\x02\xc0",
        "chunk": b"\x02\x40",
        "event": b"\x04\xc0",
        "error": b"\x05\xc0",
        "cancel": b"\x06\xc0",
        "grant": b"\x07\xc0",
        "invalid": b"\x01\x80",
        "u16_length": b"\x01\xe0",
        "u64_length": b"\x01\xf0",
        "describe": b"\x01\xc8\xff\xff\0\0",
        "nil": b"\xc0",
        "array": b"\x92",
        "str8": b"\xd9",
        "bin16": b"\xc5",
        "u64": b"\xcf",
        "all_ones": b"\xff\xff\xff\xff",
    }
    lines = ["# generated by tests/fuzz/seeds.py"]
    for name, word in words.items():
        quoted = "".join(f"\\x{value:02x}" for value in word)
        lines.append(f'{name}="{quoted}"')
    return "\n".join(lines) + "\n"


def write(library: Library, corpus: Path = CORPUS) -> int:
    """Write all seeds in place of the old ones; return how many bytes they are."""
    size = 0
    for fuzzer, seeds in (("receive", receive_seeds(library)), ("session", session_seeds())):
        place = corpus / fuzzer
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            if not old.name.startswith("crash-"):
                old.unlink()
        for name, data in seeds:
            (place / name).write_bytes(data)
            size += len(data)
    return size


def main() -> None:
    """Write the corpus and the dictionary."""
    with tempfile.TemporaryDirectory() as place:
        cc = build.any_compiler()
        library = Library(build.shared_object(cc, Path(place) / "libipfi.so"))
        size = write(library)
    DICTIONARY.write_text(dictionary())
    count = sum(1 for each in CORPUS.rglob("*") if each.is_file())
    print(f"{count} seeds, {size} bytes")  # noqa: T201 - its user wants to know


if __name__ == "__main__":
    main()
