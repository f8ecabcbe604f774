"""A model and its switches in, what spin found out.

``spin -a`` makes a verifier in C, ``cc`` compiles it, and it visits every state within the bounds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MODELS: Final = ROOT / "docs" / "model"
TOOLS: Final = ("spin", "cc")
DEPTH: Final = 100_000  # steps; the runs of today reach about 600
MEMORY_MIB: Final = 2_000
DEEP_MEMORY_MIB: Final = 12_000
LIMIT_S: Final = 800.0  # of a run of seconds, on a machine however busy
DEEP_LIMIT_S: Final = 3_600.0
BROKEN: Final = "assertion violated"


@dataclass(frozen=True, slots=True)
class Check:
    """One run of the verifier.

    Attributes:
        name: what it shows, in words.
        model: name of the file in docs/model, without its ending.
        switches: names and ``NAME=value`` pairs for the preprocessor.
        planted: the switch among them that is a bug, which must be found; or nothing.
        deep: whether it is too long for every day.
    """

    name: str
    model: str
    switches: tuple[str, ...] = ()
    planted: str = ""
    deep: bool = False

    @property
    def defines(self) -> list[str]:
        """All switches as arguments."""
        planted = (self.planted,) if self.planted else ()
        return [f"-D{switch}" for switch in (*self.switches, *planted)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the verifier said.

    Attributes:
        check: which run it was.
        error: the first violation in the verifier's words, or nothing.
        complete: whether every state within the bounds was visited.
        states: states stored.
        depth: longest path.
        seconds: how long it took, with making and compiling the verifier.
    """

    check: Check
    error: str
    complete: bool
    states: int
    depth: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether it is as it should be: a planted bug is found, nothing else is."""
        return bool(self.error) if self.check.planted else self.complete and not self.error

    def __str__(self) -> str:
        """Return one line of a report."""
        said = self.error or ("no error" if self.complete else "NOT COMPLETE")
        kind = f"planted {self.check.planted}" if self.check.planted else "protocol"
        verdict = "ok  " if self.good else "FAIL"
        return (
            f"{verdict} {self.check.model}: {self.check.name} ({kind}): {said}; "
            f"{self.states} states, depth {self.depth}, {self.seconds:.1f} s"
        )


class SpinError(RuntimeError):
    """The verifier could not be made or did not end as one does."""


def missing_tools() -> list[str]:
    """Return the commands that are needed and not there."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def run(check: Check) -> Outcome:
    """Make the verifier and let it run."""
    begun_s = time.monotonic()
    memory_mib = DEEP_MEMORY_MIB if check.deep else MEMORY_MIB
    with tempfile.TemporaryDirectory(prefix="ipfi-model-") as place:
        _call(["spin", "-a", *check.defines, str(MODELS / f"{check.model}.pml")], place)
        # a long run is worth the compiler's time; a short one is over before
        level = "-O1" if check.deep else "-O0"
        flags = ("-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024", f"-DMEMLIM={memory_mib}")
        limit_s = DEEP_LIMIT_S if check.deep else LIMIT_S
        _call(["cc", level, "-w", *flags, "-o", "pan", "pan.c"], place, limit_s)
        said = _call(["./pan", f"-m{DEPTH}"], place, limit_s)
    return read_outcome(check, said, time.monotonic() - begun_s)


def read_outcome(check: Check, said: str, seconds: float) -> Outcome:
    """Read what a verifier printed."""
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"^\s*(\d+(?:\.\d+e\+\d+)?) states, stored", said, re.MULTILINE)
    depth = re.search(r"depth reached (\d+)", said)
    if errors is None or states is None or depth is None:
        raise SpinError(f"the verifier did not end as one does:\n{said[-2000:]}")
    found = re.search(r"^pan:1: (.*)$", said, re.MULTILINE)
    return Outcome(
        check,
        error=found[1] if found is not None else ("an error" if int(errors[1]) else ""),
        complete="Search not completed" not in said and "max search depth too small" not in said,
        states=int(float(states[1])),
        depth=int(depth[1]),
        seconds=seconds,
    )


def simulate(
    model: str, switches: tuple[str, ...], seed: int, *, planted: bool = False
) -> list[str]:
    """Run a model at random; return the lines that begin with ``@``, without it.

    With a ``planted`` bug, an assertion may break: the trace ends there.

    Raises:
        SpinError: an assertion broke, or spin did not end as it does.
    """
    defines = [f"-D{switch}" for switch in switches]
    path = str(MODELS / f"{model}.pml")
    with tempfile.TemporaryDirectory(prefix="ipfi-trace-") as place:
        command = ["spin", "-T", f"-n{seed}", "-u100000", *defines, path]
        said = _call(command, place, allowed=BROKEN if planted else "")
    return [line.strip()[2:] for line in said.splitlines() if line.strip().startswith("@ ")]


def _call(command: list[str], place: str, limit_s: float = LIMIT_S, *, allowed: str = "") -> str:
    """Run a tool; return what it said, if it did not fail or that is what is ``allowed``."""
    done = subprocess.run(  # noqa: S603 - our own tools
        command, cwd=place, capture_output=True, text=True, timeout=limit_s, check=False
    )
    said = done.stdout + done.stderr
    failed = done.returncode != 0 and not (allowed and allowed in said)
    if failed or "syntax error" in said or "undeclared" in said:
        raise SpinError(f"{' '.join(command)} failed ({done.returncode}):\n{said[-2000:]}")
    return said
