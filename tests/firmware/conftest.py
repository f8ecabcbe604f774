"""Builds the C side once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware import build
from tests.firmware.lockstep import Library


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("firmware")


@pytest.fixture(scope="session")
def board_binary(outputs: Path) -> Path:
    """The board as a user's machine would build it: one invocation over sources.txt."""
    return build.board(build.any_compiler(), outputs / "ipfi-board")


@pytest.fixture(scope="session")
def checked_board(outputs: Path) -> Path:
    """The same with the address and undefined-behaviour sanitizers."""
    return build.board(build.any_compiler(), outputs / "ipfi-board-checked", *build.SANITIZERS)


@pytest.fixture(scope="session", params=["", "-DIPFI_FOR_SPEED=1"], ids=["plain", "for-speed"])
def library(outputs: Path, request: pytest.FixtureRequest) -> Library:
    """What is compiled otherwise for speed has to say the same."""
    flags = [request.param] if request.param else []
    name = "libipfi-for-speed.so" if flags else "libipfi.so"
    return Library(build.shared_object(build.any_compiler(), outputs / name, *flags))
