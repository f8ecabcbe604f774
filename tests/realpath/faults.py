"""The faults: each function does one of them many times, and compares words and deeds."""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ipfi_serial.errors import IpfiError
from ipfi_serial.transport import LineFaults
from tests.realpath.hosts import (
    MARK,
    REBOOT,
    SWALLOW,
    AioHost,
    Host,
    SyncHost,
    descriptors,
)
from tests.realpath.plug import Plug, build_witness

SETTLE_S: Final = 20.0  # until threads that have nothing to do are gone (workers: 5 s)
AGAIN_S: Final = 30.0  # until a session stands again
BAD_LINE: Final = LineFaults(frame_loss=0.02, byte_flip=0.0003, byte_drop=0.0002)


@dataclass
class Report:
    """What was done, and what was wrong.

    Attributes:
        name: of the fault and the shell.
        repeats: how often it was done.
        calls: made meanwhile.
        errors: with which calls ended.
        slowest_s: until the last caller heard of a fault.
        wrong: broken promises.
    """

    name: str
    repeats: int = 0
    calls: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The report on one line."""
        errors = ", ".join(f"{count} {name}" for name, count in sorted(self.errors.items()))
        verdict = f"{len(self.wrong)} WRONG: {self.wrong[:3]}" if self.wrong else "all true"
        return (
            f"{self.name}: {self.repeats} times, {self.calls} calls ({errors or 'no errors'}), "
            f"told within {self.slowest_s * 1000:.0f} ms: {verdict}"
        )

    def settle(self, host: Host, plug: Plug) -> None:
        """Compare what the callers heard with what the board did."""
        self.wrong += host.ledger.lies(plug.executions())
        self.errors += host.ledger.errors()
        self.calls += len(host.ledger.begun)

    def wait_for_nothing(self, host: Host, before: int) -> None:
        """Wait until threads, tasks, calls and descriptors are gone."""
        until_s = time.monotonic() + SETTLE_S
        while host.left() or descriptors() > before:
            if time.monotonic() > until_s:
                self.wrong.append(f"left: {host.left()}, {descriptors() - before} descriptors")
                return
            time.sleep(0.005)


@contextlib.contextmanager
def new_host(kind: str) -> Iterator[Host]:
    """Make a host of one shell, "sync" or "aio"."""
    if kind == "sync":
        yield SyncHost()
        return
    host = AioHost()
    try:
        yield host
    finally:
        host.end()


@contextlib.contextmanager
def program() -> Iterator[Path]:
    """Build the board."""
    with tempfile.TemporaryDirectory() as place:
        yield build_witness(Path(place))


# --- a new connection for every fault ---


def unplug(board: Path, shell: str, repeats: int, seed: int) -> Report:
    """Pull the cable at a random moment, also in the handshake's first milliseconds."""
    report = Report(f"unplug, {shell}")
    chance = random.Random(seed)  # noqa: S311 - a test wants it repeatable
    for number in range(repeats):
        with new_host(shell) as host:
            before = descriptors()
            plug = Plug(board, seed + number)
            try:
                plug.start()
                host.open(plug.path, _faults(seed + number))
                host.begin(seed + number)
                time.sleep(chance.random() ** 2 * 0.08)
                pulled_s = time.monotonic()
                plug.unplug()
                host.join()
                report.slowest_s = max(report.slowest_s, host.ended_s - pulled_s)
                if not host.closed:
                    report.wrong.append("the wire is open without a line")
                host.close()
                report.settle(host, plug)
            finally:
                plug.close()
            report.wait_for_nothing(host, before)
        if report.wrong:
            break
        report.repeats += 1
    return report


def full(board: Path, shell: str, repeats: int, seed: int) -> Report:
    """The board stops reading and the way to it is full: calls end in time, and so does close."""
    report = Report(f"full buffer, {shell}")
    for number in range(repeats):
        with new_host(shell) as host:
            before = descriptors()
            plug = Plug(board, seed + number)
            try:
                plug.start()
                host.open(plug.path, LineFaults())
                _fill(plug, host, report, goes_on=bool(number % 2))
                host.close()
                plug.thaw()
                report.settle(host, plug)
            finally:
                plug.close()
            report.wait_for_nothing(host, before)
        if report.wrong:
            break
        report.repeats += 1
    return report


def _fill(plug: Plug, host: Host, report: Report, *, goes_on: bool) -> None:
    plug.freeze()
    if not plug.fill():
        report.wrong.append("nothing was filled")
    began_s = time.monotonic()
    for procedure in (MARK, SWALLOW, MARK):
        number = host.ledger.begin()
        argument = bytes(100_000) if procedure == SWALLOW else number
        try:
            host.call(procedure, argument, timeout_s=0.2)
        except IpfiError as error:
            host.ledger.end(number, error)
        else:
            report.wrong.append("a call was answered by a board that stands still")
    report.slowest_s = max(report.slowest_s, time.monotonic() - began_s - 3 * 0.2)
    if goes_on:
        plug.thaw()
        _call_until_answered(host, report)


# --- one connection for all of them ---


def _on_one_connection(
    name: str,
    board: Path,
    shell: str,
    repeats: int,
    seed: int,
    fault: Callable[[Plug, Host, random.Random], None],
) -> Report:
    """Let callers work, do something to the board, and see that everything goes on."""
    report = Report(f"{name}, {shell}")
    chance = random.Random(seed)  # noqa: S311 - a test wants it repeatable
    with new_host(shell) as host:
        before = descriptors()
        plug = Plug(board, seed)
        try:
            plug.start()
            host.open(plug.path, _faults(seed))
            connected = descriptors()
            for number in range(repeats):
                host.begin(seed + number)
                time.sleep(chance.random() ** 2 * 0.08)
                fault(plug, host, chance)
                done_s = time.monotonic()
                host.stop()  # for a caller that was just between two calls
                host.join()
                report.slowest_s = max(report.slowest_s, host.ended_s - done_s)
                _call_until_answered(host, report)
                report.wrong += host.ledger.lies(plug.executions())[:3]
                if report.wrong:
                    break
                report.repeats += 1
            if descriptors() > connected:
                report.wrong.append(f"{descriptors() - connected} descriptors more than before")
            host.close()
            report.settle(host, plug)
        finally:
            plug.close()
        report.wait_for_nothing(host, before)
    return report


def reboot(board: Path, shell: str, repeats: int, seed: int) -> Report:
    """Kill the board at a random moment and start it again on the same pty, or let it restart."""

    def fault(plug: Plug, host: Host, chance: random.Random) -> None:
        if chance.random() < 0.3:
            with contextlib.suppress(IpfiError):  # its answer may be lost in the restart
                host.call(REBOOT)
            return
        plug.kill()
        time.sleep(chance.choice((0.0, 0.0, 0.02)))
        plug.start()

    return _on_one_connection("reboot", board, shell, repeats, seed, fault)


def freeze(board: Path, shell: str, repeats: int, seed: int) -> Report:
    """Stop the board with a signal, for longer than the patience once in 25 times."""

    def fault(plug: Plug, _host: Host, chance: random.Random) -> None:
        plug.freeze()
        time.sleep(5.6 if chance.random() < 0.04 else chance.random() ** 2 * 0.5)
        plug.thaw()
        time.sleep(0.02)

    return _on_one_connection("SIGSTOP", board, shell, repeats, seed, fault)


def _call_until_answered(host: Host, report: Report) -> None:
    """The next calls may fail until the new session stands; then one is answered."""
    until_s = time.monotonic() + AGAIN_S
    while True:
        number = host.ledger.begin()
        try:
            answer = host.call(MARK, number, timeout_s=5.0)
        except IpfiError as error:
            host.ledger.end(number, error)
            if time.monotonic() > until_s or host.closed:
                report.wrong.append(f"no session again: {error!r}")
                return
            time.sleep(0.002)
        else:
            host.ledger.end(number, None)
            if answer != number + 1:
                report.wrong.append(f"call {number} was answered with {answer}")
            return


def _faults(seed: int) -> LineFaults:
    return LineFaults(
        frame_loss=BAD_LINE.frame_loss,
        byte_flip=BAD_LINE.byte_flip,
        byte_drop=BAD_LINE.byte_drop,
        seed=seed,
    )


FAULTS: Final = {"unplug": unplug, "reboot": reboot, "freeze": freeze, "full": full}
SHELLS: Final = ("sync", "aio")
