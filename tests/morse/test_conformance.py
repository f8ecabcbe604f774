"""The conformance suite's bad lines on the two Morse lines that tests/run does not try whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240  # a busy machine; alone a few seconds


@pytest.mark.parametrize(
    ("target", "tests"),
    [
        ("morse-itu", "soak or host_is_called_once or session_begins"),
        ("morse-half", "host_is_called_once or session_begins"),
    ],
)
def test_every_call_is_executed_once_on_a_bad_line(target: str, tests: str) -> None:
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "hil/conformance", "-k", tests]
    done = subprocess.run(  # noqa: S603 - our own suite
        [sys.executable, *command, "--ipfi-target", target],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
