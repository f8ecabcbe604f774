"""One end alone against a peer without manners: is the peer's ring respected (LINK-14)?

The simulator's peers are correct ends, so some moments come once in 300,000 seeds: a repetition
that is due just while answers to a third party's HELLOs fill the line.  This peer is a pair of
dice: it acknowledges, asks, sends, falls silent and lets another life say HELLO when it likes.
Thousands of such sessions take a minute.

``python -m tests.simulation.storm --seeds 10000 --end c``
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Sequence
from typing import Final

from ipfi_serial.codec.message import Message, MessageKind, Terminator, encode
from ipfi_serial.framing.frame import encode_frame
from ipfi_serial.link.parameters import Flag, FrameType, Parameters
from tests.harness.links import new_link, parameters
from tests.link._frames import Puppet, ack, data, hello, ping
from tests.simulation.core_puppet import CorePuppet
from tests.simulation.escapes import unstuffed
from tests.simulation.ring import RingAccount
from tests.simulation.runner import FAILURES, tell_failure
from tests.simulation.truth import WrongError

ENDS: Final = ("py", "c")
RINGS: Final = (32, 40, 48, 64, 64, 64, 96, 128, 200, 256)  # bytes; small ones go wrong first
SPEEDS: Final = (None, 240.0, 960.0, 5760.0, 11_520.0, 11_520.0, 200_000.0)  # bytes a second
REACH: Final = 16  # numbers that a SACK speaks of
KNOCK_S: Final = 0.012  # between two HELLOs of another life, at most
_NEWS: Final = encode(Message(MessageKind.EVENT, 999, 0, Terminator.COMPLETE, b"nobody hears"))
_WHOLE: Final = re.compile(rb"\0*[^\0]+\0", re.DOTALL)  # a frame between its delimiters
_DATA: Final = (FrameType.DATA, FrameType.PIECE)
_OVER: Final = (FrameType.BYE, FrameType.HELLO)


class Storm:
    """One session of the end under test with the dice.

    Args:
        seed: decides everything.
        end: what is under test: ``py`` or ``c``.
    """

    def __init__(self, seed: int, end: str) -> None:
        self._rng = rng = random.Random(seed)  # noqa: S311 - it has to be repeatable
        self._active = rng.random() < 0.5  # the end under test opens
        self._in_order = rng.random() < 0.4
        self._crc_profiles = rng.choice((1, 3)) if end == "py" else 1
        self._ring = rng.choice(RINGS)
        self._puppet = self._python() if end == "py" else self._core()
        crc_bytes = 4 if self._crc_profiles & 2 else 2
        self._account = RingAccount(0, self._ring, crc_bytes)
        self._busy = rng.choice((1.0, 0.3, 0.1))
        self._longest = rng.choice((10, 22, 60))
        self._stride_s = rng.choice((0.001, 0.01, 0.02, 0.05))
        self._silent = False
        self._knocks = 0  # HELLOs of another life that still come, close together
        self._acked = 0  # numbers below it arrived, and were acknowledged
        self._arrived: set[int] = set()
        self._asked: list[int] = []  # its PINGs that are not answered
        self._number = 0  # of our next DATA frame
        self._ping = 0
        self._wire = b""  # handed over, up to the frame that is not whole yet

    def _python(self) -> Puppet:
        rng = self._rng
        own = parameters(
            flags=Flag.HOST if self._active else 0,
            ring=rng.choice((64, 256, 0xFFFF)),
            window=rng.choice((1, 4, 16)),
        )
        puppet = Puppet(new_link(own, active=self._active), self._theirs())
        if self._active:
            puppet.accept()
        else:
            puppet.open()
            puppet.wait(1)
            puppet.initiate()
        speed = rng.choice(SPEEDS)
        if speed is not None:
            puppet.link.set_speed(speed)
        return puppet

    def _core(self) -> CorePuppet:
        theirs = self._theirs()
        changes = {name: getattr(theirs, name) for name in ("flags", "ring", "window")}
        return CorePuppet(active=self._active, bytes_per_s=self._rng.choice(SPEEDS), **changes)

    def _theirs(self) -> Parameters:
        rng = self._rng
        return parameters(
            flags=(0 if self._active else Flag.HOST) | (self._in_order and Flag.IN_ORDER_ONLY),
            ring=self._ring,
            window=rng.choice((1, 2, 4, 16)),
            crc_profiles=self._crc_profiles,
            nonce=7,
            frame_payload=rng.choice((64, 128, 1024)),
            extensions=rng.choice((0x3F, 0x7F)),
        )

    def run(self, trace: list[str] | None = None) -> None:
        """Let the dice play until the session ends, or for some hundred throws.

        Raises:
            WrongError: the end under test handed over more than the ring takes.
        """
        for _ in range(self._rng.randrange(100, 800)):
            said = self._throw()
            if said is not None:
                self._say(said, trace)
            if not self._hear(trace):
                return

    # --- what happens ---

    def _throw(self) -> bytes | None:
        """Let something happen; return a frame that is said to the end under test."""
        rng = self._rng
        if not self._knocks and rng.random() < (0.15 if self._silent else 0.03):
            self._knocks = rng.randrange(2, 9)
            self._wait_until_nearly_due()
        if self._knocks:
            self._knocks -= 1
            self._puppet.now_s += rng.random() * KNOCK_S
            return self._knock()
        dice = rng.random()
        if dice < 0.25:
            self._work(dice)
        elif dice < 0.5:
            return None if self._silent else self._speak(dice)
        elif dice < 0.52:
            self._silent = not self._silent
        else:
            self._pass_time()
        return None

    def _work(self, dice: float) -> None:
        """Let the program under test send: what must arrive, or what may be lost."""
        size = self._rng.randrange(1, self._longest)
        lossy = dice >= 0.12
        if not lossy and self._rng.random() > self._busy:
            return
        if isinstance(self._puppet, CorePuppet):
            self._puppet.core.emit(bytes(size), self._puppet.now_s, lossy=lossy)
        elif lossy:
            self._puppet.link.push_lossy(bytes(size))
        else:
            self._puppet.link.push(bytes(size), self._puppet.now_s)

    def _speak(self, dice: float) -> bytes:
        """Return an ACK, a PING or DATA, which acknowledges what has arrived or a part of it."""
        rng, session = self._rng, self._puppet.session
        while self._acked in self._arrived and rng.random() < 0.8:
            self._arrived.discard(self._acked)
            self._acked = (self._acked + 1) & 0xFF
        if dice < 0.34:
            echo = self._asked.pop(rng.randrange(len(self._asked))) if self._asked else 0
            return ack(session, self._acked, echo=echo, sack=self._sack() or None)
        if dice < 0.42:
            self._ping = (self._ping + 1) & 0xFF
            return ping(session, self._acked, ping=self._ping)
        number = (self._number + rng.choice((0, 0, 0, 1, -1))) & 0xFF
        if number == self._number:
            self._number = (number + 1) & 0xFF
        return data(session, number, _NEWS, ack=self._acked)

    def _sack(self) -> int:
        if self._in_order:
            return 0
        ahead = [(self._acked + 1 + place) & 0xFF in self._arrived for place in range(REACH)]
        return sum(1 << place for place, arrived in enumerate(ahead) if arrived)

    def _knock(self) -> bytes:
        nonce = self._rng.choice((999, 999, 999, 1001))
        return hello(parameters(flags=0 if self._active else Flag.HOST, nonce=nonce))

    # --- time ---

    def _wait_until_nearly_due(self) -> None:
        due_s = self._puppet.link.next_deadline_s()
        if due_s is not None:
            near_s = min(due_s, self._puppet.now_s + 1) - self._rng.random() * 0.05
            self._puppet.now_s = max(self._puppet.now_s, near_s)

    def _pass_time(self) -> None:
        puppet = self._puppet
        due_s = puppet.link.next_deadline_s()
        if due_s is not None and self._rng.random() < 0.7:
            puppet.now_s = max(puppet.now_s, min(due_s, puppet.now_s + 1))
        else:
            puppet.now_s += self._rng.random() * self._stride_s

    # --- frames ---

    def _say(self, content: bytes, trace: list[str] | None) -> None:
        puppet = self._puppet
        wire = encode_frame(content, puppet.seal(content))
        if trace is not None:
            trace.append(f"{puppet.now_s:.6f} > {wire.hex()}")
        self._account.heard(wire.strip(b"\0"))
        puppet.link.receive_bytes(wire, puppet.now_s)

    def _hear(self, trace: list[str] | None) -> bool:
        """Charge what the end under test says; return False once its session is over."""
        link, now_s = self._puppet.link, self._puppet.now_s
        due_s = link.next_deadline_s()
        if due_s is not None and due_s <= now_s:
            link.on_deadline(now_s)
        while more := link.bytes_to_send(now_s):
            self._wire += more
        self._puppet.events()
        while (whole := _WHOLE.match(self._wire)) is not None:
            wire = whole[0]
            self._wire = self._wire[len(wire) :]
            if trace is not None:
                trace.append(f"{now_s:.6f} < {wire.hex()}")
            content = unstuffed(wire.strip(b"\0"))
            assert content is not None
            if content[0] in _OVER:
                return False
            self._account.sent(wire, now_s)
            self._take(content)
        return True

    def _take(self, content: bytes) -> None:
        """Let a frame arrive, or get lost."""
        if content[0] in _DATA and self._rng.random() < 0.6:
            ahead = (content[3] - self._acked) & 0xFF
            if ahead == 0 or (ahead <= REACH and not self._in_order):
                self._arrived.add(content[3])
        elif content[0] == FrameType.PING:
            self._asked = [*self._asked[-3:], content[4]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run many; 1: one failed.  Each that fails is printed, and replays with ``--replay``."""
    options = argparse.ArgumentParser(prog="python -m tests.simulation.storm", description=__doc__)
    options.add_argument("--seeds", type=int, default=10_000)
    options.add_argument("--start", type=int, help="the first seed; at random if not given")
    options.add_argument("--end", choices=ENDS, action="append", help="default: both")
    options.add_argument("--replay", type=int, metavar="SEED", help="run it alone, and show it")
    chosen = options.parse_args(arguments)
    ends = chosen.end or ENDS
    if chosen.replay is not None:
        return max(run_one(chosen.replay, end, show=True) for end in ends)
    start = chosen.start
    if start is None:
        start = random.SystemRandom().randrange(1 << 40)
    failed = sum(run_one(seed, end) for seed in range(start, start + chosen.seeds) for end in ends)
    print(f"seeds from {start}, {' and '.join(ends)}: {failed} of {chosen.seeds} failed")  # noqa: T201
    return int(bool(failed))


def run_one(seed: int, end: str, *, show: bool = False) -> int:
    """Run one seed; return 1 if it failed."""
    trace: list[str] | None = [] if show else None
    failure: WrongError | None = None
    try:
        Storm(seed, end).run(trace)
    except WrongError as error:
        failure = error
        tell_failure(f"storm --end {end} --replay {seed}: {error}", FAILURES)
    print("\n".join(trace or ()), end="\n" if trace else "")  # noqa: T201
    return int(failure is not None)


if __name__ == "__main__":
    sys.exit(main())
