"""docs/hil.md says what the plugin has, and its example is the one in hil/example."""

from __future__ import annotations

import inspect
import re
import tomllib

import ipfi_hil.plugin
from ipfi_hil.board import KEYS, KINDS
from ipfi_hil.target import shipped_targets
from tests.docs.pages import ROOT, blocks_of, table_under

GUIDE = ROOT / "docs" / "hil.md"
EXAMPLE = ROOT / "hil" / "example"
PLUGIN = inspect.getsource(ipfi_hil.plugin)


def first_column(heading: str) -> set[str]:
    """The names in code in the first column of the table under a heading."""
    rows = table_under(GUIDE, heading)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


def test_the_tests_shown_are_those_of_the_example() -> None:
    shown = [block.text for block in blocks_of(GUIDE) if "test_thermostat" in block.options]
    assert shown == [(EXAMPLE / "test_thermostat.py").read_text(encoding="utf-8")]


def test_the_board_files_shown_are_those_of_the_example() -> None:
    shown = [b.text for b in blocks_of(GUIDE) if b.language == "text" and "kind =" in b.text]
    files = ("thermostat.toml", "thermostat-bench.toml")
    assert shown == [(EXAMPLE / name).read_text(encoding="utf-8") for name in files]
    assert all(tomllib.loads(text)["kind"] in KINDS for text in shown)


def test_the_extra_installs_what_the_guides_commands_need_in_a_clone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    plugins = {"timeout": "pytest-timeout"}  # key of pytest's configuration -> what knows it
    asked = project["tool"]["pytest"]["ini_options"].keys() & plugins.keys()
    extra = {
        re.split("[>=]", each)[0] for each in project["project"]["optional-dependencies"]["hil"]
    }
    assert extra == {"pytest", *(plugins[key] for key in asked)}


def test_every_fixture_is_in_the_table() -> None:
    fixtures = set(re.findall(r"@pytest\.fixture.*\ndef (ipfi_\w+)", PLUGIN))
    assert first_column("Fixtures") == fixtures - {"ipfi_bench"}


def test_every_option_is_in_the_table() -> None:
    options = set(re.findall(r'"(--ipfi-[a-z-]+)"', PLUGIN))
    assert {name.partition(" ")[0] for name in first_column("Options")} == options


def test_every_target_is_in_the_table() -> None:
    listed = {name.replace("serial:PORT", "serial") for name in first_column("Targets")}
    assert listed == set(shipped_targets())


def test_every_key_of_a_board_file_is_in_the_table() -> None:
    listed = {name.strip("[]") for name in first_column("The board file")}
    assert listed >= KEYS


def test_the_example_needs_nothing_that_is_not_in_it_but_the_library() -> None:
    includes = set(
        re.findall(r'#include "(.+)"', (EXAMPLE / "main.c").read_text())
        + re.findall(r'#include "(.+)"', (EXAMPLE / "host.c").read_text())
    )
    assert includes == {"ipfi/ipfi.h"}
