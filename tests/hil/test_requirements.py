"""Every requirement of the protocol is cited by a conformance test, or excused with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from ipfi_hil.requirements import defined, expand
from ipfi_serial.errors import ConfigError
from tests.docs.pages import ROOT

SUITE = ROOT / "hil" / "conformance"


def cited() -> Iterator[str]:
    """The requirements in the markers of the suite, without importing it."""
    for path in SUITE.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "requirement":
                for argument in node.args:
                    yield from expand(ast.literal_eval(argument))


def excused() -> dict[str, str]:
    """What the suite's conftest says of the others."""
    tree = ast.parse((SUITE / "conftest.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXCUSED":
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    raise AssertionError("conftest.py has no EXCUSED")


def functions() -> Iterator[ast.FunctionDef]:
    for path in SUITE.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node


def test_every_requirement_is_cited_or_excused() -> None:
    numbers = {each.number for each in defined()}
    assert numbers - set(cited()) == set(excused())


def test_an_excuse_names_where_the_requirement_is_tested_or_why_not() -> None:
    for number, reason in excused().items():
        assert len(reason) > 15, number


def test_every_conformance_test_cites_a_requirement() -> None:
    for test in functions():
        names = {getattr(getattr(each, "func", None), "id", "") for each in test.decorator_list}
        assert "requirement" in names, test.name


def test_a_range_is_all_of_its_numbers() -> None:
    assert expand("LINK-9 to LINK-11") == ["LINK-9", "LINK-10", "LINK-11"]
    assert expand("CALL-3") == ["CALL-3"]
    for wrong in ("CALL-99", "nothing"):
        with pytest.raises(ConfigError, match="no requirement"):
            expand(wrong)
