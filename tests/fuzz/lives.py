"""Whole lives of a Python wire, in the steps of fuzz_session.c.

Whatever comes: no verb raises, no deadline stays in the past, every call ends exactly once, and
after the end nothing is left.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Final

from ipfi_serial.codec.message import MessageKind, Terminator, encode_parts
from ipfi_serial.config import WireConfig
from ipfi_serial.engine.setup import Role, build_wire
from ipfi_serial.engine.wire import Wire
from ipfi_serial.errors import IpfiError
from ipfi_serial.framing.crc import CRC16, CRC32, CrcProfile
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.framing.verdict import HANDSHAKE_TYPES
from ipfi_serial.link.parameters import (
    Flag,
    FrameType,
    Parameters,
    encode_hello_ack,
    encode_ready,
    hello_floor,
)
from ipfi_serial.link.session import Link
from tests.engine.wires import ADD, COUNT, ECHO, LED, End, answer, assert_empty, interface
from tests.fuzz import seeds

TIGHT: Final = WireConfig(
    max_calls=4,
    max_partial_calls=2,
    max_message_bytes=1024,
    skip_limit_bytes=4096,
    stream_buffer_bytes=256,
    frame_payload_bytes=64,
)
PROCEDURES: Final = (ADD, ECHO, COUNT, LED, 99, 0xFFFF)
SPEEDS: Final = (None, 11520.0, 960.0, 30.0)  # bytes a second: unknown, 115200, 9600 and 300 baud
MOST_CALLS: Final = 20
ROUNDS: Final = 200
PATIENCE_S: Final = 300.0  # of the slowest line


class Life:
    """One end under test, and an honest one that opens sessions with it."""

    def __init__(self, how: int) -> None:
        self.now_s = 1000.0
        self._is_host = bool(how & seeds.HOST)
        self._tight = bool(how & seeds.SMALL)
        self._bytes_per_s = SPEEDS[how >> 4 & 3]
        self._numbers = count(1)
        self._next = 0  # DATA frames said to the target in this session
        self._session = 0
        self._ends: list[End] = []  # all that were ever made
        self.target = self._end("host" if self._is_host else "device", TIGHT)
        self.partner = self._end("device" if self._is_host else "host", WireConfig())

    def _end(self, role: Role, config: WireConfig) -> End:
        wire = build_wire(
            interface(),
            config if self._tight else WireConfig(),
            framed=True,
            role=role,
            bytes_per_s=self._bytes_per_s,
            random_u32=lambda: next(self._numbers),
        )
        end = End(wire, lambda: self.now_s)
        end.handlers = {ADD: answer, ECHO: answer}
        self._ends.append(end)
        wire.open(self.now_s)
        return end

    # --- the line ---

    def exchange(self) -> None:
        """Carry both ways until both are silent."""
        for _ in range(ROUNDS):
            moved = False
            for end, other in ((self.target, self.partner), (self.partner, self.target)):
                end.wire.on_deadline(self.now_s)
                data = end.wire.bytes_to_send(self.now_s)
                other.wire.receive_bytes(data, self.now_s)
                end.take_events()
                other.take_events()
                moved |= bool(data)
            if not moved:
                return

    def drain(self) -> None:
        """Let the target say what it has to say, to nobody."""
        for _ in range(ROUNDS):
            if not self.target.wire.bytes_to_send(self.now_s):
                break
        else:
            raise AssertionError("it sends for ever")
        self.target.take_events()

    def give(self, data: bytes) -> None:
        """Let bytes arrive at the target."""
        self.target.wire.receive_bytes(data, self.now_s)
        self.target.take_events()

    def pass_time(self, seconds: float) -> None:
        """Step from deadline to deadline."""
        until_s = self.now_s + seconds
        wire = self.target.wire
        for _ in range(ROUNDS):
            self._settle(wire)
            due_s = wire.next_deadline_s()
            if due_s is None or due_s > until_s:
                break
            self.now_s = max(self.now_s, due_s)
        self.now_s = max(self.now_s, until_s)
        self._settle(wire)
        self.partner.wire.on_deadline(self.now_s)

    def _settle(self, wire: Wire) -> None:
        for _ in range(ROUNDS):
            wire.on_deadline(self.now_s)
            self.drain()
            due_s = wire.next_deadline_s()
            if due_s is None or due_s > self.now_s:
                return
        raise AssertionError(f"a deadline stays in the past: {wire.next_deadline_s()}")

    # --- frames past the CRC ---

    def say_frame(self, kind: int, body: bytes, session: int | None = None) -> None:
        """Let a frame with a right CRC arrive."""
        number, profile = self._live()
        if session is not None:
            number = session
        content = bytes((kind | 0x80,)) + number.to_bytes(2, "little") + body
        self.give(encode_frame(content, CRC16 if content[0] in HANDSHAKE_TYPES else profile))

    def say_stream(self, data: bytes) -> None:
        """Let stream bytes arrive in the next DATA frame."""
        if data:
            number, _ = self._live()
            self.say_frame(FrameType.DATA, bytes((self._expected(), 0)) + data, number)

    def acknowledge(self, back: int, more: bytes) -> None:
        """Let all that the target has sent be acknowledged, but the last ``back`` frames.

        The echo is that of its newest PING, or of the READY that it waits for (HS-6).
        """
        live = self._link._live
        if live is None:
            number, echo = 0, self._link._opening.ready_ping
        else:
            sender = live.sender
            number = (sender.oldest + len(sender.flights) - back) & 0xFF
            echo = live._pings.newest
        self.say_frame(FrameType.ACK, bytes((number, echo)) + b"\xff\xff\xff\x0f" + more)

    def answer_hello(self, session: int, profile: int, parameters: bytes) -> None:
        """Let a HELLO_ACK arrive that confirms the target's own HELLO (HS-4).

        Args:
            session: its id, counted from the smallest that the target takes.
            profile: of its CRC.
            parameters: what the other end says of itself; what is missing is as the target's.
        """
        handshake = self._link._handshake
        own = replace(handshake.own, flags=handshake.own.flags ^ Flag.HOST).encode()
        theirs = Parameters.decode(b"\x82" + parameters[: len(own)] + own[len(parameters) :])
        number = (hello_floor(handshake.hello) + session) & 0xFFFF
        self.give(encode_frame(encode_hello_ack(handshake.hello, theirs, number, profile), CRC16))

    def confirm_pending(self, ping: int) -> None:
        """Let READY arrive for the session that the target has offered (HS-5)."""
        pending = self._link._handshake.pending
        if pending is not None:
            self.give(encode_frame(encode_ready(pending.session, ping, pending.confirm), CRC16))

    @property
    def _link(self) -> Link:
        link = self.target.wire.link
        assert isinstance(link, Link)
        return link

    def _live(self) -> tuple[int, CrcProfile]:
        live, candidate = self._link._live, self._link._opening.candidate
        if live is not None:
            return live.session, live.profile
        if candidate is not None:
            profile = CRC32 if candidate.profile else CRC16
            return candidate.session, profile.for_session(candidate.confirm)
        return 1, CRC16

    def _expected(self) -> int:
        live = self._link._live
        return live.receiver.expected if live is not None else 0

    # --- what the ends do themselves ---

    def start_call(self, data: bytes) -> None:
        """Let the target call."""
        if len(data) < 3 or len(self.target.started) - len(self.target.ended) >= MOST_CALLS:
            return
        try:
            self.target.start(
                PROCEDURES[data[0] % len(PROCEDURES)],
                data[3:],
                more=bool(data[0] & 0x80),
                streaming=bool(data[0] & 0x40),
                timeout_s=0.001 + int.from_bytes(data[1:3], "little") / 1000,
            )
        except IpfiError:
            return  # no session, or the other end takes no more: it was not begun

    def cancel(self, number: int) -> None:
        """Let the target give a call up."""
        open_calls = [each for each in self.target.started if not self.target.is_over(each)]
        if open_calls:
            self.target.cancel(open_calls[number % len(open_calls)])
            self.target.take_events()

    def emit(self, data: bytes) -> None:
        """Let the target emit an event."""
        try:
            self.target.emit(LED, data, lossy=bool(data[:1] and data[0] & 1))
        except IpfiError:
            return

    def reset(self) -> None:
        """Let the target forget everything."""
        self.target = self._end("host" if self._is_host else "device", TIGHT)

    def end(self) -> None:
        """Close, and look for what is left."""
        self.pass_time(PATIENCE_S)
        self.target.wire.close(self.now_s)
        self.target.take_events()
        for call in self.target.received:
            self.target.wire.callee.worker_done(call)
        assert_empty(self.target)
        for end in self._ends:  # events are no garbage that a cycle is found in
            for kept in (end.log, end.received, end.cancelled, end.rooms, end.started, end.ended):
                kept.clear()


def step(life: Life, kind: int, data: bytes) -> None:
    """Do one step of fuzz_session.c."""
    if kind == seeds.RAW:
        life.give(data)
    elif kind == seeds.FRAME and data:
        life.say_frame(data[0], data[1:])
    elif kind == seeds.STREAM:
        life.say_stream(data)
    elif kind == seeds.MESSAGE and len(data) >= 4:
        kinds = MessageKind(data[0] % 8)
        ends = (Terminator.NONE, Terminator.CHUNK, Terminator.COMPLETE)[(data[1] >> 6) % 3]
        procedure = PROCEDURES[data[2] % len(PROCEDURES)]
        life.say_stream(encode_parts(kinds, procedure, data[3], ends, data[4:]))
    elif kind == seeds.HANDSHAKE and data:
        life.give(encode_frame(bytes((0x81 + data[0] % 4,)) + data[1:], CRC16))
    elif kind == seeds.HELLO_ACK and len(data) >= 2:
        life.answer_hello(data[0] % 8, data[1], data[2:])
    elif kind == seeds.STRAY and len(data) == 2:
        life.confirm_pending(data[1])
    elif kind == seeds.STRAY and len(data) >= 3:
        life.say_frame(data[0], data[3:], int.from_bytes(data[1:3], "little"))
    elif kind == seeds.ACK:
        life.acknowledge(data[0] % 18 if data else 0, data[1:3])
    else:
        _act(life, kind, data)


def _act(life: Life, kind: int, data: bytes) -> None:
    """Do a step that is no byte on the line."""
    if kind == seeds.TIME:
        life.pass_time(int.from_bytes(data[:2], "little") % 8192 / 1000)
    elif kind == seeds.EXCHANGE:
        life.exchange()
    elif kind == seeds.CALL:
        life.start_call(data)
    elif kind == seeds.CANCEL:
        life.cancel(data[0] if data else 0)
    elif kind == seeds.EMIT:
        life.emit(data)
    elif kind == seeds.RESET:
        life.reset()
    elif kind == seeds.PARTNER:
        life.partner = life._end("device" if life._is_host else "host", WireConfig())


def one_input(data: bytes) -> None:
    """Live a life."""
    if not data:
        return
    life = Life(data[0])
    if data[0] & seeds.SESSION:
        life.exchange()
    at = 1
    while at + 1 < len(data):
        kind, size = data[at], data[at + 1]
        step(life, kind % 16, data[at + 2 : at + 2 + size])
        if not kind & 0x80:
            life.drain()
        at += 2 + size
    life.end()
