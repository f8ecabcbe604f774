"""Long waits look up now and then, so that an interrupt which came too early for them is seen."""

from __future__ import annotations

import threading

import pytest

from ipfi_serial.sync.waits import INTERRUPT_LOOK_S, wait_interruptibly


class Clock:
    """Time that passes only in waits.

    Attributes:
        asked_s: how long each of them was to be.
    """

    def __init__(self, comes_at_s: float = float("inf")) -> None:
        self.now_s = 1000.0
        self.asked_s: list[float] = []
        self._comes_s = self.now_s + comes_at_s

    def wait(self, some_s: float) -> bool:
        """Let some time pass; return whether it has come."""
        self.asked_s.append(some_s)
        self.now_s = min(self.now_s + some_s, max(self._comes_s, self.now_s))
        return self.now_s >= self._comes_s


def on(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("ipfi_serial.sync.waits.time.monotonic", lambda: clock.now_s)
    return clock


def test_a_wait_without_an_end_looks_up_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = on(Clock(comes_at_s=2.2 * INTERRUPT_LOOK_S), monkeypatch)
    assert wait_interruptibly(clock.wait)
    assert clock.asked_s == [INTERRUPT_LOOK_S] * 3


def test_a_wait_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = on(Clock(), monkeypatch)
    assert not wait_interruptibly(clock.wait, 2.5 * INTERRUPT_LOOK_S)
    assert clock.asked_s == [INTERRUPT_LOOK_S, INTERRUPT_LOOK_S, 0.5 * INTERRUPT_LOOK_S]


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_no_time_is_one_look(monkeypatch: pytest.MonkeyPatch, timeout_s: float) -> None:
    for has_come in (False, True):
        clock = on(Clock(comes_at_s=0.0 if has_come else 1.0), monkeypatch)
        assert wait_interruptibly(clock.wait, timeout_s) is has_come
        assert clock.asked_s == [0.0]


def test_an_event_can_be_waited_for() -> None:
    event = threading.Event()
    assert not wait_interruptibly(event.wait, 0.001)
    event.set()
    assert wait_interruptibly(event.wait)
