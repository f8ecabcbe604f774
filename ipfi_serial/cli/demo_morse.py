"""``ipfi demo --morse``: the Python board at the other end of a Morse line, as a short story.

Calls it and is called back at 1,200 words a minute, and can write the conversation as sound, slowed
down to what an ear follows.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ipfi_serial import Connection, Interface, IpfiError, connect
from ipfi_serial.cli.failures import CannotConnectError, ExitCode
from ipfi_serial.cli.morse_files import check_place
from ipfi_serial.cli.morse_sound import conversation_of, numpy, write_wav
from ipfi_serial.cli.options import Arguments
from ipfi_serial.cli.screen import Screen
from ipfi_serial.cli.story import GREET
from ipfi_serial.morse.alphabet import UNIT_WPM_S
from ipfi_serial.sim.board import Board
from ipfi_serial.transport import open_transport
from ipfi_serial.transport.morse import MorseTransport

WPM: Final = 1200.0
HEARD_WPM: Final = 60.0  # of the sound: a message of 30 bytes lasts a quarter of a minute
_ADD, _REVERSE, _CALLBACK = 1, 4, 8  # by index: names would be asked for, a kilobyte of Morse
_ASKED_WIDTH: Final = 30


def run(options: Arguments, screen: Screen) -> int:
    """Tell the story; fails if an answer is wrong."""
    if options.wav is not None:
        numpy()
        check_place(options.wav)
    name = f"demo-{secrets.token_hex(6)}"
    started_s = time.monotonic()
    try:
        lines = [open_morse_end(name, options.seed + k) for k in range(2)]
    except IpfiError as error:
        raise CannotConnectError(error) from error
    host, boards = lines
    screen.line(screen.styled(f"The Python board by Morse, {WPM:,.0f} words a minute", "bold"))
    screen.line()
    lost = 0
    with Board(boards) as _board, connect(host, _interface()) as wire:
        _row(screen, "connect", f"a session in {time.monotonic() - started_s:.1f} s")
        for asked, expected, ask in _STEPS:
            began_s = time.monotonic()
            answer = ask(wire)
            lost += answer != expected
            took_s = time.monotonic() - began_s
            _row(screen, asked, f"{answer!r} in {took_s:.1f} s", answer == expected)
        stats = wire.stats()
    seconds = round(time.monotonic() - started_s, 3)
    state = host.describe()
    screen.line()
    frames = f"{stats.frames_sent} frames there, {stats.frames_received} back"
    screen.line(f"{frames}. The line: {state}")
    if options.wav is not None:
        _write(options.wav, host, boards)
        screen.line(f"{options.wav}: what was keyed, {WPM / HEARD_WPM:.0f} times as slow")
    screen.object(
        {
            "board": "python",
            "line": state,
            "frames": stats.frames_sent,
            "lost": lost,
            "seconds": seconds,
            "ok": lost == 0,
            "seed": options.seed,
        }
    )
    return ExitCode.OK if not lost else ExitCode.FAILED


def open_morse_end(name: str, seed: int) -> MorseTransport:
    """Open one end of a simulated line that remembers what it keys."""
    line = open_transport(f"morse:sim:{name}?wpm={WPM:.0f}&seed={max(0, seed)}")
    assert isinstance(line, MorseTransport)  # noqa: S101 the endpoint says so
    line.source.record()
    return line


def _interface() -> Interface:
    """Return what this end serves: the procedure that the board calls back."""
    interface = Interface()

    @interface.procedure(GREET)
    def greet(name: str) -> str:
        """Greet somebody."""
        return f"hello, {name}"

    return interface


def _row(screen: Screen, asked: str, answered: str, ok: bool = True) -> None:
    mark = screen.styled("+", "green") if ok else screen.styled("!", "red")
    screen.line(f" {mark} {asked:<{_ASKED_WIDTH}} {answered}")


def _write(path: Path, host: MorseTransport, board: MorseTransport) -> None:
    """Write what both ends keyed; the board's tone is higher."""
    slower = WPM / HEARD_WPM
    first_s = min(end.source.recorded[0] for end in (host, board))
    ends = [[(t - first_s) * slower for t in end.source.recorded] for end in (host, board)]
    write_wav(path, conversation_of(ends, UNIT_WPM_S / HEARD_WPM))


def _add(wire: Connection) -> object:
    return wire.call(_ADD, 40, 2)


def _reverse(wire: Connection) -> object:
    return wire.call(_REVERSE, b"stressed", raw=True)


def _call_back(wire: Connection) -> object:
    return wire.call(_CALLBACK, GREET, "board")


_STEPS: Final[tuple[tuple[str, object, Callable[[Connection], object]], ...]] = (
    ("add(40, 2)", 42, _add),
    ('reverse(b"stressed"), raw', b"desserts", _reverse),
    (f'callback({GREET}, "board")', "hello, board", _call_back),
)
