"""Building the C board: once for each version, by whatever compiler is there, or with a reason."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ipfi_serial.sim import firmware
from ipfi_serial.sim.firmware import BoardBuildError, build_board, cache_directory, find_sources

BUILD_S = 100.0


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ipfi_serial"


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources that compile at once."""
    sources = tmp_path / "firmware"
    (sources / "sim").mkdir(parents=True)
    (sources / "sources.txt").write_text("sim/main.c\n")
    (sources / "sim" / "main.c").write_text("int main(void) { return 0; }\n")
    monkeypatch.setattr(firmware, "find_sources", lambda: sources)
    return sources


def script(path: Path, text: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_sources_are_found_and_complete() -> None:
    sources = find_sources()
    for name in (sources / "sources.txt").read_text().split():
        assert (sources / name).is_file()
    assert (sources / "include" / "ipfi" / "ipfi.h").is_file()


@pytest.mark.usefixtures("program")
def test_the_board_is_built_into_the_cache_and_runs(cache: Path) -> None:
    program = build_board()
    assert program.parent == cache
    assert os.access(program, os.X_OK)
    asked = subprocess.run([program, "--help"], capture_output=True, timeout=10, check=False)  # noqa: S603
    assert asked.returncode == 2
    assert b"usage: ipfi-board" in asked.stderr
    assert list(cache.iterdir()) == [program]


@pytest.mark.usefixtures("program", "cache", "quick")
def test_the_second_time_nothing_is_built() -> None:
    first = build_board()
    before = first.stat().st_mtime_ns
    assert build_board() == first
    assert first.stat().st_mtime_ns == before


@pytest.mark.usefixtures("program", "cache")
def test_changed_sources_are_another_program(quick: Path) -> None:
    first = build_board()
    (quick / "sim" / "main.c").write_text("int main(void) { return 1; }\n")
    second = build_board()
    (quick / "sim" / "board.h").write_text("/* included by nobody yet */\n")
    assert len({first, second, build_board()}) == 3


@pytest.mark.usefixtures("program", "cache", "quick")
def test_another_compiler_is_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_board()
    wrapper = script(tmp_path / "my cc", 'exec cc "$@"')
    monkeypatch.setenv("CC", f"'{wrapper}' -DMINE")
    assert build_board() != first


@pytest.mark.usefixtures("cache", "quick")
def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = script(tmp_path / "failing-cc", "echo 'main.c:1: error: no such thing'; exit 3")
    monkeypatch.setenv("CC", str(failing))
    with pytest.raises(BoardBuildError) as caught:
        build_board()
    assert "failing-cc failed with exit code 3\nmain.c:1: error: no such thing" in str(caught.value)
    assert caught.value.tried == (str(failing),)


@pytest.mark.usefixtures("quick")
def test_a_failed_build_leaves_nothing_in_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", str(script(tmp_path / "failing-cc", "exit 1")))
    with pytest.raises(BoardBuildError):
        build_board()
    assert list(cache.iterdir()) == []


def test_a_cc_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    with pytest.raises(BoardBuildError, match="CC is 'no-such-compiler -O3', which is no program"):
        build_board()


def test_without_any_compiler_the_error_says_what_was_tried_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(
        BoardBuildError, match=r"tried cc and python -m ziglang cc.*apt install gcc"
    ):
        build_board()


@pytest.mark.usefixtures("program", "cache", "quick")
def test_ziglang_is_taken_where_there_is_no_cc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = shutil.which("cc")
    package = tmp_path / "site" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import os, sys\n"
        f"assert sys.argv[1] == 'cc'\nos.environ['PATH'] = {os.environ['PATH']!r}\n"
        f"os.execv({cc!r}, [{cc!r}, *sys.argv[2:]])\n"
    )
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert build_board().is_file()


@pytest.mark.usefixtures("program", "quick")
def test_many_may_build_at_once(cache: Path) -> None:
    count = 4
    code = (
        "import sys; from pathlib import Path; from ipfi_serial.sim import firmware;"
        f"firmware.find_sources = lambda: Path({str(firmware.find_sources())!r});"
        "sys.stdin.readline(); print(firmware.build_board())"
    )
    builders = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:  # all start together
        outcomes = list(pool.map(lambda b: b.communicate("go\n", timeout=BUILD_S), builders))
    programs = {output.strip() for output, _ in outcomes}
    assert len(programs) == 1
    assert [str(path) for path in cache.iterdir()] == list(programs)


@pytest.mark.usefixtures("quick")
def test_a_cache_that_cannot_be_written_is_an_error_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BoardBuildError, match="set XDG_CACHE_HOME"):
        build_board()


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_a_cache_home_that_means_nothing_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "ipfi_serial"


def test_missing_sources_are_an_error_that_says_where_they_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "_PACKAGE", tmp_path / "package")
    with pytest.raises(BoardBuildError, match=r"_firmware and .*firmware-sim"):
        find_sources()


def test_a_wheel_has_its_sources_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "package" / "_firmware"
    inside.mkdir(parents=True)
    (inside / "sources.txt").touch()
    monkeypatch.setattr(firmware, "_PACKAGE", tmp_path / "package")
    assert find_sources() == inside


def test_without_posix_the_c_board_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.name", "nt")
    with pytest.raises(BoardBuildError, match="POSIX"):
        build_board()
