"""Times that are promised, on a virtual clock: slow lines, fast lines, resets."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ipfi_serial.config import WireConfig
from ipfi_serial.engine.setup import default_call_timeout_s, default_connect_timeout_s
from ipfi_serial.engine.stats import take_stats
from ipfi_serial.errors import DeviceResetError
from tests.firmware import build
from tests.firmware.lockstep import Library
from tests.harness.line import lose
from tests.realpath.virtual import ADD, ECHO, SEQUENCE, SLEEP, Scene

BAUD_300, BAUD_115200, BAUD_2M = 30.0, 11_520.0, 200_000.0
CORES = ["python", "c"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    place: Path = tmp_path_factory.mktemp("realpath")
    return Library(build.shared_object(build.any_compiler(), place / "libipfi.so"))


def scene(core: str, bytes_per_s: float, delay_s: float, library: Library) -> Scene:
    return Scene(bytes_per_s, delay_s, library if core == "c" else None)


@pytest.mark.parametrize(
    ("core", "bytes_per_s"),
    [(core, speed) for core in CORES for speed in (3.0, BAUD_300, BAUD_2M)],
)
def test_the_same_code_untuned_completes_calls_on_lines_of_any_speed(
    core: str, bytes_per_s: float, library: Library
) -> None:
    """With the deadlines that nobody has set, and nothing is sent twice."""
    seen = scene(core, bytes_per_s, 0.0005, library)
    seen.connect(default_connect_timeout_s(bytes_per_s))
    timeout_s = default_call_timeout_s(WireConfig(), bytes_per_s)
    for procedure, arguments, answer in ((ADD, (40, 2), 42), (ECHO, ("x" * 60,), "x" * 60)):
        call = seen.start(procedure, *arguments, timeout_s=timeout_s)
        assert seen.run(timeout_s, call)
        _, ended = seen.ended[id(call)]
        assert ended.error is None
        assert ended.value is not None
        assert msgspec.msgpack.decode(ended.value) == answer
    call = seen.start(SEQUENCE, 3, timeout_s=timeout_s, streaming=True)
    assert seen.run(timeout_s, call)
    assert [msgspec.msgpack.decode(each) for each in seen.items] == ["item 0", "item 1", "item 2"]
    seen.run(timeout_s)
    stats = take_stats(seen.host, 0)
    assert (stats.retransmissions, stats.duplicates, stats.sessions) == (0, 0, 1)


@pytest.mark.parametrize("delay_s", [0.0005, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("idle_s", [0.0, 0.5, 30.0])
def test_a_reset_is_told_to_callers_within_two_round_trips_or_a_quarter_second(
    core: str, delay_s: float, idle_s: float, library: Library
) -> None:
    """Counted from when the device can first send again; the announcement arrives."""
    seen = scene(core, BAUD_115200, delay_s, library)
    seen.connect(10.0)
    seen.run(1.0)
    call = seen.start(SLEEP, 3_000_000, timeout_s=3600.0)
    seen.run(1.0 + idle_s)
    reset_s = seen.now_s
    seen.reset_device()
    assert seen.run(60.0, call)
    when_s, ended = seen.ended[id(call)]
    assert isinstance(ended.error, DeviceResetError)
    assert ended.error.may_have_executed is True
    assert when_s - reset_s <= max(2 * round_trip_s(delay_s), 0.25)


@pytest.mark.parametrize("phase_s", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("delay_s", [0.0005, 0.02, 0.1])
@pytest.mark.parametrize("core", CORES)
def test_a_reset_whose_announcement_is_lost_is_told_within_one_keepalive(
    core: str, delay_s: float, phase_s: float, library: Library
) -> None:
    """LINK-12: a second; then the device hears a PING of a session that it does not know (HS-11).

    Whenever the PING comes: within the first quarter of a second, too, in which the device has just
    said HELLO and may not say it again yet.
    """
    seen = scene(core, BAUD_115200, delay_s, library)
    seen.connect(10.0)
    seen.run(1.0)
    call = seen.start(SLEEP, 3_000_000, timeout_s=3600.0)
    seen.run(2.0 + phase_s)
    reset_s = seen.now_s
    seen.reset_device()
    line = seen.lines[1]
    line.on_frame = lose(line.counters.frames + 1)
    assert seen.run(60.0, call)
    when_s, ended = seen.ended[id(call)]
    assert isinstance(ended.error, DeviceResetError)
    assert when_s - reset_s <= 1.0 + 2 * round_trip_s(delay_s)


def round_trip_s(delay_s: float) -> float:
    """The line both ways, and a HELLO on it with its answer."""
    return 2 * delay_s + 82 / BAUD_115200
