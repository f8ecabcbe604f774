"""Threads for handlers: one each, reused, in order where order counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ipfi_serial import workers as workers_module
from ipfi_serial.workers import Sequence, Workers

PATIENCE_S = 20.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Workers that are closed, and whose threads have ended, after the test."""
    made = Workers("test worker")
    yield made
    made.close()
    for thread in threading.enumerate():
        if thread.name.startswith("test worker"):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_jobs_that_block_each_other_all_run_at_once(workers: Workers) -> None:
    together = threading.Barrier(20)
    passed = threading.Semaphore(0)

    def job() -> None:
        together.wait(PATIENCE_S)
        passed.release()

    for _ in range(20):
        assert workers.run(job)
    for _ in range(20):
        assert passed.acquire(timeout=PATIENCE_S)


def test_an_idle_thread_is_used_again(workers: Workers) -> None:
    names: list[str] = []
    done = threading.Semaphore(0)

    def job() -> None:
        names.append(threading.current_thread().name)
        done.release()

    for _ in range(50):
        workers.run(job)
        assert done.acquire(timeout=PATIENCE_S)
        _until(lambda: workers._idle == 1)
    assert len(set(names)) == 1


def test_an_unused_thread_ends_and_the_next_job_gets_a_new_one(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "IDLE_S", 0.001)
    for _ in range(20):  # a job that comes just when the thread gives up is not lost
        done = threading.Event()
        workers.run(done.set)
        assert done.wait(PATIENCE_S)


def test_a_job_that_raises_is_logged_and_its_thread_goes_on(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    def job() -> None:
        raise SystemExit("no")

    done = threading.Event()
    workers.run(job)
    workers.run(done.set)
    assert done.wait(PATIENCE_S)
    _until(lambda: "a job of a worker failed" in caplog.text)


def test_closed_workers_finish_what_was_started_and_take_no_more(workers: Workers) -> None:
    gate, done = threading.Event(), threading.Semaphore(0)

    def job() -> None:
        assert gate.wait(PATIENCE_S)
        done.release()

    for _ in range(5):
        workers.run(job)
    workers.close()
    assert not workers.run(job)
    gate.set()
    for _ in range(5):
        assert done.acquire(timeout=PATIENCE_S)


def test_without_a_thread_the_job_is_forgotten(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_thread)
        with pytest.raises(RuntimeError, match="thread"):
            workers.run(lambda: ran.append(1))
    done = threading.Event()
    workers.run(done.set)
    assert done.wait(PATIENCE_S)
    assert ran == []


def test_a_sequence_runs_its_jobs_in_order_one_at_a_time(workers: Workers) -> None:
    sequence = Sequence(workers)
    got: list[int] = []
    busy = threading.Lock()
    done = threading.Event()

    def job(number: int) -> None:
        assert busy.acquire(blocking=False)
        got.append(number)
        busy.release()
        if number == 499:
            done.set()

    for number in range(500):
        sequence.run(lambda n=number: job(n))  # type: ignore[misc]
    assert done.wait(PATIENCE_S)
    assert got == list(range(500))


def test_a_job_that_raises_does_not_stop_its_sequence(workers: Workers) -> None:
    def job() -> None:
        raise KeyboardInterrupt

    sequence, done = Sequence(workers), threading.Event()
    sequence.run(job)
    sequence.run(done.set)
    assert done.wait(PATIENCE_S)


def test_a_full_sequence_drops_the_oldest_job_that_may_be_dropped(workers: Workers) -> None:
    sequence = Sequence(workers)
    gate, begun, done = threading.Event(), threading.Event(), threading.Event()
    got: list[Any] = []

    def first() -> None:
        begun.set()
        gate.wait(PATIENCE_S)

    sequence.run(first)
    assert begun.wait(PATIENCE_S)
    sequence.run(lambda: got.append("kept"))
    assert sequence.run_or_drop(lambda: got.append(1), 3)
    assert sequence.run_or_drop(lambda: got.append(2), 3)
    assert not sequence.run_or_drop(lambda: got.append(3), 3)
    assert not sequence.run_or_drop(lambda: got.append(4), 3)
    sequence.run(done.set)
    gate.set()
    assert done.wait(PATIENCE_S)
    assert got == ["kept", 3, 4]


def test_a_full_sequence_of_jobs_that_must_run_drops_none_of_them(workers: Workers) -> None:
    sequence = Sequence(workers)
    gate, begun, done = threading.Event(), threading.Event(), threading.Event()
    got: list[Any] = []

    def first() -> None:
        begun.set()
        gate.wait(PATIENCE_S)

    sequence.run(first)
    assert begun.wait(PATIENCE_S)
    sequence.run(lambda: got.append("kept"))
    assert not sequence.run_or_drop(lambda: got.append("more"), 1)
    sequence.run(done.set)
    gate.set()
    assert done.wait(PATIENCE_S)
    assert got == ["kept", "more"]


def test_a_sequence_without_a_thread_tries_again_with_the_next_job(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence, first, second = Sequence(workers), threading.Event(), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_thread)
        sequence.run(first.set)
    sequence.run(second.set)
    assert first.wait(PATIENCE_S)
    assert second.wait(PATIENCE_S)


def test_a_sequence_on_closed_workers_forgets_its_jobs(workers: Workers) -> None:
    sequence = Sequence(workers)
    workers.close()
    sequence.run(lambda: None)
    assert not sequence._jobs


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def _until(condition: Any) -> None:
    for _ in range(20_000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not happen")
