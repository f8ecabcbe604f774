"""The page shows the stored results and nothing else; nothing that is missing vanishes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from tests.benchmarks import calls, firmware, regression, report
from tests.benchmarks.figures import Figure, at_least, at_most, missing, plain, ratios
from tests.benchmarks.peers import ERPC, EVERYBODY, OURS, PEERS, Peer, Unavailable
from tests.benchmarks.table import Table, cpu


def test_the_results_on_the_page_are_those_of_the_results_file() -> None:
    kept = json.loads(report.RESULTS.read_text())
    page = report.PAGE.read_text()
    assert page == report.renewed(page, report.section(kept)), "run python -m tests.benchmarks"
    assert report.section(kept) in page
    assert report.PICTURE.read_text() == report.picture(kept)


def test_a_hand_on_the_page_is_noticed() -> None:
    kept = json.loads(report.RESULTS.read_text())
    page = report.PAGE.read_text().replace("| met |", "| met  |", 1)
    assert page != report.renewed(page, report.section(kept))


def test_what_stands_around_the_results_stays() -> None:
    page = f"before\n{report.BEGIN}old\n{report.END}behind\n"
    assert report.renewed(page, "new\n") == f"before\n{report.BEGIN}new\n{report.END}behind\n"


def test_a_peer_that_cannot_be_had_fails_its_figures_with_the_reason() -> None:
    nobody = [Peer(peer.name, "nothing.py", ("nothing",)) for peer in EVERYBODY]
    table = Table(nobody, (calls.ADD,), 1)
    figures = [*calls._targets(table), *calls._everybody(table)]
    assert len(figures) > len(EVERYBODY)
    for figure in figures:
        assert figure.value is None
        assert not figure.ok
        assert "not installed" in figure.note


def test_a_figure_names_the_peer_that_was_missing() -> None:
    table = Table((), (calls.ADD,), 1)
    table.reasons[ERPC.name] = "no wheel for this processor"
    with pytest.raises(Unavailable, match="eRPC: no wheel"):
        table.values(ERPC, calls.ADD, cpu)
    with pytest.raises(Unavailable, match="cannot do that"):
        table.values(OURS, calls.ADD, cpu)


def test_every_peer_has_an_environment_of_its_own_outside_of_the_clone() -> None:
    homes = [peer.environment for peer in PEERS if peer.packages]
    assert len(set(homes)) == len(homes)
    assert not any(home.is_relative_to(report.ROOT) for home in homes)


def test_firmware_that_cannot_be_run_keeps_its_figures_and_says_why(mocker: MockerFixture) -> None:
    nothing = mocker.Mock(why_unavailable=lambda: "needs a chip")
    mocker.patch.object(firmware, "find_target", return_value=nothing)
    figures = firmware.measure(1)
    assert len(figures) == 4
    assert all(not figure.ok and "needs a chip" in figure.note for figure in figures)


def test_a_median_is_held_against_its_target() -> None:
    assert at_most("a", [1, 2, 9], 2).ok
    assert not at_most("a", [1, 3, 9], 2).ok
    assert at_least("a", [1, 2, 9], 2).ok
    assert not at_least("a", [0, 1, 9], 2).ok
    assert plain("a", [3, 1, 2], "us").value == 2
    assert plain("a", [3, 1, 2], "us").spread == (1, 3)
    assert ratios([2, 9], [1, 3]) == [2, 3]
    assert not missing("a", "x", "<= 1", "why").ok


def test_a_ratio_that_got_worse_is_told_and_one_within_the_slack_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    regression.store([at_most("low", [1.0], 2), at_least("high", [10.0], 5)], path)
    assert not regression.worse([at_most("low", [1.2], 2), at_least("high", [9.0], 5)], path)
    (line,) = regression.worse([at_most("low", [1.4], 2), at_least("high", [20.0], 5)], path)
    assert line.startswith("low")
    (line,) = regression.worse([at_most("low", [0.1], 2), at_least("high", [7.0], 5)], path)
    assert line.startswith("high")


def test_times_are_never_compared_with_stored_ones(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    regression.store([plain("p50", [1.0], "us")], path)
    assert json.loads(path.read_text()) == {}


def test_storing_keeps_what_was_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "ratios.json"
    regression.store([at_most("one", [1.0], 2)], path)
    regression.store([at_most("two", [2.0], 2)], path)
    assert sorted(json.loads(path.read_text())) == ["one", "two"]


def test_a_figure_can_be_read() -> None:
    assert "MISSED" in str(at_most("a", [3], 2))
    assert str(at_most("a", [1], 2)).endswith("ok")
    assert "why" in str(missing("a", "x", "<= 1", "why"))
    assert Figure("a", 1.0, "us").as_dict()["ok"] is True
