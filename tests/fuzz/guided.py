"""Tries inputs on a Python function: guided by coverage where atheris is installed, else blindly.

Blind means: the corpus, mutated at random, which finds less and needs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.firmware import build
from tests.fuzz.native import FOUND, MAX_INPUT_BYTES, Outcome, keep, options
from tests.fuzz.seeds import CORPUS

Target = Callable[[bytes], None]

TARGETS: Final = {
    "python": ("tests.fuzz.decoders", ("receive", "session")),
    "lives": ("tests.fuzz.lives", ("session",)),
    "differential": ("tests.fuzz.differential", ("receive", "session")),
}  # the module with one_input, and the corpora that it begins with
_COVERED: Final = re.compile(r"cov: (\d+) ft: (\d+)")
_RUNS: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)|^Done (\d+) runs", re.MULTILINE)


def has_atheris() -> bool:
    """Tell whether runs can be guided."""
    return importlib.util.find_spec("atheris") is not None


def corpus_of(target: str) -> list[Path]:
    """Return the inputs that a run begins with: what failed once comes first."""
    places = [CORPUS / target, *(CORPUS / each for each in TARGETS[target][1])]
    return [each for place in places for each in sorted(place.glob("*"))]


def target_of(name: str) -> Target:
    """Return the function that takes one input."""
    function: Target = importlib.import_module(TARGETS[name][0]).one_input
    return function


def fuzz(name: str, seconds: float, *, grown: Path | None = None, seed: int = 0) -> Outcome:
    """Fuzz for a while, as :func:`tests.fuzz.native.fuzz` does."""
    if not has_atheris():
        return blindly(name, seconds, seed=seed)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        kept = place / "grown" if grown is None else grown
        kept.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.instrumented",
            TARGETS[name][0],
            f"-max_total_time={seconds:.0f}",
        ]
        command += options(place, seed)
        command += [str(kept), *(str(CORPUS / each) for each in (name, *TARGETS[name][1]))]
        done = subprocess.run(  # noqa: S603 - our own program
            [each for each in command if not each.startswith(str(CORPUS)) or Path(each).is_dir()],
            capture_output=True,
            text=True,
            check=False,
            cwd=build.ROOT,
        )
        crashes = tuple(keep(name, each.read_bytes()) for each in sorted(place.glob(f"{FOUND}*")))
    said = done.stderr + done.stdout
    if done.returncode != 0 and not crashes:
        raise RuntimeError(f"{name}: the fuzzer failed\n{said[-4000:]}")
    covered = _COVERED.findall(said)
    edges, features = map(int, covered[-1]) if covered else (0, 0)
    if not features:
        raise RuntimeError(f"{name}: nothing was instrumented\n{said[-4000:]}")
    runs = [int(a or b) for a, b in _RUNS.findall(said)]
    return Outcome(
        name, seconds, max(runs, default=0), edges, features, crashes, said if crashes else ""
    )


def blindly(name: str, seconds: float, *, seed: int = 0) -> Outcome:
    """Try the corpus, then mutations of it until the time is over or one fails."""
    target = target_of(name)
    inputs = [path.read_bytes() for path in corpus_of(name)]
    chance = random.Random(seed or time.time_ns())  # noqa: S311 - it is printed with a failure
    until_s = time.monotonic() + seconds
    tried = 0
    for data in inputs:
        tried += 1
        target(data)
    while time.monotonic() < until_s:
        data = mutated(chance.choice(inputs), chance, inputs)
        tried += 1
        try:
            target(data)
        except Exception as error:  # noqa: BLE001 - whatever escaped is what we look for
            return Outcome(name, seconds, tried, 0, 0, (keep(name, data),), repr(error))
    return Outcome(name, seconds, tried, 0, 0, ())


def mutated(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return ``data`` with one to four changes."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(6)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << chance.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = chance.choice(
                (0, 1, 0x7F, 0x80, 0xC0, 0xFF, chance.randrange(256))
            )
        elif kind == 2:
            out[at:at] = chance.randbytes(chance.randint(1, 8))
        elif kind == 3:
            del out[at : at + chance.randint(1, 8)]
        elif kind == 4:
            out[at:at] = out[at : at + chance.randint(1, 40)]
        else:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            out[at:] = other[start:]
    return bytes(out[:MAX_INPUT_BYTES])
