"""Moments at which something is due; None where nothing is."""

from __future__ import annotations


def sooner(due_s: float | None, other_s: float | None) -> float | None:
    """Return the earlier of two moments, of which either may not exist."""
    if other_s is None or (due_s is not None and due_s <= other_s):
        return due_s
    return other_s
