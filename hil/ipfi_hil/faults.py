"""The line of a test, good until the test makes it bad: the fixture ``ipfi_link_faults``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from ipfi_hil.trace import Trace
from ipfi_serial.transport.base import Transport
from ipfi_serial.transport.impaired import FaultCounts, ImpairedTransport, LineFaults


class LinkFaults:
    """Impairs every wire of a test, those that are opened later too.

    Nothing is damaged until :meth:`set` is called.  The chances follow a seed made of the test's
    name, so that a run can be repeated.

    Attributes:
        seed: of this test.
        outgoing: the faults towards the board that are in force.
        incoming: those from the board.
    """

    def __init__(
        self,
        seed: int,
        trace: Trace,
        disturb: Callable[[LineFaults, LineFaults], None] | None = None,
    ) -> None:
        """Begin with a good line.

        Args:
            seed: of the chances.
            trace: gets a remark of each change.
            disturb: told of each change: outgoing and incoming faults.  The line itself damages as
                many bytes as they say, so these are half of what the test asks for; the other
                half is damaged here.
        """
        self.seed = seed
        self.outgoing = LineFaults(seed=seed)
        self.incoming = LineFaults(seed=~seed)
        self._trace = trace
        self._disturb = disturb
        self._lines: list[ImpairedTransport] = []

    def set(self, faults: LineFaults, incoming: LineFaults | None = None) -> None:
        """Impair the line from now on; the seeds stay this object's.

        Args:
            faults: of both directions.
            incoming: of what comes from the board, if that is to differ.
        """
        back = incoming if incoming is not None else faults
        share = 1.0 if self._disturb is None else 0.5
        self.outgoing = _share_of(faults, share, self.seed)
        self.incoming = _share_of(back, share, ~self.seed)
        for line in self._lines:
            line.outgoing.faults, line.incoming.faults = self.outgoing, self.incoming
        if self._disturb is not None:
            self._disturb(self.outgoing, self.incoming)
        self._trace.mark(f"line: {_shown(faults)}; from the board: {_shown(back)}")

    def clear(self) -> None:
        """Make the line good again."""
        self.set(LineFaults())

    def counts(self) -> tuple[FaultCounts, FaultCounts]:
        """Return what was done to bytes going out and to bytes coming in, all wires together."""
        totals = FaultCounts(), FaultCounts()
        for line in self._lines:
            for total, one in zip(
                totals, (line.outgoing.counts, line.incoming.counts), strict=True
            ):
                for each in fields(total):
                    setattr(total, each.name, getattr(total, each.name) + getattr(one, each.name))
        return totals

    def has_spoilt(self) -> bool:
        """Tell whether anything that passed was not as it had been sent."""
        return any(each.bytes_in != each.bytes_out or each.flipped for each in self.counts())

    def impair(self, line: Transport) -> ImpairedTransport:
        """Return ``line`` with the faults that are in force, and with those set later."""
        impaired = ImpairedTransport(line, self.outgoing, self.incoming)
        self._lines.append(impaired)
        return impaired


def _share_of(faults: LineFaults, share: float, seed: int) -> LineFaults:
    """Return faults of which so many bytes are hit by ours; whole frames are lost as before."""
    return replace(
        faults,
        byte_flip=share * faults.byte_flip,
        byte_drop=share * faults.byte_drop,
        byte_insert=share * faults.byte_insert,
        byte_double=share * faults.byte_double,
        seed=seed,
    )


def _shown(faults: LineFaults) -> str:
    parts = [f"{f.name} {getattr(faults, f.name)}" for f in fields(faults) if f.name != "seed"]
    bad = [part for part in parts if not part.endswith(" 0.0")]
    return ", ".join(bad) if bad else "good"
