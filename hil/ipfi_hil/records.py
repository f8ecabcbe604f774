"""What is noted of each test, as plain values that may travel between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(slots=True)
class OneTest:
    """One test on one target.

    Attributes:
        nodeid: pytest's name of it, with the parameters.
        name: the same without the target.
        target: the name of the target, or "" if it used none.
        outcome: "passed", "failed", "skipped" or "error".
        reason: why it was skipped, or the last line of what went wrong.
        duration_s: setup, call and teardown together.
        requirements: that it cites.
        round_trips_s: of the calls it made.
        retransmissions: DATA frames that this end sent again.
        frames: that passed, both ways.
        bad_frames: that arrived damaged.
        resets: of the board that were seen.
        trace: file with the trace, if it failed.
    """

    nodeid: str
    name: str
    target: str
    outcome: str = "passed"
    reason: str = ""
    duration_s: float = 0.0
    requirements: list[str] = field(default_factory=list)
    round_trips_s: list[float] = field(default_factory=list)
    retransmissions: int = 0
    frames: int = 0
    bad_frames: int = 0
    resets: int = 0
    trace: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild it."""
        return cls(**{each.name: values[each.name] for each in fields(cls)})


@dataclass(slots=True)
class OneTarget:
    """One target of a run.

    Attributes:
        name: of the target.
        title: for people.
        kind: native, qemu ...
        unavailable: why it did not run, or "".
        cannot: feature -> reason.
        flash: bytes, or None.
        ram: bytes, or None.
        stack: bytes, or None.
    """

    name: str
    title: str
    kind: str
    unavailable: str = ""
    cannot: dict[str, str] = field(default_factory=dict)
    flash: int | None = None
    ram: int | None = None
    stack: int | None = None
