"""A small host in Python, written from docs/protocol.md alone: the oracle for the C library.

It shares no code with the package.  It is pure: bytes and a clock in, bytes and facts out.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from dataclasses import dataclass, field

HELLO, HELLO_ACK, REFUSE, READY, DATA, ACK, PING, LOSSY, LOG, BYE = range(0x81, 0x8B)
CALL, RESPONSE, END_OF_INPUT, EVENT, ERROR, CANCEL, GRANT = range(1, 8)
NONE, CHUNK, COMPLETE = 0x00, 0x40, 0xC0
CRC16, CRC32 = 0, 1
WIDTHS = {0: 1, 1: 4, 2: 2, 3: 8}


def crc16(data: bytes, crc: int = 0xFFFF) -> int:
    """CRC-16/IBM-3740, bit by bit as the catalogue defines it (FRAME-5)."""
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return crc


def checksum(content: bytes, profile: int, confirm: int = 0) -> bytes:
    """Of a frame of the session with this ``confirm`` (FRAME-10), or of the handshake."""
    if profile == CRC32:
        return zlib.crc32(content, confirm).to_bytes(4, "little")
    crc = crc16(content, 0xFFFF ^ confirm & 0xFFFF)
    return (crc ^ 0xFFFF).to_bytes(2, "big")  # complemented (FRAME-5)


def stuff(data: bytes) -> bytes:
    """COBS by its definition: zero-terminated runs of at most 254 bytes."""
    out = bytearray()
    rest = data + b"\0"
    while rest:
        run = rest.split(b"\0", 1)[0][:254]
        if len(run) == 254:
            out += b"\xff" + run
            rest = rest[254:]
            if rest == b"\0":
                break
        else:
            out += bytes([len(run) + 1]) + run
            rest = rest[len(run) + 1 :]
    return bytes(out)


def unstuff(data: bytes) -> bytes | None:
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        run = data[at + 1 : at + code]
        if len(run) != code - 1:
            return None
        out += run
        at += code
        if code != 0xFF and at < len(data):
            out.append(0)
    return bytes(out)


def frame(content: bytes, profile: int, confirm: int = 0) -> bytes:
    return stuff(content + checksum(content, profile, confirm)) + b"\0"


def number(value: int) -> tuple[int, bytes]:
    for code, width in ((0, 1), (2, 2), (1, 4), (3, 8)):
        if value < 1 << (8 * width):
            return code, value.to_bytes(width, "little")
    raise ValueError(value)


def message(kind: int, procedure: int, call: int, payload: bytes, ends: int = COMPLETE) -> bytes:
    parts = [number(procedure), number(call), number(len(payload))]
    flag = ends | parts[0][0] | parts[1][0] << 2 | parts[2][0] << 4
    return bytes([kind, flag]) + b"".join(raw for _, raw in parts) + payload


@dataclass(frozen=True)
class Message:
    """One message of the stream."""

    kind: int
    procedure: int
    call: int
    ends: int
    payload: bytes


def parse(stream: bytearray) -> Message | None:
    """Take one whole message off the front of the stream (MSG-1, MSG-5)."""
    if len(stream) < 2:
        return None
    at, numbers = 2, []
    for place in range(3):
        width = WIDTHS[stream[1] >> (2 * place) & 3]
        numbers.append(int.from_bytes(stream[at : at + width], "little"))
        at += width
    if len(stream) < at + numbers[2]:
        return None
    payload = bytes(stream[at : at + numbers[2]])
    found = Message(stream[0], numbers[0], numbers[1], stream[1] & 0xC0, payload)
    del stream[: at + numbers[2]]
    return found


@dataclass(frozen=True)
class Parameters:
    """Section 3.2."""

    version: int = 1
    flags: int = 1
    boot_cause: int = 6
    nonce: int = 0x1234ABCD
    frame_payload: int = 4096
    ring: int = 0xFFFF
    window: int = 16
    crc_profiles: int = 3
    extensions: int = 0x3F
    credit: int = 0x10000000
    stream_credit: int = 128  # in 16 bytes: the description in one go
    max_calls: int = 255
    max_partial: int = 255
    max_message: int = 0xFFFF
    schema: int = 0

    LAYOUT = "<BBBIHHBBHIHBBHI"

    def encode(self) -> bytes:
        """The bytes on the wire."""
        return struct.pack(
            self.LAYOUT,
            *(getattr(self, name) for name in self.__dataclass_fields__),
        )

    @classmethod
    def decode(cls, body: bytes) -> Parameters:
        """Read the 29 bytes."""
        return cls(*struct.unpack(cls.LAYOUT, body[:29]))


@dataclass
class Host:
    """An initiator that sends one window at a time and repeats all of it after a time-out."""

    mine: Parameters = field(default_factory=Parameters)
    floor: int = 1
    payload_limit: int = 4096
    rto_s: float = 0.05
    state: str = "closed"
    session: int = 0
    profile: int = CRC16
    theirs: Parameters = field(default_factory=Parameters)
    ping: int = 0
    confirm: int = 0
    tx_next: int = 0
    rx_next: int = 0
    waiting: bytearray = field(default_factory=bytearray)
    flight: deque[tuple[int, bytes]] = field(default_factory=deque)
    sent_s: float = 0.0
    stream: bytearray = field(default_factory=bytearray)
    messages: deque[Message] = field(default_factory=deque)
    frames: list[bytes] = field(default_factory=list)
    lossy: list[bytes] = field(default_factory=list)
    logs: list[tuple[int, str]] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)
    byes: list[int] = field(default_factory=list)
    refusals: list[bytes] = field(default_factory=list)
    sessions: int = 0
    repeats: int = 0
    hellos_heard: list[Parameters] = field(default_factory=list)
    _line: bytearray = field(default_factory=bytearray)
    _out: bytearray = field(default_factory=bytearray)
    _hello: bytes = b""
    _timer_s: float | None = None

    # --- opening ---

    def open(self, now_s: float, nonce: int | None = None) -> None:
        """Start an attempt."""
        if nonce is not None:
            self.mine = Parameters(**{**self.mine.__dict__, "nonce": nonce})
        self.state = "connecting"
        self._say_hello(now_s)

    def _say_hello(self, now_s: float) -> None:
        self._hello = bytes([HELLO]) + self.mine.encode() + struct.pack("<H", self.floor)
        self._out += b"\0" + frame(self._hello, CRC16)
        self._timer_s = now_s + 0.25

    def _say_ready(self, now_s: float) -> None:
        self.ping = (self.ping + 1) & 0xFF
        body = struct.pack("<HBI", self.session, self.ping, self.confirm)
        self.send_frame(bytes([READY]) + body)
        self._timer_s = now_s + 0.25

    def send_frame(self, content: bytes) -> None:
        """Put one frame on the line."""
        self._out += b"\0" + self.seal(content)

    def seal(self, content: bytes) -> bytes:
        """The wire bytes of a frame of the session, or of READY."""
        if content[0] == READY:
            return frame(content, CRC16)
        return frame(content, self.profile, self.confirm)

    # --- the stream ---

    def send(self, data: bytes) -> None:
        """Put bytes into the stream."""
        self.waiting += data

    def take_tx(self, now_s: float) -> bytes:
        """Hand over bytes for the line."""
        if self.state == "up":
            limit = min(self.payload_limit, self.theirs.frame_payload)
            while self.waiting and len(self.flight) < min(16, self.theirs.window):
                part = bytes(self.waiting[:limit])
                content = struct.pack("<BHBB", DATA, self.session, self.tx_next, self.rx_next)
                wire = len(self.seal(content + part)) + 1
                charged = sum(len(p) + 16 for _, p in self.flight)
                if charged + wire > self.theirs.ring and self.flight:
                    break
                del self.waiting[: len(part)]
                self.flight.append((self.tx_next, part))
                self.tx_next = (self.tx_next + 1) & 0xFF
                self.sent_s = now_s
                self.send_frame(content + part)
        out = bytes(self._out)
        self._out.clear()
        return out

    def deadline_s(self) -> float | None:
        """When to call ``on_deadline``, if ever."""
        if self.state == "up":
            return self.sent_s + self.rto_s if self.flight else None
        return self._timer_s

    def on_deadline(self, now_s: float) -> None:
        """Let time pass."""
        due_s = self.deadline_s()
        if due_s is None or now_s < due_s:
            return
        if self.state == "connecting":
            self._say_hello(now_s)
        elif self.state == "unconfirmed":
            self._say_ready(now_s)
        else:
            self.sent_s = now_s
            for sequence, part in self.flight:
                self.repeats += 1
                head = struct.pack("<BHBB", DATA, self.session, sequence, self.rx_next)
                self.send_frame(head + part)

    # --- what arrives ---

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes off the line."""
        for value in data:
            if value != 0:
                self._line.append(value)
                self._perhaps_text(value)
                continue
            line, self._line = bytes(self._line), bytearray()
            if line:
                self._line_ended(line, now_s)

    def _perhaps_text(self, value: int) -> None:
        """FRAME-8; one byte decides nothing, for 0x0A may be a frame's first code."""
        if len(self._line) >= 2 and all(b < 0x80 for b in self._line[:2]):
            if self._line[0] == 0x0A and len(self._line) == 2:
                self.text.append(self._line.pop(0))
            elif value == 0x0A:
                self.text += self._line
                self._line.clear()

    def _line_ended(self, line: bytes, now_s: float) -> None:
        if all(value < 0x80 for value in line[:2]):
            self.text += line
            return
        content = unstuff(line)
        if content is None or len(content) < 4 or content[0] < 0x80:
            return
        shake = HELLO <= content[0] <= READY
        profile, confirm = (CRC16, 0) if shake else (self.profile, self.confirm)
        size = 4 if profile == CRC32 else 2
        body, crc = content[:-size], content[-size:]
        if checksum(body, profile, confirm) != crc:
            return
        self.frames.append(body)
        if shake:
            self._handshake(body, now_s)
        elif len(body) >= 3 and struct.unpack_from("<H", body, 1)[0] == self.session:
            self._session_frame(body, now_s)

    def _handshake(self, body: bytes, now_s: float) -> None:
        if body[0] == HELLO:
            self.hellos_heard.append(Parameters.decode(body[1:]))
            if self.state == "up":
                self.open(now_s, self.mine.nonce + 1)
            return
        if body[0] == REFUSE:
            self.refusals.append(body)
            return
        session, echo, profile, confirm = struct.unpack_from("<HIBI", body, 30)
        expected = zlib.crc32(self._hello + body[:-4])
        if self.state == "up" or echo != self.mine.nonce or confirm != expected:
            return
        self.theirs = Parameters.decode(body[1:])
        self.session, self.profile, self.state = session, profile, "unconfirmed"
        self.confirm = confirm
        self.floor = session % 0xFFFF + 1
        self._say_ready(now_s)

    def _session_frame(self, body: bytes, now_s: float) -> None:
        kind = body[0]
        if kind == ACK:
            ack, echo = body[3], body[4]
            if self.state == "unconfirmed" and echo == self.ping:
                self._up()
            elif self.state == "up":
                self._acked(ack, now_s)
        elif self.state != "up":
            return
        elif kind == DATA:
            self._acked(body[4], now_s)
            if body[3] == self.rx_next:
                self.rx_next = (self.rx_next + 1) & 0xFF
                self.stream += body[5:]
                while (found := parse(self.stream)) is not None:
                    self.messages.append(found)
            self._acknowledge(0)
        elif kind == PING:
            self._acked(body[3], now_s)
            self._acknowledge(body[4])
        elif kind == LOSSY:
            self.lossy.append(body[3:])
        elif kind == LOG:
            self.logs.append((body[3], body[4:].decode()))
        elif kind == BYE:
            self.byes.append(body[3])
            self.state = "closed"

    def _up(self) -> None:
        self.state = "up"
        self.sessions += 1
        self.tx_next = self.rx_next = 0
        self.waiting.clear()
        self.flight.clear()
        self.stream.clear()
        self._timer_s = None

    def _acknowledge(self, echo: int) -> None:
        credit = 0x10000000
        head = struct.pack("<BHBBI", ACK, self.session, self.rx_next, echo, credit)
        self.send_frame(head)

    def _acked(self, ack: int, now_s: float) -> None:
        first = self.flight[0][0] if self.flight else self.tx_next
        for _ in range((ack - first) & 0xFF if (ack - first) & 0xFF <= len(self.flight) else 0):
            self.flight.popleft()
            self.sent_s = now_s
