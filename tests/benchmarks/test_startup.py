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


def test_the_import_loads_no_event_loop() -> None:
    assert _loaded("") == "[]"


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
