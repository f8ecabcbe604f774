"""What goes wrong with ends and transports when the plan says so; frames are faults.py's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.end import SimulatedEnd
from tests.simulation.faults import OF_FRAMES
from tests.simulation.plan import FEWEST_FAULTS, Fault, FaultKind

if TYPE_CHECKING:
    from tests.simulation.world import World


class Disasters:
    """Reboots, dead lines, programs that stand still or close.

    Attributes:
        over: whether nothing more is to go wrong.
        standstill_s: by how much each end may be late, since it stood still or its port did.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.over = False
        self.standstill_s = [0.0, 0.0]
        for step in world.plan.steps:
            if isinstance(step, Fault) and step.kind in (FaultKind.FREEZE, FaultKind.BLOCK):
                self.standstill_s[step.side] += step.span_s

    def happen(self, fault: Fault) -> None:
        """Let a fault begin."""
        kind, side = fault.kind, fault.side
        if kind in OF_FRAMES:
            self._world.saboteurs[side].arm(fault)
            return
        if self._world.trace is not None:
            self._world.note(f"fault: {kind.value}: {fault}")
        if kind in (FaultKind.NOISE, FaultKind.TEXT, FaultKind.OLD_HELLO):
            self._world.saboteurs[side].bring(fault)
            return
        if kind is FaultKind.BUFFER:
            self._world.report.faults += 1
            self._world.saboteurs[side].buffer(fault)
            return
        if kind is FaultKind.BURST:
            self._world.saboteurs[side].burst(fault)
            return
        self._world.report.faults += 1
        if kind in (FaultKind.DEAD, FaultKind.DEAD_BOTH):
            for line in (
                self._world.lines if kind is FaultKind.DEAD_BOTH else (self._world.lines[side],)
            ):
                self._for_a_while(fault, lambda on, line=line: setattr(line, "dead", on))  # type: ignore[misc]
        elif kind is FaultKind.FREEZE:
            self._for_a_while(fault, lambda on: self._freeze(side, on=on))
        elif kind is FaultKind.BLOCK:
            self._for_a_while(fault, lambda on: self._block(side, on=on))
        elif kind is FaultKind.CLOSE:
            self._close(self._world.ends[side], fault)
        elif kind is not FaultKind.STALL:
            self._reboot_as(fault)

    def _for_a_while(self, fault: Fault, switch: Callable[[bool], None]) -> None:
        switch(True)
        self._world.at(self._world.now_s + fault.span_s, lambda: switch(False))

    def _freeze(self, side: int, *, on: bool) -> None:
        self._world.clock.awake[side] = not on
        self._world.forgive(side)

    def _block(self, side: int, *, on: bool) -> None:
        self._world.clock.sends[side] = not on
        self._world.forgive(side)

    def _reboot_as(self, fault: Fault) -> None:
        cut = fault.amount < 0.5
        for side in (0, 1) if fault.kind is FaultKind.REBOOT_BOTH else (fault.side,):
            self.reboot(side, cut=cut)
        if fault.kind is FaultKind.REBOOT_TWICE:
            again_s = self._world.now_s + (0.001 if fault.count < 2 else fault.span_s / 8)
            self._world.at(again_s, lambda: self.reboot(fault.side, cut=cut))

    def reboot_soon(self, fault: Fault) -> None:
        """Reboot an end as soon as what it does now is done."""
        side = fault.side if fault.amount < 0.5 else 1 - fault.side
        self._world.at(self._world.now_s, lambda: self.reboot(side, cut=fault.count % 2 == 0))

    def reboot(self, index: int, *, cut: bool) -> None:
        """Start an end anew; ``cut``: what its UART held is lost."""
        if self._world.trace is not None:
            self._world.note(f"end {index} reboots{', its UART too' if cut else ''}")
        self._world.restart(index, cut=cut)

    def _close(self, end: SimulatedEnd, fault: Fault) -> None:
        end.closed = True
        end.close(self._world.now_s)
        if fault.count == 0:
            end.close(self._world.now_s)  # closing twice is harmless
        self.reopen(end, fault.span_s)

    def reopen(self, end: SimulatedEnd, later_s: float) -> None:
        """Let a program that closed, or was told that nothing will come, start again."""

        def again() -> None:
            if end.alive:
                self.reboot(end.index, cut=False)

        self._world.at(self._world.now_s + later_s, again)

    def end(self) -> None:
        """Let nothing go wrong any more."""
        self.over = True
        self._world.note("no more faults")
        saboteurs = self._world.saboteurs
        done = self._world.report.faults + sum(saboteur.done for saboteur in saboteurs)
        for side in (0, 1):
            saboteurs[side].disarm(max(0, FEWEST_FAULTS - done))
            self._world.lines[side].dead = False
            self._world.clock.awake[side] = True
            self._block(side, on=False)
        for end in self._world.ends:
            if end.closed:
                self.reopen(end, self._world.plan.unit_s)
