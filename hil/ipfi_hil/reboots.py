"""Reboots a target again and again in the middle of a session's work; each must be seen as a reset.

``python -m ipfi_hil.reboots --ipfi-target qemu-microbit --times 200``
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ipfi_hil.bench import CONNECT_TIMEOUT_S
from ipfi_hil.histogram import percentile, shown_time
from ipfi_hil.target import Target, find_target
from ipfi_serial import Connection, WireConfig, connect
from ipfi_serial.errors import DeviceResetError, IpfiError

HANG_S: Final = 10.0  # a call that has neither an answer nor an error by then hangs
MOST_WRONG: Final = 6  # then it is given up: each may have cost the patience of a lost link
LONGEST_WAIT_S: Final = 0.05  # before a reboot: several round trips, and many of a fast target's


@dataclass(slots=True)
class Findings:
    """What was seen of the reboots.

    Attributes:
        seen_s: how long each took from the reset to the error of the work that was under way.
        served_s: how long from the reset to the first answer of the new session.
        under_way: what the session was doing, and how often.
        wrong: what should not have happened, in words.
    """

    seen_s: list[float] = field(default_factory=list)
    served_s: list[float] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def reboot_often(
    target: Target, endpoint: str, times: int, seed: int, progress: Callable[[str], None]
) -> Findings:
    """Reboot a running target ``times`` times at random moments of a session's work.

    Args:
        target: started.
        endpoint: where it is.
        times: how many reboots.
        seed: of the moments and of the work.
        progress: told now and then how far it is.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable
    found = Findings()
    patience_s = HANG_S * target.quirks.pace
    config = WireConfig(call_timeout_s=patience_s)
    limit_s = CONNECT_TIMEOUT_S * target.quirks.pace
    with connect(endpoint, config=config, connect_timeout_s=limit_s) as wire:
        for number in range(1, times + 1):
            work = chance.choice(list(_WORK))
            found.under_way[work] += 1
            try:
                _one(target, wire, work, chance.uniform(0, LONGEST_WAIT_S), found)
            except IpfiError as error:
                found.wrong.append(f"reboot {number} during {work}: {error!r}")
            if wire.closed or len(found.wrong) >= MOST_WRONG:
                found.wrong.append(f"given up after reboot {number}")
                return found
            if number % 50 == 0:
                progress(f"{number} of {times}")
        resets = wire.stats().resets
        if resets != times:
            found.wrong.append(f"{times} reboots, but {resets} resets were counted")
    return found


def _one(target: Target, wire: Connection, work: str, wait_s: float, found: Findings) -> None:
    """Begin some work, reboot in the middle of it, and see how it ends and what follows."""
    resets = wire.stats().resets
    worker = _Worker(wire, _WORK[work])
    time.sleep(wait_s)
    target.reset()
    reset_s = time.monotonic()
    ended = worker.wait(HANG_S * target.quirks.pace)
    if isinstance(ended, DeviceResetError):
        found.seen_s.append(worker.ended_s - reset_s)
    else:
        found.wrong.append(f"{work}: {ended!r} in place of a reset")
    answer = wire.call("add", 40, 2)
    found.served_s.append(time.monotonic() - reset_s)
    if answer != 42:
        found.wrong.append(f"add(40, 2) is {answer!r} after a reset")
    seen = wire.stats().resets - resets
    if seen != 1:
        found.wrong.append(f"one reboot during {work} was seen as {seen} resets")


class _Worker:
    """Does some work on a thread of its own, until an error ends it.

    Attributes:
        ended_s: when that was, of ``time.monotonic()``.
    """

    def __init__(self, wire: Connection, work: Callable[[Connection], None]) -> None:
        self.ended_s = 0.0
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(wire, work), daemon=True)
        self._thread.start()

    def _run(self, wire: Connection, work: Callable[[Connection], None]) -> None:
        try:
            work(wire)
        except IpfiError as error:
            self._error = error
        self.ended_s = time.monotonic()

    def wait(self, timeout_s: float) -> BaseException | str:
        """Return the error that ended the work, or what happened in its place."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return f"a hang of more than {timeout_s:.0f} s"
        return self._error if self._error is not None else "an end without an error"


def _stream(wire: Connection) -> None:
    """Read a stream that lasts."""
    with wire.stream("sequence", 2**32 - 1) as items:
        for _ in items:
            pass


def _sleep(wire: Connection) -> None:
    """Wait for an answer that does not come for long."""
    wire.call("sleep", 600_000, timeout_s=600.0)


def _calls(wire: Connection) -> None:
    """Call and call again; nearly always one is under way, and no error if just none was."""
    before = wire.stats().resets
    while wire.stats().resets == before:
        wire.call("add", 1, 2)
    raise DeviceResetError("between two calls")


_WORK: Final[dict[str, Callable[[Connection], None]]] = {
    "a stream": _stream,
    "a waiting call": _sleep,
    "calls": _calls,
}


def _report(target: str, times: int, seed: int, found: Findings) -> list[str]:
    """Return the figures, as lines."""
    lines = [f"{target}: {times} reboots (seed {seed}), during {_shown(found.under_way)}"]
    for name, values in (("seen as a reset", found.seen_s), ("served again", found.served_s)):
        if values:
            middle, worst = shown_time(percentile(values, 0.5)), shown_time(max(values))
            lines.append(f"  {name}: {len(values)}, after {middle} (median), {worst} (worst)")
    lines += [f"  WRONG: {each}" for each in found.wrong]
    return lines


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ipfi_hil.reboots", description=__doc__)
    parser.add_argument("--ipfi-target", required=True, action="append", metavar="NAME")
    parser.add_argument("--ipfi-board", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--ipfi-real-hardware", action="store_true")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run it; return 0 if each reboot of each target was seen as one reset, else 1."""
    options = _options(arguments)
    failed = False
    for name in options.ipfi_target:
        target = find_target(name, options.ipfi_board, real_hardware=options.ipfi_real_hardware)
        if (reason := target.why_unavailable() or target.quirks.why_not("reset")) is not None:
            _say(f"{name}: cannot be tried here: {reason}")
            failed = True
            continue
        try:
            endpoint = target.start()
            found = reboot_often(target, endpoint, options.times, options.seed, _say)
        except IpfiError as error:
            _say(f"{name}: {error}")
            failed = True
            continue
        finally:
            target.stop()
        for line in _report(name, options.times, options.seed, found):
            _say(line)
        failed |= bool(found.wrong)
    return int(failed)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
