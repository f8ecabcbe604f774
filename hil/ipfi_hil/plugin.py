"""The pytest plugin: fixtures, options and hooks.  docs/hil.md shows how to use it.

pytest imports this module in every run of every project where the package is installed, so it
imports nothing but pytest; the rest comes when a test asks for a fixture or an option is given.
All its names begin with ``ipfi``, so that other hardware plugins can be active in the same run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ipfi_hil.bench import Bench
    from ipfi_hil.faults import LinkFaults
    from ipfi_hil.session import HilSession
    from ipfi_hil.target import VirtualClock
    from ipfi_serial import Connection, Interface, WireConfig

_SESSION = pytest.StashKey["HilSession"]()
_BENCH = pytest.StashKey["Bench"]()
_EXCUSED = pytest.StashKey[dict[str, str]]()
_NO_TARGET = "no-target"
_WHY_NO_TARGET = (
    "no target: add --ipfi-target python (or native, qemu-microbit ..., serial:PORT) or "
    "--ipfi-board FILE"
)
_CANNOT_RUN = "cannot run here: "
_GIVEN_UP = "was given up: "


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, all of which begin with ``--ipfi``."""
    group = parser.getgroup("ipfi", "firmware that speaks IPFI")
    group.addoption(
        "--ipfi-target",
        action="append",
        default=[],
        metavar="NAME",
        help="run every test that uses an ipfi fixture on this target: python, native, "
        "qemu-microbit ..., serial:PORT, or the name of a board file; may be given again",
    )
    group.addoption(
        "--ipfi-board",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a board file of your own (TOML); without --ipfi-target it is the target",
    )
    group.addoption(
        "--ipfi-real-hardware",
        action="store_true",
        help="permit the opening of real serial ports; without it none is touched",
    )
    group.addoption(
        "--ipfi-report", type=Path, metavar="FILE.html", help="write a report for people"
    )
    group.addoption(
        "--ipfi-traces",
        type=Path,
        default=Path("ipfi-traces"),
        metavar="DIR",
        help="where the traces of failed tests go; made when the first one fails",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the markers; read the board files if there are some."""
    config.addinivalue_line(
        "markers",
        "ipfi_requirement(*numbers): which requirements of docs/protocol.md the test checks",
    )
    config.addinivalue_line(
        "markers",
        "ipfi_needs(*features): skip, with the board file's reason, where the target lacks one",
    )
    asked = (config.option.ipfi_target, config.option.ipfi_board, config.option.ipfi_report)
    if any(asked):
        _session(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that uses a target once for each target."""
    if "ipfi_bench" in metafunc.fixturenames:
        names: list[str] = _session(metafunc.config).target_names or [_NO_TARGET]
        metafunc.parametrize("ipfi_bench", names, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the trace of a test that failed, and note its figures."""
    bench = item.stash.get(_BENCH, None)
    if bench is not None and call.excinfo is not None and not item.config.option.fulltrace:
        from ipfi_hil.tracebacks import leave_library_out

        leave_library_out(call.excinfo.value)
        call.excinfo = pytest.ExceptionInfo.from_exception(call.excinfo.value)
    report = yield
    bench = item.stash.get(_BENCH, None)
    if bench is not None or item.get_closest_marker("ipfi_requirement") is not None:
        _session(item.config).note(item, report, call, bench)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what the tests noted, also those that ran in another process."""
    from_test = getattr(report, "ipfi", None)
    if from_test is not None and _running:
        _running[-1].collect(report, from_test)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report."""
    if _SESSION in session.config.stash:
        excused = session.config.stash.get(_EXCUSED, None)
        session.config.stash[_SESSION].finish(excused or {})


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the targets."""
    names = config.stash[_SESSION].target_names if _SESSION in config.stash else []
    return f"ipfi targets: {', '.join(names)}" if names else None


def pytest_terminal_summary(terminalreporter: Any) -> None:  # noqa: ANN401 - not public
    """Say where the report is, and which tests were left out for want of a target, and why."""
    if _SESSION not in terminalreporter.config.stash:
        return
    for line in _left_out(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(line, yellow=True)
    for line in terminalreporter.config.stash[_SESSION].summary():
        terminalreporter.write_line(line)


def _left_out(skipped: list[pytest.TestReport]) -> list[str]:
    """Return a line for each reason to leave out all tests of a target: -q hides the reasons."""
    counts: dict[str, int] = {}
    for report in skipped:
        _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, "")
        why = reason.removeprefix("Skipped: ")
        if why == _WHY_NO_TARGET or _CANNOT_RUN in why or _GIVEN_UP in why:
            counts[why] = counts.get(why, 0) + 1
    return [
        f"ipfi: {number} {'test was' if number == 1 else 'tests were'} not run: {why}"
        for why, number in counts.items()
    ]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget this run: there may be another one in the same process."""
    session = config.stash.get(_SESSION, None)
    if session is not None:
        _running.remove(session)


def excuse_requirements(config: pytest.Config, reasons: Mapping[str, str]) -> None:
    """Say why no test of a suite can cite some requirements; the report shows it.

    Args:
        config: pytest's.
        reasons: requirement, or a range such as "LINK-9 to LINK-11" -> the reason.
    """
    config.stash.setdefault(_EXCUSED, {}).update(reasons)


# pytest hands no config to logreport; runs can be nested (pytester), so this is a stack
_running: list[HilSession] = []


def _session(config: pytest.Config) -> HilSession:
    """Return what holds for the whole run; made when it is first needed."""
    if _SESSION not in config.stash:
        try:
            from ipfi_hil.session import HilSession
        except ImportError as error:
            raise pytest.UsageError(
                f"the ipfi fixtures need what is not installed: {error}; "
                "pip install ipfi-serial[hil]"
            ) from error
        config.stash[_SESSION] = HilSession(config)
        _running.append(config.stash[_SESSION])
    return config.stash[_SESSION]


@pytest.fixture(scope="session")
def ipfi_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A target that runs for all tests of the run, one after the other; use ``ipfi_target``."""
    name = request.param
    if name == _NO_TARGET:
        pytest.skip(_WHY_NO_TARGET)
    bench = _session(request.config).bench(name)
    if (reason := bench.why_unavailable()) is not None:
        pytest.skip(f"target {name} {_CANNOT_RUN}{reason}")
    try:
        yield bench  # the first test starts it
    finally:
        _session(request.config).bench_done(bench)
        bench.stop()


@pytest.fixture
def ipfi_target(request: pytest.FixtureRequest, ipfi_bench: Bench) -> Iterator[Bench]:
    """The target of this test, freshly reset: reset, unplug, replug, power, log, and wires."""
    for marker in request.node.iter_markers("ipfi_needs"):
        for feature in marker.args:
            if (reason := ipfi_bench.quirks.why_not(feature)) is not None:
                pytest.skip(f"target {ipfi_bench.name}: no {feature}: {reason}")
    if ipfi_bench.health.given_up:
        pytest.skip(f"target {ipfi_bench.name} {_GIVEN_UP}{ipfi_bench.health.given_up}")
    request.node.stash[_BENCH] = ipfi_bench
    with _without_traceback(ipfi_bench.name):
        ipfi_bench.begin_test(request.node.nodeid)
    yield ipfi_bench
    ipfi_bench.end_test()


@contextlib.contextmanager
def _without_traceback(target: str) -> Iterator[None]:
    """Let what is wrong with a target fail the test in its own words: no code here is to blame."""
    from ipfi_serial.errors import IpfiError

    try:
        yield
    except IpfiError as error:
        name = f"target {target}"
        said = str(error) if str(error).startswith(name) else f"{name}: {error}"
        raise pytest.fail.Exception(f"{type(error).__name__}: {said}", pytrace=False) from None


@pytest.fixture
def ipfi_interface() -> Interface:
    """What this end serves to the board; define a fixture of this name to serve your own."""
    from ipfi_serial import Interface

    return Interface()


@pytest.fixture
def ipfi_config() -> WireConfig | None:
    """Limits and times of the wire; define a fixture of this name to set your own."""
    return None


@pytest.fixture
def ipfi_board(
    ipfi_target: Bench, ipfi_interface: Interface, ipfi_config: WireConfig | None
) -> Connection:
    """A connected wire to the board, closed after the test."""
    from ipfi_serial import ConnectTimeoutError

    with _without_traceback(ipfi_target.name):
        try:
            return ipfi_target.connect(ipfi_interface, config=ipfi_config)
        except ConnectTimeoutError as error:
            ipfi_target.note_silence(error)
            raise


@pytest.fixture
def ipfi_link_faults(ipfi_target: Bench) -> LinkFaults:
    """The line of this test: ``ipfi_link_faults.set(LineFaults(frame_loss=0.2))`` spoils it."""
    return ipfi_target.faults


@pytest.fixture
def ipfi_clock(ipfi_target: Bench) -> Iterator[VirtualClock]:
    """The target's clock, where its time is virtual; released after the test."""
    if ipfi_target.clock is None:
        pytest.skip(f"target {ipfi_target.name}: its time is real")
    yield ipfi_target.clock
    ipfi_target.clock.release()
