"""``ipfi soak``: calls a board at random for a while, checks every answer, and gives a verdict."""

from __future__ import annotations

import argparse
import contextlib
import random
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ipfi_serial import Connection, Interface
from ipfi_serial.cli.failures import ExitCode, UsageError
from ipfi_serial.cli.numbers import minutes, positive_int, whole_number
from ipfi_serial.cli.options import (
    Arguments,
    add_wire,
    open_wire,
    parse_arguments,
    procedure_of,
)
from ipfi_serial.cli.screen import Screen
from ipfi_serial.cli.soak_work import Soaker, Tally
from ipfi_serial.codec.names import Value

SUMMARY: Final = "call a board at random for a while and check every answer"
REDRAWN_S: Final = 1.0
JOIN_S: Final = 60.0  # for calls under way at the end: a deadline on a slow line


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_wire(parser)
    parser.add_argument(
        "--minutes", type=minutes, default=1.0, metavar="N", help="how long (1); Ctrl-C ends it"
    )
    parser.add_argument("--seed", type=whole_number, metavar="S", help="of what is asked (random)")
    parser.add_argument(
        "--threads", type=positive_int, default=4, metavar="K", help="callers at once (4)"
    )
    parser.add_argument(
        "--call",
        action="append",
        default=[],
        metavar="'NAME ARG...'",
        help="call this, and nothing else; may be given several times",
    )


def run(options: Arguments, screen: Screen) -> int:
    """Soak until the time is over, the wire has closed, or Ctrl-C."""
    seed = random.randrange(1 << 31) if options.seed is None else options.seed  # noqa: S311
    calls = [_call(text) for text in options.call]
    interface, tally = Interface(), Tally()
    soaker = Soaker(interface, tally)
    with open_wire(options, interface) as wire:
        soaker.prepare(wire, calls)
        if not (soaker.knows_board or calls):
            screen.note(
                "ipfi: not the demonstration's procedures: only the description is asked for; "
                "--call 'NAME ARG...' names what else may be called"
            )
        figures = Figures(wire, tally, seed, time.monotonic())
        _soak(soaker, options, seed, lambda: _show(screen, figures))
        soaker.finish()
        verdict = figures.as_object(final=True)
    screen.clear_status()
    screen.object(verdict)
    _tell(screen, verdict)
    return ExitCode.OK if verdict["ok"] else ExitCode.FAILED


def _call(text: str) -> tuple[str | int, Sequence[Value]]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--call {text!r}: {error}") from error
    if not words:
        raise UsageError("--call needs a procedure: --call 'add 1 2'")
    return procedure_of(words[0]), parse_arguments(words[1:], raw=False)


def _soak(soaker: Soaker, options: Arguments, seed: int, show: Callable[[], None]) -> None:
    """Let the callers work until the time is over."""
    stopped = threading.Event()
    threads = [
        threading.Thread(target=soaker.run, args=(seed + number, stopped), daemon=True)
        for number in range(options.threads)
    ]
    until_s = time.monotonic() + options.minutes * 60
    for thread in threads:
        thread.start()
    with contextlib.suppress(KeyboardInterrupt):  # the verdict so far
        while (left_s := until_s - time.monotonic()) > 0 and not soaker.wire.closed:
            stopped.wait(min(REDRAWN_S, left_s))
            show()
    stopped.set()
    join_until_s = time.monotonic() + JOIN_S
    for thread in threads:
        thread.join(max(0.0, join_until_s - time.monotonic()))
        if thread.is_alive():
            with soaker.tally.lock:
                soaker.tally.wrong += 1
                soaker.tally.note(f"a call has not ended within {JOIN_S:.0f} s")


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of a run while it goes on, and at its end."""

    wire: Connection
    tally: Tally
    seed: int
    began_s: float

    def as_object(self, *, final: bool) -> dict[str, Any]:
        """Return the figures so far; with a verdict if they are the last ones."""
        stats, tally = self.wire.stats(), self.tally
        p50_s, p99_s = tally.percentile_s(50), tally.percentile_s(99)
        found: dict[str, Any] = {
            "seconds": round(time.monotonic() - self.began_s, 3),
            "calls": tally.calls,
            "stream_values": tally.stream_values,
            "events": tally.events,
            "callbacks": tally.callbacks,
            "wrong": tally.wrong,
            "errors": tally.errors,
            "resets": stats.resets,
            "cut_off": tally.cut_off,
            "retransmissions": stats.retransmissions,
            "crc_errors": stats.crc_errors,
            "rtt_p50_ms": None if p50_s is None else round(p50_s * 1000, 3),
            "rtt_p99_ms": None if p99_s is None else round(p99_s * 1000, 3),
            "bytes": stats.bytes_sent + stats.bytes_received,
        }
        if final:
            bad = tally.wrong + tally.errors + tally.cut_off + stats.resets
            found["seed"] = self.seed
            found["first"] = tally.first or None
            found["closed"] = self.wire.closed
            found["ok"] = not bad and not self.wire.closed and tally.calls > 0
        return found


def _show(screen: Screen, figures: Figures) -> None:
    now = figures.as_object(final=False)
    screen.object(now)
    rate = now["calls"] / max(now["seconds"], 1e-3)
    screen.status(
        f"{now['seconds']:6.0f} s  {now['calls']} calls ({rate:.0f}/s)  {now['wrong']} wrong  "
        f"{now['errors']} errors  {now['resets']} resets  {now['retransmissions']} sent again  "
        f"{_round_trips(now)}  {now['bytes']:,} bytes"
    )


def _round_trips(figures: dict[str, Any], *, explained: bool = False) -> str:
    if figures["rtt_p50_ms"] is None:
        return "RTT unknown"
    meaning = " (half, 99 of 100)" if explained else ""
    return f"RTT {figures['rtt_p50_ms']:.1f}/{figures['rtt_p99_ms']:.1f} ms{meaning}"


def _tell(screen: Screen, verdict: dict[str, Any]) -> None:
    screen.line(
        f"{verdict['calls']} calls, {verdict['stream_values']} values of streams, "
        f"{verdict['events']} events, {verdict['callbacks']} callbacks in "
        f"{verdict['seconds']:.1f} s (seed {verdict['seed']})"
    )
    screen.line(
        f"{verdict['errors']} errors, {verdict['resets']} resets, {verdict['cut_off']} calls cut "
        f"off, {verdict['retransmissions']} sent again, {verdict['crc_errors']} CRC errors, "
        f"{_round_trips(verdict, explained=True)}, {verdict['bytes']:,} bytes"
    )
    if verdict["closed"]:
        screen.line(screen.styled("The connection has ended.", "red"))
    if verdict["first"]:
        screen.line(screen.styled(f"The first thing that was wrong: {verdict['first']}", "yellow"))
    if verdict["ok"]:
        screen.line(screen.styled("Nothing was wrong.", "green"))
    else:
        screen.line(screen.styled(f"Not as it should be: {_verdict(verdict)}.", "red"))


def _verdict(verdict: dict[str, Any]) -> str:
    """Return in words what was not as it should be."""
    names = {"wrong": "wrong answers", "errors": "errors", "resets": "resets",
             "cut_off": "calls cut off"}  # fmt: skip
    found = [f"{verdict[key]} {name}" for key, name in names.items() if verdict[key]]
    found += ["the connection has ended"] if verdict["closed"] else []
    return ", ".join(found) or "no call was made"
