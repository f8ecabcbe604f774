"""The README's firmware, built with the library and a port, answers the first call."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipfi_serial import CallRefusedError, Connection, connect
from ipfi_serial.transport.sockets import transport_on
from tests.docs.pages import ROOT, blocks_of
from tests.firmware import build


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    directory = tmp_path_factory.mktemp("readme")
    source, program = directory / "main.c", directory / "firmware"
    (block,) = [block for block in blocks_of(ROOT / "README.md") if block.language == "c"]
    source.write_text(block.text)
    flags = ["-std=c99", f"-I{ROOT / 'firmware-sim/include'}", f"-I{ROOT / 'firmware-sim/src'}"]
    port = Path(__file__).parent / "bare_port.c"
    sources = [source, port, *build.library_sources()]
    build.run([build.any_compiler(), *flags, *sources, "-o", program])
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([program], stdin=theirs.fileno(), stdout=theirs.fileno())  # noqa: S603 - our own program
    theirs.close()
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(process.wait, timeout=5)
        cleanup.callback(ours.close)
        yield cleanup.enter_context(connect(transport_on(ours, "firmware", 11520, ours.close)))


def test_the_firmware_of_the_readme_answers_by_name_and_by_index(wire: Connection) -> None:
    assert wire.call("add", 40, 2) == 42
    assert wire.call(1, 2**32 - 1, 1) == 0


def test_the_firmware_of_the_readme_describes_itself(wire: Connection) -> None:
    (entry,) = wire.describe()
    assert (entry.index, entry.name) == (1, "add")
    assert entry.doc == "Adds two numbers, wrapping."


def test_the_firmware_of_the_readme_refuses_wrong_arguments(wire: Connection) -> None:
    with pytest.raises(CallRefusedError) as caught:
        wire.call("add", "forty", 2)
    assert caught.value.reason == "bad arguments"
    assert caught.value.may_have_executed is False
