"""Makes a failing plan short: takes work and faults away while it still fails in the same way."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.plan import Plan, plan_of
from tests.simulation.world import simulate


def reason_of(failure: str | None) -> str:
    """Return a failure's words without its numbers, to tell one bug from another."""
    words = (failure or "").split(":")
    text = ":".join(words[:2])
    return "".join(c for c in text if not c.isdigit())[:40]


def minimise(seed: int, pair: str, most_tries: int = 3000) -> tuple[Plan, list[int]] | None:
    """Return the shortest plan found and the places of its steps, or None: it does not fail."""
    plan = plan_of(seed)
    report = simulate(plan, pair)
    if report.failure is None:
        return None
    reason = reason_of(report.failure)
    kept = list(range(len(plan.steps)))
    tries = 0

    def fails(places: list[int]) -> bool:
        nonlocal tries
        tries += 1
        outcome = simulate(shortened(plan, places), pair)
        return reason_of(outcome.failure) == reason and not outcome.escapes.found

    size = len(kept) // 2
    while size >= 1 and tries < most_tries:
        start, shorter = 0, False
        while start < len(kept):
            without = kept[:start] + kept[start + size :]
            if fails(without):
                kept, shorter = without, True
            else:
                start += size
        if not shorter or size > len(kept):
            size //= 2
    return shortened(plan, kept), kept


def shortened(plan: Plan, places: list[int]) -> Plan:
    """Return a plan with some of its steps."""
    return replace(plan, steps=tuple(plan.steps[place] for place in places))
