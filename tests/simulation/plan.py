"""What happens in one seed: ends, lines, work and faults, as data that minimise.py can shorten."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

OPERATIONS: Final = (50, 62)  # at least and at most
FAULTS: Final = (28, 38)  # planned: those of frames happen only if frames come ...
FEWEST_FAULTS: Final = 20  # ... and so many shall happen
HEAD_BYTES: Final = 9  # of arguments: tag u32, behaviour u8, answer size u16, values u16


class Behaviour(IntEnum):
    """What a handler is told to do; end.c has the same numbers."""

    AT_ONCE = 0
    LATER = 1
    NEVER = 2
    FAILS = 3
    CALLS_BACK = 4


@dataclass(frozen=True, slots=True)
class Call:
    """Call, and wait for one value or for a stream of them.

    Attributes:
        at_s: when.
        end: who.
        tag: names the call; its first argument.
        behaviour: what the handler does.
        size: bytes of arguments.
        answer: bytes of the answer, or of each value.
        values: values of the stream; -1: it is no stream.
        timeout_s: the caller's patience.
        think_s: how long the handler takes, if not at once.
        cancel_s: when the caller gives up, counted from the start; None: never.
        parts: the arguments are handed over in so many parts; the last part of 0 never comes.
        part_s: time between them.
        reads_s: how long the program takes for each value of a stream; None: never reads any.
    """

    at_s: float
    end: int
    tag: int
    behaviour: Behaviour
    size: int
    answer: int
    values: int
    timeout_s: float
    think_s: float
    cancel_s: float | None
    parts: int
    part_s: float
    reads_s: float | None


@dataclass(frozen=True, slots=True)
class Emit:
    """Emit an event."""

    at_s: float
    end: int
    size: int
    lossy: bool


class FaultKind(Enum):
    """What goes wrong; ``side`` is a direction of the line (0: from end 0) or an end."""

    FLIP = "flip a bit of a frame"
    DROP = "lose a byte of a frame"
    INSERT = "put a byte into a frame"
    DOUBLE_BYTE = "double a byte of a frame"
    LOSE = "lose a frame"
    DOUBLE = "bring a frame twice"
    LATE = "bring a frame late"
    LATE_COPY = "bring a frame, and again late"
    BURST = "harm bytes for a while"
    BUFFER = "lose, hold or copy frames for a while"
    NOISE = "bring bytes that nobody sent"
    TEXT = "bring a line of text"
    DEAD = "one direction dies and returns"
    DEAD_BOTH = "the line dies and returns"
    STALL = "nobody takes what arrives for a while"
    FREEZE = "an end stands still for a while"
    BLOCK = "a transport takes no bytes for a while"
    REBOOT = "an end reboots"
    REBOOT_TWICE = "an end reboots, and again"
    REBOOT_BOTH = "both ends reboot"
    REBOOT_AT_FRAME = "an end reboots at a frame"
    OLD_HELLO = "a HELLO of earlier comes"
    CLOSE = "a program closes its end, and opens it anew later"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        at_s: when, or from when on.
        kind: what.
        side: direction or end.
        span_s: how long, or how late.
        count: frames to let pass first; frames by which one is late.
        amount: place in a frame, or harm per byte, 0 to 1.
        seed: for what is decided byte by byte.
    """

    at_s: float
    kind: FaultKind
    side: int
    span_s: float
    count: int
    amount: float
    seed: int


Step = Call | Emit | Fault


@dataclass(frozen=True, slots=True)
class EndPlan:
    """What one end is like; by default a modest device on a perfect clock.

    Attributes:
        host: whether it has the host's role and opens.
        payload: frame payload it takes.
        window: frames it takes.
        ring: receive ring it announces.
        calls: calls it serves at once.
        message: largest value that it takes, a multiple of 256.
        credit: unread bytes of a stream.
        nonce: a constant one, or None.
        rate: speed of its clock.
        offset_s: what its clock says at 0.
        fifo: bytes that its UART takes ahead (C only).
        seed: for its nonces and ids.
    """

    host: bool = False
    payload: int = 64
    window: int = 2
    ring: int = 0xFFFF
    calls: int = 4
    message: int = 256
    credit: int = 256
    nonce: int | None = None
    rate: float = 1.0
    offset_s: float = 0.0
    fifo: int = 4096
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LinePlan:
    """What one direction is like; see tests.harness.line."""

    bytes_per_s: float | None
    delay_s: float
    batch_s: float
    ring: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that happens.

    Attributes:
        seed: where it came from.
        ends: what the two ends are like.
        lines: what the two directions are like.
        crc32: whether both ends offer CRC-32.
        work_s: when the work and the faults have ended.
        unit_s: time of a short exchange, for scale.
        patience_s: longest time-out of a call.
        steps: the work and the faults, by time.
    """

    seed: int
    ends: tuple[EndPlan, EndPlan]
    lines: tuple[LinePlan, LinePlan]
    crc32: bool
    work_s: float
    unit_s: float
    patience_s: float
    steps: tuple[Step, ...]

    @property
    def constant_nonce(self) -> bool:
        """Whether an end always uses the same nonce."""
        return any(end.nonce is not None for end in self.ends)


BAUDS: Final = (300, 1200, 9600, 57600, 115200, 115200, 115200, 921600, 3_000_000, 3_000_000)


class Planner:
    """Makes the plan of a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = random.Random(seed)  # noqa: S311 - repeatable by intention
        self._tag = 0

    def plan(self) -> Plan:
        """Decide everything."""
        rng = self._rng
        baud = rng.choice(BAUDS) if rng.random() < 0.9 else None
        rate = baud / 10 if baud is not None else None
        delay = rng.choice((0.0, 0.0005, 0.0005, 0.004, 0.03, 0.15))
        lines = (self._line(rate, delay), self._line(rate, delay))
        wire_s = 200 / rate if rate is not None else 0.0
        self._unit = max(0.002, wire_s) + sum(line.delay_s + line.batch_s for line in lines)
        self._work_s = self._unit * rng.uniform(40, 160)
        self._patience_s = 20.0 + 150 * self._unit
        crc32 = rng.random() < 0.7
        self._weights = rng.choices((CALM, STORMY, REBORN), (75, 15, 10))[0]
        both_hosts = rng.random() < 0.08
        constant = rng.random() < 0.15
        ends = (
            self._end(0, host=True, ring=lines[1].ring, constant=constant and rng.random() < 0.3),
            self._end(1, host=both_hosts, ring=lines[0].ring, constant=constant),
        )
        self._messages = (ends[0].message, ends[1].message)
        steps: list[Step] = [self._operation() for _ in range(rng.randint(*OPERATIONS))]
        steps += [self._fault() for _ in range(rng.randint(*FAULTS))]
        steps.sort(key=lambda step: step.at_s)
        times = self._work_s, self._unit, self._patience_s
        return Plan(self._seed, ends, lines, crc32, *times, tuple(steps))

    def _line(self, rate: float | None, delay_s: float) -> LinePlan:
        rng = self._rng
        if rng.random() < 0.1:
            delay_s = rng.choice((0.0, 0.002, 0.1))  # asymmetric
        batch = 0.016 if rng.random() < 0.2 else 0.0
        ring = rng.choice((64, 64, 128, 256)) if rng.random() < 0.3 else None
        return LinePlan(rate, delay_s, batch, ring)

    def _end(self, index: int, *, host: bool, ring: int | None, constant: bool) -> EndPlan:
        rng = self._rng
        small = rng.random() < (0.2 if host else 0.5)
        drift = rng.choice((0.0, 0.0, -0.05, 0.05, 0.03))
        return EndPlan(
            host=host,
            payload=rng.choice((16, 32, 64)) if small else rng.choice((64, 128, 256, 1024)),
            window=rng.choice((1, 2, 2, 3)) if small else rng.choice((4, 8, 16)),
            ring=ring if ring is not None else 0xFFFF,
            calls=rng.choice((1, 2, 4)) if small else rng.choice((4, 16, 32)),
            message=256 if small else rng.choice((512, 2048, 4096)),
            credit=256 if small else rng.choice((256, 1024, 4096)),
            nonce=7 + index if constant else None,
            rate=1.0 + drift,
            offset_s=rng.choice((0.0, 1000.0, 4294960.0, 2147483.0)) + rng.random(),
            fifo=rng.choice((16, 64, 64, 256, 256, 256)),
            seed=rng.getrandbits(32),
        )

    def _operation(self) -> Step:
        rng = self._rng
        at_s = rng.random() * self._work_s
        end = rng.randrange(2)
        if rng.random() < 0.25:
            lossy = rng.random() < 0.3
            return Emit(at_s, end, 12 + (rng.randrange(12) if lossy else self._size(180)), lossy)
        return self._call(at_s, end)

    def _size(self, most: int) -> int:
        """Draw a size, most of them small."""
        draw = self._rng.random()
        return int(most * draw * draw * draw)

    def _call(self, at_s: float, end: int) -> Call:
        rng = self._rng
        self._tag += 1
        streams = rng.random() < 0.25
        theirs = self._messages[1 - end]
        behaviour = rng.choices(tuple(Behaviour), (60, 15, 4, 6, 8))[0]
        if streams and behaviour is Behaviour.CALLS_BACK:
            behaviour = Behaviour.AT_ONCE
        most = 260 if rng.random() < 0.9 else min(theirs + 20, 1800)
        own_most = 200 if rng.random() < 0.9 else min(self._messages[end] + 20, 1800)
        brief = rng.random() < 0.12 or behaviour is Behaviour.NEVER
        return Call(
            at_s,
            end,
            self._tag,
            behaviour,
            size=HEAD_BYTES + self._size(most - HEAD_BYTES),
            answer=6 + self._size(min(own_most, 100) if streams else own_most),
            values=rng.randrange(12) if streams else -1,
            timeout_s=self._unit * rng.uniform(0.5, 6) if brief else self._patience_s,
            think_s=self._unit * rng.uniform(0.1, 5),
            cancel_s=self._unit * rng.uniform(0, 6) if rng.random() < 0.12 else None,
            parts=rng.choice((0, 2, 2, 3)) if rng.random() < 0.1 else 1,
            part_s=self._unit * rng.uniform(0, 2),
            reads_s=None if rng.random() < 0.06 else self._unit * rng.choice((0, 0, 0.3)),
        )

    def _fault(self) -> Fault:
        rng = self._rng
        kind = rng.choices(KINDS, self._weights)[0]
        at_s = (rng.random() * 1.02 - 0.02) * self._work_s
        span_s = self._unit * rng.uniform(0.2, 8)
        if kind in (FaultKind.DEAD, FaultKind.DEAD_BOTH):
            span_s = rng.choice((0.2, 1.0, 2.0, 6.0)) + (30 * self._unit * rng.random())
        elif kind is FaultKind.STALL:
            span_s = 0.085
        elif kind in (FaultKind.FREEZE, FaultKind.BLOCK):
            span_s = rng.choice((0.1, 0.5, 2.0, 7.0))
        return Fault(
            max(0.0, at_s),
            kind,
            rng.randrange(2),
            span_s,
            rng.choice((0, 0, 1, 2, 3, 5, 20, 100)),
            rng.choice((0.002, 0.01, 0.05, 0.3)) if kind is FaultKind.BURST else rng.random(),
            rng.getrandbits(32),
        )


KINDS: Final = tuple(FaultKind)
_SHARES: Final = {  # of a calm seed's faults; every other kind 3.0
    0.25: "DEAD_BOTH REBOOT_TWICE REBOOT_BOTH",
    0.4: "FREEZE BLOCK CLOSE",
    0.5: "DEAD REBOOT",
    0.6: "REBOOT_AT_FRAME",
    0.7: "TEXT BUFFER",
    1.0: "STALL NOISE OLD_HELLO",
    1.5: "BURST",
}
_RARE: Final = {name: share for share, names in _SHARES.items() for name in names.split()}
_LIVES: Final = ("REBOOT", "REBOOT_TWICE", "REBOOT_BOTH", "REBOOT_AT_FRAME", "CLOSE", "BUFFER")
_BOTH: Final = {"REBOOT_BOTH": 8.0, "REBOOT": 3.0, "REBOOT_TWICE": 2.0, "BUFFER": 16.0}
CALM: Final = tuple(_RARE.get(kind.name, 3.0) for kind in KINDS)
STORMY: Final = tuple(
    4.0 if kind.name in _LIVES else share for kind, share in zip(KINDS, CALM, strict=True)
)
REBORN: Final = tuple(_BOTH.get(kind.name, 0.3) for kind in KINDS)  # frames of earlier lives


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    return Planner(seed).plan()
