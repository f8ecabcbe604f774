"""Virtual time: threads that wait cost none, and run in the same order every time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ipfi_hil.target import TargetError
from ipfi_hil.virtual_time import MOST_WAIT_S, START_S, VirtualTime

REAL_START = threading.Thread.start
DAY_S = 86400.0


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
    real = time.monotonic, time.sleep, threading.Lock, threading.RLock, threading.Thread.join
    clock = VirtualTime()
    clock.open()
    assert time.monotonic is not real[0]
    clock.close()
    clock.close()
    now = time.monotonic, time.sleep, threading.Lock, threading.RLock, threading.Thread.join
    assert now == real
    assert threading.Thread.start is REAL_START
    assert abs(time.monotonic() - START_S) > 0
