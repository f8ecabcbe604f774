"""Virtual time: threads that wait cost none, and run in the same order every time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ipfi_hil.target import TargetError, find_board
from ipfi_hil.targets import morse
from ipfi_hil.targets.morse_line import LinePins, MorseLine
from ipfi_hil.virtual_lock import VirtualLock
from ipfi_hil.virtual_time import LOOK_S, MOST_LOOKS, MOST_WAIT_S, START_S, VirtualTime
from ipfi_serial.sim.board import Board as PythonBoard

DAY_S = 86400.0
PATIENCE_S = 20.0  # real; what is waited for comes at once, or never


def replaced() -> list[object]:
    """Return what virtual time replaces, as it is now."""
    in_threading = ("Lock", "RLock", "_allocate_lock", "_time")
    return [
        time.monotonic,
        time.sleep,
        *(getattr(threading, name) for name in in_threading),
        threading.Thread.start,
        threading.Thread.join,
        queue.time,  # type: ignore[attr-defined]
    ]


REAL = replaced()


@pytest.fixture
def virtual() -> Iterator[VirtualTime]:
    clock = VirtualTime()
    clock.open()
    yield clock
    clock.close()


def test_a_sleep_of_a_day_takes_no_time_and_moves_the_clock(virtual: VirtualTime) -> None:
    before_s = time.perf_counter()
    time.sleep(DAY_S / 24)
    assert time.perf_counter() - before_s < 10
    assert time.monotonic() - START_S == pytest.approx(DAY_S / 24, abs=0.01)
    assert virtual.now_s > START_S


@pytest.mark.usefixtures("virtual")
def test_who_waits_for_an_event_goes_on_when_it_is_set_and_not_later() -> None:
    rung = threading.Event()

    def ring() -> None:
        time.sleep(5.0)
        rung.set()

    bell = threading.Thread(target=ring)
    bell.start()
    assert rung.wait(60.0)
    assert time.monotonic() - START_S == pytest.approx(5.0, abs=0.01)
    bell.join()


@pytest.mark.usefixtures("virtual")
def test_a_time_out_comes_at_its_time_though_others_work_on() -> None:
    stopped = threading.Event()
    ticks: list[float] = []

    def tick() -> None:
        while not stopped.wait(1.0):
            ticks.append(time.monotonic())

    worker = threading.Thread(target=tick)
    worker.start()
    assert not threading.Event().wait(3.5)
    stopped.set()
    worker.join()
    assert len(ticks) == 3
    assert time.monotonic() - START_S == pytest.approx(3.5, abs=0.01)


@pytest.mark.usefixtures("virtual")
def test_a_lock_is_handed_to_who_waits_longest() -> None:
    lock, order = threading.Lock(), []

    def take(number: int) -> None:
        time.sleep(number)
        with lock:
            order.append(number)
            time.sleep(10.0)

    threads = [threading.Thread(target=take, args=(number,)) for number in (3, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == [1, 2, 3]


def test_two_runs_have_the_same_order_and_the_same_times() -> None:
    def run() -> list[tuple[str, float]]:
        clock = VirtualTime()
        clock.open()
        seen: list[tuple[str, float]] = []
        changed = threading.Condition()

        def work(name: str, every_s: float) -> None:
            for _ in range(20):
                time.sleep(every_s)
                with changed:
                    seen.append((name, time.monotonic()))
                    changed.notify_all()

        threads = [threading.Thread(target=work, args=(n, s)) for n, s in (("a", 1.0), ("b", 1.0))]
        for thread in threads:
            thread.start()
        with changed:
            changed.wait_for(lambda: len(seen) == 40, 100.0)
        for thread in threads:
            thread.join()
        clock.close()
        return seen

    first = run()
    assert len(first) == 40
    assert run() == first


@pytest.mark.usefixtures("virtual")
def test_who_only_looks_at_the_clock_sees_it_move_and_lets_others_run() -> None:
    done = threading.Event()
    threading.Thread(target=done.set).start()
    while not done.is_set():
        time.monotonic()


@pytest.mark.usefixtures("virtual")
def test_a_wait_that_never_ends_is_an_error() -> None:
    with pytest.raises(TargetError, match="nothing has come of this wait"):
        threading.Event().wait()
    assert time.monotonic() - START_S >= MOST_WAIT_S


def test_the_real_functions_come_back() -> None:
    clock = VirtualTime()
    clock.open()
    assert not any(now is real for now, real in zip(replaced(), REAL, strict=True))
    clock.close()
    clock.close()
    assert replaced() == REAL


@pytest.mark.usefixtures("virtual")
def test_a_queue_waits_in_virtual_time() -> None:
    items: queue.Queue[int] = queue.Queue(maxsize=1)
    with pytest.raises(queue.Empty):
        items.get(timeout=5.0)
    assert time.monotonic() - START_S == pytest.approx(5.0, abs=0.01)
    items.put(1)
    with pytest.raises(queue.Full):
        items.put(2, timeout=5.0)
    assert time.monotonic() - START_S == pytest.approx(10.0, abs=0.01)


def test_the_date_and_the_clock_for_measurements_stay_real(virtual: VirtualTime) -> None:
    before = time.time(), time.perf_counter(), time.monotonic_ns()
    virtual.sleep(DAY_S / 24)
    passed_s = time.time() - before[0], time.perf_counter() - before[1]
    assert max(*passed_s, (time.monotonic_ns() - before[2]) * 1e-9) < PATIENCE_S


@pytest.mark.parametrize("is_same", [True, False], ids=["the same again", "a second one"])
def test_only_one_can_be_open_and_the_first_can_still_be_closed(is_same: bool) -> None:
    first = VirtualTime()
    second = first if is_same else VirtualTime()
    first.open()
    try:
        with pytest.raises(TargetError, match="open already"):
            second.open()
    finally:
        first.close()
        second.close()
    assert replaced() == REAL


def test_one_that_was_open_before_cannot_be_opened_again_but_a_new_one_can() -> None:
    for _ in range(2):
        clock = VirtualTime()
        clock.open()
        clock.close()
        with pytest.raises(TargetError, match="make a new one"):
            clock.open()
        assert replaced() == REAL


def test_nothing_stays_replaced_if_it_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.delattr(queue, "time")
        with pytest.raises(AttributeError):
            VirtualTime().open()
    assert replaced() == REAL
    clock = VirtualTime()
    clock.open()  # it is not held by the one that failed
    clock.close()


def test_a_thread_that_begins_after_the_end_waits_in_real_time(virtual: VirtualTime) -> None:
    lock = threading.Lock()
    lock.acquire()
    got: list[bool] = []

    def wait() -> None:
        got.extend((virtual.new_gate().is_member, lock.acquire(timeout=0.05)))

    late = threading.Thread(target=wait, daemon=True)
    late.start()
    virtual.close()
    late.join(PATIENCE_S)
    assert got == [False, False]
    assert virtual.mutex.acquire(timeout=PATIENCE_S)
    virtual.mutex.release()
    lock.release()


class ClosesFirst:
    """A mutex in front of which virtual time is closed: what another thread may do just then."""

    def __init__(self, clock: VirtualTime) -> None:
        self._clock, self._mutex = clock, clock.mutex

    def __enter__(self) -> None:
        self._clock.mutex = self._mutex
        self._clock.close()
        self._mutex.acquire()

    def __exit__(self, *_: object) -> None:
        self._mutex.release()


def look_often() -> None:
    assert all(time.monotonic() for _ in range(MOST_LOOKS + 1))


@pytest.mark.timeout(60)  # it would never end
@pytest.mark.parametrize("wait", [lambda: time.sleep(0.05), look_often], ids=["sleep", "look"])
def test_who_comes_to_wait_while_it_is_closed_waits_in_real_time(
    virtual: VirtualTime, wait: Callable[[], None]
) -> None:
    clock: Any = virtual
    clock.mutex = ClosesFirst(virtual)
    wait()
    assert virtual.now_s - START_S < 1.5 * MOST_LOOKS * LOOK_S
    assert replaced() == REAL


def test_a_gate_opened_before_the_end_is_found_open_after_it(virtual: VirtualTime) -> None:
    gate, found = virtual.new_gate(), []
    with virtual.mutex:
        virtual.grant(gate)
    virtual.close()
    waiter = threading.Thread(target=lambda: found.append(virtual.wait(gate, None)), daemon=True)
    waiter.start()
    waiter.join(PATIENCE_S)
    assert found == [True]


def test_a_device_that_fails_ends_virtual_time() -> None:
    class Broken:
        def advance(self, until_s: float) -> float:
            raise TargetError(f"the chip stopped before {until_s}")

    clock = VirtualTime()
    clock.device = Broken()
    clock.open()
    with pytest.raises(TargetError, match="the chip stopped"):
        time.sleep(1.0)
    assert replaced() == REAL


@pytest.mark.parametrize("is_granted", [True, False])
def test_a_wait_for_a_lock_that_is_interrupted_does_not_keep_it(
    monkeypatch: pytest.MonkeyPatch, is_granted: bool
) -> None:
    clock = VirtualTime()  # not open: the interrupt would close it
    lock = VirtualLock(clock)
    assert lock.acquire()

    def interrupted(*_: object) -> bool:
        if is_granted:
            lock.release()  # to who waits, thus to us
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(clock, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lock.acquire()
    assert lock.locked() is not is_granted


def test_a_morse_board_that_cannot_be_switched_off_leaves_real_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = morse.make_target(find_board("morse-compact"))
    target.start()
    switch_off = PythonBoard.close

    def fail(board: PythonBoard) -> None:
        switch_off(board)
        raise OSError("it smokes")

    monkeypatch.setattr(PythonBoard, "close", fail)
    with pytest.raises(OSError, match="it smokes"):
        target.stop()
    assert replaced() == REAL


@pytest.mark.parametrize("part", ["MorseLine", "PythonBoard"])
def test_a_morse_board_that_cannot_be_switched_on_leaves_real_time(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no power")

    target = morse.make_target(find_board("morse-compact"))
    with monkeypatch.context() as patched:
        patched.setattr(morse, part, fail)
        with pytest.raises(OSError, match="no power"):
            target.start()
    assert replaced() == REAL
    target.start()  # it can be tried again
    target.stop()
    assert replaced() == REAL


def test_two_morse_boards_at_once_are_refused_and_the_first_lives_on() -> None:
    first, second = (morse.make_target(find_board(f"morse-{name}")) for name in ("compact", "itu"))
    first.start()
    try:
        with pytest.raises(TargetError, match="open already"):
            second.start()
        first.open_line().close()
    finally:
        first.stop()


def test_a_morse_line_that_is_opened_anew_keys_no_more_of_what_was_before() -> None:
    """Edges of both would lie one among the other, and time would run back for the board."""
    target = morse.make_target(find_board("morse-compact"))
    target.start()
    try:
        first = target.open_line()
        first.write(bytes(range(1, 150)) + b"\0")
        first.close()  # which waits for two seconds of the eight that it lasts
        line = target._line
        assert line is not None
        assert line._coming[morse.HOST]
        second = target.open_line()
        assert len(line._coming[morse.HOST]) <= 1  # the end of a mark
        second.write(b"abc\0")
        time.sleep(1.0)
        edges_s = line._coming[morse.HOST]
        assert edges_s == sorted(edges_s)
        second.close()
    finally:
        target.stop()
    assert replaced() == REAL


def test_pins_of_a_morse_line_that_are_gone_key_nothing() -> None:
    line = MorseLine(unit_s=0.001)
    pins = LinePins(line, morse.HOST)
    pins.break_off("pulled")
    with pytest.raises(OSError, match="pulled"):
        pins.key([1.0, 2.0])
    assert line.edges == 0
