"""The report for people: one HTML page that needs no other file and no network.

Outcome of every test on every target, round-trip times, repetitions, footprints, and what was
skipped, with the reasons.  Where tests cite requirements of the protocol, as those of
hil/conformance do: requirement -> test -> outcome -> target, and which requirements have no test.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from itertools import groupby
from textwrap import shorten

from ipfi_hil.histogram import histogram, percentile, shown_time
from ipfi_hil.records import OneTarget, OneTest
from ipfi_hil.requirements import Requirement, defined

_FAMILIES = {
    "MSG": "Messages",
    "VAL": "Values",
    "CALL": "Calls",
    "STREAM": "Streams",
    "EVENT": "Events",
    "DESC": "Self-description",
    "FRAME": "Framing",
    "HS": "Handshake",
    "LINK": "Link",
}
_WORDS_SHOWN = 80  # of a requirement that no test cites
_WORST = ("failed", "error", "passed", "skipped")  # what a cell shows of several outcomes
_ABSENT = '<span class="dot absent" title="no test ran">·</span>'
_MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "\N{EN DASH}"}


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of pytest found.

    Attributes:
        targets: that were asked for.
        tests: their records; those without a target are left out of the matrix.
        excused: requirement -> why no test of the suite can cite it.
    """

    targets: list[OneTarget]
    tests: list[OneTest]
    excused: Mapping[str, str] = field(default_factory=dict)

    def of(self, target: str) -> list[OneTest]:
        """Return the tests of one target."""
        return [test for test in self.tests if test.target == target]

    def cited(self) -> set[str]:
        """Return the requirements that some test checks."""
        return {number for test in self.tests for number in test.requirements}


def render(run: Run) -> str:
    """Return the page."""
    style = files("ipfi_hil").joinpath("report.css").read_text(encoding="utf-8")
    results = [*_matrix(run), *_untested(run)] if run.cited() else _tests(run)
    body = "".join([*_head(run), *_failures(run), *results, *_times(run), *_skips(run)])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_title(run)}</title><style>{style}</style></head>"
        f"<body>{body}{_foot()}</body></html>\n"
    )


# --- the top ---


def _title(run: Run) -> str:
    return "IPFI protocol conformance" if run.cited() else "Tests of the firmware"


def _head(run: Run) -> Iterator[str]:
    outcomes = Counter(test.outcome for test in run.tests)
    ran = outcomes["passed"] + outcomes["failed"] + outcomes["error"]
    bad = outcomes["failed"] + outcomes["error"]
    if not ran:
        kind, words = "none", "Nothing ran"
    elif bad:
        kind, words = "bad", f"{bad} of {ran} failed"
    else:
        kind, words = "good", f"All {ran} passed"
    cited = len(run.cited())
    requirements = (
        f"{cited} of {len(defined())} requirements of the protocol cited by a test, "
        if cited
        else ""
    )
    yield f"<h1>{_title(run)}</h1>"
    yield f'<div class="verdict {kind}">{words}</div>'
    yield (
        f'<p class="lead">{_count(len(run.targets), "target")}, {requirements}'
        f"{outcomes['skipped']} skipped with a reason, {time.strftime('%Y-%m-%d %H:%M')}.</p>"
    )
    yield '<div class="tiles">'
    for target in run.targets:
        yield _tile(target, run.of(target.name))
    yield "</div>"


def _tile(target: OneTarget, tests: list[OneTest]) -> str:
    outcomes = Counter(test.outcome for test in tests)
    bad = outcomes["failed"] + outcomes["error"]
    kind = "bad" if bad else "" if outcomes["passed"] else "none"
    bar = "".join(
        f'<i class="{outcome}" style="flex:{outcomes[outcome]}"></i>'
        for outcome in ("passed", "failed", "error", "skipped")
        if outcomes[outcome]
    )
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(target, tests))
    return (
        f'<section class="tile {kind}"><h3>{escape(target.name)}</h3>'
        f'<p>{escape(target.unavailable or target.title)}</p><div class="bar-of">{bar}</div>'
        f"<dl>{rows}</dl></section>"
    )


def _facts(target: OneTarget, tests: list[OneTest]) -> Iterator[tuple[str, str]]:
    outcomes = Counter(test.outcome for test in tests)
    yield "passed", str(outcomes["passed"])
    if outcomes["failed"] + outcomes["error"]:
        yield "failed", str(outcomes["failed"] + outcomes["error"])
    if outcomes["skipped"]:
        yield "skipped", str(outcomes["skipped"])
    trips = [value for test in tests for value in test.round_trips_s]
    if trips:
        yield "round trip, median", shown_time(percentile(trips, 0.5))
    yield "frames", f"{sum(test.frames for test in tests):,}"
    yield "sent again", f"{sum(test.retransmissions for test in tests):,}"
    yield "resets seen", str(sum(test.resets for test in tests))
    for name, size in (("flash", target.flash), ("RAM", target.ram), ("stack", target.stack)):
        if size is not None:
            yield name, f"{size:,} bytes"
    yield "time", f"{sum(test.duration_s for test in tests):.1f} s"


# --- what failed ---


def _failures(run: Run) -> Iterator[str]:
    bad = [test for test in run.tests if test.outcome in ("failed", "error")]
    if not bad:
        return
    yield '<h2>What failed</h2><ul class="failed-list">'
    for test in bad:
        trace = f"; trace: <code>{escape(test.trace)}</code>" if test.trace else ""
        cited = f" ({', '.join(test.requirements)})" if test.requirements else ""
        yield f"<li><b>{escape(_sentence(test.name))}</b> on {escape(test.target)}{cited}<br>"
        yield f"<code>{escape(test.reason)}</code>{trace}</li>"
    yield "</ul>"


# --- the matrix ---


def _matrix(run: Run) -> Iterator[str]:
    yield "<h2>Requirements</h2>"
    yield (
        '<p class="lead">The figure is how many tests check the requirement on that target: '
        "✓ all passed, ✗ at least one failed, \N{EN DASH} skipped. Open a line to read the "
        "requirement and its tests.</p>"
    )
    heads = _target_heads(run)
    yield f'<table class="matrix"><thead><tr><th></th><th></th>{heads}</tr></thead><tbody>'
    cited = run.cited()
    for family, members in groupby(defined(), key=lambda each: each.number.partition("-")[0]):
        shown = [each for each in members if each.number in cited]
        if shown:
            columns, title = len(run.targets) + 2, _FAMILIES.get(family, family)
            yield f'<tr class="family"><td colspan="{columns}">{title}</td></tr>'
            for requirement in shown:
                yield _row(run, requirement)
    yield "</tbody></table>"


def _tests(run: Run) -> Iterator[str]:
    """Test -> outcome -> target: for a project whose tests cite no requirement."""
    heads = _target_heads(run)
    yield "<h2>Tests</h2>"
    yield f'<table class="matrix"><thead><tr><th></th>{heads}</tr></thead><tbody>'
    outcomes: dict[str, dict[str, OneTest]] = {}  # test -> target -> its record
    for test in run.tests:
        if test.target:
            outcomes.setdefault(test.name, {})[test.target] = test
    for file, names in groupby(outcomes, key=lambda name: name.partition("::")[0]):
        columns = len(run.targets) + 1
        yield f'<tr class="family"><td colspan="{columns}">{escape(file)}</td></tr>'
        for name in names:
            cells = "".join(
                f'<td class="cell">{_outcome(outcomes[name].get(target.name))}</td>'
                for target in run.targets
            )
            yield f"<tr><td>{escape(_sentence(name))}</td>{cells}</tr>"
    yield "</tbody></table>"


def _target_heads(run: Run) -> str:
    return "".join(f'<th class="target">{_breakable(each.name)}</th>' for each in run.targets)


def _row(run: Run, requirement: Requirement) -> str:
    tests = [test for test in run.tests if requirement.number in test.requirements]
    cells = "".join(
        f'<td class="cell">{_cell([test for test in tests if test.target == each.name])}</td>'
        for each in run.targets
    )
    names = dict.fromkeys(_function(test.name) for test in tests)
    listed = "".join(
        f"<li>{escape(_sentence(name))}{_where_bad(tests, name)}</li>" for name in names
    )
    return (
        f'<tr><td class="number">{requirement.number}</td><td><details>'
        f"<summary>{escape(_plain(requirement.text))}</summary><ul>{listed}</ul></details></td>"
        f"{cells}</tr>"
    )


def _cell(tests: list[OneTest]) -> str:
    outcomes = Counter(test.outcome for test in tests)
    for outcome in _WORST:
        if outcomes[outcome]:
            count = outcomes[outcome]
            return f'<span class="dot {outcome}">{_MARKS[outcome]} {count}</span>'
    return _ABSENT


def _outcome(test: OneTest | None) -> str:
    if test is None:
        return _ABSENT
    shown = f"{_MARKS[test.outcome]} {shown_time(test.duration_s)}"
    return f'<span class="dot {test.outcome}" title="{escape(test.reason)}">{shown}</span>'


def _where_bad(tests: list[OneTest], name: str) -> str:
    """Name the targets where a test did not pass."""
    notes = sorted(
        {
            f"{test.outcome} on {test.target}"
            for test in tests
            if _function(test.name) == name and test.outcome != "passed"
        }
    )
    return f" <i>({escape('; '.join(notes))})</i>" if notes else ""


def _untested(run: Run) -> Iterator[str]:
    cited = run.cited()
    missing = [each for each in defined() if each.number not in cited]
    yield "<h2>Requirements without a test in this run</h2>"
    if not missing:
        yield '<p class="lead">None.</p>'
        return
    yield '<table class="plain"><tbody>'
    for each in missing:
        reason = run.excused.get(each.number)
        why = escape(reason) if reason else '<span class="dot absent">no reason given</span>'
        text = escape(shorten(_plain(each.text), _WORDS_SHOWN, placeholder=" …"))
        yield f'<tr><td><b>{each.number}</b></td><td>{why}</td><td class="text">{text}</td></tr>'
    yield "</tbody></table>"


# --- times and skips ---


def _times(run: Run) -> Iterator[str]:
    samples = {
        target.name: [value for test in run.of(target.name) for value in test.round_trips_s]
        for target in run.targets
    }
    drawing = histogram(samples)
    if drawing:
        yield "<h2>Round trips</h2>"
        yield (
            '<p class="lead">From the last byte of a call to the last byte of its answer, as seen '
            "at the host's port, in all tests together: those on bad lines and those whose handler "
            "takes its time are in it too. Each strip has its own height.</p>"
        )
        yield drawing


def _skips(run: Run) -> Iterator[str]:
    reasons: dict[tuple[str, str], int] = Counter(
        (test.target or "no target", test.reason) for test in run.tests if test.outcome == "skipped"
    )
    quirks = [(t.name, feature, why) for t in run.targets for feature, why in t.cannot.items()]
    if not reasons and not quirks:
        return
    yield "<h2>Skips and quirks</h2>"
    heads = "".join(f"<th>{name}</th>" for name in ("target", "tests", "reason"))
    yield f'<table class="plain"><thead><tr>{heads}</tr></thead><tbody>'
    for (target, reason), count in sorted(reasons.items()):
        yield f"<tr><td>{escape(target)}</td><td>{count}</td><td>{escape(reason)}</td></tr>"
    for target, feature, why in quirks:
        yield f"<tr><td>{escape(target)}</td><td>{escape(feature)}</td><td>{escape(why)}</td></tr>"
    yield "</tbody></table>"


def _foot() -> str:
    try:
        ours = version("ipfi-serial")
    except PackageNotFoundError:
        ours = "unknown"
    return (
        f"<footer>ipfi-serial {escape(ours)}, Python {platform.python_version()} on "
        f"{escape(platform.platform(terse=True))}.</footer>"
    )


# --- words ---


def _breakable(name: str) -> str:
    """Return a target's name that may be broken where it reads well."""
    return escape(name).replace("-", "-<wbr>")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _function(name: str) -> str:
    """Return a test's name without its file and its parameters."""
    return name.rpartition("::")[2].partition("[")[0]


def _sentence(name: str) -> str:
    """Return a test's name as words; parameters stay."""
    function = name.rpartition("::")[2]
    words, bracket, parameters = function.partition("[")
    return words.removeprefix("test_").replace("_", " ") + (f" [{parameters}" if bracket else "")


def _plain(text: str) -> str:
    """Return Markdown text without its marks."""
    return text.replace("**", "").replace("`", "").replace("*", "")
