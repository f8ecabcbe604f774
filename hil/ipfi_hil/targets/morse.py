"""The board in Python behind a Morse line of a few dozen bytes a second, in virtual time.

Both ends are what ``morse:`` endpoints are made of, threads included; only pins and clock are
simulated.  docs/hil.md, "Targets".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ipfi_hil.board import Board
from ipfi_hil.diary import Diary
from ipfi_hil.target import Footprint, TargetError, VirtualClock
from ipfi_hil.targets.morse_line import LinePins, MorseLine, Quality
from ipfi_hil.virtual_time import VirtualTime
from ipfi_serial.errors import PortNotFoundError, TransportError
from ipfi_serial.morse.alphabet import alphabet_named
from ipfi_serial.morse.modem import ModemSettings
from ipfi_serial.sim.board import BOARD_CONFIG as USUAL_CONFIG
from ipfi_serial.sim.board import Board as PythonBoard
from ipfi_serial.transport.faults import LineFaults
from ipfi_serial.transport.morse import MorseTransport
from ipfi_serial.transport.morse_endpoint import parse_morse

HOST, BOARD = 0, 1
SEED: Final = 1
BOARD_CONFIG: Final = replace(  # at 38 bytes a second nobody wants more
    USUAL_CONFIG, max_calls=4, max_partial_calls=4, max_message_bytes=512, stream_buffer_bytes=512
)
UNPLUGGED: Final = "the Morse line was unplugged"


def make_target(board: Board) -> MorseTarget:
    """Return the target of a board file."""
    return MorseTarget(board)


class MorseTarget:
    """See :class:`ipfi_hil.target.Target`.

    Settings of the board file: ``options``, those of a Morse endpoint; ``clock``, how much longer a
    unit of the board lasts than ours; ``jitter`` of every edge, in units.
    """

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.quirks = board.quirks
        self.clock: VirtualClock | None = None  # ours and the board's are one
        options = board.setting("options", str)
        self._endpoint = f"morse:sim:{board.name}?{options}"
        self._settings = _settings_of(self._endpoint)
        self._clock: float = board.setting("clock", (int, float), 1.0)
        self._jitter: float = board.setting("jitter", (int, float), 0.0)
        self._diary = Diary()
        self._time: VirtualTime | None = None
        self._line: MorseLine | None = None
        self._board: PythonBoard | None = None
        self._end: MorseTransport  # the board's, once it was switched on
        self._plug: LinePins | None = None  # our end, while somebody has it open
        self._is_plugged = False

    def why_unavailable(self) -> str | None:
        """It needs nothing but this package."""
        return None

    def start(self) -> str:
        """Open virtual time, and switch the board on.

        Raises:
            TargetError: virtual time is open already, for another target.
        """
        self.stop()
        self._diary = Diary()
        try:
            self._time = VirtualTime()
            self._time.open()
            self._switch_on()
            return self.replug()
        except BaseException:
            self.stop()
            raise

    def _switch_on(self) -> None:
        settings = self._settings
        self._line = MorseLine(settings.unit_s, is_shared=settings.shared, seed=SEED)
        self.disturb(LineFaults(), LineFaults())
        theirs = ModemSettings(
            settings.wpm / self._clock, settings.alphabet, settings.shared, settings.seed + 1
        )
        pins = LinePins(self._line, BOARD)
        self._end = MorseTransport(theirs, pins, f"{self._endpoint} (board)")
        try:
            self._board = PythonBoard(self._end, BOARD_CONFIG)
        except BaseException:
            self._end.close()
            raise

    def open_line(self) -> MorseTransport:
        """Open our end.

        Raises:
            PortNotFoundError: it is unplugged.
        """
        line, _ = self._running()
        if not self._is_plugged:
            raise PortNotFoundError(f"{self._endpoint}: {UNPLUGGED}")
        if self._plug is not None:  # its goodbye takes longer than close() waits for it
            self._plug.break_off(f"{self._endpoint} was opened anew")
        self._plug = LinePins(line, HOST)
        return MorseTransport(self._settings, self._plug, self._endpoint)

    def disturb(self, outgoing: LineFaults, incoming: LineFaults) -> None:
        """Let glitches damage so many bytes."""
        line, units = self._line, alphabet_named(self._settings.alphabet).units_per_byte
        if line is not None:
            line.quality = [
                Quality(self._jitter, faults.byte_faults / units) for faults in (outgoing, incoming)
            ]

    def reset(self) -> None:
        """Pull the board's reset pin."""
        self._running()[1].reset()
        self._diary.note("reset pin")

    def unplug(self) -> None:
        """Let our pins vanish; the board runs on."""
        self._running()
        self._is_plugged = False
        if self._plug is not None:
            self._plug.break_off(UNPLUGGED)
        self._diary.note("unplugged")

    def replug(self) -> str:
        """Bring our pins back."""
        self._running()
        self._is_plugged = True
        self._diary.note(f"on, at {self._endpoint}")
        return self._endpoint

    def stop(self) -> None:
        """Switch the board off, and go back to real time, whatever fails."""
        board, self._board = self._board, None
        virtual, self._time = self._time, None
        line, self._line = self._line, None
        try:
            if board is not None:
                board.close()
                self._diary.note("switched off")
            if line is not None and virtual is not None:
                figures = f"{line.edges} edges, {line.glitches} glitches"
                self._diary.note(f"{figures}, clock {virtual.now_s:.1f}")
        finally:
            if virtual is not None:
                virtual.close()

    def log(self) -> str:
        """See :meth:`ipfi_hil.target.Target.log`."""
        return self._diary.text()

    def footprint(self) -> Footprint | None:
        """A Python program has none worth showing."""
        return None

    def _running(self) -> tuple[MorseLine, PythonBoard]:
        if self._line is None or self._board is None:
            raise TargetError(f"target {self.name} is switched off; call start()")
        if self._board.wait(0.0):
            raise TargetError(f"target {self.name}: the board has left its line: {self._end_lost}")
        return self._line, self._board

    @property
    def _end_lost(self) -> str:
        """Why the board's end of the line is gone."""
        try:
            self._end.write(b"")
        except TransportError as error:
            return str(error)
        return "its program closed it"


def _settings_of(endpoint: str) -> ModemSettings:
    path, _, options = endpoint.removeprefix("morse:").partition("?")
    pairs = dict(option.partition("=")[::2] for option in options.split("&") if option)
    return parse_morse(endpoint, path, pairs).settings
