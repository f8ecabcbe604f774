"""docs/porting.md followed to the letter: its blocks are one project that gets its first call."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.firmware import build, model
from tests.firmware.board import Session

GUIDE = (build.ROOT / "docs/porting.md").read_text()
BLOCKS = re.findall(r"^```c\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
FLAGS = (*build.WARNINGS, f"-I{build.FIRMWARE / 'include'}", f"-I{build.FIRMWARE / 'src'}")


def pack(*values: object) -> bytes:
    return b"".join(msgspec.msgpack.encode(value) for value in values)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guide") / "main.c"
    path.write_text("\n".join(BLOCKS))
    return path


@pytest.fixture
def session(source: Path, tmp_path: Path) -> Iterator[Session]:
    program = tmp_path / "firmware"
    chip = Path(__file__).parent / "chip.c"
    cc = build.any_compiler()
    build.run([cc, *FLAGS, "-O1", source, chip, *build.library_sources(), "-o", program])
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([str(program)], stdin=theirs.fileno(), stdout=theirs.fileno())  # noqa: S603 - our own program
    try:
        theirs.close()
        session = Session(ours.fileno(), model.Host())
        session.connect()
        yield session
    finally:
        ours.close()
        assert process.wait(timeout=5) == 0


def test_the_blocks_compile_for_a_small_chip(source: Path, tmp_path: Path) -> None:
    cc = build.compiler("arm-none-eabi-gcc")
    build.run([cc, *build.CORTEX_M0, *FLAGS, "-c", source, "-o", tmp_path / "main.o"])


def test_the_first_call_is_answered(session: Session) -> None:
    assert msgspec.msgpack.decode(session.call(1, pack(40, 2)).payload) == 42


def test_the_other_examples_do_what_they_say(session: Session) -> None:
    call = session.start(2, pack(3))
    values = [session.finish(2, call) for _ in range(4)]
    assert [value.payload for value in values] == [b"\x00", b"\x01", b"\x02", b""]
    slow = session.start(3, pack(50))
    busy = session.call(3, pack(50))
    assert busy.kind == model.ERROR
    assert session.finish(3, slow).payload == b"\xc3"
    session.host.send(model.message(model.EVENT, 32, 0, pack(True)))
    assert msgspec.msgpack.decode(session.call(1, pack(1, 2)).payload) == 3
