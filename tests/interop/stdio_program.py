"""A program whose standard streams are its wire: runs one scenario, complains on standard error."""

from __future__ import annotations

import sys

from ipfi_serial import connect
from tests.interop.interop_interface import State, make_interface
from tests.interop.scenarios import SCENARIOS, Side


def main(name: str) -> None:
    """Run the scenario on standard input and output."""
    state = State()
    with connect("stdio:", make_interface(state)) as wire:
        wire.on_close(lambda *_: state.closed.set())
        SCENARIOS[name](Side(wire, state))


if __name__ == "__main__":
    main(sys.argv[1])
