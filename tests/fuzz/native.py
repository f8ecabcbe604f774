"""Runs libFuzzer over the C core, and keeps what it finds as a seed."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.firmware import build
from tests.fuzz import seeds
from tests.fuzz.boards import library
from tests.fuzz.seeds import CORPUS, DICTIONARY

FAST: Final = "-fast"
FUZZERS: Final = {
    f"{name}{kind}": flags
    for name in ("receive", "session")
    for kind, flags in (("", ()), (FAST, ("-DIPFI_FOR_SPEED=1",)))
}  # with what they are compiled
GROWN: Final = build.FIRMWARE / "build"  # where long runs keep what they learnt
FOUND: Final = "found-"  # what its files begin with
HANGS_S: Final = 120
MAX_INPUT_BYTES: Final = 2000  # 25 full frames of a small board
_BUILD: Final = ("-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
_INPUTS: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED: Final = re.compile(r"cov: (\d+) ft: (\d+)")


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        target: what was fuzzed.
        seconds: how long.
        inputs: tried.
        edges: of the code that were reached.
        features: libFuzzer's: edges, how often, and compared values; 0 if nothing measured them.
        crashes: inputs that broke a promise, as files of the corpus.
        log: what was said about them.
    """

    target: str
    seconds: float
    inputs: int
    edges: int
    features: int
    crashes: tuple[Path, ...]
    log: str = ""

    @property
    def verdict(self) -> str:
        """The outcome on one line."""
        covered = f"{self.edges} edges, {self.features} features" if self.features else "unguided"
        found = f"{len(self.crashes)} CRASHES" if self.crashes else "nothing found"
        return f"{self.target}: {self.inputs} inputs in {self.seconds:.0f} s, {covered}: {found}"


def build_fuzzers(place: Path, *names: str) -> dict[str, Path]:
    """Compile fuzzers, or all, with clang and the sanitizers: what they share, once."""
    clang = build.compiler("clang")
    programs = {name: place / f"fuzz-{name}" for name in names or FUZZERS}
    for flags in {FUZZERS[name] for name in programs}:
        objects = place / "-".join(("shared", *flags))
        objects.mkdir()
        command = [clang, *build.WARNINGS, *_BUILD, *flags, *build.INCLUDES]
        shared = [build.FIRMWARE / "tests" / "fuzz_bench.c", *build.library_sources()]
        build.run([*command, "-c", *shared, *build.sim(*build.DEMO)], objects)
        for name in (each for each in programs if FUZZERS[each] == flags):
            source = build.FIRMWARE / "tests" / f"fuzz_{corpus_of(name)}.c"
            build.run([*command, source, *objects.glob("*.o"), "-o", programs[name]], place)
    return programs


def corpus_of(name: str) -> str:
    """Return where a fuzzer's inputs are: those of a fast one are the other's."""
    return name.removesuffix(FAST)


def options(place: Path, seed: int) -> list[str]:
    """Return libFuzzer's options, the same for both languages: what it finds goes to ``place``.

    An input that is slow is reported as one that hangs, or not at all: on a busy machine any is.
    """
    return [
        f"-max_len={MAX_INPUT_BYTES}",
        "-print_final_stats=1",
        f"-dict={DICTIONARY}",
        f"-artifact_prefix={place}/{FOUND}",
        f"-seed={seed}",
        f"-timeout={HANGS_S}",
        f"-report_slow_units={HANGS_S}",
    ]


def fuzz(
    name: str,
    seconds: float,
    *,
    program: Path | None = None,
    grown: Path | None = None,
    seed: int = 0,
) -> Outcome:
    """Fuzz for a while, from the corpus of the repository on.

    Args:
        name: of the fuzzer.
        program: the fuzzer, if it was built before.
        seconds: how long; 0 only tries the corpus.
        grown: a directory for new inputs, kept from run to run; a temporary one if None.
        seed: 0 is a new one each time.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        program = program or build_fuzzers(place, name)[name]
        kept = place / "grown" if grown is None else grown
        kept.mkdir(parents=True, exist_ok=True)
        command = [str(program), *options(place, seed)]
        command.append(f"-max_total_time={seconds:.0f}" if seconds else "-runs=0")
        seeds.write(library(), place / "fresh")  # those of the repository may be of an older HELLO
        corpus = corpus_of(name)
        command += [str(kept), str(CORPUS / corpus), str(place / "fresh" / corpus)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        found = sorted(place.glob(f"{FOUND}*"))
        crashes = tuple(keep(corpus, each.read_bytes()) for each in found)
    said = done.stderr
    if done.returncode != 0 and not crashes:
        raise RuntimeError(f"{name}: the fuzzer failed\n{said[-4000:]}")
    covered = _COVERED.findall(said)
    edges, features = map(int, covered[-1]) if covered else (0, 0)
    inputs = _INPUTS.search(said)
    tried = int(inputs[1]) if inputs else 0
    return Outcome(name, seconds, tried, edges, features, crashes, said if crashes else "")


def keep(target: str, data: bytes) -> Path:
    """Save an input that broke a promise where every later run tries it first."""
    name = hashlib.sha256(data).hexdigest()[:16]
    path = CORPUS / target / f"crash-{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
