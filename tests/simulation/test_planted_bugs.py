"""Bugs that are planted on purpose: the simulator finds each one, and makes it short."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import pytest

from ipfi_serial.engine.caller import Caller
from ipfi_serial.link.receiver import Receiver
from ipfi_serial.link.ring import Ring
from ipfi_serial.link.sender import Sender
from tests.simulation.minimise import minimise
from tests.simulation.plan import plan_of
from tests.simulation.world import simulate

MOST_SEEDS: Final = 60


def found(pair: str = "py-py") -> tuple[int, str]:
    """Return the first seed that fails, and how."""
    for seed in range(MOST_SEEDS):
        failure = simulate(plan_of(seed), pair).failure
        if failure is not None:
            return seed, failure
    raise AssertionError(f"{MOST_SEEDS} seeds found nothing")


def test_a_receiver_that_takes_a_doubled_frame_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Receiver._take_other

    def takes_all(self: Any, sequence: int, payload: bytes, ahead_by: int, now_s: float) -> None:
        if ahead_by == 0xFF:
            takes_all.out.append(payload)  # type: ignore[attr-defined]
        take(self, sequence, payload, ahead_by, now_s)

    on_data = Receiver.on_data

    def noting(self: Any, sequence: int, payload: bytes, now_s: float, out: deque[Any]) -> None:
        takes_all.out = out  # type: ignore[attr-defined]
        on_data(self, sequence, payload, now_s, out)

    monkeypatch.setattr(Receiver, "_take_other", takes_all)
    monkeypatch.setattr(Receiver, "on_data", noting)
    found()


def test_a_receiver_that_forgets_to_wait_for_a_lost_frame_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_data = Receiver.on_data

    def impatient(self: Any, sequence: int, payload: bytes, now_s: float, out: deque[Any]) -> None:
        if (sequence - self.expected) & 0xFF == 2:
            self.expected = sequence
        on_data(self, sequence, payload, now_s, out)

    monkeypatch.setattr(Receiver, "on_data", impatient)
    found()


def test_an_acknowledgement_of_one_frame_too_many_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    on_ack = Sender.on_ack

    def generous(self: Any, ack: int, now_s: float) -> bool:
        return on_ack(self, (ack + 1) & 0xFF, now_s)

    monkeypatch.setattr(Sender, "on_ack", generous)
    found()


def test_a_sender_that_ignores_the_ring_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ring, "charge", lambda *_, **__: None)
    _, failure = found()
    assert "the ring has" in failure


def test_a_call_that_claims_not_to_have_executed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Caller.session_lost

    def lies(self: Any, reason: Any) -> None:
        for call in self._calls.values():
            call.handed_over = False
        lost(self, reason)

    monkeypatch.setattr(Caller, "session_lost", lies)
    _, failure = found()
    assert "not executed" in failure or "denies it" in failure


def test_a_deadline_that_never_comes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sender, "deadline_s", lambda *_: None)
    found()


def test_a_failing_seed_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ring, "charge", lambda *_, **__: None)
    seed, failure = found()
    shortened = minimise(seed, "py-py", most_tries=150)
    assert shortened is not None
    plan, kept = shortened
    assert len(kept) == len(plan.steps) < 12
    assert (simulate(plan, "py-py").failure or "")[:30] == failure[:30]


def test_a_seed_that_passes_is_not_made_short() -> None:
    assert minimise(1, "py-py") is None
