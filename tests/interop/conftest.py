"""Builds the reference peer once a session."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final, NoReturn

import pytest

pytest.register_assert_rewrite("tests.interop.peer", "tests.interop.scenarios")

PACKAGE: Final = Path(__file__).parent / "reference_peer"
OLDEST_CARGO: Final = (1, 85)  # rust-version in Cargo.toml
FETCH_TIMEOUT_S: Final = 300
BUILD_TIMEOUT_S: Final = 540


def _unavailable(reason: str) -> NoReturn:
    """Skip; but continuous integration must never skip in silence."""
    if os.environ.get("CI"):
        pytest.fail(f"the reference peer cannot be built: {reason}")
    pytest.skip(f"the reference peer cannot be built: {reason}")


def _cargo() -> str:
    cargo = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo" / "bin")
    if cargo is None:
        _unavailable("there is no cargo; install a Rust toolchain")
    answer = subprocess.run(  # noqa: S603 - found by name on the PATH
        [cargo, "--version"], capture_output=True, text=True, check=False
    )
    version = re.match(r"cargo (\d+)\.(\d+)", answer.stdout)
    if version is None:
        _unavailable(f"cargo --version said {answer.stdout or answer.stderr!r}")
    if (int(version[1]), int(version[2])) < OLDEST_CARGO:
        wanted = ".".join(map(str, OLDEST_CARGO))
        _unavailable(f"{answer.stdout.strip()} is too old, {wanted} is needed")
    return cargo


def _run(cargo: str, *arguments: str, timeout_s: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - as above
        [cargo, *arguments, "--locked", "--manifest-path", str(PACKAGE / "Cargo.toml")],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "CARGO_TARGET_DIR": str(PACKAGE / "target")},
    )


@pytest.fixture(scope="session")
def reference_peer() -> Path:
    """Return the program, freshly built."""
    cargo = _cargo()
    fetched = _run(cargo, "fetch", timeout_s=FETCH_TIMEOUT_S)
    if fetched.returncode:
        _unavailable(f"its dependencies cannot be fetched: {fetched.stderr.strip()[-500:]}")
    built = _run(cargo, "build", "--release", timeout_s=BUILD_TIMEOUT_S)
    assert built.returncode == 0, f"the reference peer does not compile:\n{built.stderr}"
    return PACKAGE / "target" / "release" / "reference-peer"
