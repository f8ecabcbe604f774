"""Two Links with small programs on them: each sends a stream and keeps what it gets, by session.

A recipe for :class:`tests.harness.lockstep.Lockstep`; the truth about what was delivered is kept
here, outside of the code under test.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ipfi_serial.errors import IpfiError
from ipfi_serial.events import (
    LinkEvent,
    LossyReceived,
    SessionLost,
    SessionOpened,
    TextReceived,
)
from ipfi_serial.link.parameters import Flag, Parameters
from ipfi_serial.link.session import Link
from tests.harness.line import Line
from tests.harness.lockstep import Lockstep

HOST: Final = 0
DEVICE: Final = 1

BAUD_115200: Final = 11_520.0  # bytes per second, 8N1: ten bits a byte
BAUD_300: Final = 30.0
BAUD_2M: Final = 200_000.0


def parameters(**changes: Any) -> Parameters:
    """Say what a host with the default configuration says, with some fields changed."""
    fields: dict[str, Any] = {
        "flags": Flag.HOST,
        "boot_cause": 6,
        "nonce": 0,
        "frame_payload": 1024,
        "ring": 0xFFFF,
        "window": 16,
        "crc_profiles": 0b11,
        "extensions": 0x3F,
        "credit": 1 << 20,
        "stream_credit": 1024,
        "max_calls": 255,
        "max_partial": 255,
        "max_message": 0xFFFF,
        "schema": 0,
    }
    return Parameters(**fields | changes)


def device_parameters(**changes: Any) -> Parameters:
    """Say what small firmware says: CRC-16, two frames, in order only, 64-byte ring."""
    fields: dict[str, Any] = {
        "flags": Flag.IN_ORDER_ONLY,
        "boot_cause": 1,
        "frame_payload": 64,
        "ring": 64,
        "window": 2,
        "crc_profiles": 0b1,
    }
    return parameters(**fields | changes)


def nonces(seed: int) -> Callable[[], int]:
    """Return a source of nonces."""
    rng = random.Random(seed)  # noqa: S311 - a test wants it repeatable
    return lambda: rng.getrandbits(32)


def new_link(
    own: Parameters | None = None,
    *,
    active: bool = True,
    floor: int = 1,
    new_nonce: Callable[[], int] | None = None,
    bytes_per_s: float | None = None,
    **options: Any,
) -> Link:
    """Make one end with defaults that suit a test."""
    return Link(
        own if own is not None else parameters(),
        active=active,
        floor=floor,
        new_nonce=new_nonce if new_nonce is not None else nonces(floor),
        bytes_per_s=bytes_per_s,
        **options,
    )


@dataclass(slots=True)
class Program:
    """What one end's program saw.

    Attributes:
        to_send: stream bytes that it sends at the start of every session.
        sessions: ids of the sessions that opened, in order.
        received: stream bytes, one entry for each of ``sessions``.
        lost: how sessions ended.
        final: whether the link gave up.
        lossy: messages of LOSSY frames.
        texts: lines of text and log.
        up: whether a session stands.
    """

    to_send: bytes = b""
    sessions: list[int] = field(default_factory=list)
    received: list[bytearray] = field(default_factory=list)
    lost: list[IpfiError] = field(default_factory=list)
    final: bool = False
    lossy: list[bytes] = field(default_factory=list)
    texts: list[tuple[str, int | None]] = field(default_factory=list)
    up: bool = False

    @property
    def got(self) -> bytes:
        """Stream bytes of the newest session."""
        return bytes(self.received[-1]) if self.received else b""

    def take(self, link: Link, event: LinkEvent, now_s: float) -> None:
        """Take one event, and check that it may come now."""
        if isinstance(event, bytes):
            assert self.up, "stream bytes outside of a session"
            self.received[-1] += event
        elif isinstance(event, SessionOpened):
            assert not self.up, "a session opened over another one"
            self.up = True
            gone = -len(self.sessions) - 1  # it was lost again before anybody looked
            self.sessions.append(link.agreement.session if link.agreement else gone)
            self.received.append(bytearray())
            if self.to_send:
                link.push(self.to_send, now_s)
        elif isinstance(event, SessionLost):
            assert self.up or event.final, "a session was lost that nobody saw"
            self.up = False
            self.final |= event.final
            self.lost.append(event.reason)
        elif isinstance(event, LossyReceived):
            self.lossy.append(event.message)
        elif isinstance(event, TextReceived):
            self.texts.append((event.text, event.level))


class Pair:
    """A host's link and a device's, in lockstep.

    Attributes:
        steps: the lockstep.
        links: the two ends; end 0 is the host.
        programs: what their programs saw.
        before: programs of ends that were rebooted, with the index of the end.
    """

    def __init__(
        self,
        host: Link,
        device: Link,
        lines: tuple[Line, Line] | None = None,
        *,
        to_send: tuple[bytes, bytes] = (b"", b""),
        opens: tuple[bool, bool] = (True, True),
        **options: Any,
    ) -> None:
        self.links = [host, device]
        self.programs = [Program(to_send[0]), Program(to_send[1])]
        self.before: list[tuple[int, Program]] = []
        self.steps: Lockstep[LinkEvent] = Lockstep(
            host, device, lines if lines is not None else (Line(), Line()), self._take, **options
        )
        for index, opened in enumerate(opens):
            if opened:
                self.links[index].open(self.steps.now_s)

    def _take(self, index: int, event: LinkEvent, now_s: float) -> None:
        self.programs[index].take(self.links[index], event, now_s)

    # --- the parts ---

    @property
    def host(self) -> Link:
        """The end that opens."""
        return self.links[HOST]

    @property
    def device(self) -> Link:
        """The other end."""
        return self.links[DEVICE]

    @property
    def lines(self) -> tuple[Line, Line]:
        """The line there and the line back."""
        return self.steps.lines

    @property
    def now_s(self) -> float:
        """The clock."""
        return self.steps.now_s

    # --- what happens ---

    def push(self, index: int, data: bytes) -> None:
        """Let an end's program send bytes now; they count as expected by the other one."""
        self.programs[index].to_send += data
        self.links[index].push(data, self.now_s)

    def reboot(self, index: int, link: Link, to_send: bytes | None = None) -> None:
        """Replace an end by a new one that knows nothing; what is on the line stays there."""
        self.before.append((index, self.programs[index]))
        old = self.programs[index]
        self.programs[index] = Program(old.to_send if to_send is None else to_send)
        self.links[index] = link
        self.steps.ends[index] = link
        link.open(self.now_s)

    def run(self, until: Callable[[], bool] | None = None, *, for_s: float = 60.0) -> bool:
        """Step; see :meth:`Lockstep.run`."""
        return self.steps.run(until, for_s=for_s)

    def connect(self, for_s: float = 30.0) -> None:
        """Step until both ends stand in the same session."""
        assert self.run(self.joined, for_s=for_s), self.describe()

    # --- what is true ---

    def joined(self) -> bool:
        """Whether both ends stand in the same session."""
        first, second = (link.agreement for link in self.links)
        return first is not None and second is not None and first.session == second.session

    def delivered(self) -> bool:
        """Whether both programs have all of the session they share, acknowledged."""
        host, device = self.programs
        return (
            self.joined()
            and host.got == device.to_send
            and device.got == host.to_send
            and all(link.flushed for link in self.links)
        )

    def check(self) -> None:
        """Check that nothing was doubled, reordered or delivered across sessions so far."""
        for index, program in [*enumerate(self.programs), *self.before]:
            for got in program.received:
                sources = [self.programs[1 - index]]
                sources += [old for number, old in self.before if number == 1 - index]
                assert any(old.to_send.startswith(got) for old in sources), self.describe()
            assert len(set(program.sessions)) == len(program.sessions), self.describe()

    def describe(self) -> str:
        """Return what a person wants to know when it went wrong."""
        lines = [f"at {self.now_s:.3f} s, {self.steps.steps} steps"]
        for link, program in zip(self.links, self.programs, strict=True):
            lines.append(
                f"{link.state.name}: sessions {program.sessions}, lost "
                f"{[type(error).__name__ for error in program.lost]}, "
                f"received {[len(got) for got in program.received]}, "
                f"due {link.next_deadline_s()}, {link.counters}"
            )
        return "\n".join(lines)
