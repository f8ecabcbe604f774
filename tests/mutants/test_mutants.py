"""No planted bug is stale, and they are planted and caught as they should be."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from tests.mutants import __main__ as command
from tests.mutants.catching import Verdict, catch, try_catcher
from tests.mutants.mutants import MUTANTS
from tests.mutants.planting import ROOT, Mutant, StaleMutantError, make_copy

PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
QUICK = ("receiver-wraps-at-255", "tombstone-forgotten")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_copy(tmp_path_factory.mktemp("mutants"))


def named(name: str) -> Mutant:
    (found,) = (mutant for mutant in MUTANTS if mutant.name == name)
    return found


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_can_be_planted_in_the_code_of_today(mutant: Mutant) -> None:
    assert not mutant.stale()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_bug_breaks_is_a_requirement_and_its_catchers_exist(mutant: Mutant) -> None:
    for number in mutant.breaks.split(", "):
        assert f"**{number}**" in PROTOCOL
    for catcher in mutant.catchers:
        if not re.match(r"(sim|replay)\b", catcher):
            assert all((ROOT / path).exists() for path in catcher.split())


def test_every_bug_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 24


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught_and_gone_afterwards(name: str, copy: Path) -> None:
    mutant = named(name)
    verdict = catch(mutant, copy)
    assert verdict.good, str(verdict)
    assert (copy / mutant.file).read_text() == (ROOT / mutant.file).read_text()


@pytest.mark.timeout(300)
def test_without_a_bug_the_same_tests_pass(copy: Path) -> None:
    for name in QUICK:
        assert try_catcher(named(name).catchers[0], copy) == ""


def test_the_tests_of_a_copy_test_the_copy(copy: Path) -> None:
    probe = copy / "tests" / "test_probe.py"
    probe.write_text(
        "import ipfi_serial, pathlib\n"
        "def test_place():\n"
        f"    assert pathlib.Path(ipfi_serial.__file__).is_relative_to({str(copy)!r})\n"
    )
    try:
        assert try_catcher("tests/test_probe.py", copy) == ""
    finally:
        probe.unlink()


def test_a_text_that_is_gone_or_there_twice_makes_a_bug_stale(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("a = 1\nb = 1\n")
    gone = Mutant("gone", "HS-1", "x.py", "c = 1", "c = 2", ())
    twice = Mutant("twice", "HS-1", "x.py", " = 1", " = 2", ())
    nowhere = Mutant("nowhere", "HS-1", "y.py", "a", "b", ())
    same = Mutant("same", "HS-1", "x.py", "a = 1", "a = 1", ())
    assert "0 times in x.py" in gone.stale(tmp_path)
    assert "2 times in x.py" in twice.stale(tmp_path)
    assert "there is no y.py" in nowhere.stale(tmp_path)
    assert "changes nothing" in same.stale(tmp_path)
    with pytest.raises(StaleMutantError):
        gone.plant(tmp_path)


def test_a_bug_that_survives_or_is_stale_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mutant = named("hello-with-an-old-floor")
    outcomes = {
        0: Verdict(mutant, ("tests/x.py::test_y",)),
        1: Verdict(mutant, ()),
        2: Verdict(mutant, ("tests/x.py::test_y",), "it is stale"),
    }
    for code, verdict in outcomes.items():
        monkeypatch.setattr(command, "run_all", lambda *_, verdict=verdict, **__: [verdict])
        assert command.main(["--only", mutant.name]) == min(code, 1)
    assert "1 of 1 planted bugs were caught" in capsys.readouterr().out
    assert "SURVIVED" in str(outcomes[1])
    assert "stale" in str(outcomes[2])


def test_checks_that_fail_without_a_bug_are_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "make_copy", lambda place: place)
    monkeypatch.setattr(command, "try_catcher", lambda *_: "tests/x.py::test_y")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert command.main(["--only", "hello-with-an-old-floor"]) == 1
    assert "fails without any bug" in capsys.readouterr().out
