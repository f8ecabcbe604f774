"""``ipfi demo``: the whole library on a bad line, as a short story.

Starts the simulated board, loses frames in both directions, calls and is called, and tells what was
asked, what came back and how often something had to be sent again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

from ipfi_serial import Connection, Interface, IpfiError, connect
from ipfi_serial.cli.failures import CannotConnectError, ExitCode, UsageError
from ipfi_serial.cli.numbers import probability, whole_number
from ipfi_serial.cli.options import Arguments
from ipfi_serial.cli.screen import Screen
from ipfi_serial.cli.story import GREET, STEPS, Step, Tally, Told
from ipfi_serial.transport import ImpairedTransport, LineFaults, open_transport

SUMMARY: Final = "call the simulated board over a line that loses frames"
CONNECT_TIMEOUT_S: Final = 15.0  # a handshake on a line that loses half of everything
_ASKED_WIDTH: Final = 30
_ANSWERED_WIDTH: Final = 33
_NAMES: Final = {"c": "C", "python": "Python"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--board", choices=("c", "python"), default="", help="C if it can be built")
    parser.add_argument(
        "--seed", type=whole_number, default=1, metavar="N", help="of the losses (1)"
    )
    parser.add_argument(
        "--loss", type=probability, default=0.2, metavar="P", help="of a frame, each way (0.2)"
    )
    parser.add_argument(
        "--morse", action="store_true", help="call the Python board over a Morse line instead"
    )
    parser.add_argument(
        "--wav", type=Path, metavar="OUT", help="with --morse: write what is keyed as sound"
    )


def run(options: Arguments, screen: Screen) -> int:
    """Tell the story; fails if anything was lost."""
    if options.morse:
        from ipfi_serial.cli import demo_morse  # who does not ask for it loads none of it

        return demo_morse.run(options, screen)
    if options.wav is not None:
        raise UsageError("--wav is for what is keyed: --morse --wav OUT")
    started_s = time.monotonic()
    tally = Tally()
    try:
        inner = open_transport(f"sim:{options.board}")
        board = inner.endpoint.removeprefix("sim:")
        _open_story(screen, board, options)
        faults = LineFaults(frame_loss=options.loss, seed=options.seed)
        line = ImpairedTransport(inner, faults)
        wire = connect(line, _host(tally), connect_timeout_s=CONNECT_TIMEOUT_S)
    except IpfiError as error:
        raise CannotConnectError(error) from error
    with wire:
        _row(screen, "connect", f"a session in {time.monotonic() - started_s:.1f} s", 0)
        for step in STEPS:
            before = wire.stats().retransmissions
            told = _run_step(step, wire, tally)
            _row(screen, told.asked, told.answered, wire.stats().retransmissions - before, told.ok)
        stats = wire.stats()
    seconds = round(time.monotonic() - started_s, 3)
    counts = (line.outgoing.counts, line.incoming.counts)
    frames, frames_lost = sum(c.frames for c in counts), sum(c.frames_lost for c in counts)
    _close_story(screen, tally, (frames, frames_lost, stats.retransmissions), seconds)
    screen.object(
        {
            "board": board,
            "calls": tally.calls,
            "stream_items": tally.stream_items,
            "events": tally.events,
            "callbacks": tally.callbacks,
            "retransmissions": stats.retransmissions,
            "crc_errors": stats.crc_errors,
            "lost": tally.lost,
            "seconds": seconds,
            "ok": tally.lost == 0,
            "frames": frames,
            "frames_lost": frames_lost,
            "seed": options.seed,
        }
    )
    return ExitCode.OK if tally.lost == 0 else ExitCode.FAILED


def _host(tally: Tally) -> Interface:
    """Return what this end serves: the procedure that the board calls back."""
    interface = Interface()

    @interface.procedure(GREET)
    def greet(name: str) -> str:
        """Greet somebody."""
        tally.callbacks += 1
        return f"hello, {name}"

    return interface


def _run_step(step: Step, wire: Connection, tally: Tally) -> Told:
    """Run one step; an error in it is part of the story, and a loss."""
    try:
        told = step(wire, tally)
    except IpfiError as error:
        told = Told(step.__name__.replace("_", " "), f"{type(error).__name__}: {error}", ok=False)
    tally.lost += 0 if told.ok else max(1, told.missing)
    return told


def _open_story(screen: Screen, board: str, options: Arguments) -> None:
    frames = f"{options.loss:.0%} of all frames are lost, each way"
    if options.loss == 0.2:
        frames = "one frame in five is lost, each way"
    title = f"The {_NAMES[board]} board on a bad line: {frames} (seed {options.seed})"
    screen.line(screen.styled(title, "bold"))
    screen.line()


def _row(screen: Screen, asked: str, answered: str, again: int, ok: bool = True) -> None:
    mark = screen.styled("+", "green") if ok else screen.styled("!", "red")
    repeats = screen.styled(f"{again} sent again", "yellow") if again else ""
    screen.line(f" {mark} {asked:<{_ASKED_WIDTH}} {answered:<{_ANSWERED_WIDTH}} {repeats}".rstrip())


def _close_story(
    screen: Screen, tally: Tally, frames: tuple[int, int, int], seconds: float
) -> None:
    total, lost, again = frames
    screen.line()
    screen.line(f"The line lost {lost} of {total} frames; this end sent {again} of its own again.")
    summary = (
        f"{tally.calls} calls, {tally.stream_items} values of a stream, {tally.events} events, "
        f"{tally.callbacks} callbacks in {seconds:.1f} s"
    )
    if tally.lost:
        screen.line(screen.styled(f"{tally.lost} lost: {summary}.", "red"))
    else:
        screen.line(screen.styled(f"Nothing was lost: {summary}.", "green"))
