"""Ratios that were reached, kept to notice when one gets worse: ratios, never times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.benchmarks.figures import Figure

STORED: Final = Path(__file__).parent / "ratios.json"
SLACK: Final = 1.3  # rounds of a shared machine differ by a quarter
LOWER_IS_BETTER: Final = "<="


def _ratios(figures: Iterable[Figure]) -> dict[str, Figure]:
    return {f.name: f for f in figures if f.unit == "x" and f.value is not None}


def store(figures: Iterable[Figure], path: Path = STORED) -> None:
    """Store the ratios of a run, beside those that it did not measure."""
    kept: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    kept |= {name: round(f.value, 3) for name, f in _ratios(figures).items() if f.value}
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n")


def worse(figures: Iterable[Figure], path: Path = STORED) -> list[str]:
    """Return a line for each ratio that is worse than its stored one by more than the slack."""
    stored: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    lines = []
    for name, figure in _ratios(figures).items():
        before, now = stored.get(name), figure.value
        if before is None or now is None:
            continue
        lower = figure.target.startswith(LOWER_IS_BETTER)
        if (now > before * SLACK) if lower else (now < before / SLACK):
            lines.append(f"{name}: {now:.3g}, stored {before:.3g}")
    return lines
