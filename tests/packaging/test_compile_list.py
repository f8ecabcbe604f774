"""What the compiled wheel is made of: the list is whole, and nothing stale goes into a wheel.

Compiles nothing; ``bash tests/compiled`` does.
"""

from __future__ import annotations

import ast
import compileall
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """hatch_build.py, with a stand-in for what it needs of hatchling: tests need not have that."""
    hatchling = ModuleType("hatchling.builders.hooks.plugin.interface")
    hatchling.BuildHookInterface = dict  # type: ignore[attr-defined]  # any class with [...]
    name = ""
    for part in hatchling.__name__.split(".")[:-1]:
        name = f"{name}.{part}".strip(".")
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, hatchling.__name__, hatchling)
    spec = importlib.util.spec_from_file_location(
        "hatch_build", ROOT / "ipfi_serial" / "hatch_build.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the extension modules are made of."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ipfi_serial", tmp_path / "ipfi_serial", ignore=ignored)
    return tmp_path


class Compiler:
    """Stands in for the process that compiles."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe
        self.runs = 0
        self.works = True

    def __call__(self, words: list[str], **_options: object) -> SimpleNamespace:
        """Make the files, or only the first of them and fail."""
        self.runs += 1
        names = self.recipe.extension_modules(words[4:])
        for name in names if self.works else names[:1]:
            file = Path(words[3]) / "lib" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{self.runs}")
        return SimpleNamespace(returncode=0 if self.works else 1)


@pytest.fixture
def compiler(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    stand_in = Compiler(recipe)
    monkeypatch.setattr(subprocess, "run", stand_in)
    return stand_in


def make(recipe: Any, tree: Path) -> tuple[Path, list[str]]:
    modules = recipe.compiled_modules(tree)
    names = recipe.extension_modules(modules)
    place = recipe.made(tree, modules, names)
    assert place is not None
    return place, names


def test_every_module_of_the_layers_is_compiled_or_has_a_reason(recipe: Any) -> None:
    package = ROOT / "ipfi_serial"
    compiled = {name.removeprefix("ipfi_serial/") for name in recipe.compiled_modules(ROOT)}
    there = {
        path.relative_to(package).as_posix()
        for layer in ("framing", "link", "codec", "engine", "pump", "sync", "aio")
        for path in (package / layer).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert compiled | recipe.INTERPRETED.keys() == there | set(recipe.ALONE)
    assert not compiled & recipe.INTERPRETED.keys()
    assert all((package / name).is_file() for name in [*compiled, *recipe.INTERPRETED])
    assert all(len(reason.split()) > 3 for reason in recipe.INTERPRETED.values())


def test_a_compiled_class_has_compiled_bases_or_some_of_the_standard_library(recipe: Any) -> None:
    """One with a base of ours that is interpreted would crash when it is collected."""
    classes = {
        (name, node.name): [ast.unparse(base).removeprefix("enum.") for base in node.bases]
        for name in recipe.compiled_modules(ROOT)
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.ClassDef)
    }
    fine = {"ABC", "Enum", "IntEnum", "IntFlag", "NamedTuple", "Protocol"}
    fine.update(name for _, name in classes)
    assert {place: bases for place, bases in classes.items() if not fine.issuperset(bases)} == {}


@pytest.mark.parametrize("gone", ["codec/kinds.py", "workers.py"])
def test_a_listed_file_that_is_gone_ends_the_build(recipe: Any, tree: Path, gone: str) -> None:
    (tree / "ipfi_serial" / gone).unlink()
    with pytest.raises(ValueError, match=gone):
        recipe.compiled_modules(tree)


def test_the_digest_is_that_of_every_file_and_its_path(recipe: Any, tree: Path) -> None:
    package = tree / "ipfi_serial"
    seen = [recipe.digest(tree)]
    assert recipe.digest(tree) == seen[0] == recipe.digest(ROOT)
    sync, aio = package / "sync/opening.py", package / "aio/opening.py"
    sync_text, aio_text = sync.read_text(), aio.read_text()
    aio.write_text(f"{aio_text}#")
    seen.append(recipe.digest(tree))
    sync.write_text(aio_text)  # one name, two layers
    aio.write_text(sync_text)
    seen.append(recipe.digest(tree))
    sync.write_text(sync_text)
    aio.write_text(aio_text)
    (package / "link/session.py").rename(package / "link/sessions.py")
    seen.append(recipe.digest(tree))
    (package / "morse").rename(package / "morsf")  # the same names in the same order
    seen.append(recipe.digest(tree))
    (package / "hatch_build.py").write_text("opt_level = 3")
    seen.append(recipe.digest(tree))
    assert len(set(seen)) == len(seen)


def test_the_digest_is_that_of_flags_packages_and_python(
    recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CFLAGS", raising=False)
    seen = [recipe.digest(ROOT)]
    monkeypatch.setenv("CFLAGS", "-O0")
    seen.append(recipe.digest(ROOT))
    monkeypatch.setenv("CC", "clang")
    seen.append(recipe.digest(ROOT))
    for version in ("1.13", "1.14"):
        installed = [SimpleNamespace(name="mypy", version=version)]
        monkeypatch.setattr(recipe, "distributions", lambda found=installed: found)
        seen.append(recipe.digest(ROOT))
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _name: ".abi3.so")
    seen.append(recipe.digest(ROOT))
    assert len(set(seen)) == len(seen)


def test_a_second_build_takes_what_the_first_made(
    recipe: Any, compiler: Compiler, tree: Path
) -> None:
    place, names = make(recipe, tree)
    assert make(recipe, tree) == (place, names)
    assert compiler.runs == 1
    assert all((place / name).is_file() for name in names)
    assert list(place.parent.iterdir()) == [place]


def test_a_file_that_was_cleaned_away_is_compiled_again(
    recipe: Any, compiler: Compiler, tree: Path
) -> None:
    place, names = make(recipe, tree)
    (place / names[-1]).unlink()
    make(recipe, tree)
    assert compiler.runs == 2
    assert all((place / name).is_file() for name in names)


def test_an_edited_module_is_compiled_beside_what_another_build_may_read(
    recipe: Any, compiler: Compiler, tree: Path
) -> None:
    place, names = make(recipe, tree)
    with (tree / recipe.compiled_modules(tree)[0]).open("a") as source:
        source.write("# edited\n")
    assert make(recipe, tree)[0] != place
    assert compiler.runs == 2
    assert {(place / name).read_text() for name in names} == {"1"}


@pytest.mark.usefixtures("compiler")
def test_what_is_older_than_a_day_is_cleaned_away(recipe: Any, tree: Path) -> None:
    place, _ = make(recipe, tree)
    killed, running = place.parent / "making-killed", place.parent / "making-running"
    for folder in (killed, running):
        (folder / "c").mkdir(parents=True)
    for folder in (killed, place):
        os.utime(folder, (0, 0))
    assert make(recipe, tree)[0] == place
    assert set(place.parent.iterdir()) == {place, running}


def test_an_install_without_sources_is_not_taken_for_a_compiled_one(tree: Path) -> None:
    compileall.compile_dir(tree / "ipfi_serial", quiet=1, legacy=True)
    for source in (tree / "ipfi_serial").rglob("*.py"):
        source.unlink()
    code = "import ipfi_serial as i; print(i.__file__, i.__compiled__)"
    words = [sys.executable, "-c", code]  # which looks in the current folder first
    said = subprocess.run(words, cwd=tree, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert said.stdout.split() == [str(tree / "ipfi_serial/__init__.pyc"), "False"], said.stderr


def test_a_compiler_that_fails_leaves_nothing(recipe: Any, compiler: Compiler, tree: Path) -> None:
    compiler.works = False
    modules = recipe.compiled_modules(tree)
    assert recipe.made(tree, modules, recipe.extension_modules(modules)) is None
    assert [path for path in (tree / "build").rglob("*") if path.is_file()] == []
