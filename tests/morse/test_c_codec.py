"""The C codec of the firmware: its own unit tests, and against Python's on the same frames."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ipfi_serial.morse.alphabet import alphabet_named
from ipfi_serial.morse.keying import Keyer
from tests.morse.keyed import ALPHABETS, FRAME, jittered, stretched, with_glitches

FIRMWARE = Path(__file__).parents[2] / "firmware-sim"
SOURCES = [FIRMWARE / "src/morse.c", FIRMWARE / "src/morse_decoder.c"]
STRICT = [
    "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wswitch-enum", "-Werror",
    f"-I{FIRMWARE / 'include'}", f"-I{FIRMWARE / 'src'}",
]  # fmt: skip
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
UNIT_TICKS = 1000
both = pytest.mark.parametrize("alphabet", ALPHABETS)


def compiler(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name}: install the package {name}")
    return path


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)  # noqa: S603 a compiler
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_the_unit_tests_pass_under_the_sanitizers_without_a_warning(
    name: str, tmp_path: Path
) -> None:
    program = tmp_path / "unit"
    test = FIRMWARE / "tests/morse/test_morse.c"
    run(compiler(name), *STRICT, *SANITIZERS, *SOURCES, test, "-o", program)
    assert "0 failed" in run(program)


def test_it_compiles_for_the_avr_where_an_int_has_16_bits(tmp_path: Path) -> None:
    if shutil.which("avr-gcc") is None:
        pytest.skip("no avr-gcc: install the packages gcc-avr and avr-libc")
    for source in SOURCES:
        run(
            compiler("avr-gcc"), "-mmcu=atmega328p", "-Os", *STRICT, "-c", source, "-o",
            tmp_path / "morse.o",
        )  # fmt: skip


class Codec:
    """The C codec as Python calls it."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.key.restype = self._library.hear.restype = ctypes.c_size_t

    def key(self, alphabet: str, wire: bytes) -> list[int]:
        """Return marks and gaps of wire bytes in turn, in units."""
        units = (ctypes.c_uint8 * 65536)()
        size = ctypes.c_size_t(len(wire))
        count = self._library.key(alphabet == "itu", wire, size, units, ctypes.c_size_t(65536))
        return list(units[:count])

    def start(self, alphabet: str) -> None:
        """Begin with a decoder that has heard nothing."""
        self._library.start(alphabet == "itu", UNIT_TICKS)

    def hear(self, edges_s: list[float], rising: bool = True) -> bytes:
        """Return what is read of edges in units."""
        ticks = [round(edge * UNIT_TICKS) for edge in edges_s]
        edges = (ctypes.c_uint32 * len(ticks))(*ticks)
        wire = ctypes.create_string_buffer(65536)
        size = self._library.hear(
            edges, ctypes.c_size_t(len(ticks)), rising,
            ctypes.c_uint32(ticks[-1] + 50 * UNIT_TICKS), wire, ctypes.c_size_t(65536),
        )  # fmt: skip
        return wire.raw[:size]


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    library = tmp_path_factory.mktemp("morse") / "codec.so"
    harness = Path(__file__).parent / "c_codec.c"
    run(compiler("cc"), *STRICT, "-O2", "-fPIC", "-shared", *SOURCES, harness, "-o", library)
    return Codec(library)


def edges_of(units: list[int], start: float = 100.0) -> list[float]:
    edges = [start]
    for length in units[:-1]:
        edges.append(edges[-1] + length)
    return edges


@both
def test_both_languages_key_the_same_marks_and_gaps(alphabet: str, codec: Codec) -> None:
    draw = Random(1)  # noqa: S311 repeatable
    keyer = Keyer(alphabet_named(alphabet))
    for size in (1, 2, 40, 300, 1500):
        frame = bytes(draw.randrange(1, 256) for _ in range(size))
        assert codec.key(alphabet, b"\0" + frame + b"\0") == keyer.key(frame)
    two = codec.key(alphabet, FRAME + b"\0\0" + FRAME + b"\0")
    assert two == 2 * keyer.key(FRAME)


DISTORTIONS: dict[str, Callable[[list[float], Random], list[float]]] = {
    "nothing": lambda edges, _: edges,
    "a slow clock": lambda edges, _: [1.3 * edge for edge in edges],
    "a fast clock": lambda edges, _: [0.7 * edge for edge in edges],
    "a sender that slows down by 20 %": lambda edges, _: stretched(edges, 0.2),
    "one that grows faster by 20 %": lambda edges, _: stretched(edges, -0.2),
    "jitter of 10 %": lambda edges, draw: jittered(edges, 0.1, draw),
    "glitches in the bytes": lambda edges, draw: (
        edges[:24] + with_glitches(edges[24:], 6, 0.3, draw)
    ),
}


@both
@pytest.mark.parametrize("what", DISTORTIONS)
def test_c_reads_what_python_keys_over_a_line_with(alphabet: str, what: str, codec: Codec) -> None:
    draw = Random(2)  # noqa: S311 repeatable
    codec.start(alphabet)
    units = Keyer(alphabet_named(alphabet)).key(FRAME)
    read = 0
    for k in range(50):
        edges = DISTORTIONS[what](edges_of(units, 100.0 + 2000 * k), draw)
        read += codec.hear(edges, rising=k < 25) == FRAME + b"\0"
    assert read >= 48


@both
def test_jitter_of_15_percent_at_every_edge_damages_few_frames_in_c_too(
    alphabet: str, codec: Codec
) -> None:
    draw = Random(3)  # noqa: S311 repeatable
    codec.start(alphabet)
    units = Keyer(alphabet_named(alphabet)).key(FRAME)
    read = 0
    for k in range(200):
        edges = jittered(edges_of(units, 100.0 + 2000 * k), 0.15, draw)
        read += codec.hear(edges) == FRAME + b"\0"
    assert read >= 185
