"""Many wires on one interface in one process: each board calls back on its own wire."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ipfi_serial import Connection, Interface, connect
from tests.realpath.faults import SETTLE_S, Report
from tests.realpath.hosts import descriptors

WHO: Final = 50  # the procedure that the boards call
CALLBACKS: Final = 20
CALL_S: Final = 60.0  # 50 processes on two cores


def crowd(wires: int) -> Report:
    """Open ``wires`` C boards on one interface, let each call back, and close them all."""
    report = Report(f"{wires} wires on one interface")
    interface = Interface()
    served: dict[str, int] = {}
    lock = threading.Lock()

    @interface.procedure(WHO)
    def who(name: str) -> str:
        with lock:
            served[name] = served.get(name, 0) + 1
        return f"hello, {name}"

    def work(wire: Connection, number: int) -> None:
        for _ in range(CALLBACKS):
            answer = wire.call("callback", WHO, f"board {number}", timeout_s=CALL_S)
            if answer != f"hello, board {number}":
                report.wrong.append(f"board {number} got {answer!r}")
            if wire.call("add", number, 1, timeout_s=CALL_S) != number + 1:
                report.wrong.append(f"board {number} adds wrongly")
            report.calls += 2

    before = descriptors()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(wires) as pool:
        open_one = [
            pool.submit(connect, "sim:c", interface, connect_timeout_s=60) for _ in range(wires)
        ]
        ends = [stack.enter_context(each.result()) for each in open_one]
        for each in [pool.submit(work, wire, number) for number, wire in enumerate(ends)]:
            each.result()
    if served != {f"board {number}": CALLBACKS for number in range(wires)}:
        report.wrong.append(f"served {served}")
    report.repeats = 1
    until_s = time.monotonic() + SETTLE_S
    while left := _left(before):
        if time.monotonic() > until_s:
            report.wrong.append(left)
            break
        time.sleep(0.01)
    return report


def _left(before: int) -> str:
    names = [each.name for each in threading.enumerate() if each.name.startswith("ipfi")]
    more = descriptors() - before
    return f"left: {names}, {more} descriptors" if names or more > 0 else ""
