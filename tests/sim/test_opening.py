"""``sim:`` in both shells: which board it is, what it leaves behind, what it refuses."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ipfi_serial import ConfigError, TransportError, aio, connect
from ipfi_serial.sim import opening, process
from ipfi_serial.sim.firmware import BoardBuildError


@pytest.mark.usefixtures("program")
def test_sim_is_the_c_board_where_it_can_be_built() -> None:
    with connect("sim:") as wire:
        assert wire.endpoint == "sim:c"


def cannot_build() -> Path:
    raise BoardBuildError("no compiler today", (), "many\nlines")


def test_sim_is_the_python_board_where_c_cannot_be_built_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "build_board", cannot_build)
    with caplog.at_level(logging.WARNING, "ipfi_serial"), connect("sim:") as wire:
        assert wire.endpoint == "sim:python"
        assert wire.call("magic") == 42
    (record,) = caplog.records
    assert record.getMessage() == (
        "the C board cannot be built: no compiler today; the Python board takes its place"
    )


def test_sim_c_is_an_error_where_it_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "build_board", cannot_build)
    with pytest.raises(TransportError, match="no compiler today"):
        connect("sim:c")


def test_both_shells_reach_both_boards(endpoint: str) -> None:
    async def call() -> tuple[str, int, list[str], bytes]:
        async with await aio.connect(endpoint) as wire:
            items = [item async for item in wire.stream("sequence", 3)]
            blob = await wire.call("blob", 2000)
            return wire.endpoint, await wire.call("add", 40, 2), items, blob

    found, answer, items, blob = asyncio.run(call())
    assert (found, answer, items) == (endpoint, 42, ["item 0", "item 1", "item 2"])
    assert blob == bytes(i % 251 for i in range(2000))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sim:c?sedd=3", "no option 'sedd'"),
        ("sim:c?seed=many", "seed='many' is no number"),
        ("sim:c?small=yes", "it is 0 or 1"),
        ("sim:rust", "no simulated board 'rust'"),
        ("sim:python?bps=fast", "positive number"),
    ],
)
def test_a_wrong_endpoint_is_refused_before_anything_starts(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        connect(text)


@pytest.mark.usefixtures("program")
def test_options_reach_the_board() -> None:
    with connect("sim:c?small=1&seed=7") as wire:
        assert wire.call("blob", 3000) == bytes(i % 251 for i in range(3000))


def test_a_speed_can_be_given(endpoint: str) -> None:
    with connect(f"{endpoint}?bps=11520") as wire:
        assert wire.call("magic") == 42


@pytest.mark.usefixtures("program")
def test_a_port_that_cannot_be_opened_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[process.BoardProcess] = []

    class Elsewhere(process.BoardProcess):
        def __init__(self, *, seed: int | None = None, small: bool = False) -> None:
            super().__init__(seed=seed, small=small)
            self.path = str(tmp_path / "nothing")
            started.append(self)

    monkeypatch.setattr(opening, "BoardProcess", Elsewhere)
    with pytest.raises(TransportError, match="No such file"):
        connect("sim:c")
    assert not started[0].running


def test_importing_the_package_does_not_load_the_boards() -> None:
    code = (
        "import sys, ipfi_serial;"
        "assert not [m for m in sys.modules if m.startswith('ipfi_serial.sim.')];"
        "assert 'ipfi_serial.cli' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)  # noqa: S603
