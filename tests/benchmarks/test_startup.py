"""What a blocking program must not pay for."""

from __future__ import annotations

import subprocess
import sys

_LOOK = """
import sys
from ipfi_serial import connect
{doing}
print([name for name in ("asyncio", "ssl", "difflib") if name in sys.modules])
"""


def _loaded(doing: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _LOOK.format(doing=doing)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


# What is imported by who needs it.  Each costs every program 0.5 to 10 ms at its start.
_NOT_AT_IMPORT = (
    "ipaddress", "pathlib", "secrets", "serial", "socket", "subprocess", "termios", "urllib.parse",
    "ipfi_serial.aio", "ipfi_serial.cli", "ipfi_serial.link.heard", "ipfi_serial.morse",
    "ipfi_serial.sim.board", "ipfi_serial.sim.process", "ipfi_serial.sync.server",
    "ipfi_serial.transport.async_descriptor", "ipfi_serial.transport.impaired",
    "ipfi_serial.transport.listener", "ipfi_serial.transport.ports",
    "ipfi_serial.transport.sockets", "ipfi_serial.transport.stream",
    "ipfi_serial.transport.suggestions", "ipfi_serial.transport.uart",
)  # fmt: skip
# A dataclass writes its methods and compiles them, 0.5 to 1 ms each time it is imported.  These are
# public, or on the path of a call; a Struct or a NamedTuple takes a tenth.
_DATACLASSES = {
    "CrcProfile", "Endpoint", "Entry", "FrameCounters", "LinkCounters", "Parameters", "Procedure",
    "Target", "WireConfig", "WireStats",
}  # fmt: skip
_IMPORT = """
import sys
before = set(sys.modules)
import ipfi_serial
new = set(sys.modules) - before
print(*new)
ours = [sys.modules[name] for name in new if name.startswith("ipfi_serial")]
print(*{each.__name__ for module in ours for each in vars(module).values()
    if isinstance(each, type) and "__dataclass_fields__" in vars(each)})
"""


def _imported() -> tuple[set[str], set[str]]:
    """Names of the modules, and of our dataclasses, that are there because of the import."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, timeout=60
    )
    modules, dataclasses = done.stdout.splitlines()
    return set(modules.split()), set(dataclasses.split())


def test_the_import_loads_no_event_loop() -> None:
    assert _loaded("") == "[]"


def test_the_import_loads_nothing_that_only_some_lines_need() -> None:
    modules, _ = _imported()
    assert "ipfi_serial.sync.connection" in modules  # it looked
    assert modules & set(_NOT_AT_IMPORT) == set()


def test_the_import_makes_no_more_dataclasses_than_it_must() -> None:
    assert _imported()[1] == _DATACLASSES


def test_the_pattern_for_deep_values_is_not_built_before_a_value_is_long_enough_for_it() -> None:
    look = "from ipfi_serial.codec import depth; assert depth._flat_run.cache_info().currsize == 0"
    assert _loaded(look) == "[]"


def test_a_serial_port_that_calls_loads_no_event_loop() -> None:
    """Not with sim: itself, whose openers serve both shells; with the port that it offers."""
    doing = """
from ipfi_serial.sim.process import BoardProcess
with BoardProcess() as board, connect(board.path) as wire:
    assert wire.call("add", 40, 2) == 42
"""
    assert _loaded(doing) == "[]"
