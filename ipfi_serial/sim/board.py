"""The Python board: serves the simulated board's procedures on any line, and really reboots.

Runs on threads of its own, so a host in either shell, in this process or in another, can use it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.setup import build_wire
from ipfi_serial.sim.line import BoardLine, BootTransport
from ipfi_serial.sim.procedures import Procedures, board_interface
from ipfi_serial.sim.timers import Timers
from ipfi_serial.sync.connection import Connection
from ipfi_serial.sync.waits import wait_interruptibly
from ipfi_serial.transport.base import Transport

BOARD_CONFIG: Final = WireConfig(  # the limits of the C board
    max_calls=32,
    max_partial_calls=32,
    max_message_bytes=8192,
    stream_buffer_bytes=4096,
    call_timeout_s=30.0,  # of a callback; longer on a slow line
)
PROGRAM_START: Final = 6  # boot causes of docs/protocol.md 3.2
RESET_PIN: Final = 2
SOFTWARE_RESET: Final = 4
REBOOT_PATIENCE_S: Final = 0.5  # how long a reboot waits for its answer to be acknowledged


class Board:
    """A board on a line; it serves until it is closed or the line is gone.

    A host may leave and another one come.  After ``reboot`` the board remembers nothing: the old
    session ends without a goodbye, as after a reset, and the board says HELLO anew.

    Attributes:
        reboots: how often it has restarted.
    """

    def __init__(self, line: Transport, config: WireConfig = BOARD_CONFIG) -> None:
        """Switch the board on.

        Args:
            line: its UART, which the board then owns.
            config: its limits.
        """
        self.reboots = 0
        self._line = BoardLine(line)
        self._config = config
        self._lock = threading.Lock()
        self._off = threading.Event()
        with self._lock:  # a boot serves, and may be told to reboot, before it is ours
            self._boot = _Boot(self, self._line, config, PROGRAM_START)

    @property
    def connection(self) -> Connection:
        """The board's own end of the wire, since the last reboot."""
        return self._boot.connection

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the board is off; return whether it is."""
        return wait_interruptibly(self._off.wait, timeout_s)

    def close(self) -> None:
        """Switch the board off, without a goodbye.  Idempotent."""
        with self._lock:
            if self._off.is_set():
                return
            self._off.set()
            self._boot.end()
            self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def reset(self) -> None:
        """Pull its reset pin: what was under way is gone, and the board says HELLO anew."""
        self._boot_anew(self._boot, RESET_PIN)

    def restart(self, boot: _Boot) -> None:
        """End a boot and begin the next, unless that has happened already."""
        with self._lock:  # until the boot that asks is whole
            if boot is not self._boot:
                return
        boot.flush(REBOOT_PATIENCE_S)
        self._boot_anew(boot, SOFTWARE_RESET)

    def _boot_anew(self, boot: _Boot, cause: int) -> None:
        with self._lock:
            if self._off.is_set() or boot is not self._boot:
                return
            boot.end()
            self.reboots += 1
            self._boot = _Boot(self, self._line, self._config, cause)


class _Boot:
    """The board from one start to the next."""

    def __init__(self, board: Board, line: BoardLine, config: WireConfig, cause: int) -> None:
        self._board = board
        self._ended = False
        self._transport = BootTransport(line)
        self._timers = Timers()
        procedures = Procedures(self._timers, self._reboot, line.print)
        interface = board_interface(procedures)
        wire = build_wire(
            interface,
            config,
            framed=True,
            role="device",
            bytes_per_s=self._transport.bytes_per_s,
            random_u32=lambda: secrets.randbits(32),
            boot_cause=cause,
        )
        self.connection = Connection(self._transport, wire, interface, config)
        self.connection.on_close(self._switch_off)

    def flush(self, timeout_s: float) -> None:
        """Wait until what was answered has arrived."""
        self.connection.flush(timeout_s)

    def end(self) -> None:
        """Stop at once, as at a reset: what was under way is gone, and nobody is told."""
        self._ended = True
        self._timers.close()
        self._transport.cut_power()
        self.connection.abandon()

    def _reboot(self) -> None:
        _in_background(lambda: self._board.restart(self))

    def _switch_off(self) -> None:
        """Close the board, since its line is gone."""
        if not self._ended:
            _in_background(self._board.close)


def _in_background(job: Callable[[], None]) -> None:
    threading.Thread(target=job, name="ipfi board", daemon=True).start()
