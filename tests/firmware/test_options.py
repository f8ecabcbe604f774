"""A library with things left out (include/ipfi/options.h) refuses them and serves the rest."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.firmware import build, model
from tests.firmware.board import Session, connected

HEADER = (build.FIRMWARE / "include/ipfi/options.h").read_text()
OPTIONS = re.findall(r"^#define (IPFI_WITH_\w+) 1$", HEADER, re.MULTILINE)
LOSSY_AND_LOG = 16 | 32  # extensions, protocol.md 3.2
MAGIC, SLEEP, LED, SET_LED = 0, 7, 12, 33


def pack(*values: object) -> bytes:
    return b"".join(msgspec.msgpack.encode(value) for value in values)


def value_of(answer: model.Message) -> object:
    assert answer.kind == model.RESPONSE, answer
    return msgspec.msgpack.decode(answer.payload)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The large board without anything that can be left out, checked by sanitizers."""
    off = [f"-D{option}=0" for option in OPTIONS]
    output = tmp_path_factory.mktemp("options") / "bare"
    return build.board(build.any_compiler(), output, *build.SANITIZERS, *off)


@pytest.fixture
def session(bare: Path) -> Iterator[Session]:
    with connected(bare) as connection:
        yield connection


def test_there_are_options() -> None:
    assert len(OPTIONS) >= 4


@pytest.mark.parametrize("option", OPTIONS)
def test_each_can_be_left_out_alone(option: str) -> None:
    flags = [*build.WARNINGS, f"-D{option}=0", *build.INCLUDES]
    build.run([build.any_compiler(), *flags, "-fsyntax-only", *build.board_sources()])


@pytest.mark.parametrize("option", OPTIONS)
def test_each_can_be_left_out_on_a_cortex_m0(option: str) -> None:
    cc = build.compiler("arm-none-eabi-gcc")
    flags = [*build.CORTEX_M0, *build.WARNINGS, f"-D{option}=0", *build.INCLUDES]
    build.run([cc, *flags, "-fsyntax-only", *build.library_sources()])


@pytest.mark.parametrize("name", [*build.HOST_COMPILERS, "arm-none-eabi-gcc"])
def test_the_one_configuration_may_be_named(name: str) -> None:
    chip = build.CORTEX_M0 if name.startswith("arm") else ()
    flags = [*chip, *build.WARNINGS, "-DIPFI_ONLY_CONFIG=mine", *build.INCLUDES]
    build.run([build.compiler(name), *flags, "-fsyntax-only", *build.library_sources()])


def test_options_may_come_from_a_header_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "mine.h").write_text("#define IPFI_WITH_COUNTERS 0\n")
    source = tmp_path / "main.c"
    source.write_text(
        '#include "ipfi/ipfi.h"\ntypedef char off[IPFI_WITH_COUNTERS ? -1 : 1];\n'
        "size_t whole(void);\nsize_t whole(void) { return sizeof(ipfi_wire_t) + sizeof(off); }\n"
    )
    mine = '-DIPFI_OPTIONS="mine.h"'
    flags = [*build.WARNINGS, mine, f"-I{tmp_path}", *build.INCLUDES]
    build.run([build.any_compiler(), *flags, "-fsyntax-only", source])


PROGRAM = """#include "ipfi/ipfi.h"
static ipfi_wire_t wire;
static const ipfi_config_t config;
int main(void) { START; return 0; }
"""
STARTS = ("ipfi_start(&wire, &config)", "ipfi_init(&wire, &config, 1, 2)")
OTHERS = [*(f"-D{option}=0" for option in OPTIONS), "-DIPFI_FOR_SPEED=1", "-DIPFI_REFUSALS=9"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as it is without options, compiled on its own."""
    place = tmp_path_factory.mktemp("archive")
    flags = [*build.WARNINGS, "-O0", *build.INCLUDES]
    build.run([build.any_compiler(), *flags, "-c", *build.library_sources()], place)
    build.run([build.compiler("ar"), "rc", "libipfi.a", *sorted(place.glob("*.o"))], place)
    return place / "libipfi.a"


def linked(archive: Path, place: Path, start: str, *flags: str) -> str:
    """Link a program with the library; return what the linker complains of."""
    source = place / "main.c"
    source.write_text(PROGRAM.replace("START", start))
    command = [build.any_compiler(), *build.WARNINGS, *flags, *build.INCLUDES, source, archive]
    done = subprocess.run(  # noqa: S603 - our own program
        [*map(str, command), "-o", str(place / "program")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is not bool(done.stderr)
    return done.stderr


@pytest.mark.parametrize("start", STARTS)
def test_a_program_with_the_options_of_the_library_is_linked(
    archive: Path, tmp_path: Path, start: str
) -> None:
    assert linked(archive, tmp_path, start) == ""
    assert linked(archive, tmp_path, start, *(f"-D{option}" for option in OPTIONS)) == ""


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("other", OTHERS)
def test_a_program_with_another_option_than_the_library_is_not_linked(
    archive: Path, tmp_path: Path, start: str, other: str
) -> None:
    """Its structs have other layouts; the missing name tells the option."""
    missing = start.partition("(")[0] + "_with_"
    option, value = other.lower().removeprefix("-dipfi_").removeprefix("with_").split("=")
    said = linked(archive, tmp_path, start, other)
    assert re.search(rf"undefined.*{missing}", said)
    assert f"_{option}_{value}" in said


def test_what_is_left_out_is_not_offered(session: Session) -> None:
    assert session.host.profile == model.CRC16
    assert session.host.theirs.crc_profiles == 1
    assert session.host.theirs.extensions & LOSSY_AND_LOG == 0


def test_calls_streams_events_and_callbacks_are_served(session: Session) -> None:
    assert value_of(session.call(1, pack(40, 2))) == 42
    assert value_of(session.call(2, pack("x" * 200))) == "x" * 200
    call = session.start(3, pack(2))
    parts = [session.finish(3, call) for _ in range(3)]
    assert [part.ends for part in parts] == [model.CHUNK, model.CHUNK, model.COMPLETE]
    session.host.send(model.message(model.EVENT, SET_LED, 0, pack(True)))
    assert value_of(session.call(LED, b"")) is True
    started = session.start(8, pack(50, "hi"))
    session.until(lambda: any(m.kind == model.CALL for m in session.host.messages))
    asked = next(m for m in session.host.messages if m.kind == model.CALL)
    session.host.send(model.message(model.RESPONSE, 50, asked.call, pack("HI")))
    assert value_of(session.finish(8, started)) == "HI"


def test_counters_that_are_not_there_are_told_as_zero(session: Session) -> None:
    assert value_of(session.call(13, b"")) == [0] * 9


def test_a_lossy_event_is_dropped(session: Session) -> None:
    head = bytes([model.LOSSY]) + session.host.session.to_bytes(2, "little")
    session.host.send_frame(head + model.message(model.EVENT, SET_LED, 0, pack(True)))
    assert value_of(session.call(LED, b"")) is False


def test_a_call_with_a_large_index_is_skipped(session: Session) -> None:
    for procedure, call in ((1 << 16, 7), (MAGIC, 1 << 16), ((1 << 16) + MAGIC, 7)):
        session.host.send(model.message(model.CALL, procedure, call, b""))
    assert value_of(session.call(MAGIC, b"")) == 42
    assert not session.host.messages


def test_a_cancel_with_a_large_index_cancels_nothing(session: Session) -> None:
    call = session.start(SLEEP, pack(100))
    for large in (1 << 16, 1 << 32):
        session.host.send(model.message(model.CANCEL, SLEEP, call + large, b""))
    assert value_of(session.finish(SLEEP, call)) == 100
