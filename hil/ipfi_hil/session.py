"""What holds for one run of pytest: its targets, the records of its tests, its report."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from ipfi_hil import decoding
from ipfi_hil.bench import Bench
from ipfi_hil.board import Board, load_board
from ipfi_hil.records import OneTarget, OneTest
from ipfi_hil.requirements import expand
from ipfi_hil.target import find_board
from ipfi_hil.trace import Chunk
from ipfi_serial.errors import ConfigError

_LINES_IN_SECTION: Final = 60  # the end of a trace, in the output of a failed test
_MOST_ROUND_TRIPS: Final = 2000  # of one test; enough for a histogram


class HilSession:
    """One run.

    Attributes:
        target_names: every test runs on each of them.
        records: of the tests so far, by their pytest names.
        targets: that were asked for, by name.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Read the options.

        Raises:
            pytest.UsageError: a target or a board file is wrong, or a report cannot be written.
        """
        option = config.option
        self._files: list[Path] = list(option.ipfi_board)
        self._real_hardware: bool = option.ipfi_real_hardware
        self._report: Path | None = option.ipfi_report
        if self._report is not None and (why := _why_not_written(self._report)) is not None:
            raise pytest.UsageError(f"--ipfi-report {self._report}: {why}")
        self._traces: Path = option.ipfi_traces
        self._written: list[str] = []
        names: list[str] = option.ipfi_target or [path.stem for path in self._files]
        self.target_names = list(dict.fromkeys(names))
        self.records: dict[str, OneTest] = {}
        self.targets: dict[str, OneTarget] = {}
        try:
            for path in self._files:  # also those that are no target of this run
                load_board(path)
            self._boards: dict[str, Board] = {
                name: find_board(name, self._files) for name in self.target_names
            }
        except ConfigError as error:
            raise pytest.UsageError(str(error)) from error
        for name, board in self._boards.items():
            cannot = dict(board.quirks.cannot)
            self.targets[name] = OneTarget(name, board.title, board.kind, cannot=cannot)

    def bench(self, name: str) -> Bench:
        """Return the target of a name, not started."""
        bench = Bench(self._boards[name], real_hardware=self._real_hardware)
        self.targets[name].unavailable = bench.why_unavailable() or ""
        self.targets[name].cannot = dict(bench.quirks.cannot)
        return bench

    def bench_done(self, bench: Bench) -> None:
        """Note what is known at the end of a target's tests."""
        footprint = bench.footprint()
        if footprint is not None:
            record = self.targets[bench.name]
            record.flash, record.ram, record.stack = (
                footprint.flash, footprint.ram, footprint.stack,
            )  # fmt: skip

    # --- one test ---

    def note(
        self,
        item: pytest.Item,
        report: pytest.TestReport,
        call: pytest.CallInfo[None],
        bench: Bench | None,
    ) -> None:
        """Add what is known after one phase of a test to its report.

        The test's own record travels in ``report.ipfi``: with pytest-xdist this runs elsewhere.
        """
        record = self._record(item, bench)
        record.duration_s = report.duration
        record.outcome, record.reason = _outcome(report, call)
        if bench is not None and call.when == "call":
            self._count(record, bench)
            item.user_properties += _properties(record)
            report.user_properties = list(item.user_properties)
        if bench is not None and report.failed and call.when != "teardown":
            record.trace = self._keep_trace(item, report, bench)
        report.ipfi = record.as_dict()  # type: ignore[attr-defined]

    def _record(self, item: pytest.Item, bench: Bench | None) -> OneTest:
        params = getattr(getattr(item, "callspec", None), "params", {})
        target = bench.name if bench is not None else str(params.get("ipfi_bench") or "")
        cited = [
            number
            for marker in item.iter_markers("ipfi_requirement")
            for argument in marker.args
            for number in expand(argument)
        ]
        return OneTest(
            nodeid=item.nodeid,
            name=_without_target(item.nodeid, target),
            target=target,
            requirements=list(dict.fromkeys(cited)),
        )

    def _count(self, record: OneTest, bench: Bench) -> None:
        figures = bench.figures()
        record.retransmissions = figures.retransmissions
        record.frames = figures.frames_sent + figures.frames_received
        record.bad_frames = figures.bad_frames
        record.resets = figures.resets
        if self._report is not None:
            record.round_trips_s = decoding.round_trips_s(bench.trace)[:_MOST_ROUND_TRIPS]

    def _keep_trace(self, item: pytest.Item, report: pytest.TestReport, bench: Bench) -> str:
        passed = any(isinstance(entry, Chunk) for entry in bench.trace.entries())
        if not (passed or bench.log()):
            return ""
        lines = list(decoding.lines(bench.trace))
        outgoing, incoming = bench.faults.counts()
        lines += ["", f"target {bench.name} said:", *bench.log().splitlines()]
        if outgoing.bytes_in != outgoing.bytes_out or outgoing.flipped or incoming.flipped:
            lines += ["", f"faults (seed {bench.faults.seed}):", f"  out {outgoing}"]
            lines += [f"  in  {incoming}"]
        name = re.sub(r"[^\w.\-]+", "_", item.nodeid).strip("_")[-150:]
        path = self._traces / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        shown = lines[-_LINES_IN_SECTION:]
        report.sections.append(
            (f"IPFI trace: the last {len(shown)} of {len(lines)} lines; all: {path}",
             "\n".join(shown))
        )  # fmt: skip
        return str(path)

    # --- the whole run ---

    def collect(self, report: pytest.TestReport, values: dict[str, Any]) -> None:
        """Join the phases of a test."""
        phase = OneTest.from_dict(values)
        record = self.records.get(phase.nodeid)
        if record is None:
            self.records[phase.nodeid] = phase
            return
        record.duration_s += phase.duration_s
        if report.when == "call":
            phase.duration_s = record.duration_s
            self.records[phase.nodeid] = phase
        elif phase.outcome != "passed":
            record.outcome, record.reason = phase.outcome, phase.reason

    def finish(self, excuses: Mapping[str, str]) -> None:
        """Write the report, if one was asked for.

        Args:
            excuses: requirement, or a range of them -> why no test of the suite can cite it.
        """
        if self._report is None:
            return
        from ipfi_hil.report import Run, render

        excused = {number: why for cited, why in excuses.items() for number in expand(cited)}
        page = render(Run(list(self.targets.values()), list(self.records.values()), excused))
        self._report.parent.mkdir(parents=True, exist_ok=True)
        self._report.write_text(page, encoding="utf-8")
        self._written.append(f"IPFI report: {self._report}")

    def summary(self) -> list[str]:
        """Return lines for the end of pytest's output."""
        return self._written


def _why_not_written(report: Path) -> str | None:
    """Return why a report would be lost at the end of the run, or None."""
    if report.is_dir():
        return f"it is a folder: give a file in it ({report / 'report.html'})"
    there = next(folder for folder in (report, *report.absolute().parents) if folder.exists())
    if there != report and not there.is_dir():
        return f"{there} is a file, not a folder"
    return None if os.access(there, os.W_OK) else f"{there} may not be written"


def _outcome(report: pytest.TestReport, call: pytest.CallInfo[None]) -> tuple[str, str]:
    if report.skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return "skipped", text.removeprefix("Skipped: ")
    if report.failed:
        said = str(call.excinfo.value) if call.excinfo is not None else ""
        name = call.excinfo.typename if call.excinfo is not None else "failure"
        first = next(iter(said.splitlines()), "")
        return ("failed" if call.when == "call" else "error"), f"{name}: {first}"
    return "passed", ""


def _properties(record: OneTest) -> list[tuple[str, object]]:
    """Return what goes into JUnit's XML."""
    return [
        ("ipfi_target", record.target),
        ("ipfi_requirements", " ".join(record.requirements)),
        ("ipfi_retransmissions", record.retransmissions),
        ("ipfi_frames", record.frames),
        ("ipfi_resets", record.resets),
    ]


def _without_target(nodeid: str, target: str) -> str:
    """Return a test's name without the target among its parameters."""
    head, bracket, parameters = nodeid.partition("[")
    if not bracket or not target:
        return nodeid
    left = parameters.removesuffix("]").replace(target, "", 1).strip("-")
    return f"{head}[{left}]" if left else head
