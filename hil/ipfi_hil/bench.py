"""One running target and what a test does with it: the object behind ``ipfi_target``.

The target runs as long as tests want it; between two tests it is reset, and what a test opened or
unplugged is put right.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from dataclasses import dataclass, field
from typing import Final

from ipfi_hil.board import Board, Quirks
from ipfi_hil.faults import LinkFaults
from ipfi_hil.frame_peer import slowness
from ipfi_hil.health import Health
from ipfi_hil.target import (
    Footprint,
    OnTheBench,
    OwnLine,
    Target,
    TargetError,
    VirtualClock,
    make_target,
)
from ipfi_hil.trace import Trace
from ipfi_serial import Connection, Interface, WireConfig, connect
from ipfi_serial.errors import IpfiError
from ipfi_serial.framing.frame import FrameDecoder
from ipfi_serial.link.parameters import HELLO_SIZE, FrameType
from ipfi_serial.transport import open_transport, parse_endpoint
from ipfi_serial.transport.base import Transport

CONNECT_TIMEOUT_S: Final = 10.0  # the machine may be busy; a good handshake takes milliseconds
OPEN_PATIENCE_S: Final = 5.0  # for a port that comes back
HELLO_PATIENCE_S: Final = 2.0  # for the first word of a board that was reset (HS-11)
_HELLO_CONTENT: Final = HELLO_SIZE + 2  # with its CRC


@dataclass(slots=True)
class Figures:
    """What the wires of one test have counted together."""

    frames_sent: int = 0
    frames_received: int = 0
    retransmissions: int = 0
    bad_frames: int = 0
    resets: int = 0
    sessions: int = 0


@dataclass(slots=True)
class _OneTest:
    """What belongs to the test that runs."""

    trace: Trace
    faults: LinkFaults
    wires: list[Connection] = field(default_factory=list)
    lines: list[Transport] = field(default_factory=list)


class Bench:
    """A target under test: power, reset, unplug, replug, log, and wires to it.

    Attributes:
        board: what its board file says.
        endpoint: where it is now.
        health: whether another test is worth trying.
    """

    def __init__(self, board: Board, *, real_hardware: bool = False) -> None:
        """Take the target of a board; it is not started."""
        self.board = board
        self.endpoint = ""
        self._target: Target = make_target(board, real_hardware=real_hardware)
        self.health = Health()
        self._plugged = False
        self._fresh = False
        self._test: _OneTest | None = None
        self._slowness = 1.0
        self._line: Transport | None = None  # open, and not taken by a wire of the test yet

    # --- what a test asks ---

    @property
    def name(self) -> str:
        """The target's name."""
        return self._target.name

    @property
    def quirks(self) -> Quirks:
        """What the target cannot do."""
        return self._target.quirks

    @property
    def clock(self) -> VirtualClock | None:
        """The target's clock, if its time is virtual."""
        return self._target.clock

    @property
    def trace(self) -> Trace:
        """What passed on the wires of this test."""
        return self._now().trace

    @property
    def faults(self) -> LinkFaults:
        """What spoils the line in this test."""
        return self._now().faults

    def patience_s(self, seconds: float) -> float:
        """Return a time-out for this target: ``seconds`` on the native one, more on a slow one."""
        return seconds * self.quirks.pace

    def amount(self, usual: int, least: int = 1) -> int:
        """Return how much of something a test should send here: ``usual``, less on a slow line."""
        return max(least, round(usual * self.quirks.data_share))

    @property
    def slowness(self) -> float:
        """How many times as long as at 115200 baud a byte takes on the line; 1 if it is faster."""
        return self._slowness

    def log(self) -> str:
        """Return what the target said beside the protocol since it was started."""
        return self._target.log()

    def footprint(self) -> Footprint | None:
        """Return what the firmware occupies, if that is known."""
        return self._target.footprint()

    # --- what a test does ---

    def connect(
        self,
        interface: Interface | None = None,
        *,
        config: WireConfig | None = None,
        connect_timeout_s: float | None = None,
    ) -> Connection:
        """Open the port and make a session; closed after the test.

        Args:
            interface: what this end serves; nothing if None.
            config: limits and times.
            connect_timeout_s: for the handshake; 10 s times the target's pace if None.

        Raises:
            IpfiError: as :func:`ipfi_serial.connect`.
        """
        test = self._now()
        patience_s = self.patience_s(CONNECT_TIMEOUT_S)
        line = test.faults.impair(self._take_line())
        wire = connect(
            test.trace.tap(line),
            interface,
            config=config,
            link=parse_endpoint(self.endpoint).link,
            connect_timeout_s=patience_s if connect_timeout_s is None else connect_timeout_s,
        )
        test.wires.append(wire)
        self.health.has_served = True
        return wire

    def open_line(self) -> Transport:
        """Open the port for bare bytes; closed after the test."""
        test = self._now()
        line = test.trace.tap(self._take_line())
        test.lines.append(line)
        return line

    def reset(self, wire: Connection | None = None) -> None:
        """Reset the firmware by hardware; the port stays.

        Args:
            wire: if given, wait until this wire has seen the reset and has a new session.

        Raises:
            TargetError: the wire saw nothing.
        """
        before = wire.stats().resets if wire is not None else 0
        self._mark("reset")
        self._target.reset()
        until_s = time.monotonic() + self.patience_s(CONNECT_TIMEOUT_S)
        while wire is not None and not (wire.stats().resets > before and wire.established):
            if time.monotonic() > until_s:
                raise TargetError(
                    f"target {self.name}: no reset was seen within "
                    f"{self.patience_s(CONNECT_TIMEOUT_S):.0f} s; does its firmware start?"
                )
            time.sleep(self.patience_s(0.005))

    def unplug(self) -> None:
        """Let the port vanish."""
        self._leave_line()
        self._mark("unplugged")
        self._plugged = False
        self._target.unplug()

    def replug(self) -> str:
        """Bring the port back; return its endpoint, which is :attr:`endpoint` from now on."""
        self.endpoint = self._target.replug()
        self._plugged = True
        self._mark(f"plugged in, at {self.endpoint}")
        return self.endpoint

    def power_off(self) -> None:
        """Switch the target off."""
        self._leave_line()
        self._mark("switched off")
        self._plugged = False
        self._target.stop()

    def power_on(self) -> str:
        """Switch it on; return its endpoint."""
        self.endpoint = self._target.start()
        self._plugged = self._fresh = True
        self._mark(f"switched on, at {self.endpoint}")
        return self.endpoint

    # --- what the plugin does ---

    def why_unavailable(self) -> str | None:
        """Return why the target cannot run on this machine, or None."""
        return self._target.why_unavailable()

    def begin_test(self, name: str) -> None:
        """Bring the target to a clean state, and open its port.

        Raises:
            IpfiError: that fails; :attr:`health` says whether another test is worth trying.
        """
        self.end_test()  # one that did not begin
        trace = Trace()
        disturb = self._target.disturb if isinstance(self._target, OwnLine) else None
        self._test = _OneTest(trace, LinkFaults(zlib.crc32(name.encode()), trace, disturb))
        try:
            self._prepare()
        except IpfiError as error:
            self.health.failed(error)
            self.power_off()  # the next test begins afresh
            raise
        self.health.began()

    def _prepare(self) -> None:
        if not self._plugged:
            self.power_on()
        self._line = self._open()
        if not self._fresh and self.quirks.why_not("reset") is None:
            self.reset()
            wait_for_hello(self._line, self.patience_s(HELLO_PATIENCE_S))
        self._fresh = False

    def note_silence(self, error: IpfiError) -> None:
        """Note that nobody answered; it says nothing of the target if the line was spoilt."""
        if not self.faults.has_spoilt():
            self.health.silent(error)

    def figures(self) -> Figures:
        """Return what the wires of this test have counted."""
        total = Figures()
        for wire in self._test.wires if self._test else ():
            with contextlib.suppress(IpfiError):
                stats = wire.stats()
                total.frames_sent += stats.frames_sent
                total.frames_received += stats.frames_received
                total.retransmissions += stats.retransmissions
                total.bad_frames += stats.crc_errors + stats.rejected
                total.resets += stats.resets
                total.sessions += stats.sessions
        return total

    def end_test(self) -> None:
        """Close what the test opened, and plug in what it unplugged."""
        test, self._test = self._test, None
        if test is None:
            return
        test.faults.clear()
        for wire in test.wires:
            wire.abandon()
        for line in test.lines:
            line.close()
        self._leave_line()
        if not self._plugged:
            self._target.stop()

    def stop(self) -> None:
        """Switch off for good."""
        self.end_test()
        self._plugged = False
        self._target.stop()

    def _take_line(self) -> Transport:
        """Return the open port, or open it once more."""
        line, self._line = self._line, None
        return line if line is not None else self._open()

    def _leave_line(self) -> None:
        """Close the port if no wire of the test took it."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _open(self) -> Transport:
        """Open the port; one that has just come back may need a moment."""
        until_s = time.monotonic() + (OPEN_PATIENCE_S if self._may_be_late() else 0.0)
        while True:
            try:
                own = self._target if isinstance(self._target, OwnLine) else None
                line = own.open_line() if own is not None else open_transport(self.endpoint)
            except IpfiError:
                if time.monotonic() > until_s or not self._plugged:
                    raise
                time.sleep(0.05)
            else:
                self._slowness = slowness(line)
                return line

    def _may_be_late(self) -> bool:
        """Tell whether the port may be on its way: a real one is there, or not, until it moves."""
        moved = self.health.has_worked or "flash" in self.board.settings
        return moved or not isinstance(self._target, OnTheBench)

    def _mark(self, what: str) -> None:
        if self._test is not None:
            self._test.trace.mark(what)

    def _now(self) -> _OneTest:
        if self._test is None:
            raise TargetError(f"target {self.name}: no test runs")
        return self._test


def wait_for_hello(line: Transport, patience_s: float) -> bool:
    """Read until a board says that it has started; whoever connects then meets no reset.

    A reset takes effect some time after it was asked for.  What came before is dropped.

    Args:
        line: to the board.
        patience_s: how long to wait; a firmware that says nothing is left to its test.
    """
    frames = FrameDecoder(_HELLO_CONTENT)
    until_s = time.monotonic() + patience_s
    while (left_s := until_s - time.monotonic()) > 0:
        for verdict in frames.receive(line.read(left_s)):
            if isinstance(verdict, bytes) and verdict[0] == FrameType.HELLO:
                return True
    return False
