"""The promises of docs/design.md, section 4, for any input (hypothesis)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from ipfi_serial.errors import RemoteProtocolError
from ipfi_serial.events import LinkEvent
from ipfi_serial.framing.crc import CRC16, CRC32
from ipfi_serial.framing.frame import FrameDecoder, encode_frame
from ipfi_serial.framing.verdict import HANDSHAKE_TYPES
from ipfi_serial.link.parameters import (
    FrameType,
    Parameters,
    encode_hello,
    encode_hello_ack,
    encode_refuse,
)
from ipfi_serial.link.pieces import encode_piece
from ipfi_serial.link.session import Link
from tests.harness.line import Line, Noise
from tests.harness.links import Pair, device_parameters, new_link, nonces, parameters
from tests.link._frames import ack, bye, data, hello, ping, ready

SPEEDS: Final = st.sampled_from([None, 30.0, 11_520.0, 200_000.0])
SESSIONS: Final = st.sampled_from([0, 1, 2, 3, 0xFFFF])
BYTES: Final = st.integers(0, 255)

CONTENTS: Final = st.one_of(
    st.builds(
        lambda nonce, floor, flags, version, window: encode_hello(
            parameters(flags=flags, nonce=nonce, version=version, window=window), floor
        ),
        st.sampled_from([0, 3, 7, 0xFFFFFFFF]),
        st.sampled_from([0, 1, 2, 0x8000, 0x8001, 0xFFFF]),
        st.sampled_from([0, 1, 2, 3]),
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from([1, 4, 16, 17]),
    ),
    st.builds(
        lambda session, profile: encode_hello_ack(hello(), parameters(), session, profile),
        SESSIONS,
        st.integers(0, 9),
    ),
    st.builds(encode_refuse, st.integers(0, 5), st.sampled_from([3, 7])),
    st.builds(ready, SESSIONS, BYTES),
    st.builds(data, SESSIONS, BYTES, st.binary(max_size=5), BYTES),
    st.builds(
        encode_piece,
        SESSIONS,
        BYTES,
        BYTES,
        st.binary(max_size=70),
        st.sampled_from([0, 1, 32, 64]),
    ),
    st.builds(
        lambda session, number, echo, credit, sack: ack(
            session, number, echo=echo, credit=credit, sack=sack
        ),
        SESSIONS,
        BYTES,
        BYTES,
        st.sampled_from([0, 1, 100, 1 << 20, 0xFFFFFFFF]),
        st.one_of(st.none(), st.integers(0, 0xFFFF)),
    ),
    st.builds(
        lambda session, number, told: ping(session, number, ping=told), SESSIONS, BYTES, BYTES
    ),
    st.builds(bye, SESSIONS, st.integers(0, 5)),
    st.builds(
        lambda kind, rest: bytes((kind,)) + rest, st.integers(0x80, 0xFF), st.binary(max_size=40)
    ),
)


@dataclass(frozen=True)
class Sealed:
    """A frame with the CRC of the session that the link is in, or an unsealed one without one.

    Attributes:
        content: of the frame.
        ours: whether it names that session, whatever its own id.
    """

    content: bytes
    ours: bool

    def wire(self, link: Link) -> bytes:
        """Return the bytes on the line, as the link stands."""
        content, (profile, *_) = self.content, (*link.decoder.profiles, CRC32)
        if content[0] in HANDSHAKE_TYPES:
            return encode_frame(content, CRC16)
        if self.ours and link._live is not None:
            content = content[:1] + link._live.head + content[3:]
        return encode_frame(content, profile)


UNSEALED: Final = st.one_of(
    st.builds(encode_frame, CONTENTS, st.sampled_from([CRC16, CRC32])),
    st.binary(max_size=60),
    st.just(b"\0"),
    st.just(b"text\n"),
)
WIRES: Final = st.one_of(UNSEALED, st.builds(Sealed, CONTENTS, st.booleans()))


def answer(said: bytes) -> list[bytes]:
    """Return wire bytes that a peer might say to a HELLO, HELLO_ACK or READY of the link."""
    kind = said[0]
    if kind == FrameType.HELLO:
        best = Parameters.decode(said).crc_profiles.bit_length() - 1
        offer = encode_hello_ack(said, parameters(flags=0, nonce=7), 3, best)
        return [encode_frame(offer, CRC16)]
    if kind == FrameType.HELLO_ACK:
        session, confirm = said[30] | said[31] << 8, said[-4:]
        return [encode_frame(ready(session, 4, confirm), CRC16)]
    if kind == FrameType.READY:
        session, confirm = said[1] | said[2] << 8, said[-4:]
        echo = ack(session, 0, echo=said[3])
        return [encode_frame(echo, plain.for_session(confirm)) for plain in (CRC16, CRC32)]
    return []


class Driver:
    """Calls the verbs of one link as a shell may, and checks the promises after each."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.now_s = 100.0
        self.said: list[bytes] = []
        self.events: list[LinkEvent] = []

    def step(self) -> None:
        """Act on what is due, hand over all bytes, take all events; check."""
        link = self.link
        due_s = link.next_deadline_s()
        assert due_s == link.next_deadline_s(), "a query changed something"
        link.on_deadline(self.now_s)
        for _ in range(1000):
            wire = link.bytes_to_send(self.now_s)
            if not wire:
                break
            self.said += decoded(wire)
        else:
            raise AssertionError("no end of bytes")
        while (event := link.next_event()) is not None:
            self.events.append(event)
        due_s = link.next_deadline_s()
        assert due_s is None or due_s > self.now_s, f"busy loop in {link.state}"
        assert bounded(link), "a queue grows"


def decoded(wire: bytes) -> list[bytes]:
    """Return the contents of frames of the link, whatever their CRC is."""
    return [v for v in FrameDecoder(20_000).receive(wire) if isinstance(v, bytes)]


def bounded(link: Link) -> bool:
    """Whether every store of the link is within its bound."""
    live = link._live
    return (
        len(link._line.control) <= 6
        and len(link._lossy) <= 8
        and link.decoder.buffered_bytes <= 1200
        and (
            live is None
            or (
                len(live.receiver._ahead) <= 15
                and len(live.sender.flights) <= 16
                and len(live.sender.ring._charges) <= 64
            )
        )
    )


ACTIONS: Final = st.one_of(
    st.tuples(st.just("receive"), WIRES),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.1, 5.1, 400.0])),
    st.tuples(st.just("until due"), st.none()),
    st.tuples(st.just("push"), st.integers(1, 300)),
    st.tuples(st.just("lossy"), st.integers(0, 80)),
    st.tuples(st.just("busy"), st.booleans()),
    st.tuples(st.just("answer"), st.none()),
    st.tuples(st.just("stale deadline"), st.sampled_from([-100.0, -0.01, 0.0])),
    st.tuples(st.just("abort"), st.none()),
    st.tuples(st.just("close"), st.none()),
)


def act(driver: Driver, action: tuple[str, object]) -> None:
    """Do one thing that a shell, a program or a line may do."""
    link, (what, value) = driver.link, action
    if what == "receive":
        wire = value.wire(link) if isinstance(value, Sealed) else value
        assert isinstance(wire, bytes)
        link.receive_bytes(wire, driver.now_s)
    elif what == "wait":
        assert isinstance(value, float)
        driver.now_s += value
    elif what == "until due":
        driver.now_s = max(driver.now_s, link.next_deadline_s() or 0.0)
    elif what == "push":
        assert isinstance(value, int)
        link.push(bytes(value), driver.now_s)
    elif what == "lossy":
        assert isinstance(value, int)
        link.push_lossy(bytes(value))
    elif what == "busy":
        link.set_busy(bool(value), driver.now_s)
    elif what == "answer":
        for said in driver.said[-1:]:
            for wire in answer(said):
                link.receive_bytes(wire, driver.now_s)
    elif what == "stale deadline":
        assert isinstance(value, float)
        link.on_deadline(driver.now_s + value)
    elif what == "abort":
        link.abort(RemoteProtocolError("x"), driver.now_s)
    else:
        link.close()


def begin(link: Link, *, begun: bool) -> Driver:
    """Open a link and bring it into a session, or not."""
    driver = Driver(link)
    driver.link.open(driver.now_s)
    driver.step()
    if begun:
        for action in (("answer", None), ("until due", None), ("answer", None)):
            act(driver, action)
            driver.step()
        assert link.established
    return driver


@settings(deadline=None, max_examples=300)
@given(
    actions=st.lists(ACTIONS, max_size=40),
    active=st.booleans(),
    speed=SPEEDS,
    small=st.booleans(),
    begun=st.booleans(),
)
def test_no_verb_raises_loops_or_grows_whatever_comes_in(
    actions: list[tuple[str, object]],
    active: bool,
    speed: float | None,
    small: bool,
    begun: bool,
) -> None:
    """HS-1, LINK-14, LINK-18: no exception, no deadline in the past, no unbounded queue."""
    own = device_parameters() if small else parameters()
    driver = begin(new_link(own, active=active, bytes_per_s=speed), begun=begun)
    for action in actions:
        act(driver, action)
        driver.step()


@settings(deadline=None, max_examples=150)
@given(
    wires=st.lists(WIRES, max_size=10),  # sealed for the session as it stood at the beginning
    cuts=st.lists(st.integers(1, 60), max_size=40),
    begun=st.booleans(),
)
def test_any_split_of_the_same_bytes_gives_the_same_events_and_bytes(
    wires: list[bytes | Sealed], cuts: list[int], begun: bool
) -> None:
    """LINK-1, LINK-17: one byte at a time included."""
    whole, pieces, single = (begin(new_link(), begun=begun) for _ in range(3))
    line = b"".join(w.wire(whole.link) if isinstance(w, Sealed) else w for w in wires)
    whole.link.receive_bytes(line, 101.0)
    for number in line:
        single.link.receive_bytes(bytes((number,)), 101.0)
    for size in cuts:
        pieces.link.receive_bytes(line[:size], 101.0)
        line = line[size:]
    pieces.link.receive_bytes(line, 101.0)
    results = []
    for driver in (whole, pieces, single):
        driver.now_s = 101.0
        driver.said.clear()
        driver.events.clear()
        driver.step()
        due_s = driver.link.next_deadline_s()
        results.append((driver.link.state, repr(driver.events), driver.said, due_s))
    assert results[0] == results[1] == results[2]


NOISES: Final = st.builds(
    Noise,
    flip=st.sampled_from([0.0, 0.001, 0.004]),
    drop=st.sampled_from([0.0, 0.001, 0.004]),
    insert=st.sampled_from([0.0, 0.001]),
    double=st.sampled_from([0.0, 0.001]),
    lose_frame=st.sampled_from([0.0, 0.1, 0.3]),
    double_frame=st.sampled_from([0.0, 0.1, 0.3]),
    late_frame=st.sampled_from([0.0, 0.1, 0.3]),
    late_s=st.sampled_from([0.005, 0.05]),
)


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 1 << 16),
    noises=st.tuples(NOISES, NOISES),
    speed=st.sampled_from([None, 11_520.0]),
    device=st.sampled_from(["large", "in order", "small ring", "one frame", "little credit"]),
    active=st.booleans(),
    delay_s=st.sampled_from([0.0, 0.0005, 0.03]),
)
def test_every_byte_arrives_once_and_in_order_when_the_faults_end(
    seed: int,
    noises: tuple[Noise, Noise],
    speed: float | None,
    device: str,
    active: bool,
    delay_s: float,
) -> None:
    """LINK-1 to LINK-16: any mix of faults for a while, then a clean line; both ways at once."""
    own = {
        "large": parameters(flags=0),
        "in order": device_parameters(ring=0xFFFF, window=4),
        "small ring": device_parameters(),
        "one frame": parameters(flags=0, window=1, frame_payload=16),
        "little credit": parameters(flags=0, credit=40),
    }[device]
    rng = random.Random(seed)  # noqa: S311 - a test wants it repeatable
    lines = tuple(
        Line(seed=seed + i, delay_s=delay_s, bytes_per_s=speed, noise=noises[i]) for i in (0, 1)
    )
    pair = Pair(
        new_link(bytes_per_s=speed, floor=rng.randrange(1, 65536)),
        new_link(own, active=active, bytes_per_s=speed, floor=1, new_nonce=nonces(seed)),
        (lines[0], lines[1]),
        to_send=(rng.randbytes(1500), rng.randbytes(1500)),
    )
    pair.run(pair.delivered, for_s=3.0)
    pair.check()
    for line in lines:
        line.noise = Noise()
    assert pair.run(pair.delivered, for_s=20.0), pair.describe()
    pair.check()
    assert pair.run(for_s=20.0), f"never falls silent\n{pair.describe()}"
    pair.check()
