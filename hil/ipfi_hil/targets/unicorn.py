"""The Cortex-M firmware inside this process: Unicorn executes it, on a clock that can be held.

Settings of the board file: ``product`` of the firmware's Makefile.  Where arm-none-eabi-gcc or make
is missing, ziglang builds the board of the LM3S6965.
"""

from __future__ import annotations

import contextlib
import queue
import random
import select
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ipfi_hil.board import Board
from ipfi_hil.target import Footprint, Target, TargetError, VirtualClock
from ipfi_hil.targets import elf, zig
from ipfi_hil.targets.bridge import Bridge
from ipfi_hil.targets.building import build_firmware
from ipfi_hil.targets.process import new_folder

if TYPE_CHECKING:
    from ipfi_hil.targets.cortex_m import CortexM
    from ipfi_hil.targets.lm3s6965 import Uart

CLOCK_HZ: Final = 12_500_000
STEP_CYCLES: Final = CLOCK_HZ // 1000  # how often the line is looked at
SLIP_S: Final = 0.1  # further behind the wall clock than this: the time is not made up for
BACKLOG_BYTES: Final = 4096
ANSWER_TIMEOUT_S: Final = 120.0


def make_target(board: Board) -> Target:
    """Return the target of a board file."""
    return UnicornTarget(board)


class Chip:
    """A chip with its UART, on one thread, without a clock of its own.

    Attributes:
        cpu: the processor.
        uart: its line.
    """

    def __init__(self, firmware: Path, seed: int | None = None) -> None:
        """Switch it on; imports Unicorn.

        Args:
            firmware: its ELF file.
            seed: of what its RAM holds after power-on; random if None.
        """
        from ipfi_hil.targets.cortex_m import RAM_BYTES, CortexM
        from ipfi_hil.targets.lm3s6965 import System, Uart

        noise = random.Random(seed).randbytes(RAM_BYTES)  # noqa: S311 - nobody's secret
        self.uart: Uart = Uart()
        self.cpu: CortexM = CortexM(elf.load_segments(firmware), [self.uart, System()], noise)

    @property
    def now_s(self) -> float:
        """Seconds since it was switched on."""
        return self.cpu.cycle / CLOCK_HZ

    def advance(self, seconds: float) -> None:
        """Let time pass, as fast as it can be computed."""
        self.cpu.run(self.cpu.cycle + round(seconds * CLOCK_HZ))


class UnicornTarget:
    """See :class:`ipfi_hil.target.Target`."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.quirks = board.quirks
        self.clock: VirtualClock | None = None
        self._board = board
        self._folder: Path | None = None
        self._bridge: Bridge | None = None
        self._runner: Runner | None = None
        self._log = ""

    def why_unavailable(self) -> str | None:
        """Return which tools are missing, or None."""
        why = self._board.why_unavailable()
        return zig.WHY_NOT if why is None and zig.is_needed() and not zig.is_there() else why

    def start(self) -> str:
        """Build the firmware and switch the chip on."""
        self.stop()
        firmware = self._firmware()
        self._folder = new_folder()
        ours, theirs = socket.socketpair()
        self._runner = Runner(Chip(firmware), theirs)
        self.clock = self._runner
        self._bridge = Bridge(ours, self._folder / "port", f"&bps={115200 // 10}")
        return self._bridge.endpoint

    def reset(self) -> None:
        """Press the reset button: processor and peripherals start anew, the RAM stays."""
        runner = self._running()
        runner.do(runner.chip.cpu.reset)

    def unplug(self) -> None:
        """Pull the cable; the chip runs on."""
        self._running()
        assert self._bridge is not None  # noqa: S101 - for the type checker: it runs
        self._bridge.unplug()

    def replug(self) -> str:
        """Put the cable back."""
        self._running()
        assert self._bridge is not None  # noqa: S101 - for the type checker: it runs
        self._bridge.replug()
        return self._bridge.endpoint

    def stop(self) -> None:
        """Switch off."""
        runner, self._runner = self._runner, None
        bridge, self._bridge = self._bridge, None
        folder, self._folder = self._folder, None
        self.clock = None
        if runner is not None:
            runner.stop()
            self._log = runner.log
        if bridge is not None:
            bridge.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def log(self) -> str:
        """Return how the chip failed, if it did."""
        return self._log if self._runner is None else self._runner.log

    def footprint(self) -> Footprint | None:
        """Return the sizes that are in the firmware's file."""
        return elf.footprint(self._firmware())

    def _firmware(self) -> Path:
        if zig.is_needed():
            return zig.build()
        return build_firmware(self._board.setting("product", str))

    def _running(self) -> Runner:
        if self._runner is None:
            raise TargetError(f"{self.name} is switched off; call start()")
        if self._runner.log:
            raise TargetError(f"{self.name}: {self._runner.log}")
        return self._runner


class Runner:
    """A thread that lets a chip's time follow the wall clock; its clock for tests, too.

    Attributes:
        chip: what runs; only the thread uses it.
        log: why the chip has stopped, or nothing.
    """

    def __init__(self, chip: Chip, line: socket.socket) -> None:
        """Start the thread.

        Args:
            chip: what is to run.
            line: where its UART leads; owned from now on.
        """
        self.chip = chip
        self.log = ""
        self._line = line
        self._line.setblocking(False)
        self._unsent = bytearray()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = (
            queue.SimpleQueue()
        )
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._held = False
        self._stopping = False
        self._start_s = time.monotonic()  # when the chip's time was zero
        self._thread = threading.Thread(target=self._run, name="ipfi unicorn", daemon=True)
        self._thread.start()

    @property
    def now_s(self) -> float:
        """Seconds since the chip was switched on."""
        return self.chip.now_s

    def hold(self) -> None:
        """Stop the chip's time.  Idempotent."""
        self.do(lambda: self._hold(True))

    def release(self) -> None:
        """Let it follow the wall clock.  Idempotent."""
        if not self._stopping:
            self.do(lambda: self._hold(False))

    def advance(self, seconds: float) -> None:
        """While held: let so much time pass as fast as it can be computed."""
        if not self._held:
            raise TargetError("the clock runs by itself; hold() it before advance()")
        self.do(lambda: self._advance(seconds))

    def do(self, job: Callable[[], None]) -> None:
        """Let the thread do something with the chip, and wait for it."""
        done = threading.Event()
        self._jobs.put((job, done))
        with contextlib.suppress(OSError):
            self._waker.send(b"!")
        if not done.wait(ANSWER_TIMEOUT_S):
            raise TargetError(f"the chip does not answer within {ANSWER_TIMEOUT_S:.0f} s")

    def stop(self) -> None:
        """End the thread.  Idempotent."""
        if not self._stopping:
            self.do(self._stop)
        self._thread.join()

    # ---- the thread ----

    def _run(self) -> None:
        while not self._stopping:
            ahead_s = self.now_s - (time.monotonic() - self._start_s)
            if ahead_s < -SLIP_S:
                self._hold(self._held)  # begin to count from here
                ahead_s = 0.0
            idle = self._held or bool(self.log)
            self._look(None if idle else max(0.0, ahead_s))
            if not idle and not self._held and ahead_s <= 0:  # it may just have been held
                self._step(self.chip.cpu.cycle + STEP_CYCLES)
        for line in (self._line, self._waker, self._woken):
            line.close()

    def _look(self, timeout_s: float | None) -> None:
        """Do what was asked for and move bytes, or wait for either."""
        wanted = [self._woken]
        if self.chip.uart.backlog < BACKLOG_BYTES:
            wanted.append(self._line)
        readable, _, _ = select.select(wanted, [], [], timeout_s)
        if self._line in readable:
            self._read_line()
            if self._line.fileno() < 0:
                return
        if self._woken in readable:
            self._woken.recv(64)
        while not self._jobs.empty():
            job, done = self._jobs.get()
            job()
            done.set()

    def _read_line(self) -> None:
        with contextlib.suppress(OSError):
            self.chip.uart.give(self._line.recv(BACKLOG_BYTES))

    def _step(self, until: int) -> None:
        try:
            self.chip.cpu.run(until)
        except TargetError as error:
            self.log = str(error)
        self._unsent += self.chip.uart.take()
        with contextlib.suppress(OSError):
            del self._unsent[: self._line.send(self._unsent)]

    def _advance(self, seconds: float) -> None:
        """In steps, so that the host's answers arrive in between."""
        until = self.chip.cpu.cycle + round(seconds * CLOCK_HZ)
        while self.chip.cpu.cycle < until and not self.log:
            if select.select([self._line], [], [], 0)[0]:
                self._read_line()
            self._step(min(until, self.chip.cpu.cycle + STEP_CYCLES))

    def _hold(self, held: bool) -> None:
        self._held = held
        self._start_s = time.monotonic() - self.now_s

    def _stop(self) -> None:
        self._stopping = True
